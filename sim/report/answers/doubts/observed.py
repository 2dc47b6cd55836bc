"""All doubts about finished runs, from bad to harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sim.report.answers.doubts import starts, traffic
from sim.report.answers.doubts.evidence import Evidence
from sim.terms.doubts import DOUBTS, Doubt, in_order, touched
from sim.terms.metrics import ALL

SIGHTS: Final[Sequence[Callable[[Evidence], Iterator[Doubt]]]] = (
    starts.never_served, starts.partly_placed, starts.oom_loop, traffic.survivors, traffic.overload,
    starts.boots_in_span, traffic.few_samples, traffic.not_settled, traffic.many_tests,
)  # fmt: skip
_OF_STARTS: Final = ("startup.", "deploy.", "scale_out.", "requests.cold")
_SHOWN_BY_RUNS: Final = ("never-served", "partly-placed", "boots-in-span")
"""What may happen by the file; a run shows whether it does."""
_NOT_ASKED: Final = ("name", "description", "seed", "platforms", "replications", "focus")
"""What may differ between scenarios that ask the same question."""


def observe(evidence: Evidence, foreseen: Sequence[Doubt] = ()) -> list[Doubt]:
    """Every doubt about the runs, with those `foreseen` without them (said once, with what the run showed)."""
    found = [each for sight in SIGHTS for each in sight(evidence)]
    told = [each for each in foreseen if each.code not in _SHOWN_BY_RUNS]
    proved = {("overload", each.platform, each.service) for each in found if each.code == "never-served"}
    proved |= {(each.code, each.platform, each.service) for each in told}
    found = [each for each in found if (each.code, each.platform, each.service) not in proved]
    return in_order(softened([*told, *found], evidence.scenario.focus))


def softened(doubts: Sequence[Doubt], focus: Sequence[str]) -> list[Doubt]:
    """A doubt that touches nothing of what the scenario is about becomes a note; starts are no doubt where they are it.

    No winner is named from what it touches, all the same.
    """
    return [replace(each, severity="note") if _beside(each, focus) else each for each in doubts]


def _beside(each: Doubt, focus: Sequence[str]) -> bool:
    if each.severity != "wrong" or not focus:
        return False
    if each.code == "boots-in-span" and any(entry.rpartition("/")[2].startswith(_OF_STARTS) for entry in focus):
        return True
    asked = [(metric, service or ALL) for service, _, metric in (entry.rpartition("/") for entry in focus)]
    return not any(touched([each], metric, service) for metric, service in asked)


def not_same_question(scenarios: Sequence[Mapping[str, Any]]) -> list[Doubt]:
    """A doubt if the resolved scenarios of several results differ in more than the seed and the platforms."""
    first, *others = ({key: value for key, value in each.items() if key not in _NOT_ASKED} for each in scenarios)
    paths = list(dict.fromkeys(line for other in others for line in differences(first, other)))
    if not paths:
        return []
    told = "; ".join(paths[:3]) + (f"; and {len(paths) - 3} more" if len(paths) > 3 else "")
    text = f"the results answer different questions: {told}"
    return [Doubt("not-same-question", text, numbers={"paths": paths}, advice=DOUBTS["not-same-question"].advice)]


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """What differs between two resolved scenarios, a line a dotted path."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))]
    if old == new:
        return []
    short = all(not isinstance(value, dict | list) and len(str(value)) < 40 for value in (old, new))
    return [f"{path} was {old}, now {new}" if short else f"{path} differs"]
