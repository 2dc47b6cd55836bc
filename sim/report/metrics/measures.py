"""The metrics of `docs/results.md` from a run's raw records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.report.metrics import samples
from sim.report.metrics.known import LAST_OF_STARTS, known
from sim.report.metrics.objectives import met
from sim.report.metrics.samples import SpreadOf
from sim.terms.columns import PHASE
from sim.terms.metrics import ALL, Metric, Spread, phase_metrics
from sim.terms.records import Array, RequestTally, RunRecords, Times

if TYPE_CHECKING:
    from sim.scenario import Scenario, Slo


class SummaryRow(NamedTuple):
    """One line of `summary.csv` (without the scenario's name)."""

    platform: str
    replication: int
    service: str
    metric: str
    unit: str
    value: float


def measure(records: RunRecords, scenario: Scenario) -> list[SummaryRow]:
    """Compute every metric that the run can have.

    Service `all` is the host, or all services together. A metric without a meaning here (a percentile of
    nothing, an SLO that nobody asked for) is absent. Time-weighted means are integrals over [warmup,
    duration] divided by span × capacity; percentiles of exact samples use numpy's linear method.

    Raises ValueError when the span is empty.
    """
    if not records.duration > records.warmup:
        raise ValueError(f"nothing to measure: warmup {records.warmup} s, duration {records.duration} s")
    slos = _objectives(records, scenario)
    starts = _starts(records)
    wanted = _metrics(records)
    of_services = [metric for metric in wanted if metric.per_service]
    rows: list[SummaryRow] = []
    for service in (ALL, *records.services):
        run = MeasuredRun(records, service, slos, starts)
        for metric in wanted if service == ALL else of_services:
            value = None if metric.measure is None else metric.measure(run)
            if value is not None and math.isfinite(value):
                rows.append(
                    SummaryRow(records.platform, records.replication, service, metric.name, metric.unit, float(value))
                )
    return rows


def _metrics(records: RunRecords) -> list[Metric]:
    """All metrics, with those of the phases that this run has behind those of whole starts."""
    phases = [
        metric
        for column in records.guests
        if column.startswith(PHASE)
        for metric in phase_metrics(column.removeprefix(PHASE))
    ]
    found: list[Metric] = []
    for metric in known().values():
        found.append(metric)
        if metric.name == LAST_OF_STARTS:
            found += phases
    return found


class Objectives(NamedTuple):
    """A service's objectives, and whether a replica of it was ready in the span (or none was to be)."""

    slo: Slo
    ready: bool


class MeasuredRun:
    """A run, or one of its services, as metrics read it (see `sim.terms.metrics.Measured`)."""

    def __init__(
        self,
        records: RunRecords,
        service: str,
        slos: Mapping[str, Objectives],
        starts: Mapping[str, NDArray[np.intp]],
    ) -> None:
        """`starts`: the rows of the guests that count as started, by service and for all of them."""
        whole = service == ALL
        self.records = records
        self.service = service
        self.services: Sequence[str] = records.services if whole else (service,)
        self.span = records.duration - records.warmup
        requests = records.requests
        self.tallies: Sequence[RequestTally] = [
            requests[name] for name in self.services if name in requests and (requests[name].outside or not whole)
        ]
        self.response: Spread = SpreadOf(samples.merge([tally.response for tally in self.tallies]))
        self.integrals = records.integrals if whole else records.service_integrals.get(service, {})
        self.lost = _lost(records) if whole else {}
        verdicts = [
            met(slos[name].slo, requests[name], self.span, ready=slos[name].ready)
            for name in self.services
            if name in slos and name in requests
        ]
        decided = [verdict for verdict in verdicts if verdict is not None]
        self.slo_met = all(decided) if decided else None
        self._starts = starts.get(service, np.empty(0, np.intp))
        self._startup: dict[str, SpreadOf] = {}

    def startup(self, phase: str = "") -> SpreadOf:
        """Requested to ready, or the length of a phase of those that ran it, s."""
        if phase not in self._startup:
            guests, rows = self.records.guests, self._starts
            if phase:
                took = _floats(guests[f"{PHASE}{phase}"])[rows]
                took = took[~np.isnan(took)]
            else:
                took = _floats(guests["ready"])[rows] - _floats(guests["requested"])[rows]
            self._startup[phase] = SpreadOf(Times(len(took), float(np.sum(took)), values=np.sort(took)))
        return self._startup[phase]


def _objectives(records: RunRecords, scenario: Scenario) -> dict[str, Objectives]:
    """Objectives of the services that have some."""
    ready, stopped = _floats(records.guests["ready"]), _floats(records.guests["stopped"])
    serving = ~np.isnan(ready) & ~(stopped < records.warmup)
    served = {str(name) for name in np.asarray(records.guests["service"])[serving]}
    return {
        name: Objectives(service.slo, name in served or not service.least)
        for name, service in scenario.expanded()
        if service.slo is not None
    }


def _starts(records: RunRecords) -> dict[str, NDArray[np.intp]]:
    """Rows of the guests that became ready in the span, by service and for all."""
    ready = _floats(records.guests["ready"])
    counted = np.flatnonzero((ready >= records.warmup) & (ready <= records.duration))  # NaN (never ready) is neither
    owners = [str(owner) for owner in np.asarray(records.guests["service"])[counted]]
    found: dict[str, list[int]] = {}
    for row, owner in zip(counted.tolist(), owners, strict=True):
        found.setdefault(owner, []).append(row)
    return {ALL: counted, **{owner: np.array(rows, dtype=np.intp) for owner, rows in found.items()}}


def _lost(records: RunRecords) -> Mapping[str, float]:
    """Of the requests that were rejected, failed or timed out: what the host was doing in that sample of the timeline.

    `starting`: some replica was starting. `full`: none was, and as many guests were ready as there were when
    the host refused one for the first time. A request is lost in the sample in which it leaves without an answer.
    """
    line = records.timeline
    if any(name not in line for name in ("time", "arrivals", "completed", "in_flight", "ready")):
        return {}
    time = _floats(line["time"])
    gone = _floats(line["arrivals"])[1:] - _floats(line["completed"])[1:] - np.diff(_floats(line["in_flight"]))
    gone = np.where(time[1:] > records.warmup, np.maximum(gone, 0.0), 0.0)
    if gone.sum() == 0.0:
        return {}
    starting = _starting(records.guests, time)
    full = np.zeros(len(gone), dtype=bool)
    if records.density_max is not None:
        ready = _floats(line["ready"])
        full = ~starting & (np.minimum(ready[1:], ready[:-1]) >= records.density_max)
    return {"starting": float(gone[starting].sum() / gone.sum()), "full": float(gone[full].sum() / gone.sum())}


def _starting(guests: Mapping[str, NDArray[Any]], time: Array) -> NDArray[np.bool_]:
    """Whether a guest was starting at any moment of each sample, shape (samples - 1,)."""
    begun, ready, stopped = (_floats(guests[name]) for name in ("requested", "ready", "stopped"))
    ended = np.where(np.isnan(ready), np.where(np.isnan(stopped), np.inf, stopped), ready)
    before = np.searchsorted(np.sort(begun), time[1:], side="right")
    after = np.searchsorted(np.sort(ended), time[:-1], side="right")
    return before > after


def _floats(column: NDArray[Any]) -> Array:
    return np.asarray(column, dtype=np.float64)
