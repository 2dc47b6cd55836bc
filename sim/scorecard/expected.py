"""What a scorecard is expected to say: verdict and error of every case, as committed; and what is worse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.experiment.study import StudyError
from sim.scorecard.card import Scorecard
from sim.scorecard.page import percent
from sim.scorecard.scoring import AGREES, CALIBRATES, CONTEXT, FAILED, MISSES, NEARBY, NOT_RUN, UNCOVERED, Score

OURS: Final = Path(__file__).parent / "expected.json"
"""What hostsim's own cases are expected to say."""
SLACK: Final = 0.05
"""By so much |predicted / known − 1| may grow before a case is worse: runs have the same seeds everywhere."""
_RANK: Final = {AGREES: 0, CALIBRATES: 0, CONTEXT: 0, NEARBY: 1, MISSES: 2, UNCOVERED: 3, FAILED: 4}


@dataclass(frozen=True)
class Expected:
    """Verdict and error (ratio; None where there is none) of a case."""

    verdict: str
    error: float | None


def write(found: Scorecard, file: Path) -> None:
    """Write what a later scorecard is held against: the cases that were run, by name."""
    cases = {each.case: [each.verdict, _rounded(each.error)] for each in found.scores if each.verdict != NOT_RUN}
    lines = ",\n".join(f"  {_json(name)}: {_json(each)}" for name, each in cases.items())  # a line a case: to be read
    file.write_text(f'{{"cases": {{\n{lines}\n}}}}\n', encoding="utf-8")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read(file: str | Path) -> dict[str, Expected]:
    """What `write` wrote. Raises StudyError for a file that is not there, or not of this kind."""
    path = Path(file)
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
        return {name: Expected(verdict, error) for name, (verdict, error) in cases.items() if verdict in _RANK}
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, AttributeError, ValueError):
        raise StudyError(f"{path}: not an expected.json of a scorecard") from None


def worse(found: Scorecard, expected: Mapping[str, Expected], *, whole: bool) -> Iterator[str]:
    """A sentence a case that is worse than expected. `whole`: all cases were asked for, so that none may be gone.

    Worse are a verdict further down (agrees, near, misses, not expressible, failed) with an error that grew, an error
    that grew by more than `SLACK`, and a miss that nobody expects yet.
    """
    for each in found.scores:
        if each.verdict == NOT_RUN:
            continue
        before = expected.get(each.case)
        if before is None:
            if _RANK[each.verdict] >= _RANK[MISSES]:
                yield f"{each.case}: {_told(each)}, and is not among the expected ones"
        elif _is_worse(each, before):
            yield f"{each.case}: {_told(each)}; expected: {_text(before.verdict, before.error)}"
    if whole:
        gone = expected.keys() - {each.case for each in found.scores}
        yield from (f"{name}: is expected, and no case any more" for name in sorted(gone))


def better(found: Scorecard, expected: Mapping[str, Expected]) -> int:
    """How many cases have a better verdict than expected."""
    both = ((each, expected[each.case]) for each in found.scores if each.case in expected and each.verdict in _RANK)
    return sum(_RANK[each.verdict] < _RANK[before.verdict] for each, before in both)


def _is_worse(now: Score, before: Expected) -> bool:
    below = _RANK[now.verdict] - _RANK[before.verdict]
    if below > 0 and _RANK[now.verdict] >= _RANK[MISSES]:
        return True
    if now.error is None or before.error is None:
        return below > 0
    return abs(now.error) > abs(before.error) + SLACK


def _rounded(error: float | None) -> float | None:
    return None if error is None else round(error, 4)


def _told(each: Score) -> str:
    return _text(each.verdict, each.error)


def _text(verdict: str, error: float | None) -> str:
    return verdict if error is None else f"{verdict} ({percent(error, sign=True)})"
