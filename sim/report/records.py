"""What a run hands to the report: the shapes that `sim.report` reads, without knowing who made them.

All quantities are SI: seconds, bytes, cores, core-seconds, ratios in 0..1. The measured span of a run is
[`warmup`, `duration`]; tallies, integrals and peaks are of that span, `guests`, `timeline` and `events` of
the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""A table: one array a column, all of the same length."""

STATUSES = ("completed", "rejected", "timed-out", "failed", "in-flight")
"""What can become of a request, as written in `requests.parquet`."""


class Sample(Protocol):
    """A sample of non-negative values (seconds): either every value, or a histogram of them."""

    @property
    def count(self) -> int:
        """Number of values."""

    @property
    def total(self) -> float:
        """Sum of the values, s (exact also when only a histogram is kept)."""

    @property
    def values(self) -> Array | None:
        """Every value, ascending, shape (count,), s; None when a histogram is kept instead."""

    @property
    def edges(self) -> Array | None:
        """Bin edges of the histogram, ascending, shape (n + 1,), s; None when the values are kept."""

    @property
    def counts(self) -> NDArray[Any] | None:
        """Values in each bin, shape (n,); None when the values are kept."""


class RequestTally(Protocol):
    """One service's requests that arrived in the span; the six counts add up to `arrived`."""

    @property
    def arrived(self) -> int:
        """Requests that arrived."""

    @property
    def completed(self) -> int:
        """Served before the client left."""

    @property
    def rejected(self) -> int:
        """Turned away because a line was full."""

    @property
    def timed_out(self) -> int:
        """The client left first."""

    @property
    def failed(self) -> int:
        """Lost with the guest that held them."""

    @property
    def in_flight(self) -> int:
        """Undecided at the end of the run."""

    @property
    def response(self) -> Sample:
        """Arrival to finish of the completed requests, s."""

    @property
    def waiting_sum(self) -> float:
        """Sum of arrival to start of service, over the requests that `waiting_count` counts, s."""

    @property
    def waiting_count(self) -> int:
        """Requests whose service started."""


class RunRecords(Protocol):
    """Everything that one run (scenario point, platform, replication) leaves behind."""

    @property
    def platform(self) -> str:
        """Name of the platform."""

    @property
    def replication(self) -> int:
        """Number of the replication, from 0."""

    @property
    def services(self) -> Sequence[str]:
        """Services in the order of the scenario (tenants expanded)."""

    @property
    def warmup(self) -> float:
        """Start of the measured span, s."""

    @property
    def duration(self) -> float:
        """End of the run, s."""

    @property
    def cores(self) -> float:
        """The host's cores."""

    @property
    def memory(self) -> float:
        """The host's memory, B."""

    @property
    def requests(self) -> Mapping[str, RequestTally]:
        """Tally of each service that has traffic."""

    @property
    def guests(self) -> Columns:
        """A row a guest: `service guest requested ready stopped stop_reason` and `startup_<phase>`.

        Times in s, NaN for what never happened; `stop_reason` is empty while the guest runs.
        """

    @property
    def timeline(self) -> Columns:
        """A row a sample: state at `time` (s).

        `guests`, `ready`, `in_flight` (1); `cpu_used`, `cpu_allocated`, `cpu_capacity` (cores; used is the
        mean since the previous sample); `memory_used`, `memory_allocated`, `memory_capacity`, `memory_cache` (B);
        `arrivals`, `completed` (requests since the previous sample).
        """

    @property
    def events(self) -> Columns:
        """A row an event: `time` (s), `guest` (empty = the host), `event`, `detail`."""

    @property
    def integrals(self) -> Mapping[str, float]:
        """Time integrals over the span.

        core-s: `cpu_request` (without the tax), `cpu_start` (applications' own start), `cpu_boot`, `cpu_tax`,
        `cpu_idle`, `cpu_allocated`; B·s: `memory_used`, `memory_allocated`, `memory_stranded`; guest-s:
        `guests`.
        """

    @property
    def service_integrals(self) -> Mapping[str, Mapping[str, float]]:
        """Time integrals of each service, as far as they can be told apart; names as in `integrals`."""

    @property
    def peaks(self) -> Mapping[str, float]:
        """Greatest values in the span; `guests`."""

    @property
    def counters(self) -> Mapping[str, float]:
        """Totals and results of single mechanisms: `refused`, `oom_kills`, `blast_guests`, `move_time` …"""

    @property
    def density_max(self) -> float | None:
        """Guests admitted before the first refusal or OOM kill; None when neither happened."""

    @property
    def scale_out(self) -> Mapping[str, float]:
        """From the first scale-up decision of a service to its last new guest ready, s."""

    @property
    def wall(self) -> float:
        """Real time that the run took, s."""


class SloView(Protocol):
    """Objectives of a service; None = not asked for."""

    @property
    def p50(self) -> float | None:
        """Median of response time, s."""

    @property
    def p95(self) -> float | None:
        """95th percentile, s."""

    @property
    def p99(self) -> float | None:
        """99th percentile, s."""

    @property
    def p999(self) -> float | None:
        """99.9th percentile, s."""

    @property
    def availability(self) -> float | None:
        """Least share of decided requests that complete, ratio."""


class ServiceView(Protocol):
    """What the report reads of a service."""

    @property
    def slo(self) -> SloView | None:
        """Its objectives."""


class ScenarioView(Protocol):
    """What the report reads of a scenario; `sim.scenario.Scenario` has it."""

    @property
    def name(self) -> str:
        """Name of the scenario."""

    @property
    def seed(self) -> int:
        """Seed of every random stream."""

    @property
    def digest(self) -> str:
        """Hash of the resolved scenario."""

    @property
    def platforms(self) -> Mapping[str, Any]:
        """Platforms in the order of the file."""

    def to_dict(self) -> dict[str, Any]:
        """Give the resolved scenario in SI units, ready for JSON."""

    def expanded(self) -> Sequence[tuple[str, ServiceView]]:
        """Give the services with tenants expanded, in the order of the file."""
