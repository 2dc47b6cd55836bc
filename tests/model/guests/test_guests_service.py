"""How many replicas: one service on a real host, with a waiting room that is a list. No phases: ready at once."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from model.small_world import FakeGuest, FakeMachine, Told, delay, platform, promises, service, small_world
from sim.model.guests.fleet import Fleet
from sim.model.guests.roster import Roster
from sim.model.guests.service import ServiceRun
from sim.model.guests.waiting import Again
from sim.model.host.machine import Host

ONE_AND_A_HALF = "{cpu: {request: 1500m}, memory: {request: 1GiB}}"


class Few:
    """A service whose replicas take a second to start, four at most on the host."""

    def __init__(self, **keys: object) -> None:
        self.world = world = small_world(service(**keys), on=platform("container", [delay("boot", 1)]))
        self.told, self.host = Told(world), Host(world)
        self.waiting: list[Again] = []
        spec = world.scenario.services["app"]
        self.service = ServiceRun(world, self.host, "app", spec, world.stream("stop"), self.waiting.append)

    def numbers(self) -> list[int]:
        return [guest.number for guest in self.service.guests]


def test_what_does_not_fit_is_wanted_and_waits() -> None:
    few = Few()
    few.service.scale_to(6)
    assert (few.service.wanted, few.numbers(), few.service.pending) == (6, [0, 1, 2, 3], 2)
    assert few.told.rows[4:] == [(0.0, "refused", "app")] * 2
    assert few.told.details == ["cpu: 4 of 4 cores promised, 1 asked"] * 2
    assert promises(few.host)[0] == 4.0
    assert few.waiting[0] == few.waiting[1]  # the same way to try again


def test_those_that_wait_go_first_then_those_that_start_then_the_newest() -> None:
    few = Few()
    few.service.scale_to(3)
    few.world.env.run(until=2)
    few.service.scale_to(6)  # app-3 starts, two wait
    few.service.scale_to(4)
    assert (few.numbers(), few.service.pending) == ([0, 1, 2, 3], 0)
    few.service.scale_to(2)
    assert few.numbers() == [0, 1]
    few.world.env.run(until=9)
    assert [row[::2] for row in few.told.of("stopped")] == [(3.0, "app-3"), (3.0, "app-2")]
    assert promises(few.host)[0] == 2.0


def test_one_that_restarts_goes_before_a_newer_one_that_serves() -> None:
    few = Few()
    few.service.scale_to(3)
    few.world.env.run(until=2)
    few.service.life.crash(few.service.guests[1], "fell", "")
    few.service.scale_to(2)
    assert few.numbers() == [0, 2]
    few.service.scale_to(1)
    assert few.numbers() == [0]


def test_the_last_room_is_given_once_to_two_starts_of_one_instant() -> None:
    few = Few(size=ONE_AND_A_HALF)
    assert [few.service.start_one() is not None for _ in range(3)] == [True, True, False]
    assert promises(few.host)[0] == 3.0
    assert few.service.wanted == 2  # nobody asked for it to be kept in mind


def test_room_that_comes_free_is_for_those_that_wait_as_far_as_it_goes() -> None:
    few = Few()
    few.service.scale_to(7)
    for guest in few.service.guests[:2]:
        few.service.life.gone(guest)
    assert few.waiting[-1]() == (True, True)
    assert (few.numbers(), few.service.pending) == ([2, 3, 4], 2)
    assert few.waiting[-1]() == (True, True)
    assert few.waiting[-1]() == (False, True)
    assert (few.numbers(), few.service.pending) == ([2, 3, 4, 5], 1)
    few.service.life.gone(few.service.guests[0])
    assert few.waiting[-1]() == (True, False)
    assert promises(few.host)[0] == 4.0


def test_tenants_are_called_by_their_services_name_too() -> None:
    run = Few().service
    run.name = "app-3"
    assert [run.is_called(name) for name in (None, "app-3", "app", "ap", "app-4")] == [True, True, True, False, False]


@pytest.mark.parametrize("missing", ["image", "size"])
def test_a_service_without_image_or_size_on_the_platform_is_refused(missing: str) -> None:
    pulls = platform(startup=[{"name": "pull", "kind": "pull", "bytes": "image"}])
    world = small_world(service(), on=pulls)
    spec = world.scenario.services["app"].model_copy(update={missing: {}})
    with pytest.raises(ValueError, match=f"service app has no {missing} for container"):
        ServiceRun(world, Host(world), "app", spec, world.stream("stop"), lambda again: None)


def test_first_refused_is_first_started_over_all_services() -> None:
    world = small_world(service("a") + service("b"), on=platform())
    told, host = Told(world), Host(world)
    fleet = Fleet(world, host)
    a, b = fleet.services
    a.scale_to(5)
    b.scale_to(2)
    world.env.run(until=1.0)
    a.life.stop(a.guests[0], "enough")
    world.env.run(until=3.0)
    b.scale_to(1)
    a.life.stop(a.guests[0], "enough")
    world.env.run(until=9.0)
    assert told.of("requested")[4:] == [(2.0, "requested", "a-4"), (4.0, "requested", "b-0")]
    assert fleet.called("b") == [b]
    first = fleet.present()[0]
    assert fleet.of(first) is a
    assert fleet.at(first.slot) is first
    assert fleet.at(99) is None
    assert promises(host)[0] == 4.0


def test_a_roster_knows_who_counts_who_is_here_and_who_is_there() -> None:
    roster: Any = Roster()
    here, extra, away = (FakeGuest(name=str(i), slot=i) for i in range(3))
    away.machine = FakeMachine(here=False)
    roster.enter(here, extra=False)
    roster.enter(extra, extra=True)
    roster.enter(away, extra=False)
    assert (roster.guests, roster.here, roster.ready_away) == ([here, away], 2, 1)
    roster.count(extra)
    roster.retire(here)
    assert roster.guests == [away, extra]
    assert roster.present() == [here, extra]
    roster.leave(here)
    assert (roster.here, roster.at(0), roster.everywhere()) == (1, None, [extra, away])
    roster.moved(extra)
    extra.machine = away.machine
    assert (roster.here, roster.present(), roster.ready_away) == (0, [], 2)


@pytest.mark.parametrize(
    ("keys", "by_period"),
    [
        ({"concurrency": 1}, False),
        ({"concurrency": 2}, True),
        ({"concurrency": 2, "threads": 1}, False),
        ({"concurrency": 1, "threads": 2}, False),
        ({"concurrency": 1, "start": "{cpu: 1s, threads: 2}"}, True),
        ({"concurrency": 1, "start": "{cpu: 0s, threads: 2}"}, False),
    ],
)
def test_a_limit_is_by_period_if_requests_or_the_start_can_reach_it(keys: dict[str, Any], by_period: bool) -> None:
    """A limit of one core."""
    few = Few(**keys)
    assert (few.service.share.quota is not None) is by_period
    assert few.service.share.cap == (inf if by_period else 1.0)
