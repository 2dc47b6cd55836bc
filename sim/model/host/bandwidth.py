"""A shared link: transfers share its bandwidth max-min fairly, each at most at its own rate.

The fluid model of a NIC or a disk (processor sharing with caps). Transfers of equal cap share one virtual time, so
that thousands at once cost O(log n) each, as in the CPU kernel.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any

import simpy
from simpy.events import Event


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
