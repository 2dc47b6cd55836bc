"""The host: what admission has promised, the shared links and locks, and the cores that are left to guests."""

from __future__ import annotations

from math import inf

import simpy

from sim.engine.environment import HybridEnvironment
from sim.model.bandwidth import SharedBandwidth
from sim.model.images import ImageStore
from sim.model.placement import Share, admission_limits
from sim.platforms import Platform
from sim.scenario import Scenario


class Machine:
    """One machine that guests run on. Allocation is held from admission to the end of the stop."""

    def __init__(self, env: HybridEnvironment, scenario: Scenario, platform: Platform) -> None:
        host = scenario.host
        self._env = env
        self.platform = platform
        self.cores, self.memory = host.cores, host.memory
        self.read = SharedBandwidth(env, host.disk.read)
        self.write = SharedBandwidth(env, host.disk.write)
        groups = {} if host.registry is None else {"registry": host.registry}
        self.nic = SharedBandwidth(env, host.network, groups)
        self.images = ImageStore(env, self.nic, self.write, platform)
        self.locks: dict[str, simpy.Resource] = {}
        self.cpu_limit, self.memory_limit = admission_limits(scenario, platform)
        self.disk_limit = inf if host.disk.capacity is None else host.disk.capacity
        self.cpu_held = self.memory_held = self.disk_held = 0.0
        self.running = 0  # guests that have a process: they burn the platform's idle CPU
        self._mark = 0.0
        self.promised = {"cpu_allocated": 0.0, "memory_allocated": 0.0, "cpu_idle": 0.0}
        env.plane.charge_host(platform.memory.host)
        self._set_capacity()

    @property
    def idle_cores(self) -> float:
        """Cores that daemons and idle guest systems burn now."""
        cpu = self.platform.cpu
        return min(self.cores, cpu.host + cpu.idle_per_guest * self.running)

    def refusal(self, share: Share, disk: float) -> str | None:
        """Why a guest with this share cannot be admitted now; None if it can."""
        if self.cpu_held + share.cpu > self.cpu_limit * (1 + 1e-12):
            return f"cpu: {self.cpu_held:g} of {self.cpu_limit:g} cores promised, {share.cpu:g} asked"
        if self.memory_held + share.memory > self.memory_limit * (1 + 1e-12):
            held, limit, asked = (x / 2**30 for x in (self.memory_held, self.memory_limit, share.memory))
            return f"memory: {held:.2f} of {limit:.2f} GiB promised, {asked:.2f} GiB asked"
        if self.images.bytes + self.disk_held + disk > self.disk_limit:
            used, limit, asked = (x / 1e9 for x in (self.images.bytes + self.disk_held, self.disk_limit, disk))
            return f"disk: {used:.2f} of {limit:.2f} GB used, {asked:.2f} GB asked"
        return None

    def hold(self, share: Share, disk: float) -> None:
        """Promise a share."""
        self.book()
        self.cpu_held += share.cpu
        self.memory_held += share.memory
        self.disk_held += disk

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
        self._set_capacity()

    def process_ends(self) -> None:
        """A guest's process is gone."""
        self.book()
        self.running -= 1
        self._set_capacity()

    def _set_capacity(self) -> None:
        self._env.plane.set_capacity(self.cores - self.idle_cores)

    def book(self) -> None:
        """Bring the integrals of promises and idle CPU up to now."""
        span = self._env.now - self._mark
        self._mark = self._env.now
        self.promised["cpu_allocated"] += span * self.cpu_held
        self.promised["memory_allocated"] += span * self.memory_held
        self.promised["cpu_idle"] += span * self.idle_cores

    def lock(self, name: str) -> simpy.Resource:
        """The host's lock of this name; one start at a time is inside."""
        if name not in self.locks:
            self.locks[name] = simpy.Resource(self._env, capacity=1)
        return self.locks[name]
