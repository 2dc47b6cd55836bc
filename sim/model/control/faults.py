"""Faults by plan: applications that crash, kernels that panic or must be replaced, guests that are broken into.

Who shares a kernel falls together (`isolation.panic_scope`), and who shares a kernel or a hypervisor can be reached
from a guest that is broken into. Times, targets and luck come from streams that do not know the platform: with equal
numbers of guests every platform meets the very same faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim import registry
from sim.engine.environment import HybridEnvironment
from sim.engine.layout import COMPLETED, FAILED, REJECTED, TIMED_OUT
from sim.model.chance.sampling import sampler
from sim.model.control.moves import Moves
from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import DRAINING, READY, Guest
from sim.model.guests.life import Life, until_ready
from sim.model.guests.phases import Story
from sim.model.host.machine import Host
from sim.model.world import World
from sim.scenario import Fault, HostFault


@dataclass
class Blast:
    """One event. `guests`: how many it reached (lost, or exposed) so far.

    While it lasts (`begin` to `end`, s) requests that `services` (numbers in the data plane) lose are laid to it.
    """

    begin: float
    guests: int = 0
    services: set[int] = field(default_factory=set)
    end: float = inf

    def reach(self, guests: Sequence[Guest]) -> None:
        """These guests fall, or somebody breaks into them."""
        self.guests += len(guests)

    def lay(self, guests: Sequence[Guest]) -> None:
        """What their services lose from now on is laid to it."""
        self.services |= {guest.recipe.index for guest in guests}

    def closes(self, now: float) -> None:
        """Nothing more is laid to it."""
        self.end = now

    def opens(self, now: float) -> None:
        """It begins now, not before."""
        self.begin, self.end = now, inf


class Faults:
    """All faults of one run."""

    def __init__(self, world: World, fleet: Fleet, host: Host, moves: Moves) -> None:
        self._world, self._fleet, self._host, self._moves = world, fleet, host, moves
        self._env, self._signals, self._platform = world.env, world.signals, world.platform
        self._blasts: list[Blast] = []
        self._cost = 0  # requests that are laid to an event
        self._exposed = np.full(0, inf)  # when a guest was broken into, by its number over the run

    def begin(self) -> None:
        """Set out for the faults that the scenario asks for."""
        faults = self._world.scenario.faults
        if faults:
            self._signals.requests_ended.connect(self._watch)
        for index, fault in enumerate(faults):
            self._env.process(self._planned(index, fault))

    def counters(self, arrived: int) -> dict[str, float]:
        """Over the events in the measured span, `arrived` requests in it; nothing if there were none.

        `blast_guests`: guests that an event reached, mean. Reached is: its application or kernel fell, or somebody
        broke into it. `blast_requests`: of the requests that arrived in the span, the share that an event cost, mean.
        Cost are those that failed, were rejected or timed out and were there at any time from the fall until the last
        fallen guest served again, of the services that lost a guest; and those that were served by a guest after it
        was broken into (nobody cleans up). A request counts once, however many events it is laid to.
        `recovery_time`: from a fall until all that fell serve again (s), the longest; none while some do not.
        """
        events = [blast for blast in self._blasts if blast.begin >= self._world.warmup]
        if not events:
            return {}
        totals = {"blast_guests": sum(blast.guests for blast in events) / len(events)}
        if arrived:
            totals["blast_requests"] = self._cost / arrived / len(events)
        recovered = [blast.end - blast.begin for blast in events if blast.services]
        if recovered and max(recovered) < inf:
            totals["recovery_time"] = max(recovered)
        return totals

    # when, and whom

    def _planned(self, index: int, fault: Fault) -> Story:
        world, env, name = self._world, self._env, f"faults/{index}"
        luck, times, delays = (world.stream(f"{name}{what}") for what in ("", "/times", "/delay"))
        delay = sampler(self._platform.isolation.escape_delay)
        while True:
            yield env.timeout(fault.at or 0.0 if fault.rate is None else times.exponential(1.0 / fault.rate))
            where, escape = (float(u) for u in luck.random(2))
            wait = float(delay(delays, 1)[0])
            self._happen(fault, where, escape, wait)
            if fault.rate is None:
                return

    def _happen(self, fault: Fault, where: float, escape: float, wait: float) -> None:
        if isinstance(fault, HostFault) and fault.kind == "host-patch":
            self._env.process(self._patch(fault))
            return
        if isinstance(fault, HostFault) and fault.kind == "host-reboot":
            self.note(None, "fault", fault.kind)
            outage = self._platform.isolation.host_reboot if fault.outage is None else fault.outage
            self.reboot(fault.kind, outage)
            return
        guest = self._target(fault, where)
        self.note(None, "fault", fault.kind if guest else f"{fault.kind}: no guest")
        if guest is None:
            return
        if fault.kind == "compromise":
            self._env.process(self._compromise(guest, escape, wait))
            return
        story = registry.behaviour("faults", fault.kind)(self, fault, guest)
        if story is not None:
            self._env.process(story)

    def _target(self, fault: Fault, where: float) -> Guest | None:
        """The replica asked for, or one of those that serve; `where` in [0, 1) picks it."""
        ready = [
            guest
            for service in self._fleet.called(fault.service)
            for guest in service.roster.present()
            if guest.state == READY and fault.replica in (None, guest.number)
        ]
        return ready[int(where * len(ready))] if ready else None

    def _with(self, guest: Guest) -> list[Guest]:
        """Guests on the same kernel: in a VM of the pool where guests are nested, else on the host."""
        return [other for other in self._fleet.present() if other.machine is guest.machine]

    def _life(self, guest: Guest) -> Life:
        return self._fleet.of(guest).life

    # what faults may do (`registry.FaultMeans`)

    @property
    def env(self) -> HybridEnvironment:
        """The clock."""
        return self._env

    def guests(self) -> list[Guest]:
        """All guests on the host, also those that drain."""
        return self._fleet.present()

    def note(self, guest: Guest | None, event: str, detail: str) -> None:
        """A row of the events, of a guest or of the host."""
        self._signals.note.fire(guest, event, detail)

    def crash(self, guests: Sequence[Guest], event: str, detail: str) -> None:
        """Their applications die: what they held fails, and they restart as the platform restarts them."""
        self._reach(self._open_blast(), guests)
        for guest in guests:
            self._life(guest).crash(guest, event, detail)

    def reboot(self, event: str, outage: float) -> None:
        """The host's kernel is away for `outage` s, and all its guests with it; then they start at once."""
        self._host_falls(self._open_blast(), event, outage)

    # what happens

    def _open_blast(self) -> Blast:
        blast = Blast(self._env.now)
        self._blasts.append(blast)
        return blast

    def panic(self, fault: HostFault, guest: Guest) -> None:
        """The kernel under a guest falls, and all that run on it."""
        isolation = self._platform.isolation
        blast = self._open_blast()
        if isolation.panic_scope == "guest":
            wait = 0.0 if fault.outage is None else fault.outage
            self._reach(blast, [guest])
            self._life(guest).fall(guest, "kernel-panic", "its own kernel")
            self._life(guest).restart_after(guest, isolation.panic_phases, wait)
        elif isolation.panic_scope == "vm" and guest.machine.within is not None:
            wait = 0.0 if fault.outage is None else fault.outage
            self._fall(blast, self._with(guest), "kernel-panic", f"the kernel of {guest.machine.name}", wait)
            guest.machine.reboot()
        else:
            wait = isolation.host_reboot if fault.outage is None else fault.outage
            self._host_falls(blast, "kernel-panic", wait)

    def _host_falls(self, blast: Blast, event: str, outage: float) -> None:
        """The host's own kernel is away for `outage` s; then all its guests start at once."""
        if self._host.down:
            return
        self._host.go_down()
        self._moves.break_off()
        self._env.process(self._host_back(outage))
        self._fall(blast, self._fleet.present(), event, "the kernel of the host", outage)

    def _host_back(self, outage: float) -> Story:
        yield self._env.timeout(outage)
        self._host.come_up()
        self._signals.note.fire(None, "host-up", "")
        self._signals.room_freed.fire()

    def _fall(self, blast: Blast, guests: Sequence[Guest], event: str, detail: str, wait: float) -> None:
        """Guests whose host (or VM) is gone: they are started again after `wait` s."""
        self._reach(blast, [guest for guest in guests if guest.state != DRAINING])
        for guest in guests:
            life, leaving = self._life(guest), guest.state == DRAINING
            life.fall(guest, event, detail)
            life.lose_process(guest)
            if leaving:
                life.gone(guest)
            else:
                life.restart_after(guest, self._platform.isolation.panic_phases, wait)

    def _patch(self, fault: HostFault) -> Story:
        """The host's kernel is replaced: guests that can move first do, the others are down until the host is up."""
        self._signals.note.fire(None, "fault", "host-patch")
        blast = self._open_blast()
        blast.closes(self._env.now)  # nothing is lost yet
        if fault.move_first and self._platform.move.policy == "pre-copy":
            leaving = [guest for guest in self._fleet.present() if guest.alive]
            yield from self._moves.carry_out(self._moves.order(leaving, fault.link, fault.dirty_rate, force=True))
        isolation = self._platform.isolation
        blast.opens(self._env.now)
        self._host_falls(blast, "host-patch", isolation.host_reboot if fault.outage is None else fault.outage)

    def _compromise(self, guest: Guest, escape: float, wait: float) -> Story:
        """Somebody is in a guest; with the platform's probability, after `wait` s, in all that share its kernel."""
        blast = self._open_blast()
        blast.closes(blast.begin)  # nothing dies of it
        self._expose(blast, [guest], "compromised")
        if escape < self._platform.isolation.escape_probability:
            yield self._env.timeout(wait)
            if guest.here and guest in self._fleet.present():
                self._expose(blast, [other for other in self._with(guest) if other is not guest], "exposed")

    # the toll

    def _reach(self, blast: Blast, guests: Sequence[Guest]) -> None:
        """These guests fall now; requests lost until they are all back are laid to the event."""
        blast.reach(guests)
        blast.lay(guests)
        self._env.process(self._until_back(blast, guests))

    def _until_back(self, blast: Blast, guests: Sequence[Guest]) -> Story:
        yield self._env.timeout(0.0)  # they fall first
        for guest in guests:
            yield from until_ready(guest)
        blast.closes(self._env.now)

    def _expose(self, blast: Blast, guests: Sequence[Guest], event: str) -> None:
        plane = self._world.plane
        blast.reach(guests)
        numbers = [plane.uid(guest.slot) for guest in guests]
        more = max(numbers, default=0) + 1 - len(self._exposed)
        if more > 0:
            self._exposed = np.append(self._exposed, np.full(more, inf))
        for guest, number in zip(guests, numbers, strict=True):
            self._exposed[number] = min(self._exposed[number], plane.now)
            self._signals.note.fire(guest, event, "")

    def _watch(self, rows: NDArray[Any]) -> None:
        """Count what the events cost among the rows of requests that have ended, each once."""
        rows = rows[rows["arrival"] >= self._world.warmup]
        cost = self._by_exposed(rows)
        lost = np.isin(rows["status"], (FAILED, REJECTED, TIMED_OUT))
        for blast in self._blasts:
            if blast.services and lost.any():
                there = (rows["finish"] >= blast.begin) & (rows["arrival"] <= blast.end)
                cost |= lost & there & np.isin(rows["service"], list(blast.services))
        self._cost += int(np.count_nonzero(cost))

    def _by_exposed(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether a guest finished a request, in time or late, after somebody had broken into it."""
        late = (rows["status"] == TIMED_OUT) & ~np.isnan(rows["start"])
        there = (rows["guest"] >= 0) & (rows["guest"] < len(self._exposed))
        served: NDArray[np.bool_] = there & ((rows["status"] == COMPLETED) | late)
        served[served] = rows["finish"][served] >= self._exposed[rows["guest"][served]]
        return served


def _app_crash(faults: Faults, fault: HostFault, guest: Guest) -> None:
    faults.crash([guest], "app-crash", "by plan")


registry.builtin("faults", "app-crash", behaviour=_app_crash)
registry.builtin("faults", "kernel-panic", behaviour=Faults.panic)
