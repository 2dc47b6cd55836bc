"""The guests of a run: who there was, when, and how many at once."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.model.guests.guest import Guest
from sim.model.guests.phases import APP
from sim.model.world import World
from sim.terms.columns import PHASE


class GuestLog:
    """Every guest from its admission on. `names`: by number over the run, VMs that hold guests among them.

    `present`: guests on the host now; `peak`: the most at once since `restart_peak`.
    """

    def __init__(self, world: World) -> None:
        self._env = world.env
        self.guests: list[Guest] = []
        self.names: list[str] = []
        self.present = 0
        self.peak = 0.0
        self._seconds = 0.0
        self._mark = 0.0
        world.signals.guest_requested.connect(self._appeared)
        world.signals.guest_moved.connect(lambda guest: self._count(-1))
        world.signals.guest_stopped.connect(self._stopped)
        world.signals.vm_requested.connect(self.names.append)

    def _appeared(self, guest: Guest) -> None:
        self.guests.append(guest)
        self.names.append(guest.name)
        if guest.here:
            self._count(1)

    def _stopped(self, guest: Guest) -> None:
        if guest.here:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._seconds = self.seconds()
        self._mark = self._env.now
        self.present += change
        self.peak = max(self.peak, self.present)

    def restart_peak(self) -> None:
        """Only what comes from now on counts for `peak`."""
        self.peak = float(self.present)

    def seconds(self) -> float:
        """Guest-seconds on the host up to now."""
        return self._seconds + self.present * (self._env.now - self._mark)

    @property
    def replicas(self) -> list[Guest]:
        """Those that are replicas, or were: without what a warm pool still keeps."""
        return [guest for guest in self.guests if not guest.spare]

    def table(self) -> dict[str, NDArray[Any]]:
        """A row a guest; one that is still kept in a warm pool was never requested (NaN)."""
        guests = self.guests
        text, time = np.dtype(object), np.dtype("f8")
        table: dict[str, NDArray[Any]] = {
            "service": np.array([g.service for g in guests], text),
            "guest": np.array([g.name for g in guests], text),
            "requested": np.array([nan if g.spare else g.requested for g in guests], time),
            "ready": np.array([g.ready for g in guests], time),
            "stopped": np.array([g.stopped for g in guests], time),
            "stop_reason": np.array(["" if isnan(g.stopped) else g.stop_reason for g in guests], text),
        }
        for phase in dict.fromkeys([*(name for g in guests for name in g.phases if name != APP), APP]):
            table[f"{PHASE}{phase}"] = np.array([g.phases.get(phase, nan) for g in guests], time)
        return table
