"""Who dies when the host's memory runs out (docs/model.md, Memory)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.model.guest import Guest
from sim.model.machine import Machine

if TYPE_CHECKING:
    from sim.model.simulation import Simulation


def victims(simulation: Simulation, machine: Machine | None = None) -> list[Guest]:
    """Guests (on `machine`) with memory to give back, in the order of the kernel's OOM killer.

    Highest `oom_score_adj` first (Kubernetes' QoS classes), among equals the largest, then the youngest. To the host a
    guest with a kernel of its own is one process: all that it has in use can be given back.
    """
    whole = simulation.platform.oom == "guest"
    serving = simulation.plane.serving()

    def size(guest: Guest) -> float:
        return guest.fixed + guest.service.spec.memory.per_request * float(serving[guest.slot])

    there = [
        guest
        for service in simulation.services
        for guest in service.present()
        if (size(guest) > (0.0 if whole else guest.share.resident)) and machine in (None, guest.machine)
    ]
    return sorted(there, key=lambda g: (-g.share.score, -size(g), -g.requested))
