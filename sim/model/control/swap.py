"""What exceeds the host's memory: pages that have to be written out, and the wait for those that are out.

The rule is that of docs/model.md, Swap: growth beyond the memory is written out before the guest goes on, and whoever
works stands still now and then until pages of its own have come back, all through one device.
"""

from __future__ import annotations

import numpy as np

from sim.model.guests.fleet import Fleet
from sim.model.guests.phases import Story
from sim.model.host.machine import Host
from sim.model.world import World
from sim.scenario.hosts import Swap as SwapSpec
from sim.terms.records import Array

INTERVAL = 1.0  # s between two looks at who works and what is out
STEPS = 16  # speeds are powers of 2 to a multiple of 1 / STEPS: few differ, so that guests stay in few bands
SLOWEST = 2.0**-10


def begin(world: World, fleet: Fleet, host: Host) -> Paging | None:
    """Page from now on, where the host has a swap."""
    swap = world.scenario.host.swap
    return None if swap is None else Paging(world, fleet, host, swap)


class Paging:
    """What is in the swap, and how fast guests work because of that."""

    def __init__(self, world: World, fleet: Fleet, host: Host, swap: SwapSpec) -> None:
        self._world, self._fleet, self._host, self._swap = world, fleet, host, swap
        self._seconds, self._mark, self._out = 0.0, world.env.now, 0.0
        world.env.process(self._watch())

    def _watch(self) -> Story:
        while True:
            yield self._world.env.timeout(INTERVAL)
            self.look()

    def _book(self) -> None:
        now = self._world.env.now
        self._seconds += self._out * (now - self._mark)
        self._mark = now

    def restart(self) -> None:
        """The measured span begins."""
        self._book()
        self._seconds = 0.0

    def seconds(self) -> float:
        """Byte-seconds in the swap since `restart`, by samples."""
        self._book()
        return self._seconds

    def look(self) -> None:
        """Book what is out, and set every guest's speed anew."""
        host, plane, was = self._host, self._world.plane, self._out
        self._book()
        self._out = host.swapped
        if was == self._out == 0.0:
            return
        guests = [guest for guest in self._fleet.present() if guest.here]
        if not guests:
            return
        share = self._out / host.used
        slots = [guest.slot for guest in guests]
        serving = plane.serving()
        sizes = np.array([guest.in_use(float(serving[guest.slot])) for guest in guests])
        stalls = share * self._swap.touched * sizes / self._swap.read
        for slot, speed in zip(slots, speeds(stalls, plane.busy()[slots].astype(np.float64)), strict=True):
            plane.slow(slot, float(speed))


def speeds(stalls: Array, jobs: Array) -> Array:
    """Cores that a job of each guest asks for, in steps of 2^(1/16).

    `stalls`: seconds that the device takes for the pages of a core-second of each guest's work; `jobs`: those at work.
    The device serves one page at a time: where all together would ask for more, each waits longer by one factor.
    """
    factor = _factor(stalls, jobs)
    steps = np.round(-STEPS * np.log2(1.0 + factor * stalls)) / STEPS
    return np.maximum(np.exp2(steps), SLOWEST)


def _factor(stalls: Array, jobs: Array) -> float:
    """The least factor, 1 or more, by which waits are longer so that the device is not asked for more than it can."""

    def load(factor: float) -> float:
        return float(np.sum(jobs * stalls / (1.0 + factor * stalls)))

    if load(1.0) <= 1.0:
        return 1.0
    low, high = 1.0, float(np.sum(jobs)) + 1.0  # jobs · s / (1 + f · s) < jobs / f
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if load(middle) > 1.0 else (low, middle)
    return high
