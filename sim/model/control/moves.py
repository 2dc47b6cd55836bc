"""Guests that leave for another host: live migration by pre-copy, or a new guest created there.

The other host is the far end of a link: it has a disk, images and locks of its own and no other load. A guest that has
moved goes on there with all the CPU that its cap lets it use, and requests find it there. On this host it holds
nothing any more, and no fault of this host reaches it. A VM's disk is on storage that both hosts reach.

- pre-copy (Clark et al., Live Migration of Virtual Machines, NSDI 2005, section 3): guests go one after the other.
  Round 1 sends the memory in use (QEMU sends a page of zeros as a mark only); round i sends what was written during
  round i - 1, at most the whole. When what is left can be sent within the downtime aimed at (at the bandwidth of the
  last round), the guest is stopped, the rest is sent, and after the platform's `blackout` it goes on at the
  destination. A round that leaves no less than it sent will not converge, nor does one that is still short after
  `max_rounds`; then the guest is stopped all the same (`force`) or stays (`abort`).
- recreate: all at once, whether they serve or not. A new guest is started at the destination; when it serves, the old
  one is given nothing more, finishes what it holds within the platform's `drain`, and is removed. What it had in memory
  is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeVar

import simpy
from simpy.events import Event, Process

from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import STOPPED, Guest
from sim.model.guests.life import until_ready
from sim.model.guests.phases import Story
from sim.model.host.machine import Destination, Host
from sim.model.world import World
from sim.scenario import Move

DOWNTIME, MAX_ROUNDS = 0.3, 30  # s; QEMU's downtime-limit, and rounds where the platform names none
T = TypeVar("T")


def _first(*choices: T | None) -> T:
    return next(choice for choice in choices if choice is not None)


@dataclass
class Order:
    """One order to move guests, given at `at` s: when the last of them was off the host, and what it took.

    A pre-copy stops when the rest can be sent within `downtime` s, or after `max_rounds`; then `force` decides.
    """

    at: float
    guests: list[Guest]
    destination: Destination
    dirty_rate: float
    downtime: float
    max_rounds: int
    force: bool
    last: float | None = None
    downtimes: list[float] = field(default_factory=list)
    sent: float = 0.0

    def moved(self, now: float, downtime: float) -> None:
        """One of its guests is off the host."""
        self.downtimes.append(downtime)
        self.last = now

    def send(self, size: float) -> None:
        """So many bytes have gone over the link."""
        self.sent += size


@dataclass
class _Copy:
    """A pre-copy under way: `rest` bytes to send, `bandwidth` of the last round in bytes/s."""

    rest: float
    bandwidth: float = inf
    rounds: int = 0
    sent: float = 0.0

    def send(self) -> None:
        """The rest has been sent."""
        self.sent += self.rest

    def round(self, took: float, rest: float) -> None:
        """A round has ended after `took` s; `rest` bytes have been written meanwhile."""
        self.rounds += 1
        self.bandwidth = self.rest / took if took > 0.0 else inf
        self.rest = rest


class Moves:
    """All moves of one run."""

    def __init__(self, world: World, fleet: Fleet, host: Host) -> None:
        self._world, self._fleet, self._host = world, fleet, host
        self._env, self._signals, self._platform = world.env, world.signals, world.platform
        self._destinations: dict[float, Destination] = {}
        self._orders: list[Order] = []
        self._under_way: dict[Guest, Process] = {}

    def begin(self) -> None:
        """Set out for the moves that the scenario asks for."""
        for move in self._world.scenario.moves:
            self._env.process(self._planned(move))

    def counters(self) -> dict[str, float]:
        """Over the orders given in the measured span; nothing if there were none.

        `move_time`: from an order until its last guest was off this host, s, mean over orders that moved any.
        `move_downtime`: the longest that one guest was stopped for its move, s (0 where the old one serves until the
        new one does). `move_bytes`: sent over links for all of them, pulls at the destination included.
        """
        orders = [order for order in self._orders if order.at >= self._world.warmup]
        if not orders:
            return {}
        pulled = sum(d.images.pulled for d in {id(o.destination): o.destination for o in orders}.values())
        totals = {"move_bytes": sum(order.sent for order in orders) + pulled}
        times = [order.last - order.at for order in orders if order.last is not None]
        downtimes = [downtime for order in orders for downtime in order.downtimes]
        if times:
            totals["move_time"] = sum(times) / len(times)
        if downtimes:
            totals["move_downtime"] = max(downtimes)
        return totals

    def break_off(self) -> None:
        """The host falls: no copy from it can go on."""
        if self._platform.move.policy == "pre-copy":
            for process in self._under_way.values():
                if process.is_alive:
                    process.interrupt()

    # orders

    def _planned(self, move: Move) -> Story:
        yield self._env.timeout(move.at)
        guests = [
            guest
            for service in self._fleet.called(move.service)
            for guest in service.roster.present()
            if guest.alive and move.replica in (None, guest.number)
        ]
        force = move.on_no_convergence == "force"
        yield from self.carry_out(
            self.order(guests, move.link, move.dirty_rate, force, downtime=move.downtime, max_rounds=move.max_rounds)
        )

    def order(
        self,
        guests: Sequence[Guest],
        link: float | None,
        dirty_rate: float,
        force: bool,
        downtime: float | None = None,
        max_rounds: int | None = None,
    ) -> Order:
        """An order to move these guests now, over a link of `link` bytes/s (the host's own network when None).

        `downtime` (s) and `max_rounds`: the platform's when None, else QEMU's.
        """
        rules = self._platform.move
        bandwidth = self._world.scenario.host.network if link is None else link
        if bandwidth not in self._destinations:
            cached = [s.recipe.parts for s in self._fleet.services if s.recipe.image.cached]
            used = self._host.links.shared
            self._destinations[bandwidth] = Destination(self._world, bandwidth, cached, used)
        order = Order(
            self._env.now,
            list(guests),
            self._destinations[bandwidth],
            dirty_rate,
            downtime=_first(downtime, rules.downtime, DOWNTIME),
            max_rounds=_first(max_rounds, rules.max_rounds, MAX_ROUNDS),
            force=force,
        )
        self._orders.append(order)
        names = ", ".join(guest.name for guest in guests)
        self._signals.note.fire(None, "move", names or "no guest to move")
        return order

    def carry_out(self, order: Order) -> Story:
        """Move its guests by the platform's policy, until the last one is gone or has been given up."""
        env, policy = self._env, self._platform.move.policy
        if policy == "recreate":
            yield env.all_of([env.process(self._one(order, guest, self._recreate)) for guest in order.guests])
            return
        for guest in order.guests:
            if policy == "none":
                self._signals.note.fire(guest, "move-refused", "the platform cannot move a guest")
                continue
            yield from until_ready(guest)
            yield from self._one(order, guest, self._migrate)

    def _one(self, order: Order, guest: Guest, how: Callable[[Order, Guest], Story]) -> Story:
        """Move one guest; one that another order is moving is waited for."""
        while guest in self._under_way:
            yield self._under_way[guest]
        if guest.alive and guest.here:
            self._under_way[guest] = self._env.process(how(order, guest))
            yield self._under_way[guest]
            del self._under_way[guest]

    # live migration

    def _memory(self, guest: Guest) -> float:
        """Bytes of the guest's RAM that are in use (its VMM stays behind)."""
        serving = float(self._world.plane.serving()[guest.slot])
        used = guest.fixed + guest.recipe.spec.memory.per_request * serving
        return max(used - guest.share.outside, 0.0)

    def _migrate(self, order: Order, guest: Guest) -> Story:
        note, plane, env = self._signals.note, self._world.plane, self._env
        copy = _Copy(self._memory(guest))
        stopped = None
        try:
            caught_up = yield from self._pre_copy(order, guest, copy)
            if not caught_up:
                rate = f"{order.dirty_rate / 1e6:.4g} MB/s written, {copy.bandwidth / 1e6:.4g} MB/s sent"
                note.fire(guest, "move-not-converging", f"round {copy.rounds}: {rate}")
            if guest.state != STOPPED and (caught_up or order.force):
                stopped = env.now
                plane.pause(guest.slot, True)
                yield from self._send(order, copy)
                if self._platform.move.blackout > 0.0:
                    yield env.timeout(self._platform.move.blackout)
        except simpy.Interrupt:
            self._resume(guest, stopped)
            stopped = None
        if stopped is None or guest.state == STOPPED:
            note.fire(guest, "move-aborted", f"after {copy.rounds} rounds, {copy.sent / 1e6:.4g} MB sent")
            return
        order.moved(env.now, env.now - stopped)
        self._resume(guest, stopped)
        self._fleet.of(guest).life.leave(guest, order.destination)

    def _resume(self, guest: Guest, stopped: float | None) -> None:
        if stopped is not None and guest.state != STOPPED:
            self._world.plane.pause(guest.slot, False)

    def _pre_copy(self, order: Order, guest: Guest, copy: _Copy) -> Generator[Event, Any, bool]:
        """Rounds of copying while the guest runs: True when the rest fits into the downtime aimed at."""
        while True:
            size, began = copy.rest, self._env.now
            yield from self._send(order, copy)
            took = self._env.now - began
            copy.round(took, min(self._memory(guest), order.dirty_rate * took))
            if guest.state == STOPPED or copy.rest == 0.0 or copy.rest <= order.downtime * copy.bandwidth:
                return True
            if copy.rounds >= order.max_rounds or copy.rest >= size:
                return False

    def _send(self, order: Order, copy: _Copy) -> Story:
        """Send what is left to send: at the platform's and the link's rate, and no more than the NIC's share."""
        most = self._platform.move.max_rate
        rate = min(order.destination.link, inf if most is None else most)
        yield from self._host.nic.transfer(copy.rest, rate)
        copy.send()
        order.send(copy.rest)

    # a new one there

    def _recreate(self, order: Order, guest: Guest) -> Story:
        service, env = self._fleet.of(guest), self._env
        life = service.life
        new = life.start_on(order.destination, service.share, extra=True)
        yield from until_ready(new)
        if not guest.alive:  # it has been stopped meanwhile: nothing is left to be replaced
            life.stop(new, "not needed")
            return
        service.roster.count(new)
        ending = life.stop(guest, "moved")
        drain = self._platform.move.drain
        yield env.any_of([ending, env.timeout(drain)]) if drain is not None else ending
        if guest.state != STOPPED:
            life.gone(guest)  # what it still holds fails
        order.moved(env.now, 0.0)
