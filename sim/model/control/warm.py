"""Warm pools: guests that are started before they are needed and wait, up and idle, for a scale-up to take them.

A pool holds `guests` of them, ready or on their way. A replica that is asked for takes the one that has waited longest,
and serves after `take`; the pool starts another one. Those that wait for room come first: nothing is started for a pool
while a replica of its service is pending.
"""

from __future__ import annotations

from collections import deque

from sim.model.chance.sampling import sampler
from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import WARM, Guest
from sim.model.guests.phases import Story
from sim.model.guests.service import ServiceRun
from sim.model.world import World
from sim.scenario import PerRequest, Warm


def begin(world: World, fleet: Fleet) -> None:
    """Fill the pool of every service that has one, behind the first replicas."""
    for service in fleet.services:
        if service.spec.warm is not None:
            _Pool(world, service, service.spec.warm)


class _Pool:
    def __init__(self, world: World, service: ServiceRun, rule: Warm) -> None:
        self._env, self._plane, self._signals = world.env, world.plane, world.signals
        self._service, self._rule = service, rule
        self._kept: deque[Guest] = deque()
        self._of: set[Guest] = set()  # all that are not taken, also those on their way
        self._filling, self._refused = False, False
        self._sample, self._stream = sampler(rule.take), world.stream(f"warm/{service.name}")
        service.take_from(self.take)
        signals = world.signals
        signals.guest_kept.connect(self._is_kept)
        signals.guest_stopped.connect(self._gone)
        signals.room_freed.connect(self._refill)
        signals.scaled.connect(lambda service, before, after: self._refill())
        self._refill()

    def take(self) -> Guest | None:
        """The guest that has waited longest becomes a replica; None where none is up. Those of another size end."""
        while self._kept:
            guest = self._kept.popleft()
            if guest.state != WARM:
                continue  # it has fallen, and comes back when it is up again
            if guest.share == self._service.share:
                self._of.discard(guest)
                self._service.life.take(guest, float(self._sample(self._stream, 1)[0]))
                self._refill()
                return guest
            self._of.discard(guest)
            self._service.life.stop(guest, "of another size")
            self._refill()
        return None

    def _is_kept(self, guest: Guest) -> None:
        if guest in self._of:
            if guest not in self._kept:
                self._kept.append(guest)
            if self._is_wanted():
                self.take()
            else:
                self._service.start_pending()

    def _is_wanted(self) -> bool:
        """The per-request rule: a request waits that was refused a guest of its own."""
        service, rule = self._service, self._service.spec.autoscale
        if not isinstance(rule, PerRequest) or len(service.guests) >= rule.max:
            return False
        return self._plane.backlog(service.index) > 0

    def _gone(self, guest: Guest) -> None:
        if guest in self._of:
            self._of.discard(guest)
            self._refill()

    def _refill(self) -> None:
        """Start what is missing, behind everything else of this instant: replicas that are asked for come first."""
        if not self._filling and len(self._of) < self._rule.guests:
            self._filling = True
            self._env.process(self._fill())

    def _fill(self) -> Story:
        yield self._env.timeout(0.0)
        self._filling = False
        service = self._service
        while len(self._of) < self._rule.guests and not service.pending and not service.held:
            found = service.keep_one()
            if isinstance(found, str):
                if not self._refused:
                    self._signals.note.fire(None, "warm-refused", f"{service.name}: {found}")
                self._refused = True
                return
            self._refused = False
            self._of.add(found)
