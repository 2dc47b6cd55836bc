"""The host alone: every promise is held and given back, idle systems burn what they burn, and refusals say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
import simpy

from model.small_world import GIB, HOST, MB, at, platform, promises, share, small_world
from sim.model.host.machine import Destination, Host
from sim.model.world import World

PARTS = [("app", 100 * MB)]


def host(changes: Mapping[str, Any] | None = None, disk: str = "") -> tuple[World, Host]:
    text = HOST.replace("write: 100MB/s", f"write: 100MB/s{disk}")
    world = small_world(on=platform(changes=changes), host=text)
    return world, Host(world)


def test_what_is_held_is_given_back_to_the_last_byte() -> None:
    _, machine = host()
    claims = [share(1.0, GIB), share(0.5, 2 * GIB), share(2.5, 5 * GIB)]
    for service, claim in enumerate(claims):
        machine.hold(claim, 10 * MB, service)
    assert promises(machine) == (4.0, 8 * GIB, 30 * MB)
    assert machine.cpu_by_service(np.zeros(3))[0].tolist() == [1.0, 0.5, 2.5]
    for service, claim in enumerate(claims):
        machine.give_back(claim, 10 * MB, service)
    assert promises(machine) == (0.0, 0.0, 0.0)
    assert machine.cpu_by_service(np.zeros(3))[0].tolist() == [0.0, 0.0, 0.0]
    assert machine.disk_peak == 30 * MB  # the most there ever was


def test_an_exchange_holds_the_new_share_in_place_of_the_old() -> None:
    _, machine = host()
    old, new = share(1.0, GIB), share(3.0, 2 * GIB)
    machine.hold(old, 10 * MB, 0)
    machine.exchange(old, new, 0)
    assert promises(machine) == (3.0, 2 * GIB, 10 * MB)
    assert machine.cpu_by_service(np.zeros(1))[0].tolist() == [3.0]


@pytest.mark.parametrize(
    ("claim", "disk", "why"),
    [
        (share(1.0, GIB), 0.0, None),
        (share(1.001, 0.0), 0.0, "cpu: 3 of 4 cores promised, 1.001 asked"),
        (share(1.0, 1.01 * GIB), 0.0, "memory: 7.00 of 8.00 GiB promised, 1.01 GiB asked"),
        (share(1.0, GIB), 0.91e9, "disk: 0.10 of 1.00 GB used, 0.91 GB asked"),
        (share(1.0, GIB), 0.9e9, None),
    ],
)
def test_the_last_room_is_given_and_no_more(claim: Any, disk: float, why: str | None) -> None:
    _, machine = host(disk=", capacity: 1GB")
    machine.hold(share(3.0, 7 * GIB), 100 * MB)
    assert machine.refusal(claim, disk) == why


def test_two_starts_of_one_instant_do_not_get_the_same_last_room() -> None:
    _, machine = host(disk=", capacity: 150MB")
    claim = share(1.0, GIB)
    assert machine.place(claim, 20 * MB, PARTS) is machine  # 100 MB of image and 20 of its own
    machine.images.promise(PARTS)
    machine.hold(claim, 20 * MB, 0)
    assert machine.place(claim, 20 * MB, PARTS) is machine  # the image's room is taken already
    machine.hold(claim, 20 * MB, 0)
    assert machine.place(claim, 20 * MB, PARTS) == "disk: 0.14 of 0.15 GB used, 0.02 GB asked"


def test_checks_of_others_may_object_to_what_fits() -> None:
    _, machine = host()
    machine.admission.append(lambda claim: "too much" if claim.cpu > 1 else None)
    assert machine.place(share(1.0), 0.0, []) is machine
    assert machine.place(share(2.0), 0.0, []) == "too much"
    assert machine.place(share(5.0), 0.0, []) == "cpu: 0 of 4 cores promised, 5 asked"  # its own rule comes first


def test_a_host_that_is_down_takes_nobody_and_forgets_its_page_cache() -> None:
    _, machine = host()
    machine.images.note_pages("app", 5.0)
    machine.go_down()
    assert machine.place(share(), 0.0, []) == "host: its kernel is down"
    assert machine.page_cache == 0.0
    machine.come_up()
    assert machine.place(share(), 0.0, []) is machine


def test_idle_systems_are_taken_off_the_cores_as_long_as_they_run() -> None:
    world, machine = host({"cpu": {"host": 0.5, "idle_per_guest": 0.25}, "memory": {"host": "1GiB"}})
    cores = [machine.idle_cores]
    for change in (machine.process_begins, machine.process_begins, machine.process_ends):
        change()
        cores.append(machine.idle_cores)
    assert cores == [0.5, 0.75, 1.0, 0.75]
    assert float(world.plane.a.pools[0]["cap"]) == 3.25
    assert machine.used == GIB
    for _ in range(100):
        machine.process_begins()
    assert machine.idle_cores == 4.0  # no more than there is


def test_what_is_promised_is_summed_over_time() -> None:
    world, machine = host({"cpu": {"host": 0.5}})
    claim = share(2.0, GIB)
    at(world, 1.0, lambda: machine.hold(claim, 0.0))
    at(world, 3.0, lambda: machine.set_ballooned(0.25 * GIB))
    at(world, 4.0, lambda: (machine.set_ballooned(0.0), machine.give_back(claim, 0.0)))
    world.env.run(until=10.0)
    machine.book()
    assert machine.promised == {"cpu_allocated": 6.0, "memory_allocated": 2.75 * GIB, "cpu_idle": 5.0}


def test_one_at_a_time_is_inside_a_lock_and_one_that_is_interrupted_lets_the_next_in() -> None:
    world, machine = host()
    inside: list[tuple[float, str]] = []

    def story(name: str) -> Any:
        try:
            with machine.lock("netns").request() as turn:
                yield turn
                inside.append((world.env.now, name))
                yield world.env.timeout(2.0)
        except simpy.Interrupt:
            return

    first, second, _ = (world.env.process(story(name)) for name in "abc")
    at(world, 1.0, second.interrupt)  # it waits in line
    at(world, 1.5, first.interrupt)  # it is inside
    world.env.run(until=10.0)
    assert inside == [(0.0, "a"), (1.5, "c")]
    assert machine.lock("netns") is not machine.lock("other")


def test_the_page_cache_gives_way_to_the_most_that_was_in_use() -> None:
    world, machine = host()
    machine.images.note_pages("app", 2 * GIB)
    world.plane.charge_host(7 * GIB)
    world.plane.charge_host(-6 * GIB)
    machine.cache_after(np.array([world.plane.memory_peak()]))
    assert machine.page_cache == 0.0  # 7 GiB were in use meanwhile
    machine.images.note_pages("app", 2 * GIB)
    machine.cache_after(np.array([world.plane.memory_peak()]))
    assert machine.page_cache == 2 * GIB


def test_the_far_end_of_a_move_has_room_for_all_and_burns_nothing_here() -> None:
    world, machine = host({"cpu": {"idle_per_guest": 1.0}})
    far = Destination(world, 50 * MB, [PARTS])
    assert (far.cpu_limit, far.memory_limit, far.here, machine.here) == (inf, inf, False, True)
    far.process_begins()
    far.hold(replace(share(), cpu=100.0), 0.0, 0)
    assert machine.idle_cores == 0.0
    assert promises(machine) == (0.0, 0.0, 0.0)
    assert far.images.missing(PARTS) == 0.0
    assert (far.nic.capacity, far.link) == (50 * MB, 50 * MB)
