"""The kernel made ready: compiled, or loaded from the disk."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from sim.engine.compiling.cache import mark_compiled
from sim.engine.plane import DataPlane
from sim.engine.tally import Tally


def warm_up() -> None:
    """Compile the kernel, or load it from the disk, by a run of a few requests."""
    times = np.array([0.1, 0.2, 0.3])
    chunk = SimpleNamespace(
        time=times, service=np.zeros(3, np.int32), demand=np.full(3, 0.05), u1=np.zeros(3), u2=np.zeros(3)
    )
    chunks = iter([chunk])
    tally = Tally(1, 0.0, kept=0)
    plane = DataPlane(2.0, source=lambda: next(chunks, None), sink=tally.add)
    plane.add_guest(plane.add_service(), 1.0, 1.0)
    plane.advance(1.0)
    plane.end()
    tally.fold()
    mark_compiled()
