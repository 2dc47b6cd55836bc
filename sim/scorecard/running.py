"""Runs what the cases ask for, each run once however many cases read it, and keeps only what was asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.scorecard.building import Key, Part, Plan
from sim.scorecard.measures import FIT, Asked, Ran, Sample, fit, take

if TYPE_CHECKING:
    from sim.experiment.workers.executor import Executor
    from sim.scenario import Scenario


@dataclass(frozen=True)
class Task:
    """One run, and what is asked of it."""

    key: Key
    scenario: Scenario
    platform: str
    replication: int
    wanted: tuple[Asked, ...]


class Runs:
    """The samples of all runs: by scenario and platform, then by replication; or why there are none."""

    def __init__(self) -> None:
        self._samples: dict[tuple[Key, Asked], dict[int, Sample]] = {}
        self._errors: dict[Key, str] = {}

    def add(self, task: Task, found: Mapping[Asked, Sample] | None, error: Exception | None) -> None:
        """Keep what became of a run."""
        if found is None:
            self._errors.setdefault(task.key, f"{type(error).__name__}: {error}")
            return
        for asked, sample in found.items():
            self._samples.setdefault((task.key, asked), {})[task.replication] = sample

    def error(self, part: Part) -> str | None:
        """Why a run of this failed, if one did."""
        return self._errors.get(part.key)

    def samples(self, part: Part, replications: int) -> list[Sample]:
        """The samples of a part, in the order of the replications."""
        found = self._samples[part.key, part.asked]
        return [found[number] for number in range(replications)]


def tasks_of(plans: Iterable[tuple[Plan, int]]) -> list[Task]:
    """The runs of plans with so many replications each; a run that several want is made once."""
    wanted: dict[Key, dict[int, dict[Asked, None]]] = {}
    first: dict[Key, Part] = {}
    for plan, replications in plans:
        for part in plan.parts:
            first.setdefault(part.key, part)
            for number in range(replications):
                wanted.setdefault(part.key, {}).setdefault(number, {})[part.asked] = None
    return [
        Task(key, first[key].scenario, key[1], number, tuple(asked))
        for key, numbers in wanted.items()
        for number, asked in numbers.items()
    ]


def perform(task: Task) -> dict[Asked, Sample]:
    """Make a run and read it."""
    from sim.experiment.replications.runner import measured, run_one

    scenario = measured(task.scenario)
    searched = [each for each in task.wanted if each.measure == FIT]
    found = {each: fit(scenario, task.platform, task.replication, each) for each in searched}
    if rest := [each for each in task.wanted if each.measure != FIT]:
        found |= take(Ran(run_one(scenario, task.platform, task.replication), scenario), rest)
    return found


def run(tasks: Sequence[Task], executor: Executor, progress: Callable[[int, int], None] | None = None) -> Runs:
    """Make all runs; one that fails stops no other."""
    runs, done = Runs(), 0
    for outcome in executor.unordered(perform, tasks):
        if outcome is not None:
            done += 1
            runs.add(outcome.task, outcome.result, outcome.error)
        if progress is not None:
            progress(done, len(tasks))
    return runs
