"""Who dies when memory runs out: the guest's own, that of a VM of the pool, or the host's (docs/model.md, Memory)."""

from __future__ import annotations

from collections.abc import Callable

from sim.engine import layout
from sim.engine.plane import Stop
from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import Guest
from sim.model.host.machine import Host, Machine
from sim.model.world import World


def begin(world: World, fleet: Fleet, host: Host, relieved: Callable[[Guest], bool]) -> None:
    """Answer the data plane when memory has run out; `relieved`: a guest has been given what it was short of."""
    _Oom(world, fleet, host, relieved)


class _Oom:
    def __init__(self, world: World, fleet: Fleet, host: Host, relieved: Callable[[Guest], bool]) -> None:
        self._world, self._fleet, self._host, self._relieved = world, fleet, host, relieved
        self._signals = world.signals
        world.env.on(layout.GUEST_OOM, self._guest)
        world.env.on(layout.POOL_OOM, self._vm)
        world.env.on(layout.HOST_OOM, self._whole_host)

    def _guest(self, stop: Stop) -> None:
        guest = self._fleet.at(stop.subject)
        if guest is not None and not self._relieved(guest):
            detail = "more requests in service than its memory carries"
            self._fleet.of(guest).life.out_of_memory(guest, detail)

    def _kill(self, guest: Guest, detail: str, *, whole: bool = False) -> None:
        self._fleet.of(guest).life.crash(guest, "oom-kill", detail, whole=whole)

    def _vm(self, stop: Stop) -> None:
        """A VM's RAM has run out: its own kernel kills containers, those of that VM only."""
        self._signals.memory_ran_out.fire()
        vm = self._host.vm_of(stop.subject)
        for guest in victims(self._world, self._fleet, vm):
            self._signals.oom_kill.fire()
            self._kill(guest, f"{vm.name}: memory has run out")
            if vm.used <= vm.room:
                break

    def _whole_host(self, stop: Stop) -> None:
        """The host's kernel kills processes: a VM is one, the larger the likelier, and all that is in it falls."""
        self._signals.memory_ran_out.fire()
        host = self._host
        for vm in sorted(host.vms, key=lambda vm: -vm.used):
            self._signals.oom_kill.fire()
            for guest in [guest for guest in self._fleet.present() if guest.machine is vm]:
                self._kill(guest, f"host: memory has run out, {vm.name} is killed", whole=True)
            vm.reboot()
            if host.used <= host.room:
                return
        if host.vms:
            return
        whole = self._world.platform.oom == "guest"
        for guest in victims(self._world, self._fleet):
            self._signals.oom_kill.fire()
            self._kill(guest, "host: memory has run out", whole=whole)
            if host.used <= host.room:
                break


def victims(world: World, fleet: Fleet, machine: Machine | None = None) -> list[Guest]:
    """Guests (on `machine`) with memory to give back, in the order of the kernel's OOM killer.

    Highest `oom_score_adj` first (Kubernetes' QoS classes), among equals the largest, then the youngest. To the host a
    guest with a kernel of its own is one process: all that it has in use can be given back.
    """
    whole = world.platform.oom == "guest"
    serving = world.plane.serving()

    def size(guest: Guest) -> float:
        return guest.in_use(float(serving[guest.slot]))

    there = [
        guest
        for guest in fleet.present()
        if (size(guest) > (0.0 if whole else guest.share.resident)) and machine in (None, guest.machine)
    ]
    return sorted(there, key=lambda g: (-g.share.score, -size(g), -g.requested))
