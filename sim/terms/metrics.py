"""Every metric as one object: its name, unit and words, the question it answers, which way is better, and how it is
computed from a run.

To add one, add its line to `METRICS`; a package outside names a `Metric` of its own in the entry-point group
`hostsim.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from sim.terms.records import RequestTally, RunRecords

Better: TypeAlias = Literal["lower", "higher"] | None

USERS: Final = "Who served the users better?"
STARTS: Final = "How fast do they start?"
HOST: Final = "How busy is the host?"
WEIGHT: Final = "What does it put on disk and network?"
FITS: Final = "How many fit?"
HARM: Final = "What broke, what moved?"
QUESTIONS: Final = (USERS, STARTS, HOST, WEIGHT, FITS, HARM)

ALL: Final = "all"
"""What stands for a service in the metrics of the whole host."""
TAILS: Final[Mapping[str, float]] = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999}
"""Percentiles of the response time: those of metrics, and those that an objective can be set on."""


class Spread(Protocol):
    """A sample of times, s; NaN for what an empty one does not have."""

    @property
    def mean(self) -> float:
        """Its mean, s."""

    def quantile(self, probability: float) -> float:
        """Its quantile (numpy's linear method), s."""


class Measured(Protocol):
    """What a metric is computed from: a run's records, seen as the whole host or as one service."""

    @property
    def records(self) -> RunRecords:
        """Everything that the run left behind."""

    @property
    def service(self) -> str:
        """Name of the service, or `all`."""

    @property
    def services(self) -> Sequence[str]:
        """This service, or all of the run."""

    @property
    def span(self) -> float:
        """Length of the measured span, s."""

    @property
    def tallies(self) -> Sequence[RequestTally]:
        """Requests of those of `services` that have traffic."""

    @property
    def response(self) -> Spread:
        """Response times of the completed requests."""

    @property
    def slo_met(self) -> bool | None:
        """Whether every objective held; None where there is none, or no request was decided."""

    @property
    def integrals(self) -> Mapping[str, float]:
        """Time integrals over the span, as far as they can be told apart; see `RunRecords.integrals`."""

    @property
    def lost(self) -> Mapping[str, float]:
        """Shares of the lost requests: `starting`, `full`; empty where none were lost, and of one service."""

    def startup(self, phase: str = "") -> Spread:
        """Requested to ready of the guests that became ready in the span, or what they took for one phase."""


@dataclass(frozen=True)
class Metric:
    """One metric of `summary.csv`."""

    name: str
    unit: str
    """s, B, ratio, 1, 1/s or 0/1."""
    label: str
    """What the tables call it."""
    question: str
    """One of `QUESTIONS`: the block of the table that it stands in."""
    better: Better = None
    measure: Callable[[Measured], float | None] | None = None
    """Gives the value; None or NaN where the run has none (a percentile of nothing)."""
    shown: bool = True
    """Whether the comparison prints it; the file always has it."""
    per_service: bool = True
    """Whether single services can have it, or only the host."""
    before: str = ""
    """The metric that it stands before in tables, where that is not the order of the file."""


def _requests(what: str, run: Measured) -> float | None:
    return sum(getattr(tally, what) for tally in run.tallies) if run.tallies else None


def _goodput(run: Measured) -> float | None:
    return sum(tally.completed for tally in run.tallies) / run.span if run.tallies else None


def _response(stat: str, run: Measured) -> float:
    return _stat(run.response, stat)


def _startup(phase: str, stat: str, run: Measured) -> float:
    return _stat(run.startup(phase), stat)


def _stat(sample: Spread, stat: str) -> float:
    return sample.mean if stat == "mean" else sample.quantile(1.0 if stat == "max" else TAILS[stat])


def _cold(run: Measured) -> float | None:
    ruled = [name for name in run.services if name in run.records.cold]
    asked = sum(run.records.requests[name].arrived for name in ruled if name in run.records.requests)
    return sum(run.records.cold[name] for name in ruled) / asked if asked else None


def _waiting(run: Measured) -> float | None:
    waited = sum(tally.waiting_count for tally in run.tallies)
    return sum(tally.waiting_sum for tally in run.tallies) / waited if waited else None


def _slo(run: Measured) -> float | None:
    return run.slo_met


def _longest(what: str, run: Measured) -> float | None:
    seconds: Mapping[str, float] = getattr(run.records, what)
    return max((seconds[name] for name in run.services if name in seconds), default=None)


def _share(capacity: str, parts: Sequence[str], run: Measured) -> float | None:
    """A time mean with the whole host as denominator; only where every part is known."""
    if any(part not in run.integrals for part in parts):
        return None
    whole: float = getattr(run.records, capacity)
    return sum(run.integrals[part] for part in parts) / (whole * run.span)


def _guests(run: Measured) -> float | None:
    return run.integrals["guests"] / run.span if "guests" in run.integrals else None


def _peak(run: Measured) -> float | None:
    return run.records.peaks.get("guests")


def _density(run: Measured) -> float | None:
    return run.records.density_max


def _lost(why: str, run: Measured) -> float | None:
    return run.lost.get(why)


def _counter(name: str, run: Measured) -> float | None:
    return run.records.counters.get(name)


def _of_host(name: str, unit: str, label: str, question: str, better: Better, counter: str, before: str = "") -> Metric:
    """A metric of the host that one mechanism counts."""
    return Metric(name, unit, label, question, better, partial(_counter, counter), per_service=False, before=before)


def _ratio(name: str, label: str, better: Better, capacity: str, *parts: str) -> Metric:
    return Metric(name, "ratio", label, HOST, better, partial(_share, capacity, parts))


def phase_metrics(phase: str) -> tuple[Metric, ...]:
    """The metrics of one phase of start-up: `startup.<phase>.p50` …"""
    return tuple(
        Metric(f"startup.{phase}.{stat}", "s", f"  {phase} {stat}", STARTS, "lower", partial(_startup, phase, stat),
               shown=stat == "p50")
        for stat in STARTUP_STATS
    )  # fmt: skip


STARTUP_STATS: Final = ("mean", "p50", "p95", "p99", "max")
METRICS: Final = (
    Metric("requests.arrived", "1", "requests arrived", USERS, None, partial(_requests, "arrived")),
    Metric("requests.completed", "1", "completed", USERS, "higher", partial(_requests, "completed")),
    Metric("requests.rejected", "1", "rejected", USERS, "lower", partial(_requests, "rejected")),
    Metric("requests.timed_out", "1", "timed out", USERS, "lower", partial(_requests, "timed_out")),
    Metric("requests.failed", "1", "failed", USERS, "lower", partial(_requests, "failed")),
    Metric(
        "requests.in_flight", "1", "in flight at the end", USERS, None, partial(_requests, "in_flight"), shown=False
    ),
    Metric("goodput", "1/s", "goodput", USERS, "higher", _goodput),
    Metric("response.mean", "s", "response mean", USERS, "lower", partial(_response, "mean")),
    Metric("response.p50", "s", "response p50", USERS, "lower", partial(_response, "p50")),
    Metric("response.p95", "s", "response p95", USERS, "lower", partial(_response, "p95")),
    Metric("response.p99", "s", "response p99", USERS, "lower", partial(_response, "p99")),
    Metric("response.p999", "s", "response p99.9", USERS, "lower", partial(_response, "p999")),
    Metric("requests.cold", "ratio", "cold starts", USERS, "lower", _cold, before="goodput"),
    Metric("waiting.mean", "s", "waiting mean", USERS, "lower", _waiting),
    Metric("slo.met", "0/1", "SLO met", USERS, "higher", _slo),
    Metric("startup.mean", "s", "start-up mean", STARTS, "lower", partial(_startup, "", "mean"), shown=False),
    Metric("startup.p50", "s", "start-up p50", STARTS, "lower", partial(_startup, "", "p50")),
    Metric("startup.p95", "s", "start-up p95", STARTS, "lower", partial(_startup, "", "p95"), shown=False),
    Metric("startup.p99", "s", "start-up p99", STARTS, "lower", partial(_startup, "", "p99")),
    Metric("startup.max", "s", "start-up max", STARTS, "lower", partial(_startup, "", "max")),
    Metric("scale_out.time", "s", "scale-out time", STARTS, "lower", partial(_longest, "scale_out")),
    Metric("deploy.time", "s", "first answered request", STARTS, "lower", partial(_longest, "deploy")),
    _ratio("cpu.utilization", "CPU for the work", None, "cores", "cpu_request", "cpu_start"),
    _ratio("cpu.overhead", "CPU for overhead", "lower", "cores", "cpu_boot", "cpu_tax", "cpu_idle"),
    _ratio("cpu.allocated", "CPU allocated", "lower", "cores", "cpu_allocated"),
    _ratio("cpu.stranded", "CPU stranded", "lower", "cores", "cpu_stranded"),
    _ratio("memory.used", "memory used", None, "memory", "memory_used"),
    _ratio("memory.allocated", "memory allocated", "lower", "memory", "memory_allocated"),
    _ratio("memory.stranded", "memory stranded", "lower", "memory", "memory_stranded"),
    _ratio("memory.cache", "page cache of images", None, "memory", "memory_cache"),
    Metric("guests.mean", "1", "guests, mean", FITS, None, _guests),
    Metric("lost.starting", "ratio", "lost while replicas started", USERS, None, partial(_lost, "starting"),
           shown=False, per_service=False, before="goodput"),
    Metric("lost.full", "ratio", "lost while the host was full", USERS, None, partial(_lost, "full"),
           shown=False, per_service=False, before="goodput"),
    Metric("guests.peak", "1", "guests, peak", FITS, None, _peak, per_service=False),
    Metric("density.max", "1", "most guests that fit", FITS, "higher", _density, per_service=False),
    _of_host("guests.refused", "1", "starts refused", FITS, "lower", "refused", before="density.max"),
    _of_host("oom.kills", "1", "OOM kills", HARM, "lower", "oom_kills"),
    _of_host("disk.used", "B", "disk used", WEIGHT, "lower", "disk_used"),
    _of_host("network.pulled", "B", "images pulled", WEIGHT, "lower", "network_pulled"),
    _of_host("blast.guests", "1", "guests hit per event", HARM, "lower", "blast_guests"),
    _of_host("blast.requests", "ratio", "requests hit per event", HARM, "lower", "blast_requests"),
    _of_host("move.time", "s", "move time", HARM, "lower", "move_time"),
    _of_host("move.downtime", "s", "move downtime", HARM, "lower", "move_downtime"),
    _of_host("move.bytes", "B", "move bytes", HARM, "lower", "move_bytes"),
)  # fmt: skip
"""In the order of `summary.csv`."""
