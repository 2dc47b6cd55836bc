"""Whether a host carries its load: every objective held, nothing refused, nothing killed for memory.

An objective holds when the one-sided confidence bound of its mean over replications is on the right side of its
limit. The rule is sequential: a load far from its limit is judged after a few replications, one near it after all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sim.report.metrics.statistics import FEWEST, LEVEL, lower_bound, upper_bound
from sim.terms.metrics import TAILS

CLEAR = 0.999
"""Confidence (one-sided) at which an early answer is taken: that all replications would say otherwise is unlikely."""
FULL = 0.99
"""Share of the host's cores in use from which on it counts as full (ratio)."""
FULL_TIME = 0.01
"""Share of the time with a full host from which on a missed objective is put down to the CPU: a p99 needs no more."""
_EXACT: dict[str, Cause] = {"guests.refused": "admission", "oom.kills": "memory"}

Cause = Literal["admission", "memory", "CPU", "tail"]
_FIRST: tuple[Cause, ...] = ("admission", "memory", "CPU", "tail")
"""The order of blame: a refused or killed guest makes the tail worse, never the other way round."""


class Observation(NamedTuple):
    """One run as far as density looks: metric rows, and the share of the measured time with a full CPU (ratio)."""

    rows: Sequence[Any]
    full: float


class Objective(NamedTuple):
    """One SLO of one service, with the value that each replication reached."""

    service: str
    name: str
    limit: float
    at_most: bool
    values: tuple[float, ...]

    def bound(self, confidence: float) -> float:
        """The confidence bound that must be on the right side of the limit; infinite values stay infinite."""
        if not all(map(math.isfinite, self.values)):
            return math.inf if self.at_most else -math.inf
        found = (upper_bound if self.at_most else lower_bound)(self.values, confidence)
        return math.nan if found is None else found

    def holds(self, confidence: float) -> bool:
        """Whether the objective holds with this (one-sided) confidence."""
        bound = self.bound(confidence)
        return bound <= self.limit if self.at_most else bound >= self.limit

    def fails(self, confidence: float) -> bool:
        """Whether it is missed with this (one-sided) confidence."""
        if not all(map(math.isfinite, self.values)):
            return True
        bound = (lower_bound if self.at_most else upper_bound)(self.values, confidence)
        return bound is not None and (bound > self.limit if self.at_most else bound < self.limit)


@dataclass(frozen=True)
class Broke:
    """Why a load is too much: the cause, the service (`all` = the host) and a sentence with the numbers."""

    cause: Cause
    service: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The answer for one load. `objectives` as (service, name) -> (mean, bound, limit)."""

    holds: bool
    replications: int
    broke: tuple[Broke, ...]
    objectives: Mapping[tuple[str, str], tuple[float, float, float]]


def judge(
    scenario: Any, observations: Sequence[Observation], maximum: int, confidence: float = LEVEL
) -> Verdict | None:
    """Judge a load from its replications so far; None: more are needed. At `maximum` there is always an answer.

    Services with an `slo` are those of `scenario.expanded()`. Raises ValueError for fewer than 3 as `maximum`.
    """
    if maximum < FEWEST:
        raise ValueError(f"a confidence bound needs at least {FEWEST} replications, not {maximum}")
    found = _objectives(scenario, observations)
    count = len(observations)
    if _exact(observations) or any(not all(map(math.isfinite, each.values)) for each in found):
        pass  # one such replication decides: the full set could not say otherwise
    elif count < maximum:
        if count < FEWEST:
            return None
        held = all(each.holds(CLEAR) for each in found)
        if not held and not any(each.fails(CLEAR) for each in found):
            return None
    missed = [each for each in found if not each.holds(confidence)]
    broke = [*_exact(observations), *(_missed(each, observations, confidence) for each in missed)]
    broke.sort(key=lambda each: _FIRST.index(each.cause))
    numbers = {(each.service, each.name): (_mean(each.values), each.bound(confidence), each.limit) for each in found}
    return Verdict(not broke, count, tuple(broke), numbers)


def full_share(records: Any) -> float:
    """Share of the timeline's samples in the measured span at which the host's cores were all in use (ratio)."""
    import numpy as np

    line = records.timeline
    time = np.asarray(line["time"], dtype=np.float64)
    inside = (time > records.warmup) & (time <= records.duration)
    if not inside.any():
        return 0.0
    used = np.asarray(line["cpu_used"], dtype=np.float64)[inside]
    capacity = np.asarray(line["cpu_capacity"], dtype=np.float64)[inside]
    return float(np.mean(used >= FULL * capacity))


def _objectives(scenario: Any, observations: Sequence[Observation]) -> list[Objective]:
    values = [{(row.service, row.metric): row.value for row in each.rows} for each in observations]
    found: list[Objective] = []
    for service, settings in scenario.expanded():
        slo = settings.slo
        if slo is None:
            continue
        decided = [each for each in values if _decided(each, service) > 0]
        if not decided:
            continue
        for name in TAILS:
            limit = getattr(slo, name)
            if limit is not None:
                reached = tuple(each.get((service, f"response.{name}"), math.inf) for each in decided)
                found.append(Objective(service, name, float(limit), True, reached))
        if slo.availability is not None:
            shares = tuple(each.get((service, "requests.completed"), 0.0) / _decided(each, service) for each in decided)
            found.append(Objective(service, "availability", float(slo.availability), False, shares))
    return found


def _decided(values: Mapping[tuple[str, str], float], service: str) -> float:
    """Requests whose fate was known at the end of the run, as availability counts them (`docs/results.md`)."""
    return values.get((service, "requests.arrived"), 0.0) - values.get((service, "requests.in_flight"), 0.0)


def _exact(observations: Sequence[Observation]) -> list[Broke]:
    """Refused starts and OOM kills: one in one replication is one too many."""
    broke: list[Broke] = []
    for metric, cause in _EXACT.items():
        counts = [_host(each, metric) for each in observations]
        if any(counts):
            what = "starts refused" if metric == "guests.refused" else "OOM kills"
            shares = ", ".join(
                f"{title} {_average([_host(each, name) for each in observations]):.0%}"
                for title, name in (("CPU", "cpu.allocated"), ("memory", "memory.allocated"))
            )
            text = f"{what}: {_average(counts):.3g} (allocated: {shares} of the host)"
            broke.append(Broke(cause, "all", text))
    return broke


def _missed(each: Objective, observations: Sequence[Observation], confidence: float) -> Broke:
    full = _average([observation.full for observation in observations])
    cause: Cause = "CPU" if full >= FULL_TIME else "tail"
    side = "above" if each.at_most else "below"
    unit = " s" if each.at_most else ""
    bound = each.bound(confidence)
    shown = "none completed" if math.isinf(bound) else f"{_mean(each.values):.4g}{unit} (bound {bound:.4g}{unit})"
    text = f"{each.name} of {each.service} {shown}, {side} {each.limit:.4g}{unit}; CPU full {full:.0%} of the time"
    return Broke(cause, each.service, text)


def _host(observation: Observation, metric: str) -> float:
    return next((row.value for row in observation.rows if row.service == "all" and row.metric == metric), 0.0)


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _mean(values: Sequence[float]) -> float:
    return math.inf if not all(map(math.isfinite, values)) else _average(values)
