"""What is read off a run: any metric of summary.csv, and named measures for what sources tell in other words.

A measure gives the sample of one run, and how the samples of several replications become one number: percentiles of
start-up are of the starts of all replications together, everything else is a mean over replications.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim.reading.errors import nearest
from sim.reading.units import UnitError
from sim.terms.columns import PHASE
from sim.terms.metrics import ALL, TAILS, phase_metric

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.terms.records import RunRecords

FIT: Final = "fit"
"""The measure that takes a search and not a run: how many tenants fit."""
Sample: TypeAlias = NDArray[np.float64]
DIMENSIONS: Final[Mapping[str, str]] = {
    "s": "duration", "B": "size", "1/s": "rate", "ratio": "ratio", "1": "number", "0/1": "number", "core-s": "duration",
}  # fmt: skip


class Asked(NamedTuple):
    """What a case wants of a run: the measure's name, of which service, and which one (`nth`)."""

    measure: str
    service: str = ALL
    nth: int | None = None


class Ran:
    """One run, as measures read it."""

    def __init__(self, records: RunRecords, scenario: Scenario) -> None:
        self.records = records
        self.scenario = scenario

    @cached_property
    def metrics(self) -> Mapping[tuple[str, str], float]:
        """The rows of summary.csv: (service, metric) → value."""
        from sim.report.metrics.measures import measure

        return {(row.service, row.metric): row.value for row in measure(self.records, self.scenario)}

    def guests(self, column: str, service: str = ALL) -> Sample:
        """A column of the guests, of one service or of all; NaN for what never happened."""
        values = np.asarray(self.records.guests[column], dtype=np.float64)
        if service == ALL:
            return values
        own: Sample = values[np.asarray(self.records.guests["service"]) == service]
        return own

    def line(self, column: str) -> Sample:
        """A column of the timeline, of the measured span."""
        time = np.asarray(self.records.timeline["time"], dtype=np.float64)
        measured: Sample = np.asarray(self.records.timeline[column], dtype=np.float64)[time >= self.records.warmup]
        return measured


@dataclass(frozen=True)
class Measure:
    """A measure: its unit, what it takes of a run, and how samples become a number."""

    name: str
    unit: str
    sample: Callable[[Ran, Asked], Sample]
    number: Callable[[Sample], float]
    pooled: bool = False
    """Whether the samples of replications are put together before the number is taken."""

    @property
    def dimension(self) -> str:
        """The kind of quantity that it is (a key of `sim.reading.units.DIMENSIONS`)."""
        return DIMENSIONS.get(self.unit, "number")


def _mean(sample: Sample) -> float:
    return float(np.mean(sample)) if sample.size else float("nan")


def _scalar(function: Callable[[Ran, Asked], float], ran: Ran, asked: Asked) -> Sample:
    value = function(ran, asked)
    return np.array([value]) if np.isfinite(value) else np.empty(0)


def _took(ran: Ran, asked: Asked) -> Sample:
    """Requested to ready of all that became ready, s."""
    took = ran.guests("ready", asked.service) - ran.guests("requested", asked.service)
    return took[np.isfinite(took)]


def _phase(phase: str, ran: Ran, asked: Asked) -> Sample:
    took = ran.guests(f"{PHASE}{phase}", asked.service)
    return took[np.isfinite(took)]


def _quantile(q: float, sample: Sample) -> float:
    return float(np.quantile(sample, q)) if sample.size else float("nan")


def _ready(ran: Ran, asked: Asked) -> Sample:
    """When each became ready, from the first request on, ascending, s."""
    ready, asked_for = ran.guests("ready", asked.service), ran.guests("requested", asked.service)
    return np.sort(ready[np.isfinite(ready)]) - np.min(asked_for)


def _last_ready(ran: Ran, asked: Asked) -> float:
    """From the first request to the last ready; none where some never were."""
    ready = _ready(ran, asked)
    return float(ready[-1]) if ready.size == ran.guests("ready", asked.service).size else float("nan")


def _nth_ready(ran: Ran, asked: Asked) -> float:
    ready, nth = _ready(ran, asked), asked.nth or 1
    return float(ready[nth - 1]) if ready.size >= nth else float("nan")


def _ready_rate(ran: Ran, asked: Asked) -> float:
    ready = _ready(ran, asked)
    return float(ready.size / ready[-1]) if ready.size else float("nan")


def _ready_at_end(ran: Ran, asked: Asked) -> float:
    """Guests that are ready at the end."""
    ready, stopped = ran.guests("ready", asked.service), ran.guests("stopped", asked.service)
    return float(np.count_nonzero(np.isfinite(ready) & ~np.isfinite(stopped)))


def _share(what: str, ran: Ran, asked: Asked) -> float:
    arrived = ran.metrics.get((asked.service, "requests.arrived"), 0.0)
    return ran.metrics.get((asked.service, f"requests.{what}"), float("nan")) / arrived if arrived else float("nan")


def _by_a_search(ran: Ran, asked: Asked) -> float:
    """Nothing that one run tells: it is searched for (`fit`)."""
    return float("nan")


def _memory(ran: Ran, asked: Asked) -> float:
    """In use at the end, by applications, guest OSes and daemons."""
    return float(ran.line("memory_used")[-1])


def _memory_a_guest(ran: Ran, asked: Asked) -> float:
    """In use at the end without the platform's own share, by the guests ready."""
    from sim.experiment.replications.runner import platform_of

    own = platform_of(ran.scenario, ran.records.platform).memory.host
    ready = _ready_at_end(ran, asked)
    return (_memory(ran, asked) - own) / ready if ready else float("nan")


def _memory_allocated(ran: Ran, asked: Asked) -> float:
    return float(ran.line("memory_allocated")[-1])


def _in_flight(ran: Ran, asked: Asked) -> float:
    return float(np.mean(ran.line("in_flight")))


def _calls_each(ran: Ran, asked: Asked) -> float:
    """Requests to this service for each that came from outside."""
    outside = sum(each.arrived - each.calls for each in ran.records.requests.values())
    return ran.metrics.get((asked.service, "requests.arrived"), float("nan")) / outside if outside else float("nan")


def _integral(what: str, ran: Ran, asked: Asked) -> float:
    own = ran.records.integrals if asked.service == ALL else ran.records.service_integrals.get(asked.service, {})
    return float(own.get(what, float("nan")))


def _named(name: str, unit: str, function: Callable[[Ran, Asked], float]) -> Measure:
    return Measure(name, unit, partial(_scalar, function), _mean)


NAMED: Final[Mapping[str, Measure]] = {
    each.name: each
    for each in (
        _named("last_ready", "s", _last_ready),
        _named("nth_ready", "s", _nth_ready),
        _named("ready_rate", "1/s", _ready_rate),
        _named("ready_at_end", "1", _ready_at_end),
        _named(FIT, "1", _by_a_search),
        _named("rejected_share", "ratio", partial(_share, "rejected")),
        _named("failed_share", "ratio", partial(_share, "failed")),
        _named("timed_out_share", "ratio", partial(_share, "timed_out")),
        _named("completed_share", "ratio", partial(_share, "completed")),
        _named("memory_in_use", "B", _memory),
        _named("memory_a_guest", "B", _memory_a_guest),
        _named("memory_promised", "B", _memory_allocated),
        _named("in_flight", "1", _in_flight),
        _named("calls_each", "1", _calls_each),
        _named("cpu_boot", "core-s", partial(_integral, "cpu_boot")),
        _named("cpu_start", "core-s", partial(_integral, "cpu_start")),
        Measure("startup.cv", "ratio", _took,
                lambda sample: float(np.std(sample) / np.mean(sample)) if sample.size else float("nan"), True),
    )
}  # fmt: skip
"""The measures that are no metric, by name; docs/how-to/scorecard.md says what each is."""
_TAILS: Final = {**{f"startup.{name}": q for name, q in TAILS.items()}, "startup.p90": 0.90}


def find(name: str) -> Measure:
    """A measure by its name. Raises UnitError with the nearest."""
    from sim.report.metrics.known import known

    if name in NAMED:
        return NAMED[name]
    if name in _TAILS:
        return Measure(name, "s", _took, partial(_quantile, _TAILS[name]), True)
    if name == "startup.mean":
        return Measure(name, "s", _took, _mean, True)
    metric = known().get(name)
    if metric is not None:
        return Measure(name, metric.unit, partial(_scalar, _metric), _mean)
    if phase_metric(name) is not None:
        return _of_phase(name)
    allowed = "a metric of summary.csv (`python -m sim explain`), or a named measure: " + ", ".join(NAMED)
    raise UnitError(repr(name), allowed, nearest(name, [*NAMED, *known()]))


def _of_phase(name: str) -> Measure:
    phase, _, stat = name.removeprefix("startup.").rpartition(".")
    number = _mean if stat == "mean" else partial(_quantile, 1.0 if stat == "max" else TAILS[stat])
    return Measure(name, "s", partial(_phase, phase), number, stat != "max")


def _metric(ran: Ran, asked: Asked) -> float:
    return ran.metrics.get((asked.service, asked.measure), float("nan"))


def fit(scenario: Scenario, platform: str, replication: int, asked: Asked) -> Sample:
    """The most tenants, in steps of `nth`, at which all is well in this replication, shape (1,)."""
    from sim.experiment.density.alone import most_alone, tenants
    from sim.experiment.density.questions import Grid

    step = asked.nth or 1
    at = tenants(scenario, None if asked.service == ALL else asked.service)
    return np.array([most_alone(at, platform, replication, Grid(step, step))])


def take(ran: Ran, wanted: Sequence[Asked]) -> dict[Asked, Sample]:
    """The samples of a run."""
    return {each: find(each.measure).sample(ran, each) for each in wanted}
