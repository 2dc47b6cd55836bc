"""Guests for requests that find none: one a request (serverless), and the first one from zero."""

from __future__ import annotations

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
        env, plane, life = self._world.env, self._world.plane, guest.ready_since
        while guest.state == READY and guest.ready_since == life:
            since = plane.idle_since(guest.slot)
            if since is None:
                yield env.idle(guest.slot)
                continue
            yield env.at(since + keep_alive)
            if guest.state == READY and guest.ready_since == life and plane.idle_since(guest.slot) == since:
                self._fleet.of(guest).life.stop(guest, "idle")
