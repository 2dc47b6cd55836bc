"""Faults by plan on three guests that are ready from 2 s on (2 s of boot); moves are a fake. 1 s of back-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from model.small_world import GIB, Told, at, delay, platform, promises, service, small_world
from sim import registry
from sim.model.control.faults import Faults
from sim.model.guests.fleet import Fleet
from sim.model.host.machine import Host


class FakeMoves:
    """Moves that take 5 s, and who was to move."""

    def __init__(self, world: Any) -> None:
        self.world, self.broken = world, 0
        self.orders: list[list[str]] = []

    def order(self, guests: Sequence[Any], link: Any, dirty_rate: float, force: bool) -> None:
        self.orders.append([guest.name for guest in guests])

    def carry_out(self, order: None) -> Any:
        yield self.world.env.timeout(5.0)

    def break_off(self) -> None:
        self.broken += 1


class Broken:
    def __init__(
        self,
        fault: str = "",
        kind: str = "container",
        isolation: Mapping[str, Any] | None = None,
        requests: Any = (),
        replicas: int = 3,
        again: Sequence[str] | None = None,
        **keys: object,
    ) -> None:
        given = {"panic_scope": "host", "host_reboot": "20s", "escape_probability": 0, "escape_delay": "3s"}
        changes = {"isolation": given | dict(isolation or {})}
        chosen = platform(kind, [delay("boot", 2)], changes, again=again)
        image = "{container: 100MB, vm: 100MB, cached: true}"
        text = service(**{"image": image, "concurrency": 9, **keys})
        self.world = small_world(text, on=chosen, extra=f"faults: [{fault}]" if fault else "", requests=requests)
        self.told, self.host = Told(self.world), Host(self.world)
        self.fleet = Fleet(self.world, self.host)
        self.moves = FakeMoves(self.world)
        moves: Any = self.moves
        self.faults = Faults(self.world, self.fleet, self.host, moves)
        self.run_of = self.fleet.services[0]
        self.run_of.scale_to(replicas)
        self.faults.begin()

    def run(self, until: float = 60.0) -> list[tuple[float, str, str]]:
        self.world.env.run(until=until)
        self.world.plane.flush()
        kinds = {"requested", "memory-returned", "room-freed"}
        return [row for row in self.told.rows if row[1] not in kinds and row[0] > 2.0]

    def cost(self, arrived: int) -> tuple[float, float]:
        counted = self.faults.counters(arrived)
        return counted["blast_guests"], counted.get("blast_requests", 0.0) * arrived


def test_no_faults_no_counters() -> None:
    broken = Broken()
    assert broken.run() == []
    assert broken.faults.counters(10) == {}


def test_an_application_that_crashes_restarts_after_its_back_off() -> None:
    broken = Broken("{kind: app-crash, at: 10s, replica: 1}", requests=[(9.5, 0, 5.0)] * 3 + [(20.0, 0, 1.0)])
    assert broken.run() == [(10.0, "fault", ""), (10.0, "app-crash", "app-1"), (13.0, "ready", "app-1")]
    assert broken.cost(arrived=4) == (1.0, 1.0)  # one guest, and the one request that it held


@pytest.mark.parametrize("where", ["service: app, replica: 7", "service: app"])
def test_a_fault_that_finds_nobody_is_told(where: str) -> None:
    broken = Broken(f"{{kind: app-crash, at: 10s, {where}}}", replicas=3 if "7" in where else 0)
    assert broken.run() == [(10.0, "fault", "")]
    assert broken.told.details == ["app-crash: no guest"]
    assert broken.faults.counters(10) == {}


def test_those_who_start_or_drain_are_not_struck() -> None:
    broken = Broken("{kind: app-crash, at: 1s}")
    broken.world.env.run(until=5.0)
    assert broken.told.details == ["app-crash: no guest"]


@pytest.mark.parametrize(("outage", "ready"), [("", 12.0), (", outage: 5s", 17.0)])
def test_a_panic_of_a_guests_own_kernel_is_its_own(outage: str, ready: float) -> None:
    broken = Broken(f"{{kind: kernel-panic, at: 10s, replica: 0{outage}}}", "vm", {"panic_scope": "guest"})
    assert broken.run() == [(10.0, "fault", ""), (10.0, "kernel-panic", "app-0"), (ready, "ready", "app-0")]
    assert broken.cost(1)[0] == 1.0


def test_a_panic_of_the_hosts_kernel_takes_all_and_gives_their_memory_back() -> None:
    broken = Broken("{kind: kernel-panic, at: 10s}", memory="{base: 1GiB}")
    seen: list[Any] = []
    for time in (9.0, 11.0, 29.0, 33.0):
        at(broken.world, time, lambda: seen.append((broken.world.plane.memory_used / GIB, broken.host.down)))
    at(broken.world, 15.0, lambda: broken.run_of.scale_to(4))
    assert broken.run() == [
        (10.0, "fault", ""), *((10.0, "kernel-panic", f"app-{i}") for i in range(3)),
        (15.0, "refused", "app"), (30.0, "host-up", ""), *((32.0, "ready", f"app-{i}") for i in (3, 0, 1, 2)),
    ]  # fmt: skip
    assert broken.told.details[4] == "host: its kernel is down (down)"
    assert seen == [(3.0, False), (0.0, True), (0.0, True), (4.0, False)]
    assert promises(broken.host)[:2] == (4.0, 4 * GIB)
    assert broken.moves.broken == 1
    assert broken.cost(1)[0] == 3.0


def test_one_that_drains_is_gone_with_the_host_and_not_counted() -> None:
    broken = Broken("{kind: kernel-panic, at: 10s, replica: 1}", requests=[(3.0, 0, 50.0)] * 3)
    at(broken.world, 9.0, lambda: broken.run_of.life.stop(broken.run_of.guests[0], "enough"))
    rows = broken.run()
    assert (10.0, "stopped", "app-0") in rows
    assert [row for row in rows if row[1] == "ready"] == [(32.0, "ready", "app-1"), (32.0, "ready", "app-2")]
    assert broken.cost(3) == (2.0, 3.0)
    assert promises(broken.host)[0] == 2.0


def test_one_that_was_still_starting_begins_from_the_beginning() -> None:
    broken = Broken("{kind: kernel-panic, at: 10s, replica: 0}", again=[])
    at(broken.world, 9.0, lambda: broken.run_of.scale_to(4))
    rows = broken.run()
    # three repeat nothing but their application's start; the fourth had a second of its boot behind it
    back = [row for row in rows if row[1] == "ready"]
    assert back == [*((30.0, "ready", f"app-{i}") for i in range(3)), (32.0, "ready", "app-3")]


def test_a_host_that_is_down_cannot_fall_again() -> None:
    broken = Broken("{kind: host-patch, at: 10s}, {kind: host-patch, at: 15s}")
    rows = broken.run()
    assert [row for row in rows if row[1] == "host-up"] == [(30.0, "host-up", "")]
    assert broken.moves.broken == 1


def test_a_patch_may_let_those_go_first_that_can() -> None:
    fault = "{kind: host-patch, at: 10s, move_first: true, outage: 4s}"
    broken = Broken(fault, "vm", requests=[(10.0, 0, 100.0)] * 3)
    rows = broken.run()
    assert broken.moves.orders == [["app-0", "app-1", "app-2"]]
    assert [row for row in rows if row[1] == "host-patch"] == [(15.0, "host-patch", f"app-{i}") for i in range(3)]
    assert [row for row in rows if row[1] == "ready"] == [(21.0, "ready", f"app-{i}") for i in range(3)]
    assert broken.cost(3) == (3.0, 3.0)
    stay = Broken(fault)  # containers cannot be copied away
    stay.run(12.0)
    assert stay.moves.orders == []


@pytest.mark.parametrize(("odds", "exposed"), [(0, []), (1, [(13.0, "exposed", "app-0"), (13.0, "exposed", "app-2")])])
def test_who_breaks_in_may_reach_those_on_the_same_kernel(odds: float, exposed: list[Any]) -> None:
    broken = Broken("{kind: compromise, at: 10s, replica: 1}", isolation={"escape_probability": odds})
    assert broken.run() == [(10.0, "fault", ""), (10.0, "compromised", "app-1"), *exposed]
    assert broken.cost(1)[0] == 1.0 + len(exposed)


def test_what_an_exposed_guest_finishes_is_the_cost() -> None:
    """One is finished before it is; one after; one served late; one dropped from its line unserved."""
    requests = [(8.0, 0, 1.0), (9.5, 0, 1.0), (11.0, 0, 8.0), (11.5, 0, 1.0)]
    broken = Broken("{kind: compromise, at: 10s}", requests=requests, replicas=1, concurrency=1, timeout="5s")
    broken.run()
    assert broken.told.ended == [
        (9.0, "completed", 0), (10.5, "completed", 0), (19.0, "timed-out", 0), (16.5, "timed-out", 0),
    ]  # fmt: skip
    assert broken.cost(4) == (1.0, 2.0)


def test_a_request_counts_once_and_a_failed_one_is_not_finished() -> None:
    """Exposed at 10 s, and its application crashes at 12 with a request in it that came at 11."""
    faults = "{kind: compromise, at: 10s}, {kind: app-crash, at: 12s}"
    broken = Broken(faults, requests=[(11.0, 0, 5.0), (20.0, 0, 1.0)], replicas=1)
    broken.run()
    assert broken.told.ended == [(12.0, "failed", 0), (21.0, "completed", 0)]
    # two events, each of one guest; the failed request is the crash's, the other one the intruder's
    assert broken.cost(2) == (1.0, 2.0 / 2)


def test_faults_at_a_rate_come_again_and_again() -> None:
    broken = Broken("{kind: app-crash, rate: 0.2/s}")
    rows = broken.run(until=500.0)
    times = [time for time, what, _ in rows if what == "fault"]
    gaps = [b - a for a, b in pairwise(times)]
    assert 70 < len(times) < 130  # 100 are expected, with a deviation of 10
    assert min(gaps) < 1.0 < 10.0 < max(gaps)


# what a fault from outside may do


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A fault whose story is given as the list's first item, in place of a crash."""
    given: list[Any] = []
    real = registry.behaviour

    def behaviour(kind: str, name: str) -> Any:
        return given[0] if (kind, name) == ("faults", "app-crash") else real(kind, name)

    monkeypatch.setattr(registry, "behaviour", behaviour)
    return given


def test_means_a_story_goes_on_and_crashes_whom_it_likes(mine: list[Any]) -> None:
    def story(means: registry.FaultMeans, fault: Any, guest: Any) -> Any:
        means.note(guest, "mine", "begins")
        yield means.env.timeout(5.0)
        means.crash(means.guests()[:2], "mine", "strikes")

    mine.append(story)
    broken = Broken("{kind: app-crash, at: 10s, replica: 2}")
    assert broken.run() == [
        (10.0, "fault", ""), (10.0, "mine", "app-2"), (15.0, "mine", "app-0"), (15.0, "mine", "app-1"),
        (18.0, "ready", "app-0"), (18.0, "ready", "app-1"),
    ]  # fmt: skip
    assert broken.cost(1)[0] == 2.0


def test_means_the_hosts_kernel_may_be_away(mine: list[Any]) -> None:
    mine.append(lambda means, fault, guest: means.reboot("mine", 3.0))
    broken = Broken("{kind: app-crash, at: 10s}")
    assert broken.run() == [
        (10.0, "fault", ""), *((10.0, "mine", f"app-{i}") for i in range(3)), (13.0, "host-up", ""),
        *((15.0, "ready", f"app-{i}") for i in range(3)),
    ]  # fmt: skip


def test_means_a_crash_of_one_that_drains_is_its_end(mine: list[Any]) -> None:
    def story(means: registry.FaultMeans, fault: Any, guest: Any) -> None:
        means.crash([g for g in means.guests() if g.state == "draining"], "mine", "")

    mine.append(story)
    broken = Broken("{kind: app-crash, at: 10s, replica: 2}", requests=[(3.0, 0, 50.0)] * 3)
    at(broken.world, 9.0, lambda: broken.run_of.life.stop(broken.run_of.guests[0], "enough"))
    assert broken.run() == [(10.0, "fault", ""), (10.0, "mine", "app-0"), (10.0, "stopped", "app-0")]
