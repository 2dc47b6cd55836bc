"""Containers inside VMs: a pool of VMs, each of which is the machine of its containers (docs/model.md, Nesting).

A VM is started, as any guest of the platform `nested.vm_platform`, when no VM of the pool has room for the next
container; it stays when it is empty. Its image is on the host already, and so, baked into the VM's disk, are the
container images that the scenario calls cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import simpy

from sim.engine import layout
from sim.model.guests.guest import draw_each, phase_draws
from sim.model.guests.phases import Story, run_phases
from sim.model.host.machine import Host, Machine
from sim.model.host.placement import Claim, Share, together, vm_share
from sim.model.world import World
from sim.platforms import Phase, Platform, load_platform
from sim.scenario import Image, Layer
from sim.terms.records import Array

IMAGE = Image(bytes=0.0, layers=[Layer(name="vm of the pool", bytes=0.0)], cached=True)  # its template is on the disk


def host_of(world: World) -> Host:
    """The host of a run: flat, or with a pool of VMs where the platform nests."""
    return Host(world) if world.platform.nested is None else NestedHost(world)


class VmProcess:
    """A VM as the host sees it: a guest whose start-up has phases, memory and CPU work like any other's."""

    def __init__(self, host: NestedHost, slot: int) -> None:
        self.machine, self.env, self.slot = host, host.world.env, slot
        self.image, self.parts = IMAGE, host.images.parts(IMAGE)
        self.durations = host.draw_durations()
        self.phases: dict[str, float] = {}
        self.has_process = False

    def took(self, phase: str, seconds: float) -> None:
        """A phase of its first start has taken so long."""
        self.phases.setdefault(phase, seconds)

    def process_begins(self) -> None:
        """The VMM runs from now on, and the guest OS in it."""
        self.has_process = True
        self.env.plane.set_memory(self.slot, self.machine.vm_share.resident)
        self.machine.process_begins()

    def reads(self, size: float) -> None:
        """What it reads lies in its RAM; how much of that is page cache is not kept."""

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
        share, plane = host.vm_share, host.world.plane
        self.within, self.name, self.share = host, f"vm-{number}", share
        self._nest = host
        pool = plane.add_pool(share.cap, share.weight, share.memory)
        links = host.links
        super().__init__(host.world.env, host.platform, links, (share.cap, share.ram), host.vm_limits, pool)
        self.process = VmProcess(host, plane.add_guest(host.boots, share.weight, share.cap, pool))
        self.images.bake(host.baked)
        self.coming_up = self._env.event()
        self._has_been_up = False
        self._story = self._env.process(self._boot(host.vm_platform.startup))

    @property
    def daemon_service(self) -> int:
        """Its own work is its boot's and its daemons'."""
        return self._nest.boots

    @property
    def room(self) -> float:
        """Bytes that may be in use before its kernel has to kill: the RAM, and the VMM's part."""
        return self.share.memory

    def refusal(self, share: Share, disk: float) -> str | None:
        """Why a container cannot be admitted here; the disk is the host's."""
        return super().refusal(share, disk) or self._nest.disk_refusal(disk)

    def trim_cache(self) -> None:
        """What is in use in the VM now drives out as much of its page cache."""
        self.images.trim_pages(self.share.memory - self.used)

    def note_disk(self) -> None:
        """The host's disk may hold more than ever before."""
        self._nest.note_disk()

    def process_begins(self) -> None:
        """A container's process exists from now on."""
        self._burn(guests=1)

    def process_ends(self) -> None:
        """A container's process is gone."""
        self._burn(guests=-1)

    def go_down(self) -> None:
        """Its host's kernel has fallen: nothing is left of it but its disk."""
        super().go_down()
        self._fall()

    def come_up(self) -> None:
        """Its host's kernel runs again: it boots."""
        super().come_up()
        self._boot_again()

    def reboot(self) -> None:
        """Its kernel has fallen: it goes through its `panic_phases`, and containers wait for `coming_up`.

        What else becomes of them is for the caller to say.
        """
        self._fall()
        self._boot_again()

    def _fall(self) -> None:
        if self._story.is_alive:
            self._story.interrupt()
        self._env.forget(self.process.slot)
        self._env.plane.kill(self.process.slot)
        self.process.process_ends()
        self.images.forget_pages()
        self._burn(daemons=0.0)
        if self.coming_up is None:
            self.coming_up = self._env.event()

    def _boot_again(self) -> None:
        """One that has never been up starts from the beginning."""
        platform = self._nest.vm_platform
        names = platform.isolation.panic_phases
        again = [phase for phase in platform.startup if phase.name in names or not self._has_been_up]
        self._story = self._env.process(self._boot(again))

    def _boot(self, phases: Sequence[Phase]) -> Story:
        try:
            yield from run_phases(self.process, phases)
        except simpy.Interrupt:
            return
        if not self.process.has_process:
            self.process.process_begins()
        daemons = self._nest.guest_platform
        self._env.plane.set_memory(self.process.slot, self.share.resident + daemons.memory.host)
        self._burn(daemons=daemons.cpu.host)
        self._has_been_up = True
        self._nest.world.signals.note.fire(None, "vm-up", self.name)
        up, self.coming_up = self.coming_up, None
        assert up is not None
        up.succeed()

    def _burn(self, guests: int = 0, daemons: float | None = None) -> None:
        """What idle systems burn in here changes: it is taken off the VM's vCPUs and off the host."""
        before = self.idle_cores
        self.running += guests
        self.daemons = self.daemons if daemons is None else daemons
        self._nest.burns_inside(self.idle_cores - before)
        self.set_capacity()
        self._nest.set_capacity()


class NestedHost(Host):
    """The host of a pool of VMs: it has no guests of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._vms: list[Vm] = []
        self.inside = 0.0  # cores that idle systems burn in the VMs
        self.baked: list[tuple[str, float]] = []
        super().__init__(world)
        nested = world.platform.nested
        assert nested is not None
        self.vm_platform: Platform = load_platform(nested.vm_platform)
        self.guest_platform: Platform = load_platform(nested.guest)
        self.idle_each = self.vm_platform.cpu.idle_per_guest
        self.vm_share = vm_share(self.vm_platform, nested.vm.cpu, nested.vm.memory)
        for_containers = self.vm_share.application - self.guest_platform.memory.host
        self.vm_limits = (self.vm_share.cap, for_containers)
        self.images.cache(self.images.parts(IMAGE))
        self._draws = phase_draws(world, self.vm_platform, "vm")
        self._boots: int | None = None

    @property
    def vms(self) -> Sequence[Vm]:
        """The VMs of the pool, by number."""
        return self._vms

    @property
    def boots(self) -> int:
        """The data plane's service under which the VMs' own work is booked; made behind all others."""
        if self._boots is None:
            self._boots = self.world.plane.add_service(routing=layout.RANDOM)
        return self._boots

    @property
    def boot_work(self) -> float:
        """CPU that the VMs took to boot, up to the last booking (core-s)."""
        return 0.0 if self._boots is None else self.world.plane.work(self._boots)[1]

    @property
    def idle_cores(self) -> float:
        """Cores that daemons and idle guest systems burn now, also within the VMs."""
        return min(self.cores, self.daemons + self.idle_each * self.running + self.inside)

    @property
    def disk_used(self) -> float:
        """Bytes on the disk; the VMs' disks are on the host's."""
        return super().disk_used + sum(vm.disk_used for vm in self._vms)

    @property
    def page_cache(self) -> float:
        """Bytes of images in the page caches of the VMs."""
        return sum(vm.page_cache for vm in self._vms)

    steady = False  # the VMs' memory is theirs to use, and their page caches give way to it

    def cache_after(self, peaks: Array) -> Array:
        """The page caches are in the VMs."""
        for vm in self._vms:
            vm.trim_cache()
        return np.full(len(peaks), self.page_cache)

    @property
    def pulled(self) -> float:
        """Bytes of images that came over the network so far; each VM pulls for itself."""
        return super().pulled + sum(vm.images.pulled for vm in self._vms)

    @property
    def node_memory(self) -> float:
        """RAM of a VM: what a container takes for the machine's memory."""
        return self.vm_share.ram

    def draw_durations(self) -> dict[str, float]:
        """Durations of the next VM's phases, s."""
        return draw_each(self._draws)

    def burns_inside(self, more: float) -> None:
        """Idle systems in the VMs burn so many cores more from now on."""
        self.book()
        self.inside += more

    def cache(self, parts: list[tuple[str, float]]) -> None:
        """These parts of images are on the disk that every VM starts from."""
        self.images.cache(parts)
        self.baked += parts

    def go_down(self) -> None:
        """Its kernel has fallen, and with it that of every VM."""
        super().go_down()
        for vm in self._vms:
            vm.go_down()

    def come_up(self) -> None:
        """Its kernel runs again, and every VM boots."""
        super().come_up()
        for vm in self._vms:
            vm.come_up()

    def disk_refusal(self, disk: float) -> str | None:
        """Why the disk cannot take so many more bytes; None if it can."""
        nothing = Share(0.0, 0.0, -self.cpu_held, -self.memory_held, 0.0, 0.0, 0.0, 0)
        return self.refusal(nothing, disk)

    def place(self, share: Share, disk: float, parts: list[tuple[str, float]]) -> Machine | str:
        """The first VM, by number, that has room; else a new one, if the host admits it and it would have room."""
        for vm in [] if self.down else self._vms:
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

    def refusal_of_all(self, claims: Sequence[Claim]) -> str | None:
        """Why containers cannot be admitted together: each goes where `place` would put it, the one after the other."""
        inside: list[tuple[Vm | None, list[Claim]]] = [(vm, []) for vm in ([] if self.down else self._vms)]
        new = replace(self.vm_share, cpu=0.0, memory=0.0)
        baked, disk = {key for key, _ in self.baked}, 0.0
        for claim in claims:
            home = next((held for vm, held in inside if self._takes(vm, [*held, claim])), None)
            if home is None:
                if not self._takes(None, [claim]):
                    return f"size: a replica asks for more than a VM has for containers, {self.vm_limits[0]:g} cores"
                inside.append((None, home := []))
                new = replace(new, cpu=new.cpu + self.vm_share.cpu, memory=new.memory + self.vm_share.memory)
                disk += self.vm_platform.disk.per_guest
            home.append(claim)
            disk += claim.disk + sum(size for key, size in claim.parts if key not in baked)
            if new.cpu and (why := self.refusal(new, disk)):
                return f"no VM has room, and the host not for as many more: {why}"
        return None

    def _takes(self, vm: Vm | None, claims: Sequence[Claim]) -> bool:
        """Whether claims fit into a VM together; None: into a new one."""
        share, disk, parts = together(claims)
        if vm is not None:
            return vm.refusal(share, disk + vm.images.missing(parts)) is None
        cpu, memory = self.vm_limits
        return share.cpu <= cpu * (1 + 1e-12) and share.memory <= memory * (1 + 1e-12)

    def _new_vm(self, disk: float) -> Vm:
        self.hold(self.vm_share, disk)
        vm = Vm(self, len(self._vms))
        self._vms.append(vm)
        self.world.signals.vm_requested.fire(vm.name)
        return vm

    def stranded(self, unused: Array) -> Array:
        """Bytes promised to VMs and not used in them now."""
        return np.full(np.shape(unused), sum(max(0.0, vm.room - vm.used) for vm in self._vms))

    def cpu_by_service(self, used: Array) -> tuple[Array, Array]:
        """Cores promised now and core-seconds used so far; VMs that hold replicas are one together."""
        return np.array([self.cpu_held]), used.sum(axis=-1, keepdims=True)
