"""The physical host, its disk and its swap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from sim.reading.errors import Finding, show
from sim.reading.fields import Strict, count, quantities, quantity

Bandwidth = Annotated[float, quantity("bandwidth", above=0)]


class Disk(Strict):
    """The host's disk: bandwidths in bytes/s, capacity in bytes (None: not limited)."""

    read: Bandwidth = Field(description="read bandwidth, such as 1.5GB/s")
    write: Bandwidth = Field(description="write bandwidth, such as 1GB/s")
    capacity: Annotated[float | None, quantity("size", above=0, optional=True)] = Field(
        None, description="space for images and guests' disks, such as 1TB; not limited when left out"
    )
    sync: Annotated[float, quantity("duration", least=0)] = Field(
        2e-3, description="until a small write is safe on it (fsync), such as 2ms, an SSD's; 24ms is a hard disk's"
    )


class Swap(Strict):
    """Where the host puts what exceeds its memory: bytes, bandwidths in bytes/s. A device of its own.

    `touched`: share of a guest's memory that a core-second of its work touches (docs/model.md, Swap).
    """

    size: Annotated[float, quantity("size", above=0)] = Field(description="space on it, such as 32GB")
    read: Bandwidth = Field(description="read bandwidth in pages, such as 600MB/s")
    write: Bandwidth = Field(description="write bandwidth in pages, such as 350MB/s")
    touched: Annotated[float, quantity("ratio", least=0)] = Field(
        2.0, description="share of a guest's memory that a core-second of its work touches; 200% when left out"
    )


class Power(Strict):
    """What the whole host draws, W: a straight line from idle to busy, or through points at equal steps between."""

    idle: Annotated[float, quantity("power", least=0)] = Field(description="with all cores idle, such as 100W")
    busy: Annotated[float, quantity("power", above=0)] = Field(description="with all cores busy, such as 300W")
    between: Annotated[tuple[float, ...], quantities("power", "powers, such as [120W, 140W]", least=0)] = Field(
        (), description="at equal steps of utilization between the two: SPECpower's nine, at 10 % to 90 %; else a line"
    )

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """A busy host draws no less than an idle one."""
        idle, busy = values.get("idle"), values.get("busy")
        if idle is None or busy is None or busy >= idle:
            return []
        return [Finding(("busy",), show(raw.get("busy")), f"at least what it draws idle, {raw.get('idle')}")]

    @property
    def curve(self) -> tuple[float, ...]:
        """Watts at equal steps of utilization from 0 to 1."""
        return (self.idle, *self.between, self.busy)


class Host(Strict):
    """The physical host: cores of reference speed 1, memory in bytes, bandwidths in bytes/s."""

    cores: Annotated[float, quantity("cpu", above=0)] = Field(description="number of cores, such as 16")
    memory: Annotated[float, quantity("size", above=0)] = Field(description="memory, such as 64GiB")
    disk: Disk = Field(
        default_factory=lambda: Disk.model_construct(read=1.5e9, write=1e9, capacity=None, sync=2e-3),
        description="{read: 1.5GB/s, write: 1GB/s}, which is the default",
    )
    network: Bandwidth = Field(1.25e9, description="bandwidth of the network interface; 10Gbit/s when left out")
    threads_per_core: Annotated[int, count(1)] = Field(
        1, description="hardware threads of a core: admission promises cores × threads_per_core"
    )
    smt_gain: Annotated[float, quantity("number", least=1)] = Field(
        1.0, description="what a core with all its hardware threads busy does, of what one thread does, such as 1.25"
    )
    registry: Annotated[float | None, quantity("bandwidth", above=0, optional=True)] = Field(
        None, description="most that the image registry gives; the network's bandwidth when left out"
    )

    swap: Swap | None = Field(None, description="{size: 32GB, read: 600MB/s, write: 350MB/s}; none when left out")
    power: Power | None = Field(None, description="{idle: 100W, busy: 300W}: what it draws; unknown when left out")
    price: Annotated[float | None, quantity("rate", least=0, optional=True)] = Field(
        None, description="what it costs, in any currency, such as 0.8/h; unknown when left out"
    )
    carbon: Annotated[float | None, quantity("carbon", least=0, optional=True)] = Field(
        None, description="carbon intensity of its electricity, such as 400g/kWh; needs power"
    )

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """One hardware thread gains nothing, several no more than there are; no carbon without a power."""
        findings: list[Finding] = []
        if values.get("carbon") is not None and raw.get("power") is None:
            found = f"{raw.get('carbon')}, without host.power"
            findings.append(Finding(("carbon",), found, "beside power: {idle: 100W, busy: 300W}"))
        threads, gain = values.get("threads_per_core"), values.get("smt_gain")
        if threads is None or gain is None or gain <= threads:
            return findings
        return [*findings, Finding(("smt_gain",), show(raw.get("smt_gain")), f"at most threads_per_core, {threads}")]

    @property
    def effective_cores(self) -> float:
        """What there is to share, in cores of reference speed: cores × smt_gain (docs/model.md, Threads)."""
        return self.cores * self.smt_gain

    @property
    def hardware_threads(self) -> float:
        """What admission may promise: cores × threads_per_core."""
        return self.cores * self.threads_per_core
