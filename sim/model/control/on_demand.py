"""Guests for requests that find none: one a request (serverless), and the first one from zero."""

from __future__ import annotations

from math import ulp

from sim.engine import layout
from sim.engine.plane import Stop
from sim.model.control.scaling import change
from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import READY, Guest
from sim.model.guests.phases import Story
from sim.model.world import World
from sim.scenario import PerRequest


def begin(world: World, fleet: Fleet) -> None:
    """Answer the data plane when a request waits for a guest, and end guests that have been idle for too long."""
    _OnDemand(world, fleet)


class _OnDemand:
    def __init__(self, world: World, fleet: Fleet) -> None:
        self._world, self._fleet = world, fleet
        world.env.on(layout.NEED_GUEST, self._need_guest)
        world.env.on(layout.WAITING, self._waiting_at_zero)
        world.signals.guest_ready.connect(self._keep)

    def _need_guest(self, stop: Stop) -> None:
        """The per-request rule: no guest is idle, so one is started for this request."""
        service = self._fleet.services[stop.subject]
        rule = service.spec.autoscale
        assert isinstance(rule, PerRequest)
        guest = service.start_one() if len(service.guests) < rule.max else None
        self._world.plane.bind(guest.slot if guest else -1)

    def _waiting_at_zero(self, stop: Stop) -> None:
        """Scaled to zero, and a request waits: start one."""
        service = self._fleet.services[stop.subject]
        if service.wanted == 0:
            change(self._world, service, 1)

    def _keep(self, guest: Guest) -> None:
        rule = guest.recipe.spec.autoscale
        if isinstance(rule, PerRequest):
            self._world.env.process(self._expire(guest, rule.keep_alive))

    def _expire(self, guest: Guest, keep_alive: float) -> Story:
        """The serverless rule: a guest that has been idle for `keep_alive` is stopped."""
        left, env = keep_alive, self._world.env
        while guest.state == READY:
            yield env.timeout(left)
            if guest.state != READY:
                return
            idle = self._world.plane.idle_for(guest.slot)
            left = keep_alive if idle is None else keep_alive - idle
            if idle is not None and left <= 1e-9 + 4 * ulp(env.now):  # late in a long run clocks are coarse
                self._fleet.of(guest).life.stop(guest, "idle")
