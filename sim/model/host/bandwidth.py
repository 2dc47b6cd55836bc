"""A shared link: transfers share its bandwidth max-min fairly, each at most at its own rate.

The fluid model of a NIC or a disk (processor sharing with caps). Where requests move bytes over a link, too, it is one
of the data plane's, and its transfers contend with theirs (`PlaneLink`). Where they do not, it is worked out here:
transfers of equal cap share one virtual time, so that thousands at once cost O(log n) each, as in the CPU kernel.
It is one rule worked out twice; a test holds both to one another (tests/model/host/test_host_links.py).
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any, Protocol

import simpy
from simpy.events import Event

from sim.engine.environment import HybridEnvironment


class Link(Protocol):
    """What starts and moves need of a disk's direction or a network."""

    def transfer(self, size: float, rate: float = inf, group: str = "") -> Generator[Event, Any, None]:
        """Process step: move `size` bytes at `rate` bytes/s at most. Interrupting it gives the bandwidth back.

        Transfers of a `group` have no more than the group's bandwidth together.
        """

    def load(self, rate: float) -> None:
        """Something else takes `rate` bytes/s from now on; a hundredth is left to transfers, so that they end."""


class _Flow:
    __slots__ = ("alive", "done", "tag")

    def __init__(self, tag: float, done: Event) -> None:
        self.tag, self.done = tag, done
        self.alive = True

    def ends(self) -> None:
        self.alive = False


class _Lane:
    """Flows of one cap and group: bytes given to each so far (`v`), and a heap of when they end."""

    __slots__ = ("heap", "n", "speed", "v")

    def __init__(self) -> None:
        self.v = 0.0
        self.speed = 0.0
        self.n = 0
        self.heap: list[tuple[float, int, _Flow]] = []

    def enter(self, size: float, order: int, done: Event) -> _Flow:
        """A flow of `size` bytes begins; an idle lane starts at zero."""
        if self.n == 0:
            self.v = 0.0
        flow = _Flow(self.v + size, done)
        heappush(self.heap, (flow.tag, order, flow))
        self.n += 1
        return flow

    def drive(self, seconds: float) -> None:
        """So long at the present speed."""
        self.v += self.speed * seconds

    def at(self, speed: float) -> float:
        """Go on at `speed` bytes/s: seconds until the first flow ends."""
        self.speed = speed
        return (self.first() - self.v) / speed

    def first(self) -> float:
        """Virtual time at which its first flow ends."""
        while self.heap and not self.heap[0][2].alive:
            heappop(self.heap)
        return self.heap[0][0] if self.heap else inf

    def leave(self, flow: _Flow) -> None:
        """A flow is broken off."""
        flow.ends()
        self.n -= 1

    def end_first(self) -> None:
        """The first flow is done."""
        flow = heappop(self.heap)[2]
        self.leave(flow)
        flow.done.succeed()


class SharedBandwidth:
    """A link of `capacity` bytes/s. `groups` bounds the sum of some transfers (a registry's bandwidth), bytes/s."""

    def __init__(self, env: simpy.Environment, capacity: float, groups: dict[str, float] | None = None) -> None:
        self._env = env
        self.capacity = capacity
        self._groups = groups or {}
        self._lanes: dict[tuple[str, float], _Lane] = {}
        self._mark = 0.0
        self._order = count()
        self._alarm = 0
        self._loaded = 0.0  # bytes/s that something else takes

    def transfer(self, size: float, rate: float = inf, group: str = "") -> Generator[Event, Any, None]:
        """Process step: move `size` bytes at `rate` bytes/s at most. Interrupting it gives the bandwidth back."""
        if size <= 0.0:
            return
        self._advance()
        lane = self._lanes.setdefault((group, rate), _Lane())
        flow = lane.enter(size, next(self._order), self._env.event())
        self._settle()
        try:
            yield flow.done
        finally:
            if flow.alive:  # interrupted
                self._advance()
                lane.leave(flow)
                self._settle()

    def load(self, rate: float) -> None:
        """Something else takes `rate` bytes/s from now on; a hundredth is left to transfers, so that they end."""
        rate = min(rate, 0.99 * self.capacity)
        if rate != self._loaded:
            self._advance()
            self._loaded = rate
            self._settle()

    def _advance(self) -> None:
        now = self._env.now
        for lane in self._lanes.values():
            lane.drive(now - self._mark)
        self._mark = now

    def _settle(self) -> None:
        """Work out the speeds anew and set the alarm for the next end."""
        busy = {key: lane for key, lane in self._lanes.items() if lane.n}
        level_of = {
            group: _level([(cap, c.n) for (g, cap), c in busy.items() if g == group], bound)
            for group, bound in self._groups.items()
        }
        caps = {key: min(key[1], level_of.get(key[0], inf)) for key in busy}
        level = _level([(caps[key], lane.n) for key, lane in busy.items()], self.capacity - self._loaded)
        soonest = inf
        for key, lane in busy.items():
            soonest = min(soonest, lane.at(min(caps[key], level)))
        if soonest < inf:
            self._alarm += 1
            self._env.process(self._ring(self._alarm, max(soonest, 0.0)))

    def _ring(self, alarm: int, after: float) -> Generator[Event, Any, None]:
        yield self._env.timeout(after)
        if alarm != self._alarm:
            return
        self._advance()
        for lane in self._lanes.values():
            if lane.n == 0:
                continue
            due = lane.first()
            # the alarm was set for the first of all: rounding must not leave it a hair short for ever
            if due - lane.v <= lane.speed * 1e-12 * max(self._env.now, 1.0) + 1e-6:
                while lane.n and lane.first() <= due:
                    lane.end_first()
        self._settle()


class PlaneLink:
    """A link of the data plane, number `link`, whose bandwidth its requests' bytes share."""

    def __init__(
        self, env: HybridEnvironment, link: int, capacity: float, groups: dict[str, float] | None = None
    ) -> None:
        self._env, self.number, self.capacity = env, link, capacity
        self._groups = groups or {}
        self._members: dict[str, dict[int, float]] = {name: {} for name in self._groups}  # flow: its own rate

    def transfer(self, size: float, rate: float = inf, group: str = "") -> Generator[Event, Any, None]:
        """Process step: as `Link` has it."""
        if size <= 0.0:
            return
        flow = self._env.plane.transfer(self.number, size, rate)
        done = self._env.transferred(flow)
        self._join(group, flow, rate)
        try:
            yield done
        finally:
            self._env.forget(flow)
            self._env.plane.end_transfer(flow)
            self._leave(group, flow)

    def load(self, rate: float) -> None:
        """As `Link` has it; it is taken from requests' steps as well."""
        self._env.plane.set_capacity(self.capacity - min(rate, 0.99 * self.capacity), self.number)

    def _join(self, group: str, flow: int, rate: float) -> None:
        if group in self._groups:
            self._members[group][flow] = rate
            self._share(group)

    def _leave(self, group: str, flow: int) -> None:
        if group in self._groups:
            del self._members[group][flow]
            self._share(group)

    def _share(self, group: str) -> None:
        """Share the group's bandwidth among its transfers anew."""
        members = self._members[group]
        level = _level([(rate, 1) for rate in members.values()], self._groups[group])
        for flow, rate in members.items():
            self._env.plane.set_rate(flow, min(rate, level))


def _level(flows: list[tuple[float, int]], capacity: float) -> float:
    """Max-min level for (cap, number) pairs: the rate that those get whose cap is higher."""
    left, n = capacity, sum(number for _, number in flows)
    for cap, number in sorted(flows):
        if cap * n <= left:
            left -= cap * number
            n -= number
        else:
            return left / n
    return inf
