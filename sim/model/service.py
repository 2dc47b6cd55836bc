"""One service on the host: its replicas' lives, from the request for a start to the last byte given back."""

from __future__ import annotations

from collections.abc import Generator
from math import floor, inf, isinf, nan
from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import Event

from sim.engine import layout
from sim.model.guest import APP, DRAINING, READY, RESTARTING, STOPPED, Guest, run_phases
from sim.model.placement import share_of
from sim.model.sampling import sampler
from sim.model.streams import generator
from sim.platforms import Phase
from sim.scenario import PerRequest, Service

if TYPE_CHECKING:
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
        self.share = share_of(platform, size, scenario.host.memory)
        self.guests: list[Guest] = []  # alive, by number
        self._at: dict[int, Guest] = {}  # on the host (also those that drain), by slot
        self.pending = 0  # replicas wanted that admission has refused so far
        self.first_scale_up = self.last_ready = nan
        self._number = 0
        self.parts = self.machine.images.parts(image)
        if image.cached:
            self.machine.images.cache(self.parts)
        full_copy = any(p.kind == "clone" and p.bytes == "image" for p in platform.startup)
        self.disk_of_guest = platform.disk.per_guest + (image.bytes if full_copy else 0.0)
        self._draws = {
            phase.name: (
                sampler(phase.hold or phase.duration),
                generator(scenario.seed, simulation.replication, f"start/{name}/{phase.name}"),
            )
            for phase in platform.startup
            if phase.hold or phase.duration
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

    # wanting more or fewer

    @property
    def wanted(self) -> int:
        """Replicas asked for: those alive and those that wait for room."""
        return len(self.guests) + self.pending

    @property
    def ready(self) -> int:
        """Replicas that serve now."""
        return sum(guest.state == READY for guest in self.guests)

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
        why = self.machine.refusal(self.share, self.disk_of_guest + self.machine.images.missing(self.parts))
        if why is not None:
            if not again:
                simulation.refused(self, why)
            return None
        slot = self.env.plane.add_guest(self.index, self.share.weight, self.share.cap)
        guest = Guest(self, self._number, slot, self.env.now)
        self._number += 1
        self.guests.append(guest)
        self._at[slot] = guest
        self.machine.hold(self.share, guest.disk)
        simulation.observer.appeared(guest)
        guest.story = self.env.process(self._start(guest))
        return guest

    def start_pending(self) -> None:
        """Room has come free: start what waits for it."""
        while self.pending and self.start_one(again=True) is not None:
            self.pending -= 1

    def present(self) -> list[Guest]:
        """All replicas on the host, also those that drain."""
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
            yield from run_phases(guest, self.platform.startup)
            if not guest.has_process:
                self.process_begins(guest)
            yield from self._start_application(guest)
        except simpy.Interrupt:
            return

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
        if isinstance(self.spec.autoscale, PerRequest):
            self.env.process(self._expire(guest, self.spec.autoscale.keep_alive))

    def process_begins(self, guest: Guest) -> None:
        """The guest's process (VMM, shim) exists: it has memory, and burns what an idle guest burns."""
        guest.has_process = True
        guest.fixed = self.share.resident
        self.env.plane.set_memory(guest.slot, guest.fixed)
        self.machine.process_begins()

    def charge_application(self, guest: Guest) -> bool:
        """The application's own memory is in use from now on; False if it is more than it may have."""
        memory = self.spec.memory
        left = self.share.application - memory.base
        if left < 0.0:
            return False
        most = layout.UNBOUNDED
        if memory.per_request > 0.0 and not isinf(left):
            most = min(floor(left / memory.per_request * (1 + 1e-12)), layout.UNBOUNDED)
        guest.fixed = self.share.resident + memory.base
        self.env.plane.set_memory(guest.slot, guest.fixed, most)
        return True

    def crash(self, guest: Guest, event: str, detail: str) -> None:
        """The application dies; what the guest held fails; it is restarted in place after the back-off."""
        leaving = guest.state == DRAINING
        self.fall(guest, event, detail)
        if leaving:
            self.gone(guest)
            return
        restart = self.platform.restart
        if guest.ready_since == guest.ready_since and self.env.now - guest.ready_since >= restart.reset_after:
            guest.failures = 0
        guest.failures += 1
        guest.story = self.env.process(self._restart(guest, restart.phases, restart.wait(guest.failures)))

    def fall(self, guest: Guest, event: str, detail: str) -> None:
        """All that the guest held fails; its application's memory is given back."""
        self.simulation.observer.event(guest, event, detail)
        if guest.story is not None and guest.story.is_alive and guest.story is not self.env.active_process:
            guest.story.interrupt()
        guest.story = None
        self.env.forget(guest.slot)
        self.env.plane.kill(guest.slot)
        guest.state = RESTARTING
        guest.fixed = self.share.resident if guest.has_process else 0.0
        self.env.plane.set_memory(guest.slot, guest.fixed)

    def _restart(self, guest: Guest, phases: tuple[str, ...], wait: float) -> Generator[Event, Any, None]:
        try:
            yield self.env.timeout(wait)
            story: list[Phase] = [phase for phase in self.platform.startup if phase.name in phases]
            yield from run_phases(guest, story)
            yield from self._start_application(guest)
        except simpy.Interrupt:
            return

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
            if idle is not None and left <= 1e-9:
                self.stop(guest, "idle")

    # an end

    def stop(self, guest: Guest, reason: str) -> None:
        """Let the guest serve what it holds, then stop it; one that has not started yet is stopped at once."""
        self.guests.remove(guest)
        was_ready = guest.state == READY
        guest.state, guest.stop_reason = DRAINING, reason
        if guest.story is not None and guest.story.is_alive:
            guest.story.interrupt()
        guest.story = None
        self.env.process(self._stop(guest, was_ready))

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
        guest.stopped = self.env.now
        if guest.story is not None and guest.story.is_alive and guest.story is not self.env.active_process:
            guest.story.interrupt()
        self.env.forget(guest.slot)
        self.env.plane.remove(guest.slot)
        del self._at[guest.slot]
        if guest.has_process:
            self.machine.process_ends()
        self.machine.give_back(self.share, guest.disk)
        self.simulation.observer.event(guest, "stopped", guest.stop_reason)
        self.simulation.room_is_free()
