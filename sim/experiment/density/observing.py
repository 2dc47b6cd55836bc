"""One run as density sees it: the tenants of a service as one, its percentiles those of all its requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.experiment.density.objectives import Observation
from sim.experiment.replications import runner
from sim.report.metrics import samples
from sim.report.metrics.objectives import missing_of_tenants, reached, undecided
from sim.terms.metrics import ALL, TAILS
from sim.terms.records import RequestTally, RunRecords

if TYPE_CHECKING:
    from sim.scenario import Scenario

FULL = 0.99
"""Share of the host's cores in use from which on it counts as full (ratio)."""


class Row(NamedTuple):
    """A metric of a service (`all`: the host) in one run."""

    service: str
    metric: str
    value: float


def observe_run(scenario: Scenario, platform: str, replication: int) -> Observation:
    """Run one replication on one platform, and see what density asks for."""
    records = runner.run_one(scenario, platform, replication)
    rows = [*_of_host(records), *_of_services(records, scenario)]
    tenants = missing_of_tenants(records, scenario)
    return Observation(rows, full_share(records), _first_refusal(records), records.wall, tenants)


def _of_host(records: RunRecords) -> Iterator[Row]:
    span = records.duration - records.warmup
    for metric, counter in (("guests.refused", "refused"), ("oom.kills", "oom_kills")):
        yield Row(ALL, metric, records.counters[counter])
    yield Row(ALL, "cpu.allocated", records.integrals["cpu_allocated"] / (records.cores * span))
    yield Row(ALL, "memory.allocated", records.integrals["memory_allocated"] / (records.memory * span))


def _of_services(records: RunRecords, scenario: Scenario) -> Iterator[Row]:
    span = records.duration - records.warmup
    for name, service in scenario.services.items():
        tallies = [records.requests[full] for full in scenario.names_of(name) if full in records.requests]
        slo = service.slo
        if slo is None or not tallies:
            continue
        tally = _merged(tallies)
        yield Row(name, "requests.arrived", float(tally.arrived))
        yield Row(name, "requests.completed", float(tally.completed))
        yield Row(name, "requests.in_flight", undecided(slo, tally, span))
        for objective, value in reached(slo, tally, span).items():
            if objective in TAILS:
                yield Row(name, f"response.{objective}", value)


def _merged(tallies: Sequence[RequestTally]) -> RequestTally:
    def total(name: str) -> Any:
        return sum(getattr(each, name) for each in tallies)

    counts = ("arrived", "completed", "rejected", "timed_out", "failed", "in_flight", "waiting_sum", "waiting_count")
    response = samples.merge([each.response for each in tallies])
    return RequestTally(response=response, **{name: total(name) for name in counts})


def _first_refusal(records: RunRecords) -> str:
    """Why admission refused a start for the first time; empty if it never did."""
    events = records.events
    for event, detail in zip(events["event"], events["detail"], strict=True):
        if event == "refused":
            return str(detail).partition(": ")[2]
    return ""


def full_share(records: RunRecords) -> float:
    """Share of the timeline's samples in the measured span at which the host's cores were all in use (ratio)."""
    line = records.timeline
    time = np.asarray(line["time"], dtype=np.float64)
    inside = (time > records.warmup) & (time <= records.duration)
    if not inside.any():
        return 0.0
    used = np.asarray(line["cpu_used"], dtype=np.float64)[inside]
    capacity = np.asarray(line["cpu_capacity"], dtype=np.float64)[inside]
    return float(np.mean(used >= FULL * capacity))
