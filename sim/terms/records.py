"""What a run leaves behind, as plain data: made by the model, read by the report.

All quantities are SI: seconds, bytes, cores, core-seconds, ratios in 0..1. The measured span of a run is
[`warmup`, `duration`]; tallies, integrals and peaks are of that span, `guests`, `timeline` and `events` of
the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""A table: one array a column, all of the same length."""


@dataclass(frozen=True)
class Times:
    """Non-negative values (s): every one of them, or a histogram."""

    count: int
    total: float
    """Sum of the values, s; exact also where only a histogram is kept."""
    values: Array | None = None
    """Every value, ascending, shape (count,), s."""
    edges: Array | None = None
    """Bin edges of the histogram, ascending, shape (n + 1,), s."""
    counts: NDArray[Any] | None = None
    """Values in each bin, shape (n,)."""


@dataclass(frozen=True)
class RequestTally:
    """One service's requests that arrived in the span; what became of them adds up to `arrived`."""

    arrived: int
    completed: int
    """Served before the client left."""
    rejected: int
    """Turned away because a line was full."""
    timed_out: int
    """The client left first."""
    failed: int
    """Lost with the guest that held them."""
    in_flight: int
    """Undecided at the end of the run."""
    response: Times
    """Arrival to finish of the completed requests, s."""
    waiting_sum: float
    """Sum of arrival to start of service over the requests that `waiting_count` counts, s."""
    waiting_count: int
    """Requests whose service started."""
    calls: int = 0
    """Of `arrived`: those that other services made."""
    outside: bool = True
    """Whether users ask this service, or only other services do."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Where the time of completed responses went, sums, s: `waiting`, `cpu`, `contention`, `wait`, `disk`, `network`,
    `calls`; empty where requests are one job each."""


@dataclass(frozen=True)
class RunRecords:
    """Everything that one run (scenario point, platform, replication) leaves behind."""

    platform: str
    replication: int
    """From 0."""
    services: Sequence[str]
    """In the order of the scenario, tenants expanded."""
    warmup: float
    """Start of the measured span, s."""
    duration: float
    """End of the run, s."""
    cores: float
    """The host's cores."""
    memory: float
    """The host's memory, B."""
    requests: Mapping[str, RequestTally]
    """Of each service that has traffic, or is called."""
    guests: Columns
    """A row a guest: `columns.GUESTS` without the key, and `startup_<phase>`; s, NaN for what never happened."""
    timeline: Columns
    """A row a sample: the columns of `columns.STATE`."""
    events: Columns
    """A row an event: `columns.EVENTS` without the key; an empty `guest` is the host."""
    integrals: Mapping[str, float]
    """Over the span. core-s: `cpu_request` (without the tax), `cpu_start` (applications' own start), `cpu_boot`,
    `cpu_tax`, `cpu_idle`, `cpu_allocated`, `cpu_stranded`; B·s: `memory_used`, `memory_allocated`,
    `memory_stranded`, `memory_cache`, `memory_swapped`; guest-s: `guests`."""
    service_integrals: Mapping[str, Mapping[str, float]]
    """Those of each service, as far as they can be told apart."""
    peaks: Mapping[str, float]
    """Greatest values in the span: `guests`."""
    counters: Mapping[str, float]
    """Totals and results of single mechanisms: `refused`, `oom_kills`, `blast_guests`, `move_time` …"""
    density_max: float | None
    """Guests admitted before the first refusal or OOM kill; None when neither happened."""
    scale_out: Mapping[str, float]
    """From the first scale-up decision of a service to its last new guest ready, s."""
    deploy: Mapping[str, float] = field(default_factory=dict)
    """From a service's first start to its first answered request, s, where that start is in the span."""
    cold: Mapping[str, int] = field(default_factory=dict)
    """Requests for which a guest had to be started, of the services with the per-request rule."""
    power: Sequence[float] = ()
    """What the host draws at equal steps of utilization from 0 to 1, W; empty where unknown."""
    price: float | None = None
    """What the host costs, currency/s; None where unknown."""
    carbon: float | None = None
    """Carbon intensity of its electricity, g/J; None where unknown."""
    wall: float = field(default=0.0, compare=False)
    """Real time that the run took, s."""
