"""Who dies when the host's memory runs out (docs/model.md, Memory)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.model.guest import Guest

if TYPE_CHECKING:
    from sim.model.simulation import Simulation


def victims(simulation: Simulation) -> list[Guest]:
    """Guests with memory to give back, in the order of the kernel's OOM killer.

    Highest `oom_score_adj` first (Kubernetes' QoS classes), among equals the largest, then the youngest.
    """
    serving = simulation.plane.serving()

    def size(guest: Guest) -> float:
        return guest.fixed + guest.service.spec.memory.per_request * float(serving[guest.slot])

    there = [
        guest for service in simulation.services for guest in service.present() if size(guest) > guest.share.resident
    ]
    return sorted(there, key=lambda g: (-g.share.score, -size(g), -g.requested))
