"""Things that happen to guests by plan: faults, moves and resizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field

from sim import registry
from sim.reading.errors import Finding
from sim.reading.fields import Collector, Human, Info, Strict, choice, count, flag, quantity, text
from sim.scenario.registered import Registered, spec_of, unknown_name
from sim.scenario.sizes import ANY, Size, Sizes

_FAULTS: Final = ("app-crash", "kernel-panic", "compromise", "host-patch", "host-reboot")
_OF_HOST: Final = ("host-patch", "host-reboot")
Time = Annotated[float, quantity("duration", least=0)]
OptionalTime = Annotated[float | None, quantity("duration", least=0, optional=True)]
OptionalText = Annotated[str | None, text(optional=True)]
Index = Annotated[int | None, count(0, optional=True)]


class Fault(Strict):
    """Something that breaks, once `at` a time (seconds) or at a `rate` (1/s, Poisson).

    The base of the faults that other packages add (see `sim.registry`).
    """

    kind: str = Field(description="what breaks")
    at: OptionalTime = Field(None, description="when it happens, such as 5min")
    rate: Annotated[float | None, quantity("rate", above=0, optional=True)] = Field(
        None, description="how often it happens, such as 0.1/h"
    )
    service: OptionalText = Field(None, description="the service it strikes; any when left out")
    replica: Index = Field(None, description="the number of the replica it strikes; drawn when left out")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Exactly one of `at` and `rate`."""
        given = [key for key in ("at", "rate") if raw.get(key) is not None]
        if len(given) == 1:
            return []
        found = "both at and rate" if given else "neither at nor rate"
        return [Finding((), found, "one of at (a time) and rate")]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its name: a worker process may know the class from a script only."""
        return registry.restored, ("faults", self.kind, self.__getstate__())


class HostFault(Fault):
    """The project's own faults: of an application, of a kernel, of an intruder, of the host."""

    kind: Annotated[
        Literal["app-crash", "kernel-panic", "compromise", "host-patch", "host-reboot"], choice(*_FAULTS)
    ] = Field(description=f"one of {', '.join(_FAULTS)}")
    move_first: Annotated[bool, flag()] = Field(False, description="host-patch: move away first what can be moved")
    outage: OptionalTime = Field(None, description="host-patch, host-reboot, kernel-panic: how long the kernel is away")
    link: Annotated[float | None, quantity("bandwidth", above=0, optional=True)] = Field(
        None, description="host-patch with move_first: bandwidth to the other host, as in moves"
    )
    dirty_rate: Annotated[float, quantity("bandwidth", least=0)] = Field(
        0.0, description="host-patch with move_first: memory that a replica overwrites while it is copied, as in moves"
    )

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Each kind has keys of its own; a host is patched as a whole."""
        findings = super().cross(values, raw)
        kind = values.get("kind")
        if kind is None:
            return findings
        only: dict[str, tuple[str, ...]] = dict.fromkeys(("move_first", "link", "dirty_rate"), ("host-patch",))
        only |= {"outage": (*_OF_HOST, "kernel-panic")}
        if kind in _OF_HOST:
            only |= {"service": (), "replica": ()}
        for key, kinds in only.items():
            own = cls.model_fields[key].get_default(call_default_factory=True)  # a manifest writes what was left out
            if key in raw and values.get(key, raw[key]) != own and kind not in kinds:
                allowed = f"this key only with {' or '.join(kinds)}" if kinds else "no such key: it strikes the host"
                findings.append(Finding((key,), f"{key} with {kind}", allowed, on_key=True))
        return findings


for _kind in _FAULTS:
    registry.builtin("faults", _kind, spec=HostFault)


def _parse_fault(value: Any, info: Info) -> Strict:
    """A fault of any kind; one whose kind is not known is read as what was probably meant, which tells all else."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    collect = Collector(info)
    model: type[Strict] | None = HostFault
    if kind in registry.names("faults"):
        model = collect.call(partial(spec_of, "faults"), kind, "kind")
    elif kind is not None:
        collect.findings.append(unknown_name("faults", kind, "kind"))
        if (meant := registry.nearest("faults", kind)) is not None:
            value, model = {**value, "kind": meant}, collect.call(partial(spec_of, "faults"), meant, "kind")
    read = None if model is None else collect.model(model, value)
    collect.findings = list({finding.loc if finding.loc == ("kind",) else finding: finding
                             for finding in reversed(collect.findings)}.values())[::-1]  # fmt: skip
    collect.done()
    return cast(Strict, read)


AnyFault = Annotated[
    Annotated[Fault, Registered("faults", "kind")],
    Human(_parse_fault, lambda inner: inner),
]


class Move(Strict):
    """Replicas that leave for another host at a time (seconds): live migration, or re-creation there."""

    at: Time = Field(description="when it begins, such as 3min")
    service: Annotated[str, text()] = Field(description="the service to move")
    replica: Index = Field(None, description="the number of the replica to move; all of them when left out")
    link: Annotated[float | None, quantity("bandwidth", above=0, optional=True)] = Field(
        None, description="bandwidth to the other host, such as 10Gbit/s; the host's own network when left out"
    )
    dirty_rate: Annotated[float, quantity("bandwidth", least=0)] = Field(
        0.0, description="memory that a replica overwrites while it is copied, such as 40MB/s"
    )
    downtime: OptionalTime = Field(None, description="longest stop to aim at; the platform's when left out")
    max_rounds: Annotated[int | None, count(1, optional=True)] = Field(
        None, description="most rounds of copying; the platform's when left out"
    )
    on_no_convergence: Annotated[Literal["force", "abort"], choice("force", "abort")] = Field(
        "abort", description="what to do when copying does not catch up with the writes"
    )


class Resize(Strict):
    """Replicas that are given another size at a time (seconds), as far as the platform allows it and the host has room.

    A platform that the size names in no way is left alone.
    """

    at: Time = Field(description="when it happens, such as 8h")
    service: Annotated[str, text()] = Field(description="the service to resize")
    replica: Index = Field(
        None, description="the number of the replica to resize; all, and those to come, when left out"
    )
    size: Sizes = Field(description="the new size: {cpu: 2, memory: 2GiB}, or such a mapping for each platform")

    def size_on(self, lineage: Sequence[str]) -> Size | None:
        """The size for the first platform of `lineage` that has one; what holds for every platform comes last."""
        return next((self.size[name] for name in (*lineage, ANY) if name in self.size), None)
