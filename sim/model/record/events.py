"""What happened to guests and to the host, a row each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.model.guests.guest import Guest
from sim.model.guests.service import ServiceRun
from sim.model.world import World


class EventLog:
    """Rows (time, guest, event, detail) in the order in which things happened."""

    def __init__(self, world: World) -> None:
        self._env = world.env
        self._rows: list[tuple[float, str, str, str]] = []
        signals = world.signals
        signals.guest_requested.connect(lambda guest: self._of(guest, "requested", _elsewhere(guest)))
        signals.guest_kept.connect(lambda guest: self._of(guest, "warm", ""))
        signals.guest_ready.connect(lambda guest: self._of(guest, "ready", ""))
        signals.guest_fell.connect(self._of)
        signals.guest_moved.connect(lambda guest: self._of(guest, "moved", ""))
        signals.guest_stopped.connect(lambda guest: self._of(guest, "stopped", guest.stop_reason))
        signals.vm_requested.connect(lambda name: self._of(None, "vm-requested", name))
        signals.start_refused.connect(lambda service, why, down: self._of(None, "refused", f"{service}: {why}"))
        signals.scaled.connect(self._scaled)
        signals.note.connect(self._of)

    def _of(self, guest: Guest | None, event: str, detail: str) -> None:
        self._rows.append((self._env.now, "" if guest is None else guest.name, event, detail))

    def _scaled(self, service: ServiceRun, before: int, after: int) -> None:
        self._of(None, "scale", f"{service.name}: {before} to {after}")

    def table(self) -> dict[str, NDArray[Any]]:
        """A row an event."""
        columns: list[Any] = list(zip(*self._rows, strict=True)) if self._rows else [(), (), (), ()]
        names = ("time", "guest", "event", "detail")
        return {
            name: np.array(column, np.dtype("f8") if name == "time" else np.dtype(object))
            for name, column in zip(names, columns, strict=True)
        }


def _elsewhere(guest: Guest) -> str:
    return "" if guest.here else "on another host"
