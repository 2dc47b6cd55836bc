"""Density: the most of something (replicas, tenants, load) that the host carries, found with few runs.

Along one path of the scenario the search doubles until the load is too much, then bisects. Every load meets the same
seeds (common random numbers), each is judged once, and a clear answer needs only a few of its replications
(`objectives`). The search assumes what capacity means: what a host cannot carry it cannot carry with more on top.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sim.experiment.density.objectives import Broke, Observation, Verdict, full_share, judge
from sim.experiment.replications import runner
from sim.experiment.study import Progress, StudyError, most_replications
from sim.experiment.workers.executor import Executor, SerialExecutor
from sim.reading.errors import HostsimError
from sim.report.metrics.statistics import FEWEST

Observe: TypeAlias = Callable[[Any, str, int], Observation]
"""(scenario, platform, replication) -> observation; picklable."""

MOST_REPLICATIONS = 10
"""Replications a load gets at most, unless the scenario asks for more."""
_MOST_STEPS = 1 << 14  # where doubling gives up when no `stop` is given: no host of today carries as many guests


class DensityError(HostsimError):
    """A run of the search failed."""


@dataclass(frozen=True)
class Grid:
    """The values tried: `start`, `start + step`, … up to `stop` (None: no end). Whole numbers stay whole."""

    start: float = 1
    step: float = 1
    stop: float | None = None

    def __post_init__(self) -> None:
        """Refuse an empty grid (StudyError)."""
        if not self.step > 0:
            raise StudyError(f"a grid needs a step above 0, not {self.step}")
        if self.stop is not None and self.stop < self.start:
            raise StudyError(f"a grid cannot stop at {self.stop} before its start, {self.start}")

    @property
    def last(self) -> int:
        """Index of the last value."""
        if self.stop is None:
            return _MOST_STEPS
        return int((self.stop - self.start) / self.step * (1 + 1e-12))

    def value(self, index: int) -> float:
        """The value at an index; an int where start and step are."""
        return self.start + index * self.step


@dataclass(frozen=True)
class Load:
    """One value of the curve that the search walked."""

    value: float
    verdict: Verdict


@dataclass(frozen=True)
class Density:
    """The answer for one platform. `most` is None when already the first value is too much.

    `broke` is what broke just above `most` (None when the grid ended first), `curve` every value judged, ascending,
    `runs` the runs made.
    """

    platform: str
    most: float | None
    broke: Broke | None
    curve: tuple[Load, ...]
    runs: int

    @property
    def monotone(self) -> bool:
        """Whether no load held above one that did not; if not, noise or the model contradicts the search."""
        held = [load.verdict.holds for load in self.curve]
        return held == sorted(held, reverse=True)


def search(grid: Grid) -> Generator[tuple[int, bool], bool, int]:
    """Yield (index to judge, with all replications?), be sent whether it holds; return the last that does (-1: none).

    With an end, plain bisection; without, doubling of the distance from the start first. A "yes" on the way may rest
    on few replications; the answer itself is confirmed with all, and the search goes on below if that fails.
    """
    high = grid.last + 1  # does not hold, by assumption until judged
    held = [-1]  # what held on the way, ascending
    if grid.stop is None:
        index = 0
        while index <= grid.last:
            if not (yield index, False):
                high = index
                break
            held.append(index)
            index = 2 * index + 1
    while True:
        while high - held[-1] > 1:
            middle = (held[-1] + high) // 2
            if (yield middle, False):
                held.append(middle)
            else:
                high = middle
        if held[-1] < 0 or (yield held[-1], True):
            return held[-1]
        high = held.pop()


def observe_run(scenario: Any, platform: str, replication: int) -> Observation:
    """Run one replication on one platform: the default `Observe`."""
    records = runner.run_one(scenario, platform, replication)
    return Observation(runner.summarise(records, scenario), full_share(records))


def density(
    scenario_at: Callable[[Any], Any],
    platforms: Sequence[str],
    grid: Grid,
    *,
    replications: int | None = None,
    executor: Executor | None = None,
    observe: Observe = observe_run,
    progress: Callable[[Progress], None] | None = None,
) -> list[Density]:
    """Find, for each platform, the largest value of `grid` that the host carries (see `objectives.judge`).

    `scenario_at(value)` resolves the scenario; `replications` is the most that a value gets. The platforms are
    searched side by side on the (entered) `executor`, and their runs counted. `progress` is called after each
    round. Raises DensityError when a run fails.
    """
    scenarios = functools.cache(scenario_at)
    first = scenarios(grid.value(0))
    if replications is None:
        replications = max(most_replications(first), MOST_REPLICATIONS)
    walks = [_Walk(platform, grid, scenarios, replications) for platform in platforms]
    runs = 0
    while any(walk.wanted for walk in walks):
        tasks = [(walk.platform, walk.value, replication) for walk in walks for replication in walk.wanted]
        seen = _observe_all(tasks, scenarios, executor or SerialExecutor(), observe)
        runs += len(tasks)
        for walk in walks:
            walk.take([seen[walk.platform, walk.value, replication] for replication in walk.wanted])
        if progress is not None:
            progress(Progress(runs, state="; ".join(walk.state for walk in walks)))
    return [walk.result() for walk in walks]


def _observe_all(
    tasks: Sequence[tuple[str, float, int]],
    scenarios: Callable[[Any], Any],
    executor: Executor,
    observe: Observe,
) -> dict[tuple[str, float, int], Observation]:
    seen: dict[tuple[str, float, int], Observation] = {}
    sent = ((task, scenarios(task[1])) for task in tasks)
    for outcome in executor.unordered(functools.partial(_observe_task, observe=observe), sent):
        if outcome is None:
            continue
        platform, value, replication = outcome.task[0]
        if outcome.result is None:
            where = f"{platform}, value {value}, replication {replication}"
            raise DensityError(f"a run failed ({where}): {outcome.error}") from outcome.error
        seen[outcome.task[0]] = outcome.result
    return seen


def _observe_task(task: tuple[tuple[str, float, int], Any], observe: Observe) -> Observation:
    (platform, _, replication), scenario = task
    return observe(scenario, platform, replication)


@dataclass
class _Walk:
    """The search of one platform: where it stands, and what it wants to see next."""

    platform: str
    grid: Grid
    scenarios: Callable[[Any], Any]
    maximum: int
    curve: dict[int, Verdict] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        self._search = search(self.grid)
        self._index, self._thorough = next(self._search)
        self._seen: dict[int, list[Observation]] = {self._index: []}
        self._most: int | None = None
        self.wanted: range = self._batch()

    @property
    def value(self) -> float:
        """The value under judgement."""
        return self.grid.value(self._index)

    @property
    def state(self) -> str:
        """Where the search stands, in a few words."""
        if self._most is None:
            return f"{self.platform}: trying {self.value:g}"
        return f"{self.platform}: {self.grid.value(self._most):g}" if self._most >= 0 else f"{self.platform}: none"

    def _batch(self) -> range:
        """The first three replications, then as many again at each step."""
        done = len(self._seen[self._index])
        return range(done, min(max(FEWEST, 2 * done), self.maximum))

    def take(self, observations: Sequence[Observation]) -> None:
        """Take what was wanted; go on to the next replications, the next value, or the end."""
        if not observations:
            return
        self.runs += len(observations)
        self._seen[self._index].extend(observations)
        while (verdict := self._verdict()) is not None:
            self.curve[self._index] = verdict
            try:
                self._index, self._thorough = self._search.send(verdict.holds)
            except StopIteration as stop:
                self._most = stop.value
                self.wanted = range(0)
                return
            self._seen.setdefault(self._index, [])
        self.wanted = self._batch()

    def _verdict(self) -> Verdict | None:
        """The verdict on the present value, None when it needs more replications."""
        seen = self._seen[self._index]
        verdict = judge(self.scenarios(self.value), seen, self.maximum) if seen else None
        if verdict is not None and verdict.holds and self._thorough and len(seen) < self.maximum:
            return None  # a refusal or a kill may still come in a later replication
        return verdict

    def result(self) -> Density:
        """The answer, once nothing is wanted any more."""
        most = self._most if self._most is not None else -1
        above = self.curve.get(most + 1)
        broke = above.broke[0] if above is not None and above.broke else None
        curve = tuple(Load(self.grid.value(index), self.curve[index]) for index in sorted(self.curve))
        return Density(self.platform, self.grid.value(most) if most >= 0 else None, broke, curve, self.runs)
