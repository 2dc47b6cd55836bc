"""Tenants of a stack: admitted together or not at all, and nobody starves because another came first in the file."""

from __future__ import annotations

from collections import Counter

import pytest

from model.small_world import Told, at, platform, promises, service, small_world
from sim.model.control import scaling
from sim.model.guests.fleet import Fleet
from sim.model.guests.vm_pool import host_of

ROOMY = "cores: 4, memory: 16GiB, disk: {read: 100MB/s, write: 100MB/s}, network: 800Mbit/s"
FOUR = "cores: 4, memory: 8GiB, disk: {read: 100MB/s, write: 100MB/s}, network: 800Mbit/s"
HALF = "{cpu: {request: 500m}, memory: {request: 1GiB}}"


class Started:
    """A host with everything asked for that its services are to begin with."""

    def __init__(self, services: str, stacks: str = "", on: str = "container", host: str = FOUR) -> None:
        pool = {"nested": {"vm_platform": "vm", "guest": "container", "vm": {"cpu": 2, "memory": "4GiB"}}}
        chosen = platform(on, changes=pool if on == "container-in-vm" else None)
        self.world = small_world(services, on=chosen, host=host, extra=f"stacks: {{{stacks}}}" if stacks else "")
        self.told, self.host = Told(self.world), host_of(self.world)
        self.fleet = Fleet(self.world, self.host)
        scaling.begin(self.world, self.fleet)

    @property
    def requested(self) -> list[str]:
        return [who for _, _, who in self.told.of("requested")]

    def counts(self) -> dict[str, int]:
        return {each.name: len(each.guests) for each in self.fleet.services}


def test_no_service_starves_because_another_came_earlier_in_the_file() -> None:
    started = Started(service("a", replicas=9) + service("b", replicas=2) + service("c", replicas=1))
    assert started.requested == ["a-0", "b-0", "c-0", "a-1"]
    assert [who for _, _, who in started.told.of("refused")] == ["b", *["a"] * 7]
    assert [each.pending for each in started.fleet.services] == [7, 1, 0]


def test_room_that_comes_free_goes_round_too() -> None:
    started = Started(service("a", replicas=6) + service("b", replicas=3))
    first = started.fleet.services[0]
    for time in (1.0, 2.0):
        at(started.world, time, lambda: first.life.gone(first.guests[0]))
        at(started.world, time, started.world.signals.room_freed.fire)
    started.world.env.run(until=3.0)
    assert started.requested == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]


def test_a_tenant_is_placed_whole_and_the_refusal_names_what_binds() -> None:
    text = service("web", replicas=2, size=HALF) + service("db", replicas=1, size=HALF)
    started = Started(text, "shop: {services: [web, db], tenants: 3}")
    assert started.requested == ["web-00-0", "db-00-0", "web-00-1", "web-01-0", "db-01-0", "web-01-1"]
    assert started.told.of("refused") == [(0.0, "refused", "web-02 + db-02")]
    assert started.told.details == ["cpu: 3 of 4 cores promised, 1.5 asked"]
    assert promises(started.host)[0] == 3.0


def test_room_for_a_part_of_a_tenant_is_left_to_others() -> None:
    text = service("web", size=HALF, replicas=1) + service("db", replicas=1) + service("solo", size=HALF, replicas=2)
    started = Started(text, "shop: {services: [web, db], tenants: 3}", host=FOUR.replace("cores: 4", "cores: 3.5"))
    assert started.counts() == {"web-00": 1, "web-01": 1, "web-02": 0, "db-00": 1, "db-01": 1, "db-02": 0, "solo": 1}


def test_a_tenant_that_waits_is_placed_as_a_whole_when_there_is_room_for_all_of_it() -> None:
    text = service("solo", replicas=1) + service("web", replicas=2) + service("db", replicas=1)
    started = Started(text, "shop: {services: [web, db], tenants: 2}")
    assert started.counts() == {"solo": 1, "web-00": 2, "web-01": 0, "db-00": 1, "db-01": 0}
    solo, web, _, db, _ = started.fleet.services
    at(started.world, 1.0, lambda: solo.life.gone(solo.guests[0]))
    at(started.world, 1.0, lambda: web.life.gone(web.guests[0]))
    at(started.world, 2.0, lambda: db.life.gone(db.guests[0]))
    started.world.env.run(until=3.0)
    assert started.told.of("requested")[4:] == [
        (2.0, "requested", name) for name in ("web-01-0", "db-01-0", "web-01-1")
    ]
    assert len(started.told.of("refused")) == 1


def test_what_is_asked_for_while_a_tenant_waits_is_not_started_alone() -> None:
    text = service("web", replicas=1, size=HALF) + service("db", replicas=4)
    started = Started(text, "shop: {services: [web, db]}")
    web, db = started.fleet.services
    assert (web.start_one(), web.wanted, db.wanted) == (None, 1, 4)
    web.scale_to(3)
    assert (started.requested, web.pending) == ([], 3)


def test_a_stack_whose_services_begin_with_nothing_waits_for_nothing() -> None:
    started = Started(service("web") + service("db"), "shop: {services: [web, db], tenants: 2}")
    assert started.told.of("refused") == []
    web = started.fleet.services[0]
    web.scale_to(1)
    assert started.requested == ["web-00-0"]


@pytest.mark.parametrize("tenants", [4, 5])
def test_in_a_pool_of_vms_a_tenant_has_room_in_one_or_several(tenants: int) -> None:
    """VMs of 2 cores on 4: two VMs, each for two containers of one core."""
    text = service("web", replicas=1) + service("db", size=HALF, replicas=0)
    started = Started(text, f"shop: {{services: [web, db], tenants: {tenants}}}", on="container-in-vm", host=ROOMY)
    assert sum(started.counts().values()) == 4
    assert len(started.told.of("refused")) == tenants - 4
    whole = Started(
        service("web", replicas=2) + service("db", replicas=1),
        "shop: {services: [web, db], tenants: 2}",
        on="container-in-vm",
        host=ROOMY,
    )
    assert Counter(name.rpartition("-")[0] for name in whole.requested) == {"web-00": 2, "db-00": 1}
    assert whole.told.details == [
        "no VM has room, and the host not for as many more: cpu: 4 of 4 cores promised, 2 asked"
    ]
