"""One service on the host: its replicas' lives, from the request for a start to the last byte given back."""

from __future__ import annotations

from collections.abc import Generator
from math import floor, inf, isinf, nan, ulp
from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import Event, Process

from sim.engine import layout
from sim.model.guest import APP, DRAINING, READY, RESTARTING, STOPPED, VM, Guest, run_phases
from sim.model.placement import share_of
from sim.model.sampling import sampler
from sim.model.streams import generator
from sim.platforms import Phase
from sim.scenario import PerRequest, Service

if TYPE_CHECKING:
    from sim.model.machine import Machine
    from sim.model.simulation import Simulation

ROUTING = {
    "random": layout.RANDOM,
    "round-robin": layout.ROUND_ROBIN,
    "least-outstanding": layout.LEAST_OUTSTANDING,
    "power-of-two": layout.POWER_OF_TWO,
}


class ServiceRun:
    """The replicas of one service. `index` is the service's number in the data plane."""

    def __init__(self, simulation: Simulation, name: str, spec: Service) -> None:
        platform, scenario = simulation.platform, simulation.scenario
        size, image = spec.size_on(platform.size_lineage), spec.image_on(platform.image_lineage)
        if size is None or image is None:
            raise ValueError(f"service {name} has no {'size' if size is None else 'image'} for {platform.name}")
        self.simulation, self.name, self.spec, self.image = simulation, name, spec, image
        self.env, self.machine, self.platform = simulation.env, simulation.machine, platform
        self.share = share_of(platform, size, self.machine.node_memory)
        self.booted = self.share  # of its guests' beginning: what can be plugged depends on it
        self.resized = False  # its guests may have different shares
        self.guests: list[Guest] = []  # alive, by number
        self._at: dict[int, Guest] = {}  # on the host (also those that drain), by slot
        self.here = 0  # replicas on this host, also those that drain
        self.pending = 0  # replicas wanted that admission has refused so far
        self.first_scale_up = self.last_ready = nan
        self._number = 0
        self.parts = self.machine.images.parts(image)
        if image.cached:
            self.machine.cache(self.parts)
        full_copy = any(p.kind == "clone" and p.bytes == "image" for p in platform.startup)
        self.disk_of_guest = platform.disk.per_guest + (image.bytes if full_copy else 0.0)
        self._draws = {
            phase.name: (
                sampler(law),
                generator(scenario.seed, simulation.replication, f"start/{name}/{phase.name}"),
            )
            for phase in platform.startup
            if (law := phase.hold or phase.duration) is not None
        }
        per_request = isinstance(spec.autoscale, PerRequest)
        self.index = self.env.plane.add_service(
            concurrency=spec.concurrency,
            queue=spec.queue,
            backlog=spec.backlog,
            timeout=inf if spec.timeout is None else spec.timeout,
            routing=layout.IDLE_LIFO if per_request else ROUTING[spec.routing],
            overhead=platform.cpu.overhead,
            per_request=spec.memory.per_request,
            notify=getattr(spec.autoscale, "min", 1) == 0,
        )

    @property
    def cpu_held(self) -> float:
        """Cores that admission holds for the replicas on this host."""
        if self.resized:
            return sum(guest.share.cpu for guest in self.present())
        return self.here * self.share.cpu

    # wanting more or fewer

    @property
    def wanted(self) -> int:
        """Replicas asked for: those alive and those that wait for room."""
        return len(self.guests) + self.pending

    @property
    def ready(self) -> int:
        """Replicas that serve now."""
        return self.env.plane.ready(self.index)

    @property
    def ready_away(self) -> int:
        """Replicas that serve on another host now."""
        if self.here == len(self._at):
            return 0
        return sum(guest.state == READY for guest in self._at.values() if not guest.here)

    def scale_to(self, n: int) -> None:
        """Have `n` replicas: new ones are admitted or wait for room; those waiting, starting, newest go first."""
        while self.wanted < n:
            if self.start_one() is None:
                self.pending += 1
        while self.wanted > n:
            if self.pending:
                self.pending -= 1
                continue
            self.stop(max(self.guests, key=lambda guest: (guest.state != READY, guest.number)), "scaled down")

    def start_one(self, *, again: bool = False) -> Guest | None:
        """Start a replica, or note that admission refuses it (once: not `again`) and return None."""
        simulation = self.simulation
        machine = self.machine.place(self.share, self.disk_of_guest, self.parts)
        if not isinstance(machine, str):
            machine = simulation.reclaim.refusal(self.share) or machine
        if isinstance(machine, str):
            if not again:
                simulation.refused(self, machine)
            return None
        return self.start_on(machine)

    def start_on(self, machine: Machine, *, extra: bool = False) -> Guest:
        """Start a replica on a machine that has room for it; one that is `extra` does not count as one of `guests`."""
        slot = self.env.plane.add_guest(self.index, self.share.weight, self.share.cap, machine.pool)
        guest = Guest(self, self._number, slot, self.env.now, machine)
        self._number += 1
        if not extra:
            self.guests.append(guest)
        self._at[slot] = guest
        machine.images.promise(self.parts)
        machine.hold(self.share, guest.disk)
        if guest.here:
            self.here += 1
            self.env.plane.promise(slot, self.share.memory)
            self.simulation.reclaim.settle()
        else:
            self.env.plane.send_away(slot)
        self.simulation.observer.appeared(guest)
        guest.story = self.env.process(self._start(guest))
        return guest

    def start_pending(self) -> None:
        """Room has come free: start what waits for it."""
        while self.pending and self.start_one(again=True) is not None:
            self.pending -= 1

    def present(self) -> list[Guest]:
        """All replicas on the host, also those that drain."""
        return [guest for guest in self._at.values() if guest.here]

    def everywhere(self) -> list[Guest]:
        """All replicas, also those that have moved to another host."""
        return list(self._at.values())

    def guests_of_slot(self, slot: int) -> list[Guest]:
        """The replica at a slot of the data plane, if it is one of this service's."""
        return [self._at[slot]] if slot in self._at else []

    # a life

    def draw_durations(self) -> dict[str, float]:
        """Durations of the next guest's phases, s."""
        return {name: float(sample(stream, 1)[0]) for name, (sample, stream) in self._draws.items()}

    def _start(self, guest: Guest) -> Generator[Event, Any, None]:
        try:
            yield from self._wait_for_machine(guest)
            yield from run_phases(guest, self.platform.startup)
            if not guest.has_process:
                self.process_begins(guest)
            yield from self._start_application(guest)
        except simpy.Interrupt:
            return

    def _wait_for_machine(self, guest: Guest) -> Generator[Event, Any, None]:
        """A VM that is still to come up is waited for; that is part of the guest's own start-up."""
        began = self.env.now
        while guest.machine.coming_up is not None:
            yield guest.machine.coming_up
            if guest.ready != guest.ready:  # a restart's waiting is none of its start-up
                guest.phases[VM] = self.env.now - began

    def _start_application(self, guest: Guest) -> Generator[Event, Any, None]:
        began = self.env.now
        if not self.charge_application(guest):
            self.simulation.out_of_memory(guest, "its application does not fit into its memory")
            return
        yield self.env.compute(guest.slot, self.spec.start_cpu, layout.WORK_START)
        guest.phases.setdefault(APP, self.env.now - began)
        guest.state = READY
        guest.story = None
        guest.ready_since = self.env.now
        if guest.ready != guest.ready:
            guest.ready = self.last_ready = self.env.now
        self.env.plane.open(guest.slot)
        self.simulation.observer.event(guest, "ready")
        self.simulation.reclaim.up(guest)
        if isinstance(self.spec.autoscale, PerRequest):
            self.env.process(self._expire(guest, self.spec.autoscale.keep_alive))

    def process_begins(self, guest: Guest) -> None:
        """The guest's process (VMM, shim) exists: it has memory, and burns what an idle guest burns."""
        guest.has_process = True
        self._charge(guest, guest.share.resident)
        guest.machine.process_begins()

    def _charge(self, guest: Guest, amount: float, most: int = layout.UNBOUNDED) -> None:
        """Charge the host with the guest's memory, unless it runs elsewhere; `most` requests fit into the rest."""
        guest.fixed = amount if guest.here else 0.0
        self.env.plane.set_memory(guest.slot, guest.fixed, most)

    def charge_application(self, guest: Guest) -> bool:
        """The application's own memory is in use from now on; False if it is more than it may have."""
        if guest.share.application < self.spec.memory.base:
            return False
        self._charge(guest, guest.share.resident + self.spec.memory.base, self.most(guest))
        return True

    def most(self, guest: Guest) -> int:
        """Requests in service that the guest's memory carries, less what its balloon holds."""
        memory = self.spec.memory
        left = guest.share.application - guest.balloon - memory.base
        if memory.per_request == 0.0 or isinf(left):
            return layout.UNBOUNDED
        return min(floor(left / memory.per_request * (1 + 1e-12)), layout.UNBOUNDED)

    def bound(self, guest: Guest) -> None:
        """Its share or its balloon has changed, and with it the requests in service that it carries."""
        self.env.plane.set_memory(guest.slot, guest.fixed, self.most(guest))

    def crash(self, guest: Guest, event: str, detail: str, *, whole: bool = False) -> None:
        """The application (`whole`: the VM's process) dies; what it held fails; it restarts after the back-off."""
        leaving = guest.state == DRAINING
        self.fall(guest, event, detail)
        if leaving:
            self.gone(guest)
            return
        restart = self.platform.restart
        if guest.ready_since == guest.ready_since and self.env.now - guest.ready_since >= restart.reset_after:
            guest.failures = 0
        guest.failures += 1
        phases = restart.phases
        if whole:
            self.lose_process(guest)
            phases = self.platform.isolation.panic_phases
        guest.story = self.env.process(self._restart(guest, phases, restart.wait(guest.failures)))

    def fall(self, guest: Guest, event: str, detail: str) -> None:
        """All that the guest held fails; its application's memory is given back."""
        self.simulation.observer.event(guest, event, detail)
        if guest.story is not None and guest.story.is_alive and guest.story is not self.env.active_process:
            guest.story.interrupt()
        guest.story = None
        self.env.forget(guest.slot)
        self.env.plane.kill(guest.slot)
        guest.state = RESTARTING
        self._charge(guest, guest.share.resident if guest.has_process else 0.0)

    def _restart(self, guest: Guest, phases: tuple[str, ...], wait: float) -> Generator[Event, Any, None]:
        try:
            yield self.env.timeout(wait)
            yield from self._wait_for_machine(guest)
            story: list[Phase] = [phase for phase in self.platform.startup if phase.name in phases]
            yield from run_phases(guest, story)
            if not guest.has_process:
                self.process_begins(guest)
            yield from self._start_application(guest)
        except simpy.Interrupt:
            return

    def lose_process(self, guest: Guest) -> None:
        """The guest that has fallen is not even a process any longer: the host gives nothing to it."""
        if guest.has_process:
            guest.has_process = False
            guest.machine.process_ends()
        self._charge(guest, 0.0)
        self._taken_back(guest)

    def _taken_back(self, guest: Guest) -> None:
        """The guest's memory is given back: what had been merged or ballooned with it is settled anew."""
        self.simulation.reclaim.down(guest)
        self.simulation.reclaim.settle()

    def leave(self, guest: Guest, destination: Machine) -> None:
        """The guest goes on running elsewhere: whatever it held on this host is given back."""
        if guest.has_process:
            guest.machine.process_ends()
        guest.machine.give_back(guest.share, guest.disk)
        self.env.plane.promise(guest.slot, 0.0)
        self.here -= guest.here
        destination.hold(guest.share, guest.disk)
        self.env.plane.send_away(guest.slot)
        guest.machine = destination
        self._taken_back(guest)
        if guest.state == READY:
            self.charge_application(guest)
        else:
            self._charge(guest, 0.0)
        guest.stopped, guest.stop_reason = self.env.now, "moved"
        self.simulation.observer.left(guest)
        self.simulation.room_is_free()

    def restart_after(self, guest: Guest, phases: tuple[str, ...], wait: float) -> None:
        """Start the guest again in place after `wait` s (its kernel has fallen)."""
        guest.story = self.env.process(self._restart(guest, phases, wait))

    def _expire(self, guest: Guest, keep_alive: float) -> Generator[Event, Any, None]:
        """The serverless rule: a guest that has been idle for `keep_alive` is stopped."""
        left = keep_alive
        while guest.state == READY:
            yield self.env.timeout(left)
            if guest.state != READY:
                return
            idle = self.env.plane.idle_for(guest.slot)
            left = keep_alive if idle is None else keep_alive - idle
            if idle is not None and left <= 1e-9 + 4 * ulp(self.env.now):  # late in a long run clocks are coarse
                self.stop(guest, "idle")

    # an end

    def stop(self, guest: Guest, reason: str) -> Process:
        """Let the guest serve what it holds, then stop it; one that has not started yet is stopped at once.

        Returns the story of its end.
        """
        if guest in self.guests:
            self.guests.remove(guest)
        was_ready = guest.state == READY
        guest.state = DRAINING
        if guest.here:
            guest.stop_reason = reason
        if guest.story is not None and guest.story.is_alive:
            guest.story.interrupt()
        guest.story = None
        return self.env.process(self._stop(guest, was_ready))

    def _stop(self, guest: Guest, was_ready: bool) -> Generator[Event, Any, None]:
        if was_ready:
            yield self.env.drained(guest.slot)
        else:
            self.env.forget(guest.slot)
            self.env.plane.kill(guest.slot)
        if guest.state == STOPPED:
            return
        if guest.has_process:
            delay = sampler(self.platform.stop.delay)(self.simulation.stop_stream, 1)[0]
            yield self.env.timeout(float(delay))
        if guest.state != STOPPED:
            self.gone(guest)

    def gone(self, guest: Guest) -> None:
        """The guest is off the host: everything that it held is given back."""
        if guest in self.guests:
            self.guests.remove(guest)
        guest.state = STOPPED
        if guest.stopped != guest.stopped:  # it has not moved away before
            guest.stopped = self.env.now
        if guest.story is not None and guest.story.is_alive and guest.story is not self.env.active_process:
            guest.story.interrupt()
        self.env.forget(guest.slot)
        self.env.plane.remove(guest.slot)
        del self._at[guest.slot]
        if guest.has_process:
            guest.machine.process_ends()
        guest.machine.give_back(guest.share, guest.disk)
        self.here -= guest.here
        self._taken_back(guest)
        self.simulation.observer.event(guest, "stopped", guest.stop_reason)
        self.simulation.room_is_free()
