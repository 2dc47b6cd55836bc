"""The runs behind an attribution: two platforms, and those put together from both, on the same seeds."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.experiment.attribution.groups import Cast
from sim.experiment.density.search import Pace
from sim.experiment.study import Progress
from sim.experiment.workers.executor import Executor
from sim.reading.errors import HostsimError
from sim.report.metrics.known import describe
from sim.report.metrics.measures import SummaryRow, measure
from sim.scenario import Scenario
from sim.terms.metrics import ALL, USERS, Metric
from sim.terms.records import Array

SERVED = "served"
"""The share of the requests that were completed: a metric that only attributions have."""
_SERVED = Metric(SERVED, "ratio", "requests served", USERS, "higher", meaning="completed / arrived")


class WhyError(HostsimError):
    """A run of an attribution failed, or the metric is missing in one."""


@dataclass(frozen=True)
class Asked:
    """The metric that is split: of a service (`all`: the host)."""

    metric: str
    service: str = ALL

    @classmethod
    def of(cls, text: str) -> Asked:
        """From `response.p99` or `shop/response.p99`."""
        service, _, metric = text.rpartition("/")
        return cls(metric, service or ALL)

    @property
    def described(self) -> Metric:
        """Its unit, label and better side."""
        return _SERVED if self.metric == SERVED else describe(self.metric)

    @property
    def name(self) -> str:
        """As it is asked for."""
        return self.metric if self.service == ALL else f"{self.service}/{self.metric}"

    @property
    def label(self) -> str:
        """As people say it."""
        label = self.described.label.strip()
        return label if self.service == ALL else f"{self.service}: {label}"

    def find(self, rows: Iterable[SummaryRow]) -> tuple[float, float]:
        """The metric in a run, and the share served (of the service); NaN where there is none."""
        found = {row.metric: float(row.value) for row in rows if row.service == self.service}
        arrived = found.get("requests.arrived", 0.0)
        served = found.get("requests.completed", 0.0) / arrived if arrived else math.nan
        return (served if self.metric == SERVED else found.get(self.metric, math.nan)), served


@dataclass(frozen=True)
class Game:
    """A scenario (with a number as its warm-up), who plays, and what is asked."""

    scenario: Scenario
    cast: Cast
    asked: Asked

    def play(self, coalition: int, replication: int) -> tuple[float, float]:
        """One run: the metric, and the share served."""
        from sim.model.run import simulate

        records = simulate(self.scenario, self.cast.platform(coalition), replication)
        return self.asked.find(measure(records, self.scenario))


def play(task: tuple[int, int], game: Game) -> tuple[float, float]:
    """On a worker: one run of a coalition and a replication."""
    return game.play(*task)


@dataclass
class Played:
    """What the runs gave: coalition → replication → metric and share served. `complete`: the time was enough."""

    worth: dict[int, dict[int, float]] = field(default_factory=dict)
    served: dict[int, dict[int, float]] = field(default_factory=dict)
    runs: int = 0
    complete: bool = True

    def put(self, coalition: int, replication: int, found: tuple[float, float]) -> None:
        """One run more."""
        self.worth.setdefault(coalition, {})[replication] = found[0]
        self.served.setdefault(coalition, {})[replication] = found[1]

    def arrays(self, coalitions: Iterable[int], replications: Sequence[int]) -> dict[int, Array]:
        """Coalition → worth in these replications."""
        return {each: np.array([self.worth[each][number] for number in replications]) for each in coalitions}


def play_all(
    game: Game,
    played: Played,
    coalitions: Sequence[int],
    replications: Sequence[int],
    executor: Executor,
    *,
    budget: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[int]:
    """Make the runs that `played` lacks, replication by replication; gives the replications that are whole.

    With a `budget` (s of real time) it ends before the replication that is not expected to be in time; the first
    is always made. Raises WhyError when a run fails or has no such metric.
    """
    pace, whole = Pace(budget), list[int]()
    total = played.runs + len(coalitions) * len(replications)
    for number in replications:
        tasks = [(each, number) for each in coalitions]
        if whole and not pace.allows(len(tasks)):
            played.complete = False
            break
        began = time.perf_counter()
        for outcome in executor.unordered(functools.partial(play, game=game), tasks):
            if outcome is None:
                continue
            if outcome.result is None:
                raise WhyError(f"a run failed ({where(game, *outcome.task)}): {outcome.error}") from outcome.error
            played.put(*outcome.task, outcome.result)
            played.runs += 1
            if progress is not None:
                left = total - played.runs
                progress(Progress(played.runs, total, remaining=pace.remaining(left)))
        pace.took(len(tasks), time.perf_counter() - began)
        whole.append(number)
    for each in (0, *coalitions, game.cast.full):
        for number in whole:
            if math.isnan(played.worth[each][number]):
                told = f"{game.asked.name} is missing ({where(game, each, number)})"
                raise WhyError(f"{told}: it cannot be split, ask for another --metric")
    return whole


def where(game: Game, coalition: int, replication: int) -> str:
    """A run in words."""
    return f"{game.cast.told(coalition)}, replication {replication + 1}"
