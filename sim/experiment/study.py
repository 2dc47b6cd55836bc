"""What every study has: a scenario file with options, an axis through it, a folder of its own, and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.reading.errors import HostsimError, ScenarioError
from sim.report.folder.writer import ResultsError
from sim.scenario import Base, Scenario

RESULTS = Path("results")
"""Folder of all results, below the one in which the study is started."""


class StudyError(HostsimError, ValueError):
    """What is asked cannot be done; nothing was run or written."""


@dataclass(frozen=True)
class Progress:
    """Where a study stands: runs `done` of `total` (None: not known), `failed`, and taken over from before (`reused`).

    `rate` in runs/s (0: not measured), `remaining` in s (None: not known), `state` in words.
    """

    done: int
    total: int | None = None
    failed: int = 0
    reused: int = 0
    rate: float = 0.0
    remaining: float | None = None
    state: str = ""

    @property
    def words(self) -> str:
        """All but the numbers of runs and the time, in words."""
        words = [self.state] if self.state else []
        words += [f"{self.rate:.3g} runs/s"] if self.rate else []
        words += [f"{self.reused:,} were there"] if self.reused else []
        words += [f"{self.failed:,} failed"] if self.failed else []
        return ", ".join(words)


def most_replications(scenario: Scenario) -> int:
    """How many replications a scenario asks for, at most."""
    asked = scenario.replications
    return asked if isinstance(asked, int) else asked.max


def axis_of(base: Base, path: str, unit: str, ends: Iterable[float]) -> Callable[[Any], Scenario]:
    """Value → the scenario with `path` at it and `unit` behind the number, tried at the `ends` of the axis.

    Raises ScenarioError with every mistake; where the value lacks a unit, it says how to give one.
    """
    scenario_at = base.along(path, unit)
    for value in ends:
        try:
            scenario_at(value)
        except ScenarioError as error:
            raise error if unit else unit_hinted(error, value) from None
    return scenario_at


def unit_hinted(error: ScenarioError, value: object) -> ScenarioError:
    """The same mistakes; where a number lacks a unit, with how to give one."""
    hint = f" (is a unit missing? --unit /s makes it {value}/s)"
    return ScenarioError(
        replace(each, allowed=each.allowed + hint) if "unit" in each.allowed or "such as" in each.allowed else each
        for each in error.problems
    )


def folder_for(out: str | Path | None, usual: str, mark: str, what: str) -> Path:
    """The folder of a study: `out`, or results/`usual`; not made yet.

    Raises ResultsError when it holds something without the file `mark`, which tells the folders of a study.
    """
    folder = RESULTS / usual if out is None else Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / mark).is_file():
        raise ResultsError(f"{folder}: exists and is not a {what}; give another --out")
    return folder


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns (one at least) as CSV; None is an empty cell."""
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
