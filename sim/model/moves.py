"""Guests that leave for another host: live migration by pre-copy, or a new guest created there.

The other host is the far end of a link: it has a disk, images and locks of its own and no other load. A guest that has
moved goes on there with all the CPU that its cap lets it use, and requests find it there. On this host it holds
nothing any more, and no fault of this host reaches it. A VM's disk is on storage that both hosts reach.

- pre-copy (Clark et al., Live Migration of Virtual Machines, NSDI 2005, section 3): guests go one after the other.
  Round 1 sends the memory in use (QEMU sends a page of zeros as a mark only); round i sends what was written during
  round i - 1, at most the whole. When what is left can be sent within the downtime aimed at (at the bandwidth of the
  last round), the guest is stopped, the rest is sent, and it goes on at the destination. A round that leaves no less
  than it sent will not converge, nor does one that is still short after `max_rounds`; then the guest is stopped all
  the same (`force`) or stays (`abort`).
- recreate: all at once, whether they serve or not. A new guest is started at the destination; when it serves, the old
  one is given nothing more, finishes what it holds within the platform's `drain`, and is removed. What it had in memory
  is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import Event, Process

from sim.model.bandwidth import SharedBandwidth
from sim.model.guest import STOPPED, Guest, until_ready
from sim.model.machine import Links, Machine
from sim.scenario import Move

if TYPE_CHECKING:
    from sim.model.simulation import Simulation

Story = Generator[Event, Any, None]


class Destination(Machine):
    """The host at the other end of a link of `link` bytes/s: what a start-up there draws on. It has room for all."""

    here = False  # what runs there holds nothing of this host

    def __init__(self, simulation: Simulation, link: float) -> None:
        env, host = simulation.env, simulation.scenario.host
        groups = {} if host.registry is None else {"registry": host.registry}
        read, write = SharedBandwidth(env, host.disk.read), SharedBandwidth(env, host.disk.write)
        links = Links(read, write, SharedBandwidth(env, link, groups))
        size, pool = (host.cores, host.memory), simulation.plane.far_pool()
        super().__init__(env, simulation.platform, links, size, (inf, inf), pool)
        self.link = link
        for service in simulation.services:
            if service.image.cached:  # images that lie ready do so on every host
                self.images.cache(service.parts)

    def process_begins(self) -> None:
        """It burns no idle CPU of this host."""

    def process_ends(self) -> None:
        """It burned none."""


@dataclass
class Order:
    """One order to move guests, given at `at` s: when the last of them was off the host, and what it took."""

    at: float
    guests: list[Guest]
    destination: Destination
    dirty_rate: float = 0.0
    downtime: float = 0.3
    max_rounds: int = 30
    force: bool = False
    last: float | None = None
    downtimes: list[float] = field(default_factory=list)
    sent: float = 0.0


@dataclass
class _Copy:
    """A pre-copy under way: `rest` bytes to send, `bandwidth` of the last round in bytes/s."""

    rest: float
    bandwidth: float = inf
    rounds: int = 0
    sent: float = 0.0


class Moves:
    """All moves of one run."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._destinations: dict[float, Destination] = {}
        self._orders: list[Order] = []
        self._under_way: dict[Guest, Process] = {}

    def begin(self) -> None:
        """Set out for the moves that the scenario asks for."""
        for move in self._simulation.scenario.moves:
            self._simulation.env.process(self._planned(move))

    def counters(self) -> dict[str, float]:
        """Over the orders given in the measured span; nothing if there were none.

        `move_time`: from an order until its last guest was off this host, s, mean over orders that moved any.
        `move_downtime`: the longest that one guest was stopped for its move, s (0 where the old one serves until the
        new one does). `move_bytes`: sent over links for all of them, pulls at the destination included.
        """
        orders = [order for order in self._orders if order.at >= self._simulation.warmup]
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
        if self._simulation.platform.move.policy == "pre-copy":
            for process in self._under_way.values():
                if process.is_alive:
                    process.interrupt()

    # orders

    def _planned(self, move: Move) -> Story:
        yield self._simulation.env.timeout(move.at)
        guests = [
            guest
            for service in self._simulation.services
            if move.service in (service.name, service.name.rpartition("-")[0])
            for guest in service.present()
            if guest.alive and move.replica in (None, guest.number)
        ]
        order = self.order(guests, move.link, move.dirty_rate, force=move.on_no_convergence == "force")
        order.downtime = order.downtime if move.downtime is None else move.downtime
        order.max_rounds = order.max_rounds if move.max_rounds is None else move.max_rounds
        yield from self.carry_out(order)

    def order(self, guests: Sequence[Guest], link: float | None, dirty_rate: float, *, force: bool) -> Order:
        """An order to move these guests now, over a link of `link` bytes/s (the host's own network when None)."""
        simulation = self._simulation
        rules = simulation.platform.move
        bandwidth = simulation.scenario.host.network if link is None else link
        if bandwidth not in self._destinations:
            self._destinations[bandwidth] = Destination(simulation, bandwidth)
        order = Order(simulation.env.now, list(guests), self._destinations[bandwidth], dirty_rate, force=force)
        order.downtime = order.downtime if rules.downtime is None else rules.downtime
        order.max_rounds = order.max_rounds if rules.max_rounds is None else rules.max_rounds
        self._orders.append(order)
        names = ", ".join(guest.name for guest in guests)
        simulation.observer.event(None, "move", names or "no guest to move", simulation.env.now)
        return order

    def carry_out(self, order: Order) -> Story:
        """Move its guests by the platform's policy, until the last one is gone or has been given up."""
        env, policy = self._simulation.env, self._simulation.platform.move.policy
        if policy == "recreate":
            yield env.all_of([env.process(self._one(order, guest, self._recreate)) for guest in order.guests])
            return
        for guest in order.guests:
            if policy == "none":
                self._simulation.observer.event(guest, "move-refused", "the platform cannot move a guest")
                continue
            yield from until_ready(guest)
            yield from self._one(order, guest, self._migrate)

    def _one(self, order: Order, guest: Guest, how: Callable[[Order, Guest], Story]) -> Story:
        """Move one guest; one that another order is moving is waited for."""
        while guest in self._under_way:
            yield self._under_way[guest]
        if guest.alive and guest.here:
            self._under_way[guest] = self._simulation.env.process(how(order, guest))
            yield self._under_way[guest]
            del self._under_way[guest]

    # live migration

    def _memory(self, guest: Guest) -> float:
        """Bytes of the guest's RAM that are in use (its VMM stays behind)."""
        serving = float(self._simulation.plane.serving()[guest.slot])
        used = guest.fixed + guest.service.spec.memory.per_request * serving
        return max(used - self._simulation.platform.memory.per_guest, 0.0)

    def _migrate(self, order: Order, guest: Guest) -> Story:
        simulation, observer = self._simulation, self._simulation.observer
        copy = _Copy(self._memory(guest))
        stopped = None
        try:
            caught_up = yield from self._pre_copy(order, guest, copy)
            if not caught_up:
                rate = f"{order.dirty_rate / 1e6:.4g} MB/s written, {copy.bandwidth / 1e6:.4g} MB/s sent"
                observer.event(guest, "move-not-converging", f"round {copy.rounds}: {rate}")
            if guest.state != STOPPED and (caught_up or order.force):
                stopped = simulation.env.now
                simulation.plane.pause(guest.slot, True)
                yield from self._send(order, copy)
        except simpy.Interrupt:
            self._resume(guest, stopped)
            stopped = None
        if stopped is None or guest.state == STOPPED:
            observer.event(guest, "move-aborted", f"after {copy.rounds} rounds, {copy.sent / 1e6:.4g} MB sent")
            return
        order.downtimes.append(simulation.env.now - stopped)
        order.last = simulation.env.now
        self._resume(guest, stopped)
        guest.service.leave(guest, order.destination)

    def _resume(self, guest: Guest, stopped: float | None) -> None:
        if stopped is not None and guest.state != STOPPED:
            self._simulation.plane.pause(guest.slot, False)

    def _pre_copy(self, order: Order, guest: Guest, copy: _Copy) -> Generator[Event, Any, bool]:
        """Rounds of copying while the guest runs: True when the rest fits into the downtime aimed at."""
        while True:
            size, began = copy.rest, self._simulation.env.now
            yield from self._send(order, copy)
            copy.rounds += 1
            took = self._simulation.env.now - began
            copy.bandwidth = size / took if took > 0.0 else inf
            copy.rest = min(self._memory(guest), order.dirty_rate * took)
            if guest.state == STOPPED or copy.rest == 0.0 or copy.rest <= order.downtime * copy.bandwidth:
                return True
            if copy.rounds >= order.max_rounds or copy.rest >= size:
                return False

    def _send(self, order: Order, copy: _Copy) -> Story:
        """Send what is left to send: at the platform's and the link's rate, and no more than the NIC's share."""
        simulation = self._simulation
        most = simulation.platform.move.max_rate
        rate = min(order.destination.link, inf if most is None else most)
        yield from simulation.machine.nic.transfer(copy.rest, rate)
        copy.sent += copy.rest
        order.sent += copy.rest

    # a new one there

    def _recreate(self, order: Order, guest: Guest) -> Story:
        service, env = guest.service, self._simulation.env
        new = service.start_on(order.destination, extra=True)
        yield from until_ready(new)
        if not guest.alive:  # it has been stopped meanwhile: nothing is left to be replaced
            service.stop(new, "not needed")
            return
        service.guests.append(new)
        ending = service.stop(guest, "moved")
        drain = self._simulation.platform.move.drain
        yield env.any_of([ending, env.timeout(drain)]) if drain is not None else ending
        if guest.state != STOPPED:
            service.gone(guest)  # what it still holds fails
        order.downtimes.append(0.0)
        order.last = env.now
