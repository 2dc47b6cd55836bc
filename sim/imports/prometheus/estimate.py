"""One service of the recording: its traffic, what a request takes, its memory, size and replicas, what was observed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sim.imports.prometheus import counting, labels
from sim.imports.prometheus.counting import Total
from sim.imports.prometheus.files import Series
from sim.imports.prometheus.gather import Found
from sim.imports.prometheus.law import LEAST, Demand, Histogram, Law, demand, fit, stretch
from sim.reading.errors import ScenarioError
from sim.terms.records import Array

_CV: Final = 1.0
"""Of a request's CPU where there is no histogram (trust: memory)."""


@dataclass
class Window:
    """The span that is replayed: `start`, `end` in s since 1970, and the step of its windows, s."""

    start: float
    end: float
    step: float

    @property
    def grid(self) -> Array:
        """Edges of the windows."""
        return counting.edges(self.start, self.end, self.step)


@dataclass
class Estimate:
    """What is known of a service; amounts are of one replica and in SI, None where nothing says.

    `requests`: by window. `cores`, `memory_mean`: of all replicas, means over time.
    """

    name: str
    requests: Total
    demand: Demand
    law: Law
    cores: float
    replicas: int
    memory: float | None = None
    memory_mean: float | None = None
    memory_most: float | None = None
    histogram: Histogram | None = None
    mean_duration: float | None = None
    cpu_request: float | None = None
    cpu_limit: float | None = None
    memory_request: float | None = None
    memory_limit: float | None = None
    cpu_most: float = 0.0
    one_core: bool = False
    calls: list[str] = field(default_factory=list)
    called: bool = False
    notes: list[str] = field(default_factory=list)
    slower: float = 1.0

    @property
    def in_flight(self) -> float:
        """Most requests in one replica at once, on average over a window: Little's law with the mean duration."""
        most = float((self.requests.added / self.requests.seconds).max())
        length = self.mean_duration or self.law.cpu + self.law.wait
        return most * length / self.replicas


def window_of(services: Sequence[Found]) -> Window:
    """The span that requests and CPU of all services share. Raises ScenarioError where it is too short."""
    grids, steps, every = [], [], 1
    for found in services:
        for some in (_request_series(found)[0] if found.serves else [], found.of("cpu", "cpu-rate")):
            step = counting.step_of(some)
            grid = counting.grid_of(some, step)
            if grid.size:
                grids.append(grid)
                steps.append(step)
            elif some:
                raise ScenarioError([some[0].problem("one sample", "two samples of a counter or a rate at least")])
    start, end = counting.overlap(*grids)
    step = max(steps)
    for found in services:
        if found.serves:
            every = max(every, counting.scraped_every(_requests(found, Window(start, end, step))))
    step *= every
    if end - start < 4 * step:
        first = services[0].of("cpu", "cpu-rate")[0]
        raise ScenarioError([first.problem(f"{max(0.0, end - start):.6g} s that all the series share, by {step:g} s",
                                           "requests and CPU over the same span, four steps at least")])  # fmt: skip
    return Window(start, end, step)


def _request_series(found: Found) -> tuple[list[Series], bool]:
    """The series that count requests, and whether they are counters: a counter, a rate, or the histogram's own."""
    for role, counter in (("requests", True), ("request-rate", False), ("duration-count", True)):
        if found.has(role):
            return found.of(role), counter
    role = "duration" if found.has("duration") else "duration-rate"
    ends = [each for each in found.of(role) if each.labels["le"] in ("+Inf", "Inf", "inf")]
    if not ends:
        raise ScenarioError([found.of(role)[0].problem("a histogram without the bucket le=\"+Inf\"",
                                                       "all of its buckets, or a counter of requests")])  # fmt: skip
    return ends, role == "duration"


def _requests(found: Found, window: Window) -> Total:
    series, counter = _request_series(found)
    return (counting.counted if counter else counting.flowed)(series, window.grid)


def _cpu(found: Found, window: Window) -> Total:
    if found.has("cpu"):
        return counting.counted(found.of("cpu"), window.grid)
    return counting.flowed(found.of("cpu-rate"), window.grid)


def estimate(found: Found, window: Window) -> Estimate:
    """A service that has requests and CPU, before its durations are looked at (`fit_durations`).

    Raises ScenarioError where it had no requests, or its CPU does not grow.
    """
    requests, cpu = _requests(found, window), _cpu(found, window)
    series = _request_series(found)[0]
    if requests.added.sum() <= 0.0:
        raise ScenarioError([series[0].problem("no requests in the span", "a counter that grows")])
    if cpu.added.sum() <= 0.0:
        raise ScenarioError([found.of("cpu", "cpu-rate")[0].problem("no CPU used in the span", "CPU that grows")])
    made = _begun(found, window, requests, cpu)
    made.notes += _told(found, requests, cpu)
    return made


def estimate_called(found: Found, window: Window, caller: Total) -> Estimate:
    """A service without requests of its own: its CPU, by the requests of the one that is taken to call it once each."""
    cpu = _cpu(found, window)
    made = _begun(found, window, caller, cpu)
    made.called = True
    made.notes += _told(found, None, cpu)
    return made


def _begun(found: Found, window: Window, requests: Total, cpu: Total) -> Estimate:
    """All that neither durations nor callers say."""
    asked = demand(cpu.added, requests.added, requests.seconds)
    made = Estimate(
        found.name, requests, asked, Law(asked.mean, 0.0, "lognormal", _CV, 0.0),
        cores=float(cpu.added.sum() / (window.grid[-1] - window.grid[0])), replicas=_replicas(found, window),
    )  # fmt: skip
    made.cpu_most = float((cpu.added / cpu.seconds).max()) / made.replicas
    _sizes(found, window, made)
    return made


def _told(found: Found, requests: Total | None, cpu: Total) -> list[str]:
    notes = []
    for what, total in (("requests", requests), ("CPU", cpu)):
        if total is not None and total.resets:
            notes.append(f"{found.name}: counters of {what} began again {total.resets} times; what they had is kept")
        if total is not None and total.gaps:
            notes.append(f"{found.name}: {total.gaps} gaps in {what}; what came over each is spread evenly over it")
    dropped = sum(each.dropped for some in found.series.values() for each in some)
    if dropped:
        notes.append(f"{found.name}: {dropped} samples are NaN, and left out")
    return notes


def _replicas(found: Found, window: Window) -> int:
    """The median number of replicas at work at once."""
    for some in (found.of("cpu", "cpu-rate"), _request_series(found)[0] if found.serves else []):
        by_replica: dict[str, list[Series]] = defaultdict(list)
        for each in some:
            by_replica[labels.replica_of(each.labels)].append(each)
        if by_replica and "" not in by_replica:
            present = [np.maximum.reduce([counting.alive([one], window.grid) for one in group])
                       for group in by_replica.values()]  # fmt: skip
            return max(1, round(float(np.median(np.sum(present, axis=0)))))
    return 1


def _sizes(found: Found, window: Window, made: Estimate) -> None:
    memory = found.of("memory")
    if memory:
        total = counting.level(memory, window.grid)
        known = total[total > 0.0]
        if known.size:
            made.memory_mean, made.memory_most = float(known.mean()), float(known.max()) / made.replicas
            made.memory = made.memory_mean / made.replicas
    made.cpu_request = _amount(found, "size-request", "cpu", made.replicas)
    made.cpu_limit = _amount(found, "size-limit", "cpu", made.replicas)
    made.memory_request = _amount(found, "size-request", "memory", made.replicas)
    made.memory_limit = _amount(found, "size-limit", "memory", made.replicas)
    quota, period = (_last(found, role) for role in ("quota", "period"))
    if made.cpu_limit is None and quota and period and quota > 0:
        made.cpu_limit = quota / period
    limit = _last(found, "memory-limit")
    if made.memory_limit is None and limit and 0 < limit < 2**60:  # cAdvisor has 0 or 2^63 for none
        made.memory_limit = limit
    made.one_core = found.has("one-core")


def _amount(found: Found, role: str, resource: str, replicas: int) -> float | None:
    """Of kube-state-metrics: what one pod's containers request, or are limited to, together."""
    pods: dict[str, float] = defaultdict(float)
    for each in found.of(role):
        if each.labels.get("resource") == resource:
            pods[labels.replica_of(each.labels)] += float(each.values[-1])
    values = [value for value in pods.values() if value > 0.0]
    if not values:
        return None
    return float(np.median(values)) / (replicas if set(pods) == {""} else 1)


def _last(found: Found, role: str) -> float | None:
    values = [float(each.values[-1]) for each in found.of(role)]
    return float(np.median(values)) if values else None


# durations


def fit_durations(found: Found, window: Window, made: Estimate, host_cores: float | None, elsewhere: float) -> None:
    """The histogram over the span, and the law that it and the CPU say, from windows with little load.

    `elsewhere`: core-seconds that a request takes in the services it calls. Raises ScenarioError for a wrong bound.
    """
    role = "duration" if found.has("duration") else "duration-rate"
    if not found.has(role):
        made.notes.append(f"{made.name}: no histogram of durations: waits and the spread of its work are not known")
        return
    by_bound = _buckets(found.of(role), window, role == "duration")
    bounds = np.array(sorted(bound for bound in by_bound if math.isfinite(bound)))
    if bounds.size < 2:
        made.notes.append(f"{made.name}: a histogram of fewer than two buckets says nothing of its durations")
        return
    unit = labels.unit_of(found.of(role)[0].name)
    upto = np.array([by_bound[bound] for bound in bounds])
    ends = by_bound.get(math.inf, upto[-1])
    counts = np.maximum(np.diff(np.vstack([np.zeros_like(ends), upto, ends]), axis=0), 0.0)
    if counts.sum() <= 0.0:
        return
    made.histogram = Histogram(bounds * unit, counts.sum(axis=1))
    sums = counting.counted(found.of("duration-sum"), window.grid).added * unit if found.has("duration-sum") else None
    made.mean_duration = float(sums.sum() / made.histogram.total) if sums is not None else made.histogram.mean()
    quiet = _quiet(counts.sum(axis=0), made)
    seen = Histogram(bounds * unit, counts[:, quiet].sum(axis=1))
    mean = float(sums[quiet].sum() / seen.total) if sums is not None else seen.mean()
    cores = 1.0 if made.one_core else made.cpu_limit or host_cores or 16.0
    load = made.demand.mean * seen.total / float(made.requests.seconds[quiet].sum()) / made.replicas
    made.slower = stretch(load, cores)
    if mean <= 0.0:
        return
    made.law = fit(made.demand.mean, made.slower, seen, mean - elsewhere)
    share = seen.total / made.histogram.total
    made.notes.append(
        f"{made.name}: waits and spread are those of its quietest windows, {100 * share:.0f} % of the requests, "
        f"{100 * min(1.0, load / cores):.0f} % busy; the rest of the span is predicted"
    )
    if mean < 0.8 * made.demand.mean:
        made.notes.append(
            f"{made.name}: its durations ({mean:.3g} s on average) are shorter than its CPU seconds a request "
            f"({made.demand.mean:.3g}): it works in several threads, or beside requests; the prediction is too slow"
        )


def _buckets(series: Sequence[Series], window: Window, counter: bool) -> dict[float, Array]:
    """Upper bound → durations up to it in each window. Raises ScenarioError for a bound that is no number."""
    groups: dict[float, list[Series]] = defaultdict(list)
    for each in series:
        try:
            bound = float(each.labels["le"])
        except ValueError:
            bound = math.nan
        if math.isnan(bound):
            raise ScenarioError([each.problem(f"le={each.labels['le']!r}", "a number, or +Inf")])
        groups[bound].append(each)
    add = counting.counted if counter else counting.flowed
    return {bound: add(some, window.grid).added for bound, some in groups.items()}


def _quiet(counts: Array, made: Estimate) -> Array:
    """The windows with the lowest load, a third of them and `LEAST` durations at least; indices."""
    order = np.argsort(made.requests.added / made.requests.seconds, kind="stable")
    cumulated = np.cumsum(counts[order])
    enough = int(np.searchsorted(cumulated, LEAST)) + 1
    return np.asarray(order[: max(enough, math.ceil(order.size / 3))])
