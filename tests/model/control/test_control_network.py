"""The requests' bytes as a load on the NIC: services and NIC are fakes, arrivals are the data plane's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from model.small_world import FakeFleet, small_world
from sim.model.control import network


def loads(requests: Any, *, away: int = 0, sizes: tuple[float, float] = (1000.0, 9000.0)) -> list[tuple[float, float]]:
    """When the NIC was told of which load, bytes/s. Two services, the second of which says nothing of bytes."""
    world = small_world(requests=requests)
    seen: list[tuple[float, float]] = []
    fleet: Any = FakeFleet([_service(0, sizes, away), _service(1, (0.0, 0.0), 0)])
    for _ in range(2):
        world.plane.add_service()
    nic = SimpleNamespace(load=lambda rate: seen.append((world.env.now, rate)))
    host: Any = SimpleNamespace(nic=nic)
    network.begin(world, fleet, host)
    world.env.run(until=3.5)
    return seen


def _service(index: int, sizes: tuple[float, float], away: int) -> Any:
    spec = SimpleNamespace(request_bytes=sizes[0], response_bytes=sizes[1])
    return SimpleNamespace(index=index, spec=spec, ready=4, roster=SimpleNamespace(ready_away=away))


ARRIVALS = [(0.2, 0, 1.0), (0.4, 0, 1.0), (0.5, 1, 1.0), (2.5, 0, 1.0)]


def test_a_second_is_loaded_with_what_arrived_in_the_one_before() -> None:
    assert loads(ARRIVALS) == [(1.0, 20_000.0), (2.0, 0.0), (3.0, 10_000.0)]


def test_what_goes_to_replicas_elsewhere_does_not_pass() -> None:
    assert loads(ARRIVALS, away=3) == [(1.0, 5_000.0), (2.0, 0.0), (3.0, 2_500.0)]


def test_nothing_is_loaded_where_no_service_has_bytes() -> None:
    assert loads(ARRIVALS, sizes=(0.0, 0.0)) == []
