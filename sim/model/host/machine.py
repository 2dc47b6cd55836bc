"""A machine: what admission has promised, the links and locks, and the cores that are left to its guests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import Any

import numpy as np
import simpy
from simpy.events import Event

from sim.engine.environment import HybridEnvironment
from sim.engine.layout import RANDOM, WORK_BOOT
from sim.model.host.bandwidth import SharedBandwidth
from sim.model.host.clients import Client
from sim.model.host.images import ImageStore
from sim.model.host.links import Links, bandwidths, links_of
from sim.model.host.placement import Claim, Share, admission_limits, node_refusal, together
from sim.model.world import World
from sim.platforms import Platform
from sim.scenario.amounts import LinkName
from sim.terms.records import Array

NO_LINKS: Mapping[LinkName, int] = MappingProxyType({})


class Machine:
    """What guests run on: the host, or a VM on it. Allocation is held from admission to the end of the stop.

    `size` and `limits`: cores and bytes that there are, and that admission may promise. `pool`: its number in the data
    plane. `coming_up`: None, or an event that succeeds when it is up. `daemons` cores burn always, `idle_each` cores
    for every guest that has a process. `within`: the machine that it runs on (None: it is a host).
    """

    here = True  # not the far end of a move
    site = 0  # whose links its guests' requests use
    within: Machine | None = None
    name = "host"

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
        self.links, self.sync = links, links.sync
        self.read, self.write, self.nic = links.read, links.write, links.nic
        self.images = ImageStore(env, self.nic, self.write, platform, self.unpack)
        self._daemons: int | None = None
        self.admission: list[Callable[[Share], str | None]] = []  # more that may refuse a guest, and why
        self.locks: dict[str, simpy.Resource] = {}
        self._clients: dict[str, Client] = {}
        self.cpu_held = self.memory_held = self.disk_held = 0.0
        self.guests_held = self.pids_held = 0
        self._held: dict[int, Counter[float]] = {}  # guests that are promised so many cores each, by service
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

    @property
    def used(self) -> float:
        """Bytes in use by it and all that is in it."""
        return self._env.plane.pool_memory(self.pool)

    @property
    def room(self) -> float:
        """Bytes that may be in use before its kernel has to kill."""
        return self.memory

    def page_out(self, most: float) -> Generator[Event, Any, None]:
        """Write out what does not fit into the memory, of what a guest has just added (at most `most` bytes)."""
        yield from ()

    def trim_cache(self) -> None:
        """What has been in use since the last time has driven out as much of the page cache."""

    # promises

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

    def objection(self, share: Share) -> str | None:
        """What the checks in `admission` have against a share that may be promised; None if nothing."""
        return next((why for check in self.admission if (why := check(share)) is not None), None)

    def hold(self, share: Share, disk: float, service: int | None = None) -> None:
        """Promise a share, to a guest of a service (its number in the data plane) or to nobody's."""
        self.book()
        self.cpu_held += share.cpu
        self.memory_held += share.memory
        self.disk_held += disk
        self.guests_held, self.pids_held = self.guests_held + share.guests, self.pids_held + share.pids
        if service is not None:
            self._held.setdefault(service, Counter())[share.cpu] += 1
        self.note_disk()

    def give_back(self, share: Share, disk: float, service: int | None = None) -> None:
        """Take a promise back."""
        self.book()
        self.cpu_held -= share.cpu
        self.memory_held -= share.memory
        self.disk_held -= disk
        self.guests_held, self.pids_held = self.guests_held - share.guests, self.pids_held - share.pids
        if service is not None:
            self._held[service][share.cpu] -= 1

    def exchange(self, old: Share, new: Share, service: int) -> None:
        """Promise a guest a new share in place of the old one."""
        self.give_back(old, 0.0, service)
        self.hold(new, 0.0, service)

    def note_disk(self) -> None:
        """The disk may hold more than ever before."""
        self.disk_peak = max(self.disk_peak, self.disk_used)

    def set_ballooned(self, amount: float) -> None:
        """Balloons hold `amount` bytes of what is promised."""
        self.book()
        self.ballooned = amount

    def book(self) -> None:
        """Bring the integrals of promises and idle CPU up to now."""
        span = self._env.now - self._mark
        self._mark = self._env.now
        self.promised["cpu_allocated"] += span * self.cpu_held
        self.promised["memory_allocated"] += span * self.memory_allocated
        self.promised["cpu_idle"] += span * self.idle_cores

    def book_through(self, times: Array) -> Array:
        """`book` at each of these times (s, ascending), the last of them now; idle CPU up to each, core-s."""
        spans = np.diff(times, prepend=self._mark)
        self._mark = float(times[-1])
        rates = {
            "cpu_allocated": self.cpu_held, "memory_allocated": self.memory_allocated, "cpu_idle": self.idle_cores
        }  # fmt: skip
        for name, rate in rates.items():
            sums = np.cumsum(np.concatenate(([self.promised[name]], spans * rate)))  # one after the other
            self.promised[name] = float(sums[-1])
        idle: Array = sums[1:]
        return idle

    # what runs on it

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

    @property
    def daemon_service(self) -> int:
        """The data plane's service under which daemons' work on images is booked; made behind all others."""
        if self._daemons is None:
            self._daemons = self._env.plane.add_service(routing=RANDOM)
        return self._daemons

    def unpack(self, work: float) -> Generator[Event, Any, None]:
        """`work` core-s of a daemon on an image, in a thread that weighs as much as a core and is no guest's."""
        slot = self._env.plane.add_guest(self.daemon_service, 1.0, 1.0, self.pool, numbered=False)
        if not self.here:  # another host's daemon: what it uses is not this host's
            self._env.plane.send_away(slot, self.site)
        try:
            yield self._env.compute(slot, work, WORK_BOOT)
        finally:
            self._env.forget(slot)
            self._env.plane.remove(slot)

    def lock(self, name: str, workers: int = 1) -> simpy.Resource:
        """The machine's lock of this name; so many starts at a time are inside, as its first user says."""
        if name not in self.locks:
            self.locks[name] = simpy.Resource(self._env, capacity=workers)
        return self.locks[name]

    def client(self, name: str) -> Client:
        """The machine's client of this name."""
        return self._clients.setdefault(name, Client(self._env))

    def go_down(self) -> None:
        """Its kernel, or that of its host, has fallen: nothing is admitted, and the page cache is gone."""
        self.down = True
        self.images.forget_pages()

    def come_up(self) -> None:
        """The host's kernel runs again."""
        self.down = False

    def reboot(self) -> None:
        """Start its own kernel again, where it is not the host's."""


class Host(Machine):
    """The host itself, on which all guests of a flat platform run."""

    def __init__(self, world: World) -> None:
        host, platform = world.scenario.host, world.platform
        limits = admission_limits(world.scenario, platform)
        shared = {name: world.plane.add_link(rate) for name, rate in bandwidths(world, host.network).items()}
        links = links_of(world, host.network, shared)
        super().__init__(world.env, platform, links, (host.effective_cores, host.memory), limits)
        self.disk_limit = inf if host.disk.capacity is None else host.disk.capacity
        self.swap = 0.0 if host.swap is None else host.swap.size
        self._out = None if host.swap is None else SharedBandwidth(world.env, host.swap.write)
        if platform.nested is None and world.scenario.node is not None:
            self.admission.append(
                lambda share: node_refusal(world.scenario.node, self.guests_held, self.pids_held, share)
            )
        self.daemons = platform.cpu.host
        world.plane.charge_host(platform.memory.host)
        self.set_capacity()

    @property
    def used(self) -> float:
        """Bytes in use on the host."""
        return self._env.plane.memory_used

    @property
    def room(self) -> float:
        """Bytes that may be in use, also in the swap, before the kernel has to kill."""
        return self.memory + self.swap

    @property
    def swapped(self) -> float:
        """Bytes that are in the swap."""
        return max(0.0, self.used - self.memory) if self.swap else 0.0

    def page_out(self, most: float) -> Generator[Event, Any, None]:
        """Write out what does not fit into the memory, of what a guest has just added (at most `most` bytes)."""
        amount = min(most, self.swapped)
        if self._out is not None and amount > 0.0:
            yield from self._out.transfer(amount, inf)

    @property
    def node_memory(self) -> float:
        """Memory of the machine that a guest finds itself on, bytes."""
        return self.memory

    @property
    def boot_work(self) -> float:
        """CPU that daemons took for images, and VMs of a pool to boot, up to the last booking (core-s)."""
        return 0.0 if self._daemons is None else self._env.plane.work(self._daemons)[1]

    @property
    def pulled(self) -> float:
        """Bytes of images that came over the network so far."""
        return self.images.pulled

    @property
    def vms(self) -> Sequence[Machine]:
        """Machines on this one, which are one process each to its kernel."""
        return ()

    def vm_of(self, pool: int) -> Machine:
        """The machine on this one that is this pool of the data plane. Raises LookupError."""
        return next(vm for vm in self.vms if vm.pool == pool)

    steady = True  # between events of control nothing of it changes but what the data plane samples

    def cache_after(self, peaks: Array) -> Array:
        """Bytes of the page cache after each of these `peaks` (most bytes in use) has driven out as much of it."""
        if self.images.pages <= self.memory - peaks.max():
            return np.full(len(peaks), self.page_cache)
        held = []
        for peak in peaks.tolist():
            self.images.trim_pages(self.memory - peak)
            held.append(self.page_cache)
        return np.array(held)

    def cache(self, parts: list[tuple[str, float]]) -> None:
        """These parts of images are there before the run begins."""
        self.images.cache(parts)

    def place(self, share: Share, disk: float, parts: list[tuple[str, float]]) -> Machine | str:
        """The machine that takes a guest with this share, or why there is none."""
        return self.refusal(share, disk + self.images.missing(parts)) or self.objection(share) or self

    def refusal_of_all(self, claims: Sequence[Claim]) -> str | None:
        """Why guests cannot be admitted now that are to be there together or not at all; None if they can."""
        share, disk, parts = together(claims)
        return self.refusal(share, disk + self.images.missing(parts)) or self.objection(share)

    def stranded(self, unused: Array) -> Array:
        """Bytes promised and not used, where guests leave `unused` bytes of what they were promised, by sample."""
        return unused

    def cpu_by_service(self, used: Array) -> tuple[Array, Array]:
        """Cores promised now, and the core-seconds used so far (given), by service."""
        if self._daemons is not None:
            used = used[..., : self._daemons]  # the last service is nobody's
        held = np.zeros(used.shape[-1])
        for service, shares in self._held.items():
            held[service] = sum([cores * n for cores, n in shares.items()])
        return held, used


class Destination(Machine):
    """The host at the other end of a link of `link` bytes/s: what a start-up there draws on. It has room for all.

    `cached`: parts of images that lie ready do so on every host; `used`: the links of the host that requests use.
    """

    here = False  # what runs there holds nothing of this host

    def __init__(
        self,
        world: World,
        link: float,
        cached: Sequence[list[tuple[str, float]]],
        used: Mapping[LinkName, int] = NO_LINKS,
    ) -> None:
        host, far = world.scenario.host, world.plane.far_pool()
        size, room = (host.effective_cores, host.memory), (inf, inf)
        rates = {used[name]: rate for name, rate in bandwidths(world, link).items()}
        self.site, twins = world.plane.add_site(rates) if rates else (0, {})
        links = links_of(world, link, {name: twins[number] for name, number in used.items()})
        super().__init__(world.env, world.platform, links, size, room, far)
        self.link = link
        for parts in cached:
            self.images.cache(parts)

    def process_begins(self) -> None:
        """It burns no idle CPU of this host."""

    def process_ends(self) -> None:
        """It burned none."""
