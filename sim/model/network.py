"""What requests and their answers take of the host's NIC: a fluid load, beside which images and copies move."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from sim.model.service import ServiceRun

if TYPE_CHECKING:
    from sim.model.simulation import Simulation

INTERVAL = 1.0  # s over which arrivals are averaged; the fluid limit needs it to be short beside a transfer


def begin(simulation: Simulation) -> None:
    """Load the NIC with the requests' bytes, where a service says how many they are."""
    services = [s for s in simulation.services if s.spec.request_bytes + s.spec.response_bytes > 0.0]
    if services:
        simulation.env.process(_load(simulation, services))


def _load(simulation: Simulation, services: list[ServiceRun]) -> Generator[Event, Any, None]:
    before = [0 for _ in services]
    while True:
        yield simulation.env.timeout(INTERVAL)
        now = [simulation.plane.arrived(service.index) for service in services]
        rates = [(new - old) / INTERVAL for new, old in zip(now, before, strict=True)]
        simulation.machine.nic.load(sum(_bytes(s) * rate for s, rate in zip(services, rates, strict=True)))
        before = now


def _bytes(service: ServiceRun) -> float:
    """Bytes of a request and its answer that pass this host's NIC; those for replicas elsewhere do not."""
    here = 1.0 - service.ready_away / service.ready if service.ready else 1.0
    return here * (service.spec.request_bytes + service.spec.response_bytes)
