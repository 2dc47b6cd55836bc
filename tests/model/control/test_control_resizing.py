"""Another size while it runs: guests and their machine are fakes; what is asked of admission, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from model.small_world import (
    GIB,
    MIB,
    FakeGuest,
    FakeMachine,
    Told,
    at,
    platform,
    promises,
    service,
    share,
    small_world,
)
from sim.model.control import resizing
from sim.model.control.resizing import forbidden, resize
from sim.model.guests.fleet import Fleet
from sim.model.host.machine import Host
from sim.model.host.placement import PeriodLimit
from sim.model.world import World


class Fakes:
    """A service with two guests of one core and 1 GiB."""

    def __init__(self, kind: str = "container", why: str | None = None, state: str = "ready") -> None:
        self.world = small_world(service(memory="{base: 100MiB, per_request: 10MiB}"), on=platform(kind))
        self.told = Told(self.world)
        self.world.plane.add_service()
        self.machine = FakeMachine(why=why)
        spec = self.world.scenario.services["app"]
        self.booted = self.share = share(1.0, GIB, ram=GIB)
        self.guests = [self._guest(i, spec, state) for i in range(2)]

    def _guest(self, number: int, spec: Any, state: str) -> FakeGuest:
        slot = self.world.plane.add_guest(0, 1.0, 1.0)
        return FakeGuest(f"app-{number}", slot, self.share, state, self.machine, number=number, spec=spec)

    @property
    def roster(self) -> Any:
        return self

    def everywhere(self) -> list[FakeGuest]:
        return self.guests

    def resize(self, share: Any) -> None:
        self.share = share

    def go(self, to: Any, replica: int | None = None) -> list[str]:
        run: Any = self
        resize(self.world, run, to, replica)
        return [f"{who} {what}" for _, what, who in self.told.rows]


def test_admission_is_asked_for_the_difference_and_then_holds_the_new_share() -> None:
    fakes, old, new = Fakes(), share(1.0, GIB, ram=GIB), share(1.5, 0.5 * GIB)
    assert fakes.go(new, 1) == ["app-1 resized"] * 2  # the signal, and the row for people
    assert fakes.machine.asked == [(0.5, -0.5 * GIB, 0.0), (old, new, 0)]
    assert [guest.share.cpu for guest in fakes.guests] == [1.0, 1.5]
    assert fakes.told.details == ["1 to 1.5 cores, 1 to 0.5 GiB"]
    assert fakes.share == old  # those to come are as they were


def test_all_and_those_to_come() -> None:
    fakes, new = Fakes(), share(2.0)
    fakes.go(new)
    assert [guest.share for guest in fakes.guests] == [new, new]
    assert fakes.share == new


def test_one_that_is_not_admitted_keeps_what_it_has() -> None:
    fakes = Fakes(why="cpu: none left")
    assert fakes.go(share(2.0)) == ["app-0 resize-refused", "app-1 resize-refused"]
    assert fakes.told.details == ["cpu: none left"] * 2
    assert [guest.share.cpu for guest in fakes.guests] == [1.0, 1.0]
    assert fakes.share.cpu == 2.0  # it is only these that did not fit


@pytest.mark.parametrize("state", ["draining", "stopped"])
def test_one_that_drains_is_let_be(state: str) -> None:
    fakes = Fakes(state=state)
    assert fakes.go(share(2.0)) == []
    assert fakes.machine.asked == []


def test_what_is_in_use_must_fit() -> None:
    fakes = Fakes()
    assert fakes.go(share(1.0, GIB, application=99 * MIB), 0) == ["app-0 resize-refused"]
    assert fakes.told.details == ["memory: 100 MiB in use, 99 MiB would be left"]
    assert fakes.go(share(1.0, GIB, application=100 * MIB), 0)[1:] == ["app-0 resized"] * 2


BOOTED = share(2.0, 2 * GIB, ram=2 * GIB)


@pytest.mark.parametrize(
    ("cap", "ram", "why"),
    [
        (2.0, 2.0, None),
        (8.0, 8.0, None),
        (8.001, 2.0, "cpu: 8.001 asked, from 2 (as started) to 8 can be plugged"),
        (1.0, 2.0, "cpu: 1 asked, from 2 (as started) to 8 can be plugged"),
        (2.0, 9.0, "memory: 9 asked, from 2 (as started) to 8 can be plugged"),
    ],
)
def test_what_can_be_plugged_depends_on_the_size_at_the_start(cap: float, ram: float, why: str | None) -> None:
    asked = share(cap, ram * GIB, ram=ram * GIB)
    assert forbidden(platform("vm"), BOOTED, asked) == why  # up to four times
    assert forbidden(platform("container"), BOOTED, asked) is None
    none = platform("vm", changes={"resize": {"policy": "none", "maximum": None}})
    assert forbidden(none, BOOTED, asked) == "the platform cannot resize a guest"


def test_what_the_platform_forbids_is_refused_for_each_and_those_to_come_stay() -> None:
    fakes = Fakes("vm")
    assert fakes.go(share(9.0)) == ["app-0 resize-refused", "app-1 resize-refused"]
    assert fakes.share.cpu == 1.0


def planned(size: str, requests: Any = (), quota: str = "period") -> tuple[World, Told, Fleet, Host]:
    extra = f"quota: {quota}\nresizes: [{{at: 5s, service: app, size: {size}}}]"
    world = small_world(service(replicas=0), extra=extra, requests=requests)
    told, host = Told(world), Host(world)
    fleet = Fleet(world, host)
    resizing.begin(world, fleet)
    return world, told, fleet, host


def test_by_plan_promises_follow_and_what_has_shrunk_is_for_those_that_wait() -> None:
    world, told, fleet, host = planned("{cpu: {request: 500m, limit: 1}, memory: {request: 512MiB, limit: 1GiB}}")
    [run] = fleet.services
    run.scale_to(6)
    world.env.run(until=4.0)
    assert promises(host) == (4.0, 4 * GIB, 0.0)
    world.env.run(until=9.0)
    assert told.times("resized") == [5.0] * 8
    assert told.of("requested")[4:] == [(5.0, "requested", "app-4"), (5.0, "requested", "app-5")]
    assert promises(host) == (3.0, 3 * GIB, 0.0)


HALF = "{cpu: {request: 500m, limit: 500m}, memory: {request: 512MiB, limit: 512MiB}}"


@pytest.mark.parametrize(("drains", "end"), [(False, 9.0), (True, 7.0)])
def test_by_plan_it_goes_on_with_half_the_cores_unless_it_drains(drains: bool, end: float) -> None:
    """A request of 4 core-s from 3 s on: 2 of it at one core, and the rest at half a core."""
    world, told, fleet, host = planned(HALF, requests=[(3.0, 0, 4.0)], quota="fluid")
    [run] = fleet.services
    run.scale_to(1)
    if drains:
        at(world, 4.0, lambda: run.life.stop(run.guests[0], "enough"))
    world.env.run(until=20.0)
    world.plane.flush()
    assert told.ended == [(end, "completed", 0)]
    assert told.times("resized") == ([] if drains else [5.0, 5.0])
    assert promises(host) == ((0.0, 0.0, 0.0) if drains else (0.5, 0.5 * GIB, 0.0))


def test_by_plan_a_limit_that_can_be_reached_becomes_one_by_period_and_begins_full() -> None:
    """One thread under a core has no quota; under half a core it has 50 ms each 100 ms, at 5 s at once."""
    world, told, fleet, _ = planned(HALF, requests=[(3.0, 0, 4.0)])
    [run] = fleet.services
    run.scale_to(1)
    [guest] = run.guests
    assert guest.share.quota is None
    world.env.run(until=6.0)
    assert guest.share.quota == PeriodLimit(0.5, 0.1, 0.0)
    world.env.run(until=20.0)
    world.plane.flush()
    first = 0.1 * float(world.stream("quota/app").random())  # s of its period that were left at 5 s
    assert 0.0 < first < 0.05
    # 2 core-s are left: `first`, 39 whole budgets of 50 ms, and 50 ms - first in the 40th
    [(end, status, _)] = told.ended
    assert (end, status) == (pytest.approx(5.0 + first + 39 * 0.1 + (0.05 - first), abs=1e-6), "completed")
