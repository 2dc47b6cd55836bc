"""What requests and their answers take of the host's NIC: a fluid load, beside which images and copies move."""

from __future__ import annotations

from sim.model.guests.fleet import Fleet
from sim.model.guests.phases import Story
from sim.model.guests.service import ServiceRun
from sim.model.host.machine import Host
from sim.model.world import World

INTERVAL = 1.0  # s over which arrivals are averaged; the fluid limit needs it to be short beside a transfer


def begin(world: World, fleet: Fleet, host: Host) -> None:
    """Load the NIC with the requests' bytes, where a service says how many they are."""
    services = [s for s in fleet.services if s.spec.request_bytes + s.spec.response_bytes > 0.0]
    if services:
        world.env.process(_load(world, host, services))


def _load(world: World, host: Host, services: list[ServiceRun]) -> Story:
    before = [0 for _ in services]
    while True:
        yield world.env.timeout(INTERVAL)
        now = [world.plane.arrived(service.index) for service in services]
        rates = [(new - old) / INTERVAL for new, old in zip(now, before, strict=True)]
        host.nic.load(sum(_bytes(s) * rate for s, rate in zip(services, rates, strict=True)))
        before = now


def _bytes(service: ServiceRun) -> float:
    """Bytes of a request and its answer that pass this host's NIC; those for replicas elsewhere do not."""
    here = 1.0 - service.roster.ready_away / service.ready if service.ready else 1.0
    return here * (service.spec.request_bytes + service.spec.response_bytes)
