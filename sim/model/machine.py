"""A machine: what admission has promised, the links and locks, and the cores that are left to its guests."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import simpy
from simpy.events import Event

from sim.engine.environment import HybridEnvironment
from sim.model.bandwidth import SharedBandwidth
from sim.model.images import ImageStore
from sim.model.placement import Share, admission_limits
from sim.platforms import Platform
from sim.scenario import Scenario


@dataclass(frozen=True)
class Links:
    """The disk's two directions and the NIC; VMs share the host's."""

    read: SharedBandwidth
    write: SharedBandwidth
    nic: SharedBandwidth


class Machine:
    """What guests run on: the host, or a VM on it. Allocation is held from admission to the end of the stop.

    `size` and `limits`: cores and bytes that there are, and that admission may promise. `pool`: its number in the data
    plane. `coming_up`: None, or an event that succeeds when it is up. `daemons` cores burn always, `idle_each` cores
    for every guest that has a process.
    """

    here = True  # not the far end of a move

    def __init__(
        self,
        env: HybridEnvironment,
        platform: Platform,
        links: Links,
        size: tuple[float, float],
        limits: tuple[float, float],
        pool: int = 0,
    ) -> None:
        self._env = env
        self.platform = platform
        self.pool = pool
        self.coming_up: Event | None = None
        self.cores, self.memory = size
        self.cpu_limit, self.memory_limit = limits
        self.disk_limit = inf
        self.read, self.write, self.nic = links.read, links.write, links.nic
        self.images = ImageStore(env, self.nic, self.write, platform)
        self.locks: dict[str, simpy.Resource] = {}
        self.cpu_held = self.memory_held = self.disk_held = 0.0
        self.ballooned = 0.0  # bytes of what is held that balloons have taken back
        self.disk_peak = 0.0  # most bytes on the disk at once: images and what guests write
        self.down = False  # its kernel is being started again
        self.running = 0  # guests that have a process: they burn the platform's idle CPU
        self.daemons, self.idle_each = 0.0, platform.cpu.idle_per_guest
        self._mark = 0.0
        self.promised = {"cpu_allocated": 0.0, "memory_allocated": 0.0, "cpu_idle": 0.0}

    @property
    def idle_cores(self) -> float:
        """Cores that daemons and idle guest systems burn now."""
        return min(self.cores, self.daemons + self.idle_each * self.running)

    @property
    def disk_used(self) -> float:
        """Bytes on the disk: images and what guests write."""
        return self.images.bytes + self.disk_held

    @property
    def memory_allocated(self) -> float:
        """Bytes promised to guests and not taken back by balloons."""
        return self.memory_held - self.ballooned

    @property
    def page_cache(self) -> float:
        """Bytes of images in the page cache."""
        return self.images.pages

    def trim_cache(self) -> None:
        """What has been in use since the last time has driven out as much of the page cache."""

    def refusal(self, share: Share, disk: float) -> str | None:
        """Why a guest with this share cannot be admitted now; None if it can."""
        if self.down:
            return "host: its kernel is down"
        if self.cpu_held + share.cpu > self.cpu_limit * (1 + 1e-12):
            return f"cpu: {self.cpu_held:g} of {self.cpu_limit:g} cores promised, {share.cpu:g} asked"
        if self.memory_held + share.memory > self.memory_limit * (1 + 1e-12):
            held, limit, asked = (x / 2**30 for x in (self.memory_held, self.memory_limit, share.memory))
            return f"memory: {held:.2f} of {limit:.2f} GiB promised, {asked:.2f} GiB asked"
        if self.disk_used + disk > self.disk_limit:
            used, limit, asked = (x / 1e9 for x in (self.disk_used, self.disk_limit, disk))
            return f"disk: {used:.2f} of {limit:.2f} GB used, {asked:.2f} GB asked"
        return None

    def hold(self, share: Share, disk: float) -> None:
        """Promise a share."""
        self.book()
        self.cpu_held += share.cpu
        self.memory_held += share.memory
        self.disk_held += disk
        self.note_disk()

    def note_disk(self) -> None:
        """The disk may hold more than ever before."""
        self.disk_peak = max(self.disk_peak, self.disk_used)

    def give_back(self, share: Share, disk: float) -> None:
        """Take a promise back."""
        self.book()
        self.cpu_held -= share.cpu
        self.memory_held -= share.memory
        self.disk_held -= disk

    def process_begins(self) -> None:
        """A guest's process exists from now on."""
        self.book()
        self.running += 1
        self.set_capacity()

    def process_ends(self) -> None:
        """A guest's process is gone."""
        self.book()
        self.running -= 1
        self.set_capacity()

    def set_capacity(self) -> None:
        """What idle systems do not burn is for the guests to share."""
        self._env.plane.set_capacity(self.cores - self.idle_cores, self.pool)

    def book(self) -> None:
        """Bring the integrals of promises and idle CPU up to now."""
        span = self._env.now - self._mark
        self._mark = self._env.now
        self.promised["cpu_allocated"] += span * self.cpu_held
        self.promised["memory_allocated"] += span * self.memory_allocated
        self.promised["cpu_idle"] += span * self.idle_cores

    def lock(self, name: str) -> simpy.Resource:
        """The machine's lock of this name; one start at a time is inside."""
        if name not in self.locks:
            self.locks[name] = simpy.Resource(self._env, capacity=1)
        return self.locks[name]


class Host(Machine):
    """The host itself, on which all guests of a flat platform run."""

    def __init__(self, env: HybridEnvironment, scenario: Scenario, platform: Platform) -> None:
        host = scenario.host
        groups = {} if host.registry is None else {"registry": host.registry}
        links = Links(
            read=SharedBandwidth(env, host.disk.read),
            write=SharedBandwidth(env, host.disk.write),
            nic=SharedBandwidth(env, host.network, groups),
        )
        limits = admission_limits(scenario, platform)
        super().__init__(env, platform, links, (host.cores, host.memory), limits)
        self.disk_limit = inf if host.disk.capacity is None else host.disk.capacity
        self.daemons = platform.cpu.host
        env.plane.charge_host(platform.memory.host)
        self.set_capacity()

    @property
    def node_memory(self) -> float:
        """Memory of the machine that a guest finds itself on, bytes."""
        return self.memory

    @property
    def boot_work(self) -> float:
        """CPU that VMs of a pool took to boot, up to the last booking (core-s)."""
        return 0.0

    @property
    def pulled(self) -> float:
        """Bytes of images that came over the network so far."""
        return self.images.pulled

    def trim_cache(self) -> None:
        """What has been in use since the last time has driven out as much of the page cache."""
        self.images.trim_pages(self.memory - self._env.plane.memory_peak())

    def cache(self, parts: list[tuple[str, float]]) -> None:
        """These parts of images are there before the run begins."""
        self.images.cache(parts)

    def place(self, share: Share, disk: float, parts: list[tuple[str, float]]) -> Machine | str:
        """The machine that takes a guest with this share, or why there is none."""
        return self.refusal(share, disk + self.images.missing(parts)) or self
