"""Every metric as one object: its name, unit and words, the question it answers, which way is better, and how it is
computed from a run.

To add one, add its line to `METRICS`; a package outside names a `Metric` of its own in the entry-point group
`hostsim.metrics`. docs/results.md has the meanings, and a test holds it to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from sim.terms import energy

if TYPE_CHECKING:
    from sim.terms.records import RequestTally, RunRecords

Better: TypeAlias = Literal["lower", "higher"] | None

USERS: Final = "Who served the users better?"
STARTS: Final = "How fast do they start?"
HOST: Final = "How busy is the host?"
WEIGHT: Final = "What does it put on disk and network?"
FITS: Final = "How many fit?"
HARM: Final = "What broke, what moved?"
COST: Final = "What does it cost?"
QUESTIONS: Final = (USERS, STARTS, HOST, WEIGHT, FITS, HARM, COST)

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

    records: RunRecords
    """Everything that the run left behind."""
    service: str
    """Name of the service, or `all`."""
    services: Sequence[str]
    """This service, or all of the run."""
    span: float
    """Length of the measured span, s."""
    tallies: Sequence[RequestTally]
    """Requests of this service, or of all services that users ask."""
    response: Spread
    """Response times of the completed requests."""
    slo_met: bool | None
    """Whether every objective held; None where there is none, or no request was decided."""
    integrals: Mapping[str, float]
    """Time integrals over the span, as far as they can be told apart; see `RunRecords.integrals`."""
    lost: Mapping[str, float]
    """Shares of the lost requests: `starting`, `full`; empty where none were lost, and of one service."""

    def startup(self, phase: str = "") -> Spread:
        """Requested to ready of the guests that became ready in the span, or what they took for one phase."""


@dataclass(frozen=True)
class Metric:
    """One metric of `summary.csv`."""

    name: str
    unit: str
    """s, B, W, J, g, ratio, 1, 1/s or 0/1."""
    label: str
    """What the tables call it."""
    question: str
    """One of `QUESTIONS`: the block of the table that it stands in."""
    better: Better = None
    measure: Callable[[Measured], float | None] | None = None
    """Gives the value; None or NaN where the run has none (a percentile of nothing)."""
    meaning: str = ""
    """What it is, in words, for the reference."""
    shown: bool = True
    """Whether the comparison prints it; the file always has it."""
    per_service: bool = True
    """Whether single services can have it, or only the host."""
    capacity: str = ""
    """`cores` or `memory`: what of the host a ratio is a share of."""
    before: str = ""
    """The metric that it stands before in tables, where that is not the order of the file."""


def _requests(what: str, run: Measured) -> float | None:
    return sum(getattr(tally, what) for tally in run.tallies) if run.tallies else None


def _calls(run: Measured) -> float | None:
    calls = sum(tally.calls for tally in run.tallies)
    return calls if any(tally.parts for tally in run.tallies) else None


def _part(name: str, run: Measured) -> float | None:
    """Mean over completed requests; only where it is known of all of them."""
    counted = [tally for tally in run.tallies if tally.completed]
    if not counted or not all(tally.parts for tally in counted):
        return None
    return sum(tally.parts[name] for tally in counted) / sum(tally.completed for tally in counted)


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


def _ready(run: Measured) -> float | None:
    lacked = run.integrals.get("cpu_lacked")
    if lacked is None:
        return None
    given = sum(run.integrals[part] for part in ("cpu_request", "cpu_tax", "cpu_boot", "cpu_start"))
    return lacked / (lacked + given) if lacked + given > 0.0 else None


def _throttled(what: str, run: Measured) -> float | None:
    periods = run.integrals.get("periods", 0.0)
    if not periods:
        return None
    return run.integrals[what] / periods if what == "still_periods" else run.integrals[what]


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


STARTUP_STATS: Final = ("mean", "p50", "p95", "p99", "max")


def phase_metrics(phase: str) -> tuple[Metric, ...]:
    """The metrics of one phase of start-up: `startup.<phase>.p50` …"""
    return tuple(
        Metric(
            f"startup.{phase}.{stat}", "s", f"  {phase} {stat}", STARTS, "lower", partial(_startup, phase, stat),
            f"{_WORDS[stat]} of this phase, of the guests that ran it", shown=stat == "p50",
        )
        for stat in STARTUP_STATS
    )  # fmt: skip


_WORDS: Final = {
    "mean": "mean", "p50": "median", "p95": "95th percentile", "p99": "99th percentile",
    "p999": "99.9th percentile", "max": "longest",
}  # fmt: skip


def _fate(what: str, label: str, better: Better, meaning: str, *, shown: bool = True) -> Metric:
    return Metric(f"requests.{what}", "1", label, USERS, better, partial(_requests, what), meaning, shown)


def _spent(name: str, label: str, meaning: str) -> Metric:
    return Metric(f"request.{name}", "s", f"  {label}", USERS, "lower", partial(_part, name), meaning, shown=False)


def _tail(stat: str, label: str) -> Metric:
    meaning = f"{_WORDS[stat]} of arrival → finish of completed requests"
    return Metric(f"response.{stat}", "s", f"response {label}", USERS, "lower", partial(_response, stat), meaning)


def _start(stat: str, *, shown: bool = True) -> Metric:
    meaning = f"{_WORDS[stat]} of requested → ready, of the guests that became ready in the span"
    return Metric(
        f"startup.{stat}", "s", f"start-up {stat}", STARTS, "lower", partial(_startup, "", stat), meaning, shown
    )


def _ratio(name: str, label: str, better: Better, capacity: str, parts: Sequence[str], meaning: str) -> Metric:
    """A share of the host's capacity × span."""
    return Metric(name, "ratio", label, HOST, better, partial(_share, capacity, parts), meaning, capacity=capacity)


def _of_host(name: str, unit: str, label: str, question: str, counter: str, meaning: str, before: str = "") -> Metric:
    """A metric of the host that one mechanism counts; the fewer the better."""
    get = partial(_counter, counter)
    return Metric(name, unit, label, question, "lower", get, meaning, per_service=False, before=before)


def _cost(name: str, unit: str, label: str, get: Callable[[Measured], float | None], meaning: str) -> Metric:
    return Metric(name, unit, label, COST, "lower", get, meaning, per_service=False)


def phase_metric(name: str) -> Metric | None:
    """The metric of a phase, `startup.<phase>.<stat>`; None if the name is no such thing."""
    start, _, phase = name.rpartition(".")[0].partition(".")
    if start != "startup" or not phase:
        return None
    return next((metric for metric in phase_metrics(phase) if metric.name == name), None)


METRICS: Final = (
    _fate("arrived", "requests arrived", None,
          "requests that arrived in the measured span; all other request metrics are of these"),
    _fate("completed", "completed", "higher",
          "served before the client left; with the next four it adds up to `arrived`"),
    _fate("rejected", "rejected", "lower", "turned away because a line was full"),
    _fate("timed_out", "timed out", "lower", "the client left first"),
    _fate("failed", "failed", "lower", "lost with the guest that held them"),
    _fate("in_flight", "in flight at the end", None, "undecided when the run ends", shown=False),
    Metric("requests.calls", "1", "of them calls", USERS, None, _calls,
           "of the requests that arrived, those that other services made", shown=False),
    Metric("goodput", "1/s", "goodput", USERS, "higher", _goodput, "completed / span"),
    _tail("mean", "mean"),
    _tail("p50", "p50"),
    _tail("p95", "p95"),
    _tail("p99", "p99"),
    _tail("p999", "p99.9"),
    Metric("requests.cold", "ratio", "cold starts", USERS, "lower", _cold,
           "requests for which a guest had to be started, of those to services with the per-request rule",
           before="goodput"),
    Metric("waiting.mean", "s", "waiting mean", USERS, "lower", _waiting,
           "arrival → start of service, of the requests whose service started"),
    _spent("waiting", "waiting", "of the mean response of completed requests that have several steps: arrival → start "
           "of service; with the next six it adds up to `response.mean`"),
    _spent("cpu", "CPU", "work of its jobs, with the platform's overhead, packets and operations"),
    _spent("contention", "contention", "time of its jobs beyond their work: sharing, throttling"),
    _spent("wait", "wait steps", "`wait` steps"),
    _spent("disk", "disk", "latency and bytes of the disk"),
    _spent("network", "network", "latency and bytes of the network"),
    _spent("calls", "calls", "from making a call to another service to its end"),
    Metric("slo.met", "0/1", "SLO met", USERS, "higher", _slo,
           "every objective of the service held; for `all`: of every service that has one"),
    _start("mean", shown=False),
    _start("p50"),
    _start("p95", shown=False),
    _start("p99"),
    _start("max"),
    Metric("scale_out.time", "s", "scale-out time", STARTS, "lower", partial(_longest, "scale_out"),
           "first scale-up decision → last new guest ready; for `all`: the longest of the services"),
    Metric("deploy.time", "s", "first answered request", STARTS, "lower", partial(_longest, "deploy"),
           "first start of a service → its first answered request, where that start is in the span; for `all`: the "
           "longest"),
    _ratio("cpu.utilization", "CPU for the work", None, "cores", ("cpu_request", "cpu_start"),
           "CPU used for requests and application starts / (cores × span)"),
    _ratio("cpu.overhead", "CPU for overhead", "lower", "cores", ("cpu_boot", "cpu_tax", "cpu_idle"),
           "CPU used by boots, guest OSes, daemons and the virtualization tax / (cores × span)"),
    _ratio("cpu.allocated", "CPU allocated", "lower", "cores", ("cpu_allocated",),
           "CPU promised to guests / (cores × span)"),
    _ratio("cpu.stranded", "CPU stranded", "lower", "cores", ("cpu_stranded",),
           "promised to a service's guests and not used by them / (cores × span); by samples, as the timeline's"),
    Metric("cpu.ready", "ratio", "CPU ready, not running", HOST, "lower", _ready,
           "core-seconds that guests could have used and others had / (those + what they were given): a VM's steal"),
    Metric("cpu.throttled_periods", "ratio", "throttled periods", HOST, "lower", partial(_throttled, "still_periods"),
           "periods at whose end a guest stood still for want of budget / periods in which it was active (cAdvisor's "
           "ratio); absent where no guest has a limit by period that it can reach"),
    Metric("cpu.throttled_time", "s", "throttled time", HOST, "lower", partial(_throttled, "still_time"),
           "seconds that guests stood still for want of budget, all guests together; by the clock, not by CPU"),
    _ratio("memory.used", "memory used", None, "memory", ("memory_used",),
           "in use by applications, guest OSes and daemons / (memory × span)"),
    _ratio("memory.swapped", "memory in the swap", "lower", "memory", ("memory_swapped",),
           "what exceeded the memory and was in the swap / (memory × span), beside `memory.used`; by samples. Absent "
           "where the host has no swap"),
    _ratio("memory.allocated", "memory allocated", "lower", "memory", ("memory_allocated",),
           "promised to guests / (memory × span)"),
    _ratio("memory.stranded", "memory stranded", "lower", "memory", ("memory_stranded",),
           "promised to a guest and not used by it / (memory × span)"),
    _ratio("memory.cache", "page cache of images", None, "memory", ("memory_cache",),
           "images' pages in the page cache, which starts have read and guests share / (memory × span); beside "
           "`memory.used`; by samples. Absent where guests share none"),
    Metric("guests.mean", "1", "guests, mean", FITS, None, _guests, "guests on the host: mean over time"),
    Metric("lost.starting", "ratio", "lost while replicas started", USERS, None, partial(_lost, "starting"),
           "of the requests that were rejected, failed or timed out: those lost while some replica was starting; by "
           "the samples of the timeline", shown=False, per_service=False, before="goodput"),
    Metric("lost.full", "ratio", "lost while the host was full", USERS, None, partial(_lost, "full"),
           "of the same: those lost while none was, and as many guests were ready as there were at the first refusal",
           shown=False, per_service=False, before="goodput"),
    Metric("guests.peak", "1", "guests, peak", FITS, None, _peak, "guests on the host: most at once",
           per_service=False),
    Metric("density.max", "1", "most guests that fit", FITS, "higher", _density,
           "guests that the host admitted before the first refusal or OOM kill", per_service=False),
    _of_host("guests.refused", "1", "starts refused", FITS, "refused", "starts that admission refused",
             before="density.max"),
    _of_host("oom.kills", "1", "OOM kills", HARM, "oom_kills", "processes killed for want of memory"),
    _of_host("disk.used", "B", "disk used", WEIGHT, "disk_used",
             "most that images and guests' disks took on the disk at once, over the whole run"),
    _of_host("network.pulled", "B", "images pulled", WEIGHT, "network_pulled",
             "bytes of images that came over the network in the span"),
    _of_host("blast.guests", "1", "guests hit per event", HARM, "blast_guests",
             "guests hit (lost or exposed) per event, where the scenario has faults"),
    _of_host("blast.requests", "ratio", "requests hit per event", HARM, "blast_requests",
             "requests lost or exposed per event / requests that arrived in the span, where the scenario has faults"),
    _of_host("recovery.time", "s", "until all serve again", HARM, "recovery_time",
             "fall → all that fell serve again, the longest; absent where some did not before the end"),
    _of_host("move.time", "s", "move time", HARM, "move_time",
             "order → its last guest off this host, mean; where the scenario has moves"),
    _of_host("move.downtime", "s", "move downtime", HARM, "move_downtime",
             "the longest that a guest was stopped for its move"),
    _of_host("move.bytes", "B", "move bytes", HARM, "move_bytes",
             "sent over links for all moves, pulls at the destination included"),
    _cost("energy.mean", "W", "power, mean", energy.power,
          "what the whole host draws, idle or not; where the scenario has `host.power`"),
    _cost("energy.per_request", "J", "energy per request", energy.per_request,
          "`energy.mean` × span / completed requests of users"),
    _cost("cost.per_million", "1", "cost of a million requests", energy.cost,
          "price × span / completed requests of users × 10⁶, in the currency of `host.price`"),
    _cost("carbon.per_million", "g", "CO2e of a million requests", energy.carbon,
          "energy of a million completed requests × `host.carbon`"),
)  # fmt: skip
"""In the order of `summary.csv`."""
