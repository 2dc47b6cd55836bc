"""Sources of requests. The names and the terms of the rates are those of k6's executors."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from sim import registry
from sim.reading.distribution import Distribution, Pause
from sim.reading.document import other_than_a_file
from sim.reading.errors import Finding, HostsimError, Refused, nearest, show
from sim.reading.fields import (
    Collector,
    Human,
    Info,
    Strict,
    choice,
    context_of,
    count,
    flag,
    quantity,
    quantity_schema,
    text,
)
from sim.scenario.registered import Registered, spec_of

if TYPE_CHECKING:
    from sim.reading.recording import Recording

Rate = Annotated[float, quantity("rate", least=0)]
Duration = Annotated[float, quantity("duration", above=0)]
Spacing = Annotated[Literal["poisson", "even"], choice("poisson", "even")]


class Source(Strict):
    """A source of requests, by its kind; the base of those that other packages add (see `sim.registry`)."""

    kind: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its name: a worker process may know the class from a script only."""
        return registry.restored, ("traffic", self.kind, self.__getstate__())


class ConstantRate(Source):
    """Arrivals at one rate, whatever the system does (open loop)."""

    kind: Literal["constant-arrival-rate"] = "constant-arrival-rate"
    rate: Rate = Field(description="requests a second, such as 100/s")
    arrivals: Spacing = Field("poisson", description="poisson: independent arrivals; even: equal spacing, as k6")


class Stage(Strict):
    """One stage of a ramp: the rate moves in a straight line to `target`."""

    duration: Annotated[float, quantity("duration", least=0)] = Field(description="length of the stage, such as 5min")
    target: Rate = Field(description="rate at the end of the stage, such as 500/s")


class RampingRate(Source):
    """Arrivals at a rate that moves through stages; after the last one no more come, as in k6."""

    kind: Literal["ramping-arrival-rate"] = "ramping-arrival-rate"
    start: Rate = Field(0.0, description="rate at the beginning, such as 50/s")
    stages: list[Stage] = Field(description="a list of {duration, target}")
    arrivals: Spacing = Field("poisson", description="poisson: independent arrivals; even: equal spacing, as k6")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """A ramp needs a stage."""
        if values.get("stages") == []:
            return [Finding(("stages",), "an empty list", "at least one stage {duration, target}")]
        return []


class ConstantUsers(Source):
    """A fixed number of users, each waiting for its answer, then thinking (closed loop)."""

    kind: Literal["constant-vus"] = "constant-vus"
    vus: Annotated[int, count(1)] = Field(description="number of virtual users")
    think_time: Pause = Field(
        default=Distribution.model_construct(kind="constant", parameters={"mean": 0.0}),
        description="pause between an answer and the next request: a duration or a distribution",
    )
    after_rejection: Duration = Field(
        1.0, description="pause after a rejection, at least: gRPC's first back-off (connection-backoff.md)"
    )


class MmppState(Strict):
    """One state of the modulating chain."""

    rate: Rate = Field(description="arrival rate in this state, such as 20/s")
    mean_duration: Duration = Field(description="mean of the exponential stay in this state, such as 30s")


class Mmpp(Source):
    """A Markov-modulated Poisson process: the rate jumps between states, giving bursts."""

    kind: Literal["mmpp"] = "mmpp"
    states: list[MmppState] = Field(description="a list of {rate, mean_duration}, visited in turn")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """One state alone would be a plain Poisson process."""
        states = values.get("states")
        if states is not None and len(states) < 2:
            return [Finding(("states",), show(raw["states"]), "at least two states {rate, mean_duration}")]
        return []


class Diurnal(Source):
    """Poisson arrivals whose rate follows mean + (peak − mean) · sin(2π (t + phase) / period)."""

    kind: Literal["diurnal"] = "diurnal"
    mean: Rate = Field(description="mean rate, such as 100/s")
    peak: Rate = Field(description="highest rate, such as 180/s; at most twice the mean")
    period: Duration = Field(86400.0, description="length of a cycle, such as 24h")
    phase: Annotated[float, quantity("duration")] = Field(0.0, description="shift: a quarter period starts at the peak")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """A rate below zero does not exist, so the peak is at most twice the mean."""
        mean, peak = values.get("mean"), values.get("peak")
        if mean is None or peak is None or mean <= peak <= 2 * mean:
            return []
        return [Finding(("peak",), f"{raw['peak']} with mean {raw['mean']}", "from the mean to twice the mean")]


class Trace(Source):
    """Recorded arrivals, from a CSV or Parquet file; relative to the scenario's folder."""

    kind: Literal["trace"] = "trace"
    file: Annotated[str, text()] = Field(description="path of the recording, relative to the scenario file")
    time: Annotated[str, text()] = Field("time", description="column with the arrival times")
    demand: Annotated[str | None, text(optional=True)] = Field(
        None, description="column with the CPU seconds of each request; without it, request_cpu is drawn"
    )
    unit: Annotated[Literal["s", "ms", "us", "ns"], choice("s", "ms", "us", "ns")] = Field(
        "s", description="unit of a column of numbers: s, ms, us or ns"
    )
    format: Annotated[str | None, text(optional=True)] = Field(
        None, description="of times that are text: nginx, apache, or as strptime has it, such as %d.%m.%Y %H:%M:%S"
    )
    shift: Annotated[float, quantity("duration", least=0)] = Field(0.0, description="arrivals come this much later")
    scale: Annotated[float, quantity("number", above=0)] = Field(
        1.0, description="factor on the times: 0.5 replays twice as fast"
    )
    repeat: Annotated[bool, flag()] = Field(False, description="begin again at the end, until the run ends")
    per_tenant: Annotated[Literal["shift", "draw", "same"], choice("shift", "draw", "same")] = Field(
        "shift", description="a tenant's copy: begun at a row of its own, drawn anew, or the same for all"
    )
    sha256: Annotated[str | None, text(optional=True)] = Field(
        None, description="hash of the file's content; filled in when left out, checked when given"
    )
    _path: Path = PrivateAttr(default_factory=Path)
    _of_tenant: bool = PrivateAttr(default=False)

    @property
    def path(self) -> Path:
        """The recording's absolute path."""
        return self._path

    def for_tenant(self) -> Trace:
        """The source as one tenant of several has it."""
        copy = self.model_copy()
        copy._of_tenant = True
        return copy

    @property
    def copies(self) -> Literal["shift", "draw", "same"]:
        """How this one replays the recording: `per_tenant` where it is a tenant's, else as it is."""
        return self.per_tenant if getattr(self, "_of_tenant", False) else "same"

    def recording(self) -> Recording:
        """The recording. Raises RecordingError, OSError."""
        from sim.reading.recording import read_recording

        return read_recording(self.path, self.time, self.demand, self.unit, self.format)

    @model_validator(mode="after")
    def _find(self, info: Info) -> Self:
        context = context_of(info)
        if not context.resolved and (findings := self.find(context.base)):
            raise Refused(findings)
        return self

    def find(self, base: Path) -> list[Finding]:
        """Look for the file, relative to `base`; what is wrong with it, nothing where it is the one that is meant."""
        path = (base / self.file).resolve()
        if self._path == path:
            return []
        findings = _trace_findings(path, self.file, (self.time, self.demand))
        if findings:
            return findings
        stat = path.stat()
        found = _digest(path, stat.st_mtime_ns, stat.st_size)
        if self.sha256 not in (None, found):
            findings = [Finding(("sha256",), show(self.sha256), f"the hash of {self.file}, {found}")]
        before, self._path = self._path, path
        try:
            self.recording()
        except HostsimError as error:
            findings.append(Finding(("file",), str(error), "times, and demands of at least 0, in every row"))
        if findings:
            self._path = before
            return findings
        self.__dict__["sha256"] = found  # frozen for everyone else
        return []


def _trace_findings(path: Path, name: str, columns: tuple[str | None, ...]) -> list[Finding]:
    """What is wrong with a recording, as far as its first line tells."""
    if path.suffix not in (".csv", ".parquet"):
        return [Finding(("file",), show(name), "a .csv or .parquet file")]
    try:
        if kind := other_than_a_file(path.stat().st_mode):
            return [Finding(("file",), f"{name!r}, {kind}", "a .csv or .parquet file")]
        with path.open("rb") as file:
            head = file.readline(100_000)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or "unreadable"
        return [Finding(("file",), f"{name!r}, {reason}", f"a file that is there, relative to {path.parent.name}/")]
    if path.suffix != ".csv":
        return []
    header = next(csv.reader([head.decode("utf-8-sig", "replace")]), [])
    return [
        Finding((key,), show(column), f"a column of {name}: {', '.join(header)}", nearest(column, header))
        for key, column in zip(("time", "demand"), columns, strict=True)
        if column is not None and column not in header
    ]


@lru_cache(maxsize=64)
def _digest(path: Path, changed: int, size: int) -> str:
    """SHA-256 of a file, computed once for each state of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


for _model in (ConstantRate, RampingRate, ConstantUsers, Mmpp, Diurnal, Trace):
    registry.builtin("traffic", _model.model_fields["kind"].default, spec=_model)


def _parse(value: Any, info: Info) -> list[Strict]:
    """One mapping {kind: …} of sources, or a list of such: they add up. `{rate: 50/s}` is a constant rate."""
    if value is None:
        return []
    collect = Collector(info)
    sources: list[Strict | None] = []
    if isinstance(value, list):
        for index, item in enumerate(value):
            sources += _sources(collect, item, index)
    else:
        sources += _sources(collect, value)
    collect.done()
    return [source for source in sources if source is not None]


def _sources(collect: Collector, value: Any, *loc: str | int) -> list[Strict | None]:
    known = registry.names("traffic")
    if not isinstance(value, Mapping) or (loc and not value):
        collect.add(show(value), f"a mapping with a kind of traffic: {', '.join(known)}", *loc)
        return []
    if "rate" in value and set(value) <= {"rate", "arrivals"} and "rate" not in known:
        return [collect.model(ConstantRate, value, *loc)]  # the short form
    collect.unknown(value, known, *loc)
    found: list[Strict | None] = []
    for kind in value:
        if kind in known and (model := collect.call(partial(spec_of, "traffic"), kind, *loc, kind)) is not None:
            found.append(collect.model(model, _named(value[kind], kind, model), *loc, kind))
    return found


def _named(value: Any, kind: str, model: type[Strict]) -> Any:
    """A source of another package bears its name; those of this one have it by themselves."""
    if not model.model_fields["kind"].is_required() or not isinstance(value, Mapping | None):
        return value
    return {**(value or {}), "kind": kind}


_KINDS_SCHEMA: Final = {"type": "object", "x-registered": "traffic", "additionalProperties": False}
_SHORT_SCHEMA: Final = {
    "type": "object",
    "properties": {"rate": quantity_schema("rate"), "arrivals": {"enum": ["poisson", "even"]}},
    "required": ["rate"],
    "additionalProperties": False,
}
_ONE_SCHEMA: Final = {"anyOf": [_KINDS_SCHEMA, _SHORT_SCHEMA]}
_SCHEMA: Final = {"anyOf": [_KINDS_SCHEMA, _SHORT_SCHEMA, {"type": "array", "items": _ONE_SCHEMA}, {"type": "null"}]}
Traffic = Annotated[
    list[Annotated[Source, Registered("traffic", "kind")]], Human(_parse, lambda inner: deepcopy(_SCHEMA))
]
