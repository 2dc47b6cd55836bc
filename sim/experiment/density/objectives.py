"""Whether a host carries its load: every objective held, nothing refused, nothing killed for memory.

An objective holds when the one-sided confidence bound of its mean over replications is on the right side of its
limit. The tenants of a service are judged together: one test of all their requests. Beside it each tenant is tested
alone, with Holm's correction, so that one who is starved is not lost in the mean of the others, and of many tenants
none fails by chance more often than one test would. The rule is sequential: a load far from its limit is judged after
a few replications, one near it after all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from sim.report.metrics.objectives import OfTenants, by_run
from sim.report.metrics.statistics import FEWEST, LEVEL, chance_above, holm, lower_bound, upper_bound
from sim.terms.metrics import TAILS

CLEAR = 0.999
"""Confidence (one-sided) at which an early answer is taken: that all replications would say otherwise is unlikely."""
SAFE = 0.95
"""Share of replications that must hold, each by itself, for a load to be called safe (ratio)."""
FULL_TIME = 0.01
"""Share of the time with a full host from which on a missed objective is put down to the CPU: a p99 needs no more."""
_EXACT: dict[str, Cause] = {"guests.refused": "admission", "oom.kills": "memory"}

Cause = Literal["admission", "memory", "CPU", "tail"]
_FIRST: tuple[Cause, ...] = ("admission", "memory", "CPU", "tail")
"""The order of blame: a refused or killed guest makes the tail worse, never the other way round."""


class Observation(NamedTuple):
    """One run as far as density looks.

    `rows`: metric rows of the host (`all`) and of the services with objectives, all tenants of one together. `full`:
    share of the measured time with a full CPU (ratio). `limit`: why admission refused the first start, if it did.
    `seconds`: real time of the run. `tenants`: what each tenant missed.
    """

    rows: Sequence[Any]
    full: float
    limit: str = ""
    seconds: float = 0.0
    tenants: OfTenants = MappingProxyType({})


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
        return self._within(self.bound(confidence))

    def fails(self, confidence: float) -> bool:
        """Whether it is missed with this (one-sided) confidence."""
        if not all(map(math.isfinite, self.values)):
            return True
        bound = (lower_bound if self.at_most else upper_bound)(self.values, confidence)
        return bound is not None and not self._within(bound)

    @property
    def chance(self) -> float | None:
        """One-sided p-value of "it is kept"; 0 where too much was lost for a value in some replication."""
        if not all(map(math.isfinite, self.values)):
            return 0.0
        sign = 1.0 if self.at_most else -1.0
        return chance_above([sign * value for value in self.values], sign * self.limit)

    @property
    def kept(self) -> bool:
        """Whether every replication is on the right side of the limit by itself."""
        return all(map(self._within, self.values))

    def _within(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True)
class Broke:
    """Why a load is too much: the cause, the service (`all` = the host) and a sentence with the numbers."""

    cause: Cause
    service: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The answer for one load. `objectives` as (service, name) -> (mean, bound, limit).

    `kept`: replications in which all was well, each by itself. `clear`: it does not hold, and that is no lack of
    replications. `served`: completed / arrived, of the services with objectives (None: no request).
    """

    holds: bool
    replications: int
    broke: tuple[Broke, ...]
    objectives: Mapping[tuple[str, str], tuple[float, float, float]]
    kept: int = 0
    clear: bool = False
    served: float | None = None

    @property
    def safe(self) -> bool:
        """Whether all was well in as many replications as `SAFE` asks for."""
        return self.holds and self.kept >= SAFE * self.replications


def judge(
    scenario: Any, observations: Sequence[Observation], maximum: int, confidence: float = LEVEL
) -> Verdict | None:
    """Judge a load from its replications so far; None: more are needed. At `maximum` there is always an answer.

    Services with an `slo` are those of `scenario.services`. Raises ValueError for fewer than 3 as `maximum`.
    """
    if maximum < FEWEST:
        raise ValueError(f"a confidence bound needs at least {FEWEST} replications, not {maximum}")
    found = _objectives(scenario, observations)
    count = len(observations)
    exact, starved = _exact(observations), _starved(observations, 1 - confidence)
    if exact or any(not all(map(math.isfinite, each.values)) for each in found):
        pass  # one such replication decides: the full set could not say otherwise
    elif count < maximum:
        if count < FEWEST:
            return None
        held = all(each.holds(CLEAR) for each in found) and not starved
        failed = any(each.fails(CLEAR) for each in found) or _starved(observations, 1 - CLEAR)
        if not held and not failed:
            return None
    missed = [each for each in found if not each.holds(confidence)]
    broke = [*exact, *(_missed(each, observations, confidence) for each in missed)]
    if starved and not missed:
        broke.append(_of_tenants(starved, observations))
    broke.sort(key=lambda each: _FIRST.index(each.cause))
    numbers = {(each.service, each.name): (_mean(each.values), each.bound(confidence), each.limit) for each in found}
    kept = sum(well(scenario, each) for each in observations)
    clear = bool(exact or starved) or any(holm([each.chance for each in missed], 1 - confidence))
    return Verdict(not broke, count, tuple(broke), numbers, kept, clear, _served(observations))


def well(scenario: Any, observation: Observation) -> bool:
    """Whether in this replication by itself no start was refused, nothing was killed, and every objective was met."""
    return not _exact([observation]) and all(one.kept for one in _objectives(scenario, [observation]))


def _objectives(scenario: Any, observations: Sequence[Observation]) -> list[Objective]:
    values = [{(row.service, row.metric): row.value for row in each.rows} for each in observations]
    found: list[Objective] = []
    for service, settings in scenario.services.items():
        slo = settings.slo
        if slo is None:
            continue
        asked = [each for each in values if each.get((service, "requests.arrived"), 0.0) > 0]
        if not asked:
            continue
        for name in TAILS:
            limit = getattr(slo, name)
            if limit is not None:
                reached = tuple(each.get((service, f"response.{name}"), math.inf) for each in asked)
                found.append(Objective(service, name, float(limit), True, reached))
        if slo.availability is not None:
            shares = tuple(_available(each, service) for each in asked)
            found.append(Objective(service, "availability", float(slo.availability), False, shares))
    return found


def _available(values: Mapping[tuple[str, str], float], service: str) -> float:
    """Completed / those whose fate was known at the end of the run (`docs/results.md`); 0 if that was nobody's."""
    decided = values.get((service, "requests.arrived"), 0.0) - values.get((service, "requests.in_flight"), 0.0)
    return values.get((service, "requests.completed"), 0.0) / decided if decided > 0 else 0.0


def _served(observations: Sequence[Observation]) -> float | None:
    totals = {"requests.arrived": 0.0, "requests.completed": 0.0}
    for each in observations:
        for row in each.rows:
            if row.metric in totals:
                totals[row.metric] += row.value
    return totals["requests.completed"] / totals["requests.arrived"] if totals["requests.arrived"] else None


def _exact(observations: Sequence[Observation]) -> list[Broke]:
    """Refused starts and OOM kills: one in one replication is one too many."""
    broke: list[Broke] = []
    for metric, cause in _EXACT.items():
        counts = [_host(each, metric) for each in observations]
        if any(counts):
            what = "starts refused" if metric == "guests.refused" else "OOM kills"
            limit = next((each.limit for each in observations if each.limit), "")
            shares = ", ".join(
                f"{title} {_average([_host(each, name) for each in observations]):.0%}"
                for title, name in (("CPU", "cpu.allocated"), ("memory", "memory.allocated"))
            )
            told = limit if limit and cause == "admission" else f"allocated: {shares} of the host"
            broke.append(Broke(cause, "all", f"{what}: {_average(counts):.3g} ({told})"))
    return broke


def _missed(each: Objective, observations: Sequence[Observation], confidence: float) -> Broke:
    full = _average([observation.full for observation in observations])
    cause: Cause = "CPU" if full >= FULL_TIME else "tail"
    side = "above" if each.at_most else "below"
    unit = " s" if each.at_most else ""
    bound = each.bound(confidence)
    if math.isinf(bound):
        shown = "is not there, as too many requests were lost or none completed"
    else:
        shown = f"{_mean(each.values):.4g}{unit} (bound {bound:.4g}{unit})"
    text = f"{each.name} of {each.service} {shown}, {side} {each.limit:.4g}{unit}; CPU full {full:.0%} of the time"
    return Broke(cause, each.service, text)


def _starved(observations: Sequence[Observation], risk: float) -> dict[tuple[str, str], tuple[float, float]]:
    """(Tenant, objective) that is missed beyond chance → mean share of requests that missed it, share that may."""
    found = by_run(each.tenants for each in observations)
    missed = holm([chance_above(values, most) for values, most in found.values()], risk)
    return {
        key: (_average(values), most) for (key, (values, most)), one in zip(found.items(), missed, strict=True) if one
    }


def _of_tenants(starved: Mapping[tuple[str, str], tuple[float, float]], observations: Sequence[Observation]) -> Broke:
    full = _average([observation.full for observation in observations])
    (tenant, objective), (share, most) = max(starved.items(), key=lambda each: each[1][0] / max(each[1][1], 1e-12))
    number = len({name for name, _ in starved})
    text = (
        f"{number} tenants miss {objective} beyond chance, {tenant} with {share:.2%} of its requests ({most:.2%} may)"
    )
    return Broke("CPU" if full >= FULL_TIME else "tail", tenant, f"{text}; CPU full {full:.0%} of the time")


def _host(observation: Observation, metric: str) -> float:
    return next((row.value for row in observation.rows if row.service == "all" and row.metric == metric), 0.0)


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _mean(values: Sequence[float]) -> float:
    return math.inf if not all(map(math.isfinite, values)) else _average(values)
