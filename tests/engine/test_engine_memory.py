"""What comes and goes leaves nothing behind in the data plane's own arrays."""

from __future__ import annotations

from sim.engine.plane import DataPlane


def test_guests_that_come_and_go_take_no_room_for_good() -> None:
    plane = DataPlane(4.0)
    service = plane.add_service(concurrency=4)
    sizes = []
    for _ in range(2000):
        guest = plane.add_guest(service, 1.0, 2.0)
        plane.open(guest)
        plane.resize(guest, 2.0, 3.0)
        plane.remove(guest)
        sizes.append(len(plane.a.members))
    assert plane.guests == 1  # one slot, used again and again
    assert sizes[-1] == sizes[10]
