"""Guests for requests that find none: two services on a real data plane, each start taking a second."""

from __future__ import annotations

from typing import Any

from model.small_world import FakeService, Told, delay, platform, service, small_world
from sim.model.control import on_demand
from sim.model.guests.fleet import Fleet
from sim.model.host.machine import Host

PER_REQUEST = "{rule: per-request, keep_alive: 10s, max: 2}"
TO_ZERO = "{rule: concurrency, target: 1, min: 0, max: 3}"


class Asked:
    def __init__(self, *services: str, requests: Any, host: str = "cores: 4") -> None:
        text = f"{host}, memory: 8GiB, disk: {{read: 100MB/s, write: 100MB/s}}, network: 800Mbit/s"
        one = platform("container", [delay("boot", 1)])
        self.world = world = small_world("".join(services), on=one, requests=requests, host=text)
        self.told = Told(world)
        self.fleet = Fleet(world, Host(world))
        on_demand.begin(world, self.fleet)

    def run(self, until: float = 60.0) -> list[tuple[float, str, str]]:
        self.world.env.run(until=until)
        self.world.plane.end()
        return [row for row in self.told.rows if row[1] in ("requested", "ready", "stopped", "refused")]


def test_a_request_gets_a_guest_of_its_own_which_is_kept_for_its_time() -> None:
    asked = Asked(service(autoscale=PER_REQUEST, replicas=None), requests=[(1.0, 0, 2.0), (5.0, 0, 1.0)])
    # it serves till 4, and from 5 to 6; it is idle for 10 s then, and takes a second to stop
    assert asked.run() == [(1.0, "requested", "app-0"), (2.0, "ready", "app-0"), (17.0, "stopped", "app-0")]
    assert asked.told.ended == [(4.0, "completed", 0), (6.0, "completed", 0)]


def test_as_many_as_the_rule_allows_and_the_rest_waits() -> None:
    asked = Asked(service(autoscale=PER_REQUEST, replicas=None), requests=[(1.0, 0, 2.0)] * 3)
    assert asked.run(9.0) == [
        (1.0, "requested", "app-0"), (1.0, "requested", "app-1"), (2.0, "ready", "app-0"), (2.0, "ready", "app-1"),
    ]  # fmt: skip
    assert sorted(time for time, _, _ in asked.told.ended) == [4.0, 4.0, 6.0]


def test_the_last_room_of_the_host_goes_to_the_first_of_one_instant() -> None:
    two = [service(name, autoscale=PER_REQUEST, replicas=None) for name in "ab"]
    asked = Asked(*two, requests=[(1.0, 1, 1.0), (1.0, 0, 1.0)], host="cores: 1")
    assert asked.run(9.0) == [(1.0, "requested", "b-0"), (1.0, "refused", "a"), (2.0, "ready", "b-0")]
    assert asked.told.ended[0][:2] == (3.0, "completed")


def test_from_zero_the_first_that_waits_starts_one_and_the_next_none() -> None:
    asked = Asked(service(autoscale=TO_ZERO, replicas=None), requests=[(1.0, 0, 1.0), (1.0, 0, 1.0), (1.5, 0, 1.0)])
    assert asked.run(20.0) == [(1.0, "requested", "app-0"), (2.0, "ready", "app-0")]
    assert asked.told.of("0 to 1") == [(1.0, "0 to 1", "app")]
    assert [time for time, _, _ in asked.told.ended] == [3.0, 4.0, 5.0]


def test_a_guest_that_falls_is_kept_anew_from_its_next_life_on() -> None:
    asked = Asked(service(autoscale=PER_REQUEST, replicas=None), requests=[(1.0, 0, 1.0)])
    [run] = asked.fleet.services

    def fall() -> Any:
        yield asked.world.env.timeout(8.0)
        run.life.crash(run.guests[0], "fell", "")

    asked.world.env.process(fall())
    # idle since 3; it falls at 8, is ready again at 10 and idle from then on
    assert asked.run()[1:] == [(2.0, "ready", "app-0"), (10.0, "ready", "app-0"), (21.0, "stopped", "app-0")]


def test_a_service_that_has_some_already_is_left_alone() -> None:
    asked = Asked(service(autoscale=TO_ZERO, replicas=None), requests=[(1.0, 0, 1.0)])
    other: Any = FakeService(wanted=1)
    asked.fleet.services = [other]
    asked.run(9.0)
    assert other.wanted == 1
    assert asked.told.of("0 to 1") == []
