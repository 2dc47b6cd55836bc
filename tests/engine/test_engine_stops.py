"""What the data plane asks of control: never about a guest that is gone, never about what has been put right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sim.engine import layout
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane, Stop


def full_backlog(**more) -> tuple[DataPlane, int]:
    """A service of concurrency 2 with four requests in its backlog at 1."""
    chunk = SimpleNamespace(
        time=np.full(4, 1.0), service=np.zeros(4, np.int32), demand=np.ones(4), u1=np.zeros(4), u2=np.zeros(4)
    )
    chunks = iter([chunk])
    plane = DataPlane(8.0, source=lambda: next(chunks, None), **more)
    service = plane.add_service(concurrency=2)
    assert plane.advance(1.0) is None
    return plane, service


def test_a_guest_that_is_gone_does_not_run_out_of_memory_nor_does_its_successor() -> None:
    plane, service = full_backlog()
    guest = plane.add_guest(service, 1.0, 2.0)
    plane.set_memory(guest, 0.0, 1)  # carries one request
    plane.open(guest)  # serves two
    plane.remove(guest)
    assert plane.add_guest(service, 1.0, 2.0) == guest
    assert plane.advance(1.5) is None


def test_guests_run_out_of_memory_in_the_order_in_which_they_did() -> None:
    plane, service = full_backlog()
    guests = [plane.add_guest(service, 1.0, 2.0) for _ in range(2)]
    for guest in guests:
        plane.set_memory(guest, 0.0, 1)
    plane.open(guests[1])  # the routing of the backlog breaks off when it is out of memory
    plane.open(guests[0])
    assert plane.advance(1.5) == Stop(layout.GUEST_OOM, 1.0, guests[1])
    plane.kill(guests[1])
    assert plane.advance(1.5) == Stop(layout.GUEST_OOM, 1.0, guests[0])
    plane.set_memory(guests[0], 0.0, 2)  # enough
    assert plane.advance(1.5) is None


def test_a_guest_that_is_killed_has_no_start_up_task_that_ends() -> None:
    plane = DataPlane(8.0)
    service = plane.add_service()
    guests = [plane.add_guest(service, 1.0, 1.0) for _ in range(3)]
    for guest in reversed(guests):
        plane.start_task(guest, 2.0, layout.WORK_BOOT)
    assert plane.advance(9.0) == Stop(layout.TASK_DONE, 2.0, guests[0])
    plane.remove(guests[1])
    assert plane.add_guest(service, 1.0, 1.0) == guests[1]
    plane.start_task(guests[1], 3.0, layout.WORK_BOOT)
    assert plane.advance(9.0) == Stop(layout.TASK_DONE, 2.0, guests[2])
    assert plane.advance(9.0) == Stop(layout.TASK_DONE, 5.0, guests[1])
    assert plane.advance(9.0) is None


@pytest.mark.parametrize(("back", "stops"), [(50.0, False), (10.0, True)])
def test_memory_that_fits_again_by_the_time_control_is_asked_kills_nobody(back: float, stops: bool) -> None:
    plane = DataPlane(1.0, memory_limit=100.0)
    plane.charge_host(130.0)
    plane.charge_host(-back)
    stop = plane.advance(1.0)
    assert (stop is not None and stop.reason == layout.HOST_OOM) == stops


def test_an_event_at_a_time_comes_at_that_very_time() -> None:
    env = HybridEnvironment(DataPlane(1.0))
    seen = []

    def story():
        yield env.timeout(0.2)
        yield env.at(0.9)  # 0.2 + (0.9 - 0.2) is another number
        seen.append(env.now)

    env.process(story())
    env.run(until=1.0)
    assert seen == [0.9]
    assert 0.2 + (0.9 - 0.2) != 0.9


def test_the_loops_of_a_service_are_added_together() -> None:
    def loop() -> SimpleNamespace:
        columns = ("think", "demand", "u1", "u2")
        return SimpleNamespace(vus=1, pause=1.0, draw=lambda n: SimpleNamespace(**{c: np.ones(n) for c in columns}))

    plane = DataPlane(1.0)
    first, second = plane.add_service(), plane.add_service()
    for service in (first, first, second):
        plane.add_closed_loop(service, loop())
    with pytest.raises(ValueError, match="one after the other"):
        plane.add_closed_loop(first, loop())
