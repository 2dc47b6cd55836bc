"""What guests read of files, and keep in memory of their own (docs/model.md, A guest's page cache).

What boots and applications read as they start is told to the guest where it happens; here is what requests read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.engine.layout import COMPLETED
from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import Guest
from sim.model.guests.phases import Story
from sim.model.world import World
from sim.scenario.amounts import bytes_moved

INTERVAL = 1.0  # s between two looks at what requests have read


def begin(world: World, fleet: Fleet) -> None:
    """Add what requests read to their guests' page caches from now on, where guests have such and requests read."""
    reads = {service.index: size for service in fleet.services if (size := bytes_moved(service.spec.programs, "read"))}
    if world.platform.memory.file_cache > 0.0 and reads:
        _Reads(world, reads)


class _Reads:
    """`reads`: mean bytes that a request reads, by its service's number in the data plane."""

    def __init__(self, world: World, reads: dict[int, float]) -> None:
        self._world, self._reads = world, reads
        self._guests: list[Guest] = []  # by their number over the whole run
        self._read: dict[int, float] = {}  # by that number, bytes since the last look
        world.signals.guest_requested.connect(self._guests.append)
        world.signals.requests_ended.connect(self._ended)
        world.env.process(self._watch())

    def _ended(self, rows: Any) -> None:
        done = rows[(rows["status"] == COMPLETED) & (rows["guest"] >= 0)]
        for service, size in self._reads.items():
            numbers, counts = np.unique(done["guest"][done["service"] == service], return_counts=True)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                self._read[number] = self._read.get(number, 0.0) + size * count

    def _watch(self) -> Story:
        while True:
            yield self._world.env.timeout(INTERVAL)
            self._world.plane.flush()
            read, self._read = self._read, {}
            for number, size in read.items():
                self._guests[number].reads(size)
