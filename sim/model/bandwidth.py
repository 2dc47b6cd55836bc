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
    __slots__ = ("alive", "cap", "done", "group", "tag")

    def __init__(self, cap: float, group: str, tag: float, done: Event) -> None:
        self.cap, self.group, self.tag, self.done = cap, group, tag, done
        self.alive = True


class _Class:
    """Flows of one cap and group: bytes given to each so far (`v`), and a heap of when they end."""

    __slots__ = ("heap", "n", "speed", "v")

    def __init__(self) -> None:
        self.v = 0.0
        self.speed = 0.0
        self.n = 0
        self.heap: list[tuple[float, int, _Flow]] = []

    def first(self) -> float:
        """Virtual time at which its first flow ends."""
        while self.heap and not self.heap[0][2].alive:
            heappop(self.heap)
        return self.heap[0][0] if self.heap else inf


class SharedBandwidth:
    """A link of `capacity` bytes/s. `groups` bounds the sum of some transfers (a registry's bandwidth), bytes/s."""

    def __init__(self, env: simpy.Environment, capacity: float, groups: dict[str, float] | None = None) -> None:
        self._env = env
        self.capacity = capacity
        self._groups = groups or {}
        self._classes: dict[tuple[str, float], _Class] = {}
        self._mark = 0.0
        self._order = count()
        self._alarm = 0
        self._loaded = 0.0  # bytes/s that something else takes
        self.moved = 0.0  # bytes, over the whole run

    def transfer(self, size: float, rate: float = inf, group: str = "") -> Generator[Event, Any, None]:
        """Process step: move `size` bytes at `rate` bytes/s at most. Interrupting it gives the bandwidth back."""
        if size <= 0.0:
            return
        self._advance()
        known = self._classes.setdefault((group, rate), _Class())
        if known.n == 0:
            known.v = 0.0
        flow = _Flow(rate, group, known.v + size, self._env.event())
        heappush(known.heap, (flow.tag, next(self._order), flow))
        known.n += 1
        self._settle()
        try:
            yield flow.done
            self.moved += size
        finally:
            if flow.alive:  # interrupted
                self._advance()
                self.moved += size - max(flow.tag - known.v, 0.0)
                flow.alive = False
                known.n -= 1
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
        for known in self._classes.values():
            known.v += known.speed * (now - self._mark)
        self._mark = now

    def _settle(self) -> None:
        """Work out the speeds anew and set the alarm for the next end."""
        busy = {key: known for key, known in self._classes.items() if known.n}
        level_of = {
            group: _level([(cap, c.n) for (g, cap), c in busy.items() if g == group], bound)
            for group, bound in self._groups.items()
        }
        caps = {key: min(key[1], level_of.get(key[0], inf)) for key in busy}
        level = _level([(caps[key], known.n) for key, known in busy.items()], self.capacity - self._loaded)
        soonest = inf
        for key, known in busy.items():
            known.speed = min(caps[key], level)
            soonest = min(soonest, (known.first() - known.v) / known.speed)
        if soonest < inf:
            self._alarm += 1
            self._env.process(self._ring(self._alarm, max(soonest, 0.0)))

    def _ring(self, alarm: int, after: float) -> Generator[Event, Any, None]:
        yield self._env.timeout(after)
        if alarm != self._alarm:
            return
        self._advance()
        for known in self._classes.values():
            if known.n == 0:
                continue
            due = known.first()
            # the alarm was set for the first of all: rounding must not leave it a hair short for ever
            if due - known.v <= known.speed * 1e-12 * max(self._env.now, 1.0) + 1e-6:
                while known.n and known.first() <= due:
                    flow = heappop(known.heap)[2]
                    flow.alive = False
                    known.n -= 1
                    flow.done.succeed()
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
