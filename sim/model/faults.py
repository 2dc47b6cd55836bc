"""Faults by plan: applications that crash, kernels that panic or must be replaced, guests that are broken into.

Who shares a kernel falls together (`isolation.panic_scope`), and who shares a kernel or a hypervisor can be reached
from a guest that is broken into. Times, targets and luck come from streams that do not know the platform: with equal
numbers of guests every platform meets the very same faults.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from sim.engine.layout import FAILED, REJECTED, TIMED_OUT
from sim.model.guest import DRAINING, READY, Guest, until_ready
from sim.model.machine import Machine
from sim.model.nesting import NestedHost, Vm
from sim.model.sampling import sampler
from sim.model.streams import generator
from sim.scenario import HostFault

if TYPE_CHECKING:
    from sim.model.simulation import Simulation

Story = Generator[Event, Any, None]


@dataclass
class Blast:
    """One event. `guests`: how many it reached (lost, or exposed) so far.

    While it lasts (`begin` to `end`, s) requests that `services` (numbers in the data plane) lose are laid to it.
    """

    begin: float
    guests: int = 0
    services: set[int] = field(default_factory=set)
    end: float = inf


class Faults:
    """All faults of one run."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._blasts: list[Blast] = []
        self._lost = 0
        self._served = 0  # by guests that were exposed then
        self._exposed = np.full(0, inf)  # when a guest was broken into, by its number over the run
        self._kinds = {"app-crash": self._app_crash, "kernel-panic": self._panic}

    def begin(self) -> None:
        """Set out for the faults that the scenario asks for."""
        faults = self._simulation.scenario.faults
        if faults:
            self._simulation.observer.watchers.append(self._watch)
        for index, fault in enumerate(faults):
            assert isinstance(fault, HostFault)
            self._simulation.env.process(self._planned(index, fault))

    def counters(self, arrived: int) -> dict[str, float]:
        """Over the events in the measured span, `arrived` requests in it; nothing if there were none.

        `blast_guests`: guests that an event reached, mean. Reached is: its application or kernel fell, or somebody
        broke into it. `blast_requests`: of the requests that arrived in the span, the share that an event cost, mean.
        Cost are those that failed, were rejected or timed out and were there at any time from the fall until the last
        fallen guest served again, of the services that lost a guest; and those that were served by a guest after it
        was broken into (nobody cleans up). A request counts once, however many events it is laid to.
        """
        events = [blast for blast in self._blasts if blast.begin >= self._simulation.warmup]
        if not events:
            return {}
        totals = {"blast_guests": sum(blast.guests for blast in events) / len(events)}
        if arrived:
            totals["blast_requests"] = (self._lost + self._served) / arrived / len(events)
        return totals

    # when, and whom

    def _planned(self, index: int, fault: HostFault) -> Story:
        scenario, env = self._simulation.scenario, self._simulation.env
        name = f"faults/{index}"
        luck = generator(scenario.seed, self._simulation.replication, name)
        times = generator(scenario.seed, self._simulation.replication, f"{name}/times")
        delays = generator(scenario.seed, self._simulation.replication, f"{name}/delay")
        delay = sampler(self._simulation.platform.isolation.escape_delay)
        while True:
            yield env.timeout(fault.at or 0.0 if fault.rate is None else times.exponential(1.0 / fault.rate))
            where, escape = (float(u) for u in luck.random(2))
            wait = float(delay(delays, 1)[0])
            self._happen(fault, where, escape, wait)
            if fault.rate is None:
                return

    def _happen(self, fault: HostFault, where: float, escape: float, wait: float) -> None:
        simulation = self._simulation
        if fault.kind == "host-patch":
            simulation.env.process(self._patch(fault))
            return
        guest = self._target(fault, where)
        simulation.observer.event(None, "fault", fault.kind if guest else f"{fault.kind}: no guest", simulation.env.now)
        if guest is None:
            return
        if fault.kind == "compromise":
            simulation.env.process(self._compromise(guest, escape, wait))
        else:
            self._kinds[fault.kind](fault, guest)

    def _target(self, fault: HostFault, where: float) -> Guest | None:
        """The replica asked for, or one of those that serve; `where` in [0, 1) picks it."""
        ready = [
            guest
            for service in self._simulation.services
            if fault.service is None or fault.service in (service.name, service.name.rpartition("-")[0])
            for guest in service.present()
            if guest.state == READY and fault.replica in (None, guest.number)
        ]
        return ready[int(where * len(ready))] if ready else None

    def _all(self) -> list[Guest]:
        return [guest for service in self._simulation.services for guest in service.present()]

    def _with(self, guest: Guest) -> list[Guest]:
        """Guests on the same kernel: in a VM of the pool where guests are nested, else on the host."""
        return [other for other in self._all() if other.machine is guest.machine]

    def _machines(self) -> list[Machine]:
        """The host, and the VMs of its pool."""
        host = self._simulation.machine
        return [host, *(host.vms if isinstance(host, NestedHost) else [])]

    # what happens

    def _open_blast(self) -> Blast:
        blast = Blast(self._simulation.env.now)
        self._blasts.append(blast)
        return blast

    def _app_crash(self, fault: HostFault, guest: Guest) -> None:
        blast = self._open_blast()
        self._reach(blast, [guest])
        guest.service.crash(guest, "app-crash", "by plan")

    def _panic(self, fault: HostFault, guest: Guest) -> None:
        """The kernel under a guest falls, and all that run on it."""
        isolation = self._simulation.platform.isolation
        blast = self._open_blast()
        if isolation.panic_scope == "guest":
            wait = 0.0 if fault.outage is None else fault.outage
            self._reach(blast, [guest])
            guest.service.fall(guest, "kernel-panic", "its own kernel")
            guest.service.restart_after(guest, isolation.panic_phases, wait)
        elif isolation.panic_scope == "vm" and isinstance(guest.machine, Vm):
            wait = 0.0 if fault.outage is None else fault.outage
            self._fall(blast, self._with(guest), "kernel-panic", f"the kernel of {guest.machine.name}", wait)
            guest.machine.reboot()
        else:
            wait = isolation.host_reboot if fault.outage is None else fault.outage
            self._host_falls(blast, "kernel-panic", wait)

    def _host_falls(self, blast: Blast, event: str, outage: float) -> None:
        """The host's own kernel is away for `outage` s; then all its guests start at once."""
        simulation = self._simulation
        if simulation.machine.down:
            return
        for machine in self._machines():
            machine.down = True
            machine.images.forget_pages()
        simulation.moves.break_off()
        simulation.env.process(self._host_back(outage))
        self._fall(blast, self._all(), event, "the kernel of the host", outage)

    def _host_back(self, outage: float) -> Story:
        yield self._simulation.env.timeout(outage)
        for machine in self._machines():
            machine.down = False
            if isinstance(machine, Vm):
                machine.reboot()
        self._simulation.observer.event(None, "host-up", "", self._simulation.env.now)
        self._simulation.room_is_free()

    def _fall(self, blast: Blast, guests: Sequence[Guest], event: str, detail: str, wait: float) -> None:
        """Guests whose host (or VM) is gone: they are started again after `wait` s."""
        platform = self._simulation.platform
        self._reach(blast, [guest for guest in guests if guest.state != DRAINING])
        for guest in guests:
            leaving, phases = guest.state == DRAINING, platform.isolation.panic_phases
            if guest.ready != guest.ready:  # it has never been there: from the beginning
                phases = tuple(platform.phases)
            guest.service.fall(guest, event, detail)
            guest.service.lose_process(guest)
            if leaving:
                guest.service.gone(guest)
            else:
                guest.service.restart_after(guest, phases, wait)

    def _patch(self, fault: HostFault) -> Story:
        """The host's kernel is replaced: guests that can move first do, the others are down until the host is up."""
        simulation = self._simulation
        simulation.observer.event(None, "fault", "host-patch", simulation.env.now)
        blast = self._open_blast()
        blast.end = simulation.env.now  # nothing is lost yet
        if fault.move_first and simulation.platform.move.policy == "pre-copy":
            leaving = [guest for guest in self._all() if guest.alive]
            order = simulation.moves.order(leaving, fault.link, fault.dirty_rate, force=True)
            yield from simulation.moves.carry_out(order)
        isolation = simulation.platform.isolation
        blast.begin, blast.end = simulation.env.now, inf
        self._host_falls(blast, "host-patch", isolation.host_reboot if fault.outage is None else fault.outage)

    def _compromise(self, guest: Guest, escape: float, wait: float) -> Story:
        """Somebody is in a guest; with the platform's probability, after `wait` s, in all that share its kernel."""
        simulation = self._simulation
        blast = self._open_blast()
        blast.end = blast.begin  # nothing dies of it
        self._expose(blast, [guest], "compromised")
        if escape < simulation.platform.isolation.escape_probability:
            yield simulation.env.timeout(wait)
            if guest.here and guest in guest.service.present():
                self._expose(blast, [other for other in self._with(guest) if other is not guest], "exposed")

    # the toll

    def _reach(self, blast: Blast, guests: Sequence[Guest]) -> None:
        """These guests fall now; requests lost until they are all back are laid to the event."""
        blast.guests += len(guests)
        blast.services |= {guest.service.index for guest in guests}
        self._simulation.env.process(self._until_back(blast, guests))

    def _until_back(self, blast: Blast, guests: Sequence[Guest]) -> Story:
        yield self._simulation.env.timeout(0.0)  # they fall first
        for guest in guests:
            yield from until_ready(guest)
        blast.end = self._simulation.env.now

    def _expose(self, blast: Blast, guests: Sequence[Guest], event: str) -> None:
        plane, observer = self._simulation.plane, self._simulation.observer
        blast.guests += len(guests)
        numbers = [plane.uid(guest.slot) for guest in guests]
        more = max(numbers, default=0) + 1 - len(self._exposed)
        if more > 0:
            self._exposed = np.append(self._exposed, np.full(more, inf))
        for guest, number in zip(guests, numbers, strict=True):
            self._exposed[number] = min(self._exposed[number], plane.now)
            observer.event(guest, event)

    def _watch(self, rows: NDArray[Any]) -> None:
        """Count what the events cost among the rows of requests that have ended."""
        rows = rows[rows["arrival"] >= self._simulation.warmup]
        guests = rows["guest"]
        known = rows[(guests >= 0) & (guests < len(self._exposed))]
        self._served += int(np.count_nonzero(known["finish"] >= self._exposed[known["guest"]]))
        lost = rows[np.isin(rows["status"], (FAILED, REJECTED, TIMED_OUT))]
        theirs = np.zeros(len(lost), bool)
        for blast in self._blasts:
            if len(lost) and blast.services:
                there = (lost["finish"] >= blast.begin) & (lost["arrival"] <= blast.end)
                theirs |= there & np.isin(lost["service"], list(blast.services))
        self._lost += int(np.count_nonzero(theirs))
