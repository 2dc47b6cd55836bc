"""Whether a service kept its objectives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from sim.report.metrics import samples
from sim.terms.metrics import TAILS
from sim.terms.records import RequestTally, RunRecords

if TYPE_CHECKING:
    from sim.scenario import Scenario, Slo

OfTenants: TypeAlias = Mapping[tuple[str, str], tuple[float, float]]
"""(Tenant, objective) → share of its requests that missed it in a run, and the share that may."""


def met(slo: Slo, tally: RequestTally, span: float, *, ready: bool = True) -> bool | None:
    """Whether every objective held over a span (s); None when no request arrived, though a replica was `ready`.

    An objective is of requests, not of survivors: see `reached`. Without a replica, and with requests but none
    completed, every objective is missed.
    """
    if not ready:
        return False
    if tally.arrived == 0:
        return None
    if tally.completed == 0:
        return False
    if slo.availability is not None and tally.completed < slo.availability * (
        tally.arrived - undecided(slo, tally, span)
    ):
        return False
    return all(value <= getattr(slo, name) for name, value in reached(slo, tally, span).items())


def undecided(slo: Slo, tally: RequestTally, span: float) -> float:
    """Requests of a span (s) whose fate is still open at its end.

    One in flight for longer than the objective will not keep it any more: of those in flight, no more than arrive in
    that time are undecided.
    """
    longest = max(_limits(slo).values(), default=span)
    return min(float(tally.in_flight), tally.arrived * longest / span)


def reached(slo: Slo, tally: RequestTally, span: float) -> dict[str, float]:
    """The percentiles of the response time (s) on which `slo` has a limit; infinite where more were lost than that.

    They are of all decided requests of the span (s): one that was rejected, failed or left counts as one that never
    came back.
    """
    names = list(_limits(slo))
    if not names or tally.completed == 0:
        return dict.fromkeys(names, inf)
    beyond = (tally.arrived - undecided(slo, tally, span)) / tally.completed  # one of all is further out among those
    asked = [TAILS[name] * beyond for name in names]
    values = samples.quantiles(tally.response, [min(each, 1.0) for each in asked]).tolist()
    return {name: inf if part > 1.0 else value for name, part, value in zip(names, asked, values, strict=True)}


def missing(slo: Slo, tally: RequestTally, span: float) -> dict[str, tuple[float, float]]:
    """Objective → share of the decided requests of a span (s) that miss it, and the share that may.

    Beyond a percentile's limit are those that took longer and those that never came back: a share is finite where a
    percentile is not, so that its mean over replications can be tested.
    """
    decided = tally.arrived - undecided(slo, tally, span)
    if decided <= 0:
        return {}
    lost = max(decided - tally.completed, 0.0)
    found = {
        name: ((lost + samples.beyond(tally.response, limit)) / max(decided, tally.completed), 1.0 - TAILS[name])
        for name, limit in _limits(slo).items()
    }
    if slo.availability is not None:
        found["availability"] = lost / decided, 1.0 - slo.availability
    return found


def missing_of_tenants(records: RunRecords, scenario: Scenario) -> OfTenants:
    """What each tenant of a service with objectives missed in a run; a service without tenants is not among them."""
    span = records.duration - records.warmup
    return {
        (full, objective): shares
        for name, service in scenario.services.items()
        if service.slo is not None and scenario.tenants_of(name) > 1
        for full in scenario.names_of(name)
        if full in records.requests
        for objective, shares in missing(service.slo, records.requests[full], span).items()
    }


def by_run(runs: Iterable[OfTenants]) -> dict[tuple[str, str], tuple[list[float], float]]:
    """(Tenant, objective) → the share that missed it in each run that has one, and the share that may."""
    found: dict[tuple[str, str], tuple[list[float], float]] = {}
    for run in runs:
        for key, (share, most) in run.items():
            found.setdefault(key, ([], most))[0].append(share)
    return found


def _limits(slo: Slo) -> dict[str, float]:
    return {name: float(limit) for name in TAILS if (limit := getattr(slo, name)) is not None}
