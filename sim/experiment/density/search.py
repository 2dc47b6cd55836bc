"""Density: the most of something (replicas, tenants, load) that the host carries, found with few runs.

Along one path of the scenario the search begins where promises alone let it end, or doubles until the load is too much,
then bisects. Every load meets the same seeds (common random numbers), each is judged once, and a clear answer needs
only a few of its replications (`objectives`). The search assumes what capacity means: what a host cannot carry it
cannot carry with more on top. Around the answer it looks for the most that is safe, and the least that clearly is not.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sim.experiment.density.objectives import Broke, Observation, Verdict, judge
from sim.experiment.density.observing import observe_run
from sim.experiment.density.questions import Found, Grid, surround
from sim.experiment.study import Progress, most_replications
from sim.experiment.workers.executor import Executor, SerialExecutor
from sim.reading.errors import HostsimError
from sim.report.metrics.statistics import FEWEST, Interval

Observe: TypeAlias = Callable[[Any, str, int], Observation]
"""(scenario, platform, replication) -> observation; picklable."""

MOST_REPLICATIONS = 10
"""Replications a load gets at most, unless the scenario asks for more."""
TYPICAL = 5
"""Replications that a value on the way gets on the mean: three, six or all (to tell how much is still to come)."""


class DensityError(HostsimError):
    """A run of the search failed."""


@dataclass(frozen=True)
class Load:
    """One value of the curve that the search walked."""

    value: float
    verdict: Verdict


@dataclass(frozen=True)
class Density:
    """The answer for one platform. `most` is None when already the first value is too much.

    `safe`: the most at which all was well in 95 % of the replications, each by itself (None: no value); `high`: the
    most that is not clearly too much (None: the grid ended first); the answer is between them whatever the seeds.
    `broke` is what broke just above `most` (None when the grid ended first), `curve` every value judged, ascending,
    `runs` the runs made, `complete` whether time was enough. `recovery`: s from a reboot of the host at the answer
    until all serve again, where one was looked at (`rebooted`; None then: longer than two hours).
    """

    platform: str
    most: float | None
    broke: Broke | None
    curve: tuple[Load, ...]
    runs: int
    safe: float | None = None
    high: float | None = None
    complete: bool = True
    rebooted: bool = False
    recovery: Interval | None = None

    @property
    def monotone(self) -> bool:
        """Whether no load held above one that did not; if not, noise or the model contradicts the search."""
        held = [load.verdict.holds for load in self.curve]
        return held == sorted(held, reverse=True)

    @property
    def singles(self) -> tuple[float, float] | None:
        """Where single runs end: the most at which none had failed, the least at which none was well.

        None where no value came between, at which some were well and some were not.
        """
        shares = [(load.value, load.verdict.kept / load.verdict.replications) for load in self.curve]
        whole = [value for value, share in shares if share == 1.0]
        none = [value for value, share in shares if share == 0.0]
        if not whole or not none or not any(0.0 < share < 1.0 for _, share in shares):
            return None
        low, high = max(whole), min(none)
        return (low, high) if low < high else None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the answer."""
        return next((load.verdict for load in self.curve if load.value == self.most), None)


class Pace:
    """How long runs take, and whether there is time for more. `budget`: s of real time (None: no end)."""

    def __init__(self, budget: float | None) -> None:
        self._began, self._budget = time.perf_counter(), budget
        self.runs, self._last = 0, 0.0

    def took(self, runs: int, seconds: float) -> None:
        """A round of runs is done, which took so long in all."""
        self.runs += runs
        self._last = seconds / runs if runs else self._last

    def remaining(self, runs: float) -> float | None:
        """Seconds that so many more runs will take; None before there was one."""
        return runs * self._last if self.runs else None

    def allows(self, runs: int) -> bool:
        """Whether a round of so many runs can be expected to end in time."""
        if self._budget is None or not self.runs:
            return True
        return time.perf_counter() - self._began + runs * self._last <= self._budget


def density(
    scenario_at: Callable[[Any], Any],
    platforms: Sequence[str],
    grid: Grid,
    *,
    replications: int | None = None,
    executor: Executor | None = None,
    observe: Observe = observe_run,
    progress: Callable[[Progress], None] | None = None,
    hints: Mapping[str, int] | None = None,
    budget: float | None = None,
) -> list[Density]:
    """Find, for each platform, the largest value of `grid` that the host carries (see `objectives.judge`).

    `scenario_at(value)` resolves the scenario; `replications` is the most that a value gets; `hints` are indices at
    which to begin, by platform. The platforms are searched side by side on the (entered) `executor`, and their runs
    counted. `progress` is called after each round. With a `budget` (s) the search ends when the next round would not
    be in time, and says what it knows. Raises DensityError when a run fails.
    """
    scenarios = functools.cache(scenario_at)
    first = scenarios(grid.value(0))
    if replications is None:
        replications = max(most_replications(first), MOST_REPLICATIONS)
    chosen = executor or SerialExecutor()
    walks = [_Walk(name, grid, scenarios, replications, (hints or {}).get(name)) for name in platforms]
    pace = Pace(budget)
    while any(walk.wanted for walk in walks):
        tasks = [(walk.platform, walk.value, replication) for walk in walks for replication in walk.wanted]
        if not pace.allows(len(tasks)):
            break
        began = time.perf_counter()
        seen = _observe_all(tasks, scenarios, chosen, observe)
        pace.took(len(tasks), time.perf_counter() - began)
        for walk in walks:
            walk.take([seen[walk.platform, walk.value, replication] for replication in walk.wanted])
        if progress is not None:
            left = sum(walk.left for walk in walks)
            state = "; ".join(walk.state for walk in walks)
            progress(Progress(pace.runs, remaining=pace.remaining(left), state=state))
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
    hint: int | None = None
    curve: dict[int, Verdict] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        self._search = surround(self.grid, self.hint)
        self._index, self._thorough = next(self._search)
        self._seen: dict[int, list[Observation]] = {self._index: []}
        self._found: Found | None = None
        self.wanted: range = self._batch()

    @property
    def value(self) -> float:
        """The value under judgement."""
        return self.grid.value(self._index)

    @property
    def state(self) -> str:
        """Where the search stands, in a few words."""
        if self._found is None:
            return f"{self.platform}: trying {self.value:g}"
        most = self._found.most
        return f"{self.platform}: {self.grid.value(most):g}" if most >= 0 else f"{self.platform}: none"

    @property
    def left(self) -> float:
        """About how many runs are still to come."""
        if self._found is not None:
            return 0.0
        low, high = self._bracket()
        if high is None:
            high = max(2 * (low + 1), self.hint or 0, self._index) + 1
        steps = math.log2(max(high - low, 1))
        confirmed = self.curve.get(low) is not None and self.curve[low].replications >= self.maximum
        return steps * min(TYPICAL, self.maximum) + (0 if confirmed else self.maximum)

    def _bracket(self) -> tuple[int, int | None]:
        """The last that held (-1: none) below the first that did not (None: none yet)."""
        high = min((index for index, each in self.curve.items() if not each.holds), default=None)
        held = (index for index, each in self.curve.items() if each.holds and (high is None or index < high))
        return max(held, default=-1), high

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
                self._index, self._thorough = self._search.send(verdict)
            except StopIteration as stop:
                self._found = stop.value
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
        """The answer, once nothing is wanted any more, or what is known when time is over."""
        found, complete = self._found, self._found is not None
        if found is None:
            low, over = self._bracket()
            safe = (index for index, each in self.curve.items() if each.safe and index <= low)
            found = Found(low, max(safe, default=-1), self.grid.last if over is None else over - 1)
        above = self.curve.get(found.most + 1)
        broke = above.broke[0] if above is not None and above.broke else None
        curve = tuple(Load(self.grid.value(index), self.curve[index]) for index in sorted(self.curve))
        high = None if found.high >= self.grid.last else self._value(found.high)
        return Density(
            self.platform, self._value(found.most), broke, curve, self.runs, self._value(found.safe), high, complete
        )

    def _value(self, index: int) -> float | None:
        return self.grid.value(index) if index >= 0 else None
