"""The life of a replica: it starts, serves, falls and is started again, leaves, and ends.

Each of these tells `signals` where it happens; what records, merged pages, keep-alives and waiting starts make of it is
theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import simpy
from simpy.events import Process

from sim.engine import layout
from sim.model.chance.sampling import sampler
from sim.model.guests.guest import DRAINING, READY, Guest, Recipe, quota_of
from sim.model.guests.phases import APP, PROBE, TAKE, VM, Story, run_phases
from sim.model.guests.roster import Roster
from sim.model.host.machine import Machine
from sim.model.host.placement import Share
from sim.model.host.together import together
from sim.model.world import World
from sim.platforms import Phase


class Life:
    """What happens to the replicas of one service. `stops`: the stream of how long stopping takes, all services'."""

    def __init__(self, world: World, recipe: Recipe, roster: Roster, stops: np.random.Generator) -> None:
        self._env, self._plane, self._signals = world.env, world.plane, world.signals
        self._world, self._recipe, self._roster, self._stops = world, recipe, roster, stops
        self._platform, self._number = recipe.platform, 0

    # a beginning

    def start_on(self, machine: Machine, share: Share, *, extra: bool = False, spare: bool = False) -> Guest:
        """Start a replica on a machine that has room for it; one that is `extra` does not count as one of many.

        One that is `spare` is kept when it is up (`guest_kept`), until it is taken.
        """
        phase, index = float(self._recipe.phases.random()), self._recipe.index
        slot = self._plane.add_guest(index, share.weight, share.cap, machine.pool, quota_of(share, phase))
        guest = Guest(self._world, self._recipe, self._number, slot, machine, share, phase)
        self._number += 1
        if spare:
            guest.set_aside()
        self._roster.enter(guest, extra=extra or spare)
        machine.images.promise(guest.parts)
        machine.hold(share, guest.disk, self._recipe.index)
        if guest.here:
            self._plane.promise(slot, share.memory)
        else:
            self._plane.send_away(slot, machine.site)
        self._signals.guest_requested.fire(guest)
        guest.follow(self._env.process(self._start(guest, self._platform.startup)))
        return guest

    def _start(self, guest: Guest, phases: tuple[Phase, ...], wait: float | None = None) -> Story:
        try:
            if wait is not None:
                yield self._env.timeout(wait)
            yield from self._wait_for_machine(guest)
            yield from run_phases(guest, phases)
            guest.comes_through()
            if not guest.has_process:
                guest.process_begins()
            yield from self._start_application(guest)
        except simpy.Interrupt:
            return

    def _wait_for_machine(self, guest: Guest) -> Story:
        """A VM that is still to come up is waited for; that is part of the guest's own start-up."""
        began = self._env.now
        while guest.machine.coming_up is not None:
            yield guest.machine.coming_up
            guest.waited(VM, self._env.now - began)

    def _start_application(self, guest: Guest) -> Story:
        began = self._env.now
        if not guest.may_start():
            limit = self._platform.restart
            self._signals.note.fire(
                guest, "start-limit", f"{limit.burst} starts within {limit.interval:g} s: it stays down"
            )
            return
        if not guest.charge_application():
            self.out_of_memory(guest, "its application does not fit into its memory")
            return
        guest.reads_files()
        yield from guest.machine.page_out(guest.fixed)
        own = self._application(guest, began)
        if self._platform.beside:
            yield from together(self._env, [own, run_phases(guest, self._platform.beside)])
        else:
            yield from own
        warm = self._recipe.spec.warm
        if guest.spare:
            guest.keeps(paused=warm is not None and warm.state == "paused")
            self._signals.guest_kept.fire(guest)
        else:
            self._opens(guest)

    def _opens(self, guest: Guest) -> None:
        guest.serves()
        self._plane.open(guest.slot)
        self._signals.guest_ready.fire(guest)

    def take(self, guest: Guest, seconds: float) -> None:
        """A guest that was kept is a replica from now on, which serves in `seconds`."""
        self._roster.count(guest)
        guest.is_taken()
        self._signals.note.fire(guest, "taken", "")
        guest.follow(self._env.process(self._goes_on(guest, seconds)))

    def _goes_on(self, guest: Guest, seconds: float) -> Story:
        try:
            yield self._env.timeout(seconds)
        except simpy.Interrupt:
            return
        guest.took(TAKE, seconds)
        self._opens(guest)

    def _application(self, guest: Guest, began: float) -> Story:
        """The application's own start, and the probe that finds it up."""
        spec = self._recipe.spec
        if not (self._platform.resumes and not guest.has_been_ready):  # a snapshot holds it, running
            work = spec.start_cpu + guest.touches()
            yield self._env.compute(guest.slot, work, layout.WORK_START, spec.start_threads)
        guest.took(APP, self._env.now - began)
        if spec.ready is not None:
            up = self._env.now
            yield self._env.timeout(spec.ready.passed(up - began) - (up - began))
            guest.took(PROBE, self._env.now - up)

    # a fall

    def out_of_memory(self, guest: Guest, detail: str) -> None:
        """The guest's own kernel, or the host's for its cgroup, kills the application."""
        self._signals.oom_kill.fire()
        self.crash(guest, "oom-kill", f"{self._platform.oom}: {detail}")

    def crash(self, guest: Guest, event: str, detail: str, *, whole: bool = False) -> None:
        """The application (`whole`: the VM's process) dies; what it held fails; it restarts after the back-off."""
        leaving = guest.state == DRAINING
        self.fall(guest, event, detail)
        if leaving:
            self.gone(guest)
            return
        restart = self._platform.restart
        wait = restart.wait(guest.failed_again())
        phases = restart.phases
        if whole:
            self.lose_process(guest)
            phases = self._platform.isolation.panic_phases
        self.restart_after(guest, phases, wait)

    def fall(self, guest: Guest, event: str, detail: str) -> None:
        """All that the guest held fails; its application's memory is given back."""
        self._signals.guest_fell.fire(guest, event, detail)
        guest.break_off()
        self._env.forget(guest.slot)
        self._plane.kill(guest.slot)
        guest.falls()
        if self._platform.oom == "cgroup":
            guest.drops_files()  # whoever is killed in a cgroup takes all of it along
        guest.charge(guest.share.resident if guest.has_process else 0.0)

    def lose_process(self, guest: Guest) -> None:
        """The guest that has fallen is not even a process any longer: the host gives nothing to it."""
        guest.process_ends()
        guest.charge(0.0)
        self._signals.memory_returned.fire(guest)

    def restart_after(self, guest: Guest, phases: tuple[str, ...], wait: float) -> None:
        """Start the guest again in place after `wait` s, through the phases of these names.

        One that has never come through its phases starts from the beginning.
        """
        again = tuple(phase for phase in self._platform.startup if phase.name in phases or not guest.came_through)
        guest.follow(self._env.process(self._start(guest, again, wait)))

    # an end

    def leave(self, guest: Guest, destination: Machine) -> None:
        """The guest goes on running elsewhere: whatever it held on this host is given back."""
        if guest.has_process:
            guest.machine.process_ends()
        self._give_back(guest)
        self._plane.promise(guest.slot, 0.0)
        self._roster.moved(guest)
        destination.images.promise(guest.parts)
        destination.hold(guest.share, guest.disk, self._recipe.index)
        self._plane.send_away(guest.slot, destination.site)
        guest.moves(destination)
        self._signals.memory_returned.fire(guest)
        if guest.state == READY:
            guest.charge_application()
        else:
            guest.charge(0.0)
        self._signals.guest_moved.fire(guest)
        self._signals.room_freed.fire()

    def stop(self, guest: Guest, reason: str) -> Process:
        """Let the guest serve what it holds, then stop it; one that has not started yet is stopped at once.

        Returns the story of its end.
        """
        self._roster.retire(guest)
        was_ready = guest.state == READY
        guest.drains(reason)
        guest.break_off()
        ending = self._env.process(self._stop(guest, was_ready))
        guest.follow(ending)
        return ending

    def _stop(self, guest: Guest, was_ready: bool) -> Story:
        try:
            if was_ready:
                yield self._env.drained(guest.slot)
            else:
                self._env.forget(guest.slot)
                self._plane.kill(guest.slot)
            if guest.has_process:
                delay: Any = sampler(self._platform.stop.delay)(self._stops, 1)[0]
                yield self._env.timeout(float(delay))
        except simpy.Interrupt:  # it has fallen: whoever brought that about sees to its end
            return
        self.gone(guest)

    def _give_back(self, guest: Guest) -> None:
        guest.machine.give_back(guest.share, guest.disk, self._recipe.index)
        guest.machine.images.release(guest.parts)

    def gone(self, guest: Guest) -> None:
        """The guest is off the host: everything that it held is given back."""
        self._roster.leave(guest)
        guest.ends()
        guest.break_off()
        self._env.forget(guest.slot)
        self._plane.remove(guest.slot)
        guest.process_ends()
        self._give_back(guest)
        self._signals.memory_returned.fire(guest)
        self._signals.guest_stopped.fire(guest)
        self._signals.room_freed.fire()


def until_ready(guest: Guest) -> Story:
    """Wait until the guest serves, or is leaving."""
    while guest.alive and guest.state != READY:
        yield guest.story or guest.env.timeout(1.0)
