"""The metrics of `docs/results.md` from a run's raw records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.report.metrics import samples
from sim.terms.metrics import describe
from sim.terms.records import Array, RequestTally, RunRecords, Sample

if TYPE_CHECKING:
    from sim.scenario import Scenario, Slo

Selection: TypeAlias = NDArray[np.intp]
"""Numbers of rows."""

ALL = "all"
_RESPONSE_TAILS = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_STARTUP_TAILS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_COUNTERS = {
    "refused": "guests.refused",
    "oom_kills": "oom.kills",
    "disk_used": "disk.used",
    "network_pulled": "network.pulled",
    "blast_guests": "blast.guests",
    "blast_requests": "blast.requests",
    "move_time": "move.time",
    "move_downtime": "move.downtime",
    "move_bytes": "move.bytes",
}
_HOST_RATIOS = {
    "cpu.utilization": ("cores", ("cpu_request", "cpu_start")),
    "cpu.overhead": ("cores", ("cpu_boot", "cpu_tax", "cpu_idle")),
    "cpu.allocated": ("cores", ("cpu_allocated",)),
    "cpu.stranded": ("cores", ("cpu_stranded",)),
    "memory.used": ("memory", ("memory_used",)),
    "memory.allocated": ("memory", ("memory_allocated",)),
    "memory.stranded": ("memory", ("memory_stranded",)),
    "memory.cache": ("memory", ("memory_cache",)),
}


class Row(NamedTuple):
    """One line of `summary.csv` (without the scenario's name)."""

    platform: str
    replication: int
    service: str
    metric: str
    unit: str
    value: float


def measure(records: RunRecords, scenario: Scenario) -> list[Row]:
    """Compute every metric that the run can have.

    Service `all` is the host, or all services together. A metric without a meaning here (a percentile of
    nothing, an SLO that nobody asked for) is absent. Time-weighted means are integrals over [warmup,
    duration] divided by span × capacity; percentiles of exact samples use numpy's linear method.

    Raises ValueError when the span is empty.
    """
    if not records.duration > records.warmup:
        raise ValueError(f"nothing to measure: warmup {records.warmup} s, duration {records.duration} s")
    slos = {name: service.slo for name, service in scenario.expanded() if service.slo is not None}
    starts = _starts(records)
    rows: list[Row] = []
    for service in (ALL, *records.services):
        for name, value in _metrics_of(records, service, slos, starts):
            if math.isfinite(value):
                unit = describe(name).unit
                rows.append(Row(records.platform, records.replication, service, name, unit, float(value)))
    return rows


def _metrics_of(
    records: RunRecords, service: str, slos: Mapping[str, Slo], starts: Mapping[str, Selection]
) -> Iterator[tuple[str, float]]:
    yield from _requests(records, service)
    yield from _slo(records, service, slos)
    if service in starts:
        yield from _startups(records, starts[service])
    yield from _longest("scale_out.time", records.scale_out, service)
    yield from _longest("deploy.time", records.deploy, service)
    yield from _shares(records, service)
    if service == ALL:
        yield from _lost(records)
        yield from _host(records)


# ---------------------------------------------------------------- requests


def _requests(records: RunRecords, service: str) -> Iterator[tuple[str, float]]:
    tallies = _tallies(records, service)
    if not tallies:
        return
    for count in ("arrived", "completed", "rejected", "timed_out", "failed", "in_flight"):
        yield f"requests.{count}", sum(getattr(tally, count) for tally in tallies)
    yield "goodput", sum(tally.completed for tally in tallies) / (records.duration - records.warmup)
    response = samples.merge([tally.response for tally in tallies])
    yield "response.mean", samples.mean(response)
    yield from _tails("response", response, _RESPONSE_TAILS)
    cold = records.cold
    asked = sum(records.requests[name].arrived for name in cold if service in (ALL, name) and name in records.requests)
    if asked:
        yield "requests.cold", sum(cold[name] for name in cold if service in (ALL, name)) / asked
    waited = sum(tally.waiting_count for tally in tallies)
    if waited:
        yield "waiting.mean", sum(tally.waiting_sum for tally in tallies) / waited


def _lost(records: RunRecords) -> Iterator[tuple[str, float]]:
    """Of the requests that were rejected, failed or timed out: what the host was doing in that sample of the timeline.

    `lost.starting`: some replica was starting. `lost.full`: none was, and as many guests were ready as there were when
    the host refused one for the first time. A request is lost in the sample in which it leaves without an answer.
    """
    line = records.timeline
    if any(name not in line for name in ("time", "arrivals", "completed", "in_flight", "ready")):
        return
    time = _floats(line["time"])
    gone = _floats(line["arrivals"])[1:] - _floats(line["completed"])[1:] - np.diff(_floats(line["in_flight"]))
    gone = np.where(time[1:] > records.warmup, np.maximum(gone, 0.0), 0.0)
    if gone.sum() == 0.0:
        return
    starting = _starting(records.guests, time)
    full = np.zeros(len(gone), dtype=bool)
    if records.density_max is not None:
        ready = _floats(line["ready"])
        full = ~starting & (np.minimum(ready[1:], ready[:-1]) >= records.density_max)
    yield "lost.starting", float(gone[starting].sum() / gone.sum())
    yield "lost.full", float(gone[full].sum() / gone.sum())


def _starting(guests: Mapping[str, NDArray[Any]], time: Array) -> NDArray[np.bool_]:
    """Whether a guest was starting at any moment of each sample, shape (samples - 1,)."""
    begun, ready, stopped = (_floats(guests[name]) for name in ("requested", "ready", "stopped"))
    ended = np.where(np.isnan(ready), np.where(np.isnan(stopped), np.inf, stopped), ready)
    before = np.searchsorted(np.sort(begun), time[1:], side="right")
    after = np.searchsorted(np.sort(ended), time[:-1], side="right")
    return before > after


def _tallies(records: RunRecords, service: str) -> list[RequestTally]:
    names = records.services if service == ALL else (service,)
    return [records.requests[name] for name in names if name in records.requests]


def _tails(prefix: str, sample: Sample, tails: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for (name, _), value in zip(tails.items(), samples.quantiles(sample, list(tails.values())), strict=True):
        yield f"{prefix}.{name}", float(value)


def _slo(records: RunRecords, service: str, slos: Mapping[str, Slo]) -> Iterator[tuple[str, float]]:
    names = [name for name in (slos if service == ALL else (service,)) if name in slos]
    verdicts = [met(slos[name], records.requests[name]) for name in names if name in records.requests]
    decided = [verdict for verdict in verdicts if verdict is not None]
    if decided:
        yield "slo.met", float(all(decided))


def met(slo: Slo, tally: RequestTally) -> bool | None:
    """Whether every objective held; None when no request was decided in the span.

    Availability is completed / (arrived − in flight): what is undecided at the end of the run is not held
    against the service. Percentiles are of completed requests; with none completed, an objective on them is
    missed.
    """
    decided = tally.arrived - tally.in_flight
    if decided == 0:
        return None
    if slo.availability is not None and tally.completed < slo.availability * decided:
        return False
    limits = {name: getattr(slo, name) for name in _RESPONSE_TAILS}
    asked = {_RESPONSE_TAILS[name]: float(limit) for name, limit in limits.items() if limit is not None}
    reached = samples.quantiles(tally.response, list(asked))
    return all(value <= limit for value, limit in zip(reached, asked.values(), strict=True))


# ---------------------------------------------------------------- starts


def _starts(records: RunRecords) -> dict[str, Selection]:
    """Rows of the guests that became ready in the span, by service and for all."""
    ready = _floats(records.guests["ready"])
    counted = np.flatnonzero((ready >= records.warmup) & (ready <= records.duration))  # NaN (never ready) is neither
    owners = [str(owner) for owner in np.asarray(records.guests["service"])[counted]]
    found: dict[str, list[int]] = {}
    for row, owner in zip(counted.tolist(), owners, strict=True):
        found.setdefault(owner, []).append(row)
    return {ALL: counted, **{owner: np.array(rows, dtype=np.intp) for owner, rows in found.items()}}


def _startups(records: RunRecords, counted: Selection) -> Iterator[tuple[str, float]]:
    guests = records.guests
    latency = _floats(guests["ready"])[counted] - _floats(guests["requested"])[counted]
    yield from _spread("startup", latency)
    for column in guests:
        if column.startswith("startup_"):
            took = _floats(guests[column])[counted]
            yield from _spread(f"startup.{column.removeprefix('startup_')}", took[~np.isnan(took)])


def _floats(column: NDArray[Any]) -> Array:
    return np.asarray(column, dtype=np.float64)


def _spread(prefix: str, seconds: Array) -> Iterator[tuple[str, float]]:
    if len(seconds) == 0:
        return
    sample = Sample(len(seconds), float(np.sum(seconds)), values=np.sort(seconds))
    yield f"{prefix}.mean", samples.mean(sample)
    yield from _tails(prefix, sample, _STARTUP_TAILS)
    yield f"{prefix}.max", float(np.max(seconds))


def _longest(metric: str, seconds: Mapping[str, float], service: str) -> Iterator[tuple[str, float]]:
    if service in seconds:
        yield metric, seconds[service]
    elif service == ALL and seconds:
        yield metric, max(seconds.values())


# ---------------------------------------------------------------- host


def _shares(records: RunRecords, service: str) -> Iterator[tuple[str, float]]:
    """Time-weighted ratios; of one service only those whose every part is known."""
    integrals = records.integrals if service == ALL else records.service_integrals.get(service, {})
    span = records.duration - records.warmup
    capacity = {"cores": records.cores, "memory": records.memory}
    for name, (resource, parts) in _HOST_RATIOS.items():
        if all(part in integrals for part in parts):
            yield name, sum(integrals[part] for part in parts) / (capacity[resource] * span)
    if "guests" in integrals:
        yield "guests.mean", integrals["guests"] / span


def _host(records: RunRecords) -> Iterator[tuple[str, float]]:
    if "guests" in records.peaks:
        yield "guests.peak", records.peaks["guests"]
    if records.density_max is not None:
        yield "density.max", records.density_max
    for counter, name in _COUNTERS.items():
        if counter in records.counters:
            yield name, records.counters[counter]
