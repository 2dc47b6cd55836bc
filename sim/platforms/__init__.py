"""The catalogue of platforms: what a VM, a container, a microVM costs. Data and its reader, no behaviour."""

from sim.platforms.catalogue import describe, load_platform, names
from sim.platforms.errors import PlatformError, PlatformProblem
from sim.platforms.reading import Row
from sim.platforms.schema import (
    Cpu,
    Disk,
    GuestKernel,
    Isolation,
    Memory,
    Move,
    Nested,
    Phase,
    Platform,
    PoolVm,
    Restart,
    Stop,
)

__all__ = [
    "Cpu", "Disk", "GuestKernel", "Isolation", "Memory", "Move", "Nested", "Phase", "Platform", "PlatformError",
    "PlatformProblem", "PoolVm", "Restart", "Row", "Stop", "describe", "load_platform", "names",
]  # fmt: skip
