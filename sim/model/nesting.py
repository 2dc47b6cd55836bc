"""Containers inside VMs: a pool of VMs, each of which is the machine of its containers (docs/model.md, Nesting).

A VM is started, as any guest of the platform `nested.vm_platform`, when no VM of the pool has room for the next
container; it stays when it is empty. Its image is on the host already, and so, baked into the VM's disk, are the
container images that the scenario calls cached.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import Event

from sim.engine import layout
from sim.model.guest import run_phases
from sim.model.machine import Host, Links, Machine
from sim.model.placement import Share, vm_share
from sim.model.sampling import sampler
from sim.model.streams import generator
from sim.platforms import Phase, Platform, load_platform
from sim.scenario import Image, Layer

if TYPE_CHECKING:
    from sim.model.simulation import Simulation

IMAGE = Image(bytes=0.0, layers=[Layer(name="vm of the pool", bytes=0.0)], cached=True)  # its template is on the disk


def host_of(simulation: Simulation) -> Host:
    """The host of a run: flat, or with a pool of VMs where the platform nests."""
    if simulation.platform.nested is None:
        return Host(simulation.env, simulation.scenario, simulation.platform)
    return NestedHost(simulation)


class Process:
    """A VM as the host sees it: a guest whose start-up has phases, memory and CPU work like any other's."""

    def __init__(self, host: NestedHost, slot: int) -> None:
        self.machine, self.env, self.slot = host, host.env, slot
        self.image, self.parts = IMAGE, host.images.parts(IMAGE)
        self.phases: dict[str, float] = {}
        self.durations = host.draw_durations()
        self.has_process = False

    def process_begins(self) -> None:
        """The VMM runs from now on, and the guest OS in it."""
        self.has_process = True
        self.env.plane.set_memory(self.slot, self.machine.vm_share.resident)
        self.machine.process_begins()

    def process_ends(self) -> None:
        """Nothing is left of it but its disk."""
        self.env.plane.set_memory(self.slot, 0.0)
        if self.has_process:
            self.has_process = False
            self.machine.process_ends()


class Vm(Machine):
    """One VM of the pool: the machine of its containers.

    In the data plane it is a pool, and a guest in that pool which has the VM's own work to do. The pool's memory is
    what VMM, guest OS, the containers' daemons and the containers use; its limit is the RAM and the VMM's part.
    """

    def __init__(self, host: NestedHost, number: int) -> None:
        share, plane = host.vm_share, host.env.plane
        self.host, self.name, self.share = host, f"vm-{number}", share
        pool = plane.add_pool(share.cap, share.weight, share.memory)
        links = Links(host.read, host.write, host.nic)
        super().__init__(host.env, host.platform, links, (share.cap, share.ram), host.vm_limits, pool)
        self.process = Process(host, plane.add_guest(host.boots, share.weight, share.cap, pool))
        self.images.cache(host.baked)
        self.images.bytes = 0.0  # the template's, which all VMs' disks are backed by, are on the host's account
        self.coming_up = host.env.event()
        self._story = host.env.process(self._boot(host.vm_platform.startup))

    def refusal(self, share: Share, disk: float) -> str | None:
        """Why a container cannot be admitted here; the disk is the host's."""
        return super().refusal(share, disk) or self.host.disk_refusal(disk)

    def trim_cache(self) -> None:
        """What is in use in the VM now drives out as much of its page cache."""
        self.images.trim_pages(self.share.memory - self.used)

    def note_disk(self) -> None:
        """The host's disk may hold more than ever before."""
        self.host.note_disk()

    def process_begins(self) -> None:
        """A container's process exists from now on."""
        self._burn(guests=1)

    def process_ends(self) -> None:
        """A container's process is gone."""
        self._burn(guests=-1)

    def reboot(self) -> None:
        """Its kernel has fallen: it goes through its `panic_phases`, and containers wait for `coming_up`.

        What else becomes of them is for the caller to say.
        """
        if self._story.is_alive:
            self._story.interrupt()
        env = self.host.env
        env.forget(self.process.slot)
        env.plane.kill(self.process.slot)
        self.process.process_ends()
        self.images.forget_pages()
        self._burn(daemons=0.0)
        if self.coming_up is None:
            self.coming_up = env.event()
        platform = self.host.vm_platform
        again = [phase for phase in platform.startup if phase.name in platform.isolation.panic_phases]
        self._story = env.process(self._boot(again))

    @property
    def used(self) -> float:
        """Bytes in use by the VM and all that is in it."""
        return self.host.env.plane.pool_memory(self.pool)

    def _boot(self, phases: Sequence[Phase]) -> Generator[Event, Any, None]:
        host = self.host
        try:
            yield from run_phases(self.process, phases)
        except simpy.Interrupt:
            return
        if not self.process.has_process:
            self.process.process_begins()
        daemons = host.guest_platform
        host.env.plane.set_memory(self.process.slot, self.share.resident + daemons.memory.host)
        self._burn(daemons=daemons.cpu.host)
        host.simulation.observer.event(None, "vm-up", self.name, host.env.now)
        up, self.coming_up = self.coming_up, None
        assert up is not None
        up.succeed()

    def _burn(self, guests: int = 0, daemons: float | None = None) -> None:
        """What idle systems burn in here changes: it is taken off the VM's vCPUs and off the host."""
        self.host.book()
        before = self.idle_cores
        self.running += guests
        self.daemons = self.daemons if daemons is None else daemons
        self.host.inside += self.idle_cores - before
        self.set_capacity()
        self.host.set_capacity()


class NestedHost(Host):
    """The host of a pool of VMs: it has no guests of its own."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation, self.env = simulation, simulation.env
        self.vms: list[Vm] = []
        self.inside = 0.0  # cores that idle systems burn in the VMs
        self.baked: list[tuple[str, float]] = []
        super().__init__(simulation.env, simulation.scenario, simulation.platform)
        nested = simulation.platform.nested
        assert nested is not None
        self.vm_platform: Platform = load_platform(nested.vm_platform)
        self.guest_platform: Platform = load_platform(nested.guest)
        self.idle_each = self.vm_platform.cpu.idle_per_guest
        self.vm_share = vm_share(self.vm_platform, nested.vm.cpu, nested.vm.memory)
        for_containers = self.vm_share.application - self.guest_platform.memory.host
        self.vm_limits = (self.vm_share.cap, for_containers)
        self.images.cache(self.images.parts(IMAGE))
        seed, replication = simulation.scenario.seed, simulation.replication
        self._draws = {
            phase.name: (sampler(law), generator(seed, replication, f"vm/{phase.name}"))
            for phase in self.vm_platform.startup
            if (law := phase.hold or phase.duration) is not None
        }
        self._boots: int | None = None

    @property
    def boots(self) -> int:
        """The data plane's service under which the VMs' own work is booked; made behind all others."""
        if self._boots is None:
            self._boots = self.env.plane.add_service(routing=layout.RANDOM)
        return self._boots

    @property
    def boot_work(self) -> float:
        """CPU that the VMs took to boot, up to the last booking (core-s)."""
        return 0.0 if self._boots is None else self.env.plane.work(self._boots)[1]

    @property
    def idle_cores(self) -> float:
        """Cores that daemons and idle guest systems burn now, also within the VMs."""
        return min(self.cores, self.daemons + self.idle_each * self.running + self.inside)

    @property
    def disk_used(self) -> float:
        """Bytes on the disk; the VMs' disks are on the host's."""
        return super().disk_used + sum(vm.disk_used for vm in self.vms)

    @property
    def page_cache(self) -> float:
        """Bytes of images in the page caches of the VMs."""
        return sum(vm.page_cache for vm in self.vms)

    def trim_cache(self) -> None:
        """The page caches are in the VMs."""
        for vm in self.vms:
            vm.trim_cache()

    @property
    def pulled(self) -> float:
        """Bytes of images that came over the network so far; each VM pulls for itself."""
        return super().pulled + sum(vm.images.pulled for vm in self.vms)

    @property
    def node_memory(self) -> float:
        """RAM of a VM: what a container takes for the machine's memory."""
        return self.vm_share.ram

    def draw_durations(self) -> dict[str, float]:
        """Durations of the next VM's phases, s."""
        return {name: float(sample(stream, 1)[0]) for name, (sample, stream) in self._draws.items()}

    def cache(self, parts: list[tuple[str, float]]) -> None:
        """These parts of images are on the disk that every VM starts from."""
        self.images.cache(parts)
        self.baked += parts

    def disk_refusal(self, disk: float) -> str | None:
        """Why the disk cannot take so many more bytes; None if it can."""
        nothing = Share(0.0, 0.0, -self.cpu_held, -self.memory_held, 0.0, 0.0, 0.0, 0)
        return self.refusal(nothing, disk)

    def place(self, share: Share, disk: float, parts: list[tuple[str, float]]) -> Machine | str:
        """The first VM, by number, that has room; else a new one, if the host admits it and it would have room."""
        for vm in [] if self.down else self.vms:
            if vm.refusal(share, disk + vm.images.missing(parts)) is None:
                return vm
        cpu, memory = self.vm_limits
        if share.cpu > cpu * (1 + 1e-12) or share.memory > memory * (1 + 1e-12):
            asked = f"{share.cpu:g} cores and {share.memory / 2**30:.2f} GiB asked"
            return f"size: {asked}, {cpu:g} cores and {memory / 2**30:.2f} GiB are in a VM for containers"
        baked = {key for key, _ in self.baked}
        pulled = sum(size for key, size in parts if key not in baked)
        own = self.vm_platform.disk.per_guest
        why = self.refusal(self.vm_share, own + disk + pulled)
        return f"no VM has room, and the host not for one more: {why}" if why else self._new_vm(own)

    def _new_vm(self, disk: float) -> Vm:
        self.hold(self.vm_share, disk)
        vm = Vm(self, len(self.vms))
        self.vms.append(vm)
        observer = self.simulation.observer
        observer.numbered(vm.name)
        observer.event(None, "vm-requested", vm.name, self.env.now)
        return vm

    def vm_of(self, pool: int) -> Vm:
        """The VM that is this pool of the data plane."""
        return next(vm for vm in self.vms if vm.pool == pool)

    def stranded(self) -> float:
        """Bytes promised to VMs and not used in them now."""
        return sum(max(0.0, vm.share.memory - vm.used) for vm in self.vms)
