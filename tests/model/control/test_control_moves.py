"""Moves: pre-copies of fakes against hand arithmetic, and real guests that stop or fall on their way.

The NIC has 100 MB/s; a guest has 400 MB to send, so a round takes 4 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from model.small_world import (
    MB,
    FakeFleet,
    FakeGuest,
    FakeLife,
    FakeService,
    Told,
    at,
    delay,
    platform,
    promises,
    service,
    small_world,
)  # fmt: skip
from sim.model.control.moves import Moves
from sim.model.guests.fleet import Fleet
from sim.model.host.machine import Host


class Copying:
    """A guest with 400 MB in use, on the platform `vm`."""

    def __init__(self, move: str, changes: Mapping[str, Any] | None = None, guests: int = 1) -> None:
        rules = {"max_rate": None, "downtime": "500ms", "max_rounds": 30, **(changes or {})}
        extra = f"moves: [{{at: 10s, service: app, {move}}}]"
        self.world = small_world(on=platform("vm", changes={"move": rules}), extra=extra)
        self.told, self.host = Told(self.world), Host(self.world)
        self.world.plane.add_service()
        self.life = FakeLife(self.world)
        self.guests = [self._guest(i) for i in range(guests)]
        self.fleet: Any = FakeFleet([FakeService(guests=self.guests)], self.guests, self.life)
        self.moves = Moves(self.world, self.fleet, self.host)

    def _guest(self, number: int) -> FakeGuest:
        slot = self.world.plane.add_guest(0, 1.0, 1.0)
        return FakeGuest(f"app-{number}", slot, fixed=400 * MB, number=number)

    def run(self, until: float = 100.0) -> list[tuple[float, str, str]]:
        self.moves.begin()
        self.world.env.run(until=until)
        return self.told.rows[1:]

    def paused(self) -> bool:
        return bool(self.world.plane.a.guests[self.guests[0].slot]["paused"])


def test_rounds_shrink_by_the_dirty_rate_and_the_rest_is_sent_while_it_stands_still() -> None:
    copying = Copying("dirty_rate: 25MB/s")
    seen: list[bool] = []
    # 4 s for 400 MB, 1 s for 100; the 25 MB left can be sent in 0.25 s, which is short enough
    for time in (14.9, 15.1, 15.3):
        at(copying.world, time, lambda: seen.append(copying.paused()))
    copying.run()
    assert copying.life.rows == [(15.25, "leave", "app-0")]
    assert seen == [False, True, False]
    assert copying.moves.counters() == {"move_bytes": 525 * MB, "move_time": 5.25, "move_downtime": 0.25}
    assert copying.guests[0].machine.link == 100 * MB


def test_the_platforms_rate_and_the_link_bound_the_copy() -> None:
    for move, changes in (("link: 400Mbit/s", {}), ("dirty_rate: 0MB/s", {"max_rate": "50MB/s"})):
        copying = Copying(move, changes)
        copying.run()
        assert copying.life.rows == [(18.0, "leave", "app-0")]
        assert copying.moves.counters()["move_downtime"] == 0.0


def test_a_round_that_leaves_as_much_as_it_sent_does_not_converge() -> None:
    copying = Copying("dirty_rate: 100MB/s")
    assert copying.run() == [(14.0, "move-not-converging", "app-0"), (14.0, "move-aborted", "app-0")]
    assert copying.told.details[1:] == ["round 1: 100 MB/s written, 100 MB/s sent", "after 1 rounds, 400 MB sent"]
    assert copying.life.rows == []
    assert copying.moves.counters() == {"move_bytes": 400 * MB}


def test_forced_it_stands_still_for_the_rest() -> None:
    copying = Copying("dirty_rate: 50MB/s, max_rounds: 1, on_no_convergence: force")
    assert copying.run() == [(14.0, "move-not-converging", "app-0")]
    assert copying.life.rows == [(16.0, "leave", "app-0")]
    assert copying.moves.counters()["move_downtime"] == 2.0


def test_guests_go_one_after_the_other_and_those_asked_for_only() -> None:
    copying = Copying("dirty_rate: 0MB/s", guests=2)
    copying.run()
    assert copying.life.rows == [(14.0, "leave", "app-0"), (18.0, "leave", "app-1")]
    one = Copying("replica: 1", guests=2)
    one.run()
    assert one.life.rows == [(14.0, "leave", "app-1")]
    assert one.told.details == ["app-1"]


@pytest.mark.parametrize("moment", [12.0, 14.5, 15.1])
def test_a_copy_that_is_broken_off_gives_the_link_back_and_lets_the_guest_run(moment: float) -> None:
    copying = Copying("dirty_rate: 25MB/s")
    ends: list[float] = []

    def other() -> Any:
        yield copying.world.env.timeout(moment)
        yield from copying.host.nic.transfer(100 * MB)
        ends.append(copying.world.env.now)

    at(copying.world, moment, copying.moves.break_off)
    copying.world.env.process(other())
    assert copying.run()[-1] == (moment, "move-aborted", "app-0")
    assert ends == [pytest.approx(moment + 1.0)]
    assert not copying.paused()
    assert copying.life.rows == []
    assert copying.guests[0].here


@pytest.mark.parametrize(("moment", "end"), [(12.0, 14.0), (15.1, 15.25)])
def test_one_that_is_gone_meanwhile_is_not_moved(moment: float, end: float) -> None:
    copying = Copying("dirty_rate: 25MB/s")

    def stop() -> None:
        copying.guests[0].state = "stopped"

    at(copying.world, moment, stop)
    assert copying.run() == [(end, "move-aborted", "app-0")]
    assert copying.life.rows == []
    assert "move_time" not in copying.moves.counters()


def test_where_the_platform_cannot_move_it_says_so() -> None:
    copying = Copying("dirty_rate: 0MB/s", {"policy": "none"})
    assert copying.run() == [(10.0, "move-refused", "app-0")]
    assert copying.told.details[1:] == ["the platform cannot move a guest"]


def test_two_orders_for_one_guest_move_it_once() -> None:
    copying = Copying("dirty_rate: 0MB/s")

    def second() -> Any:
        yield copying.world.env.timeout(11.0)
        order = copying.moves.order(copying.guests, None, 0.0, True)
        yield from copying.moves.carry_out(order)
        seen.append(copying.world.env.now)

    seen: list[float] = []
    copying.world.env.process(second())
    copying.run()
    assert copying.life.rows == [(14.0, "leave", "app-0")]
    assert seen == [14.0]  # it has waited for the first


def test_no_order_no_counters() -> None:
    copying = Copying("dirty_rate: 0MB/s")
    copying.run(until=9.0)
    assert copying.moves.counters() == {}


class Recreating:
    """A container that takes 2 s to start, and is asked for at 0; requests take 1 s each. Moves at 10 s."""

    def __init__(self, kind: str = "container", requests: Any = (), drain: str | None = "5s", **keys: object) -> None:
        move = keys.pop("move", "replica: 0")
        rules = {"move": {"drain": drain}} if kind == "container" else {"move": {"max_rate": None}}
        chosen = platform(kind, [delay("boot", 2)], rules)
        world = small_world(
            service(replicas=0, image="{container: 100MB, vm: 100MB, cached: true}", **keys), on=chosen,
            extra=f"moves: [{{at: 10s, service: app, {move}}}]", requests=requests,
        )  # fmt: skip
        self.world, self.told, self.host = world, Told(world), Host(world)
        self.fleet = Fleet(world, self.host)
        self.run_of = self.fleet.services[0]
        self.moves = Moves(world, self.fleet, self.host)
        self.run_of.scale_to(1)
        self.moves.begin()

    def at(self, time: float, what: str, number: int = 0) -> None:
        life = self.run_of.life

        def do() -> None:
            guest = next(g for g in self.run_of.roster.everywhere() if g.number == number)
            life.stop(guest, "enough") if what == "stop" else life.crash(guest, "fell", "")

        at(self.world, time, do)

    def run(self, until: float = 60.0) -> list[tuple[float, str, str]]:
        self.world.env.run(until=until)
        self.world.plane.flush()
        return [row for row in self.told.rows if row[1] in ("ready", "stopped", "moved", "fell")]


def test_a_new_one_serves_there_before_the_old_one_is_removed() -> None:
    there = Recreating(requests=[(11.5, 0, 3.0), (13.0, 0, 1.0)])
    assert there.run() == [(2.0, "ready", "app-0"), (12.0, "ready", "app-1"), (15.5, "stopped", "app-0")]
    assert there.told.ended == [(14.0, "completed", 1), (14.5, "completed", 0)]
    assert there.moves.counters() == {"move_bytes": 0.0, "move_time": 5.5, "move_downtime": 0.0}
    assert promises(there.host) == (0.0, 0.0, 0.0)
    assert [guest.name for guest in there.run_of.guests] == ["app-1"]


def test_what_the_old_one_still_holds_at_the_end_of_its_drain_fails() -> None:
    there = Recreating(requests=[(11.5, 0, 30.0)])
    assert there.run()[-1] == (17.0, "stopped", "app-0")
    assert there.told.ended == [(17.0, "failed", 0)]


@pytest.mark.parametrize("drain", ["5s", None])
def test_an_old_one_that_falls_while_it_drains_has_moved_then(drain: str | None) -> None:
    there = Recreating(requests=[(11.5, 0, 30.0)], drain=drain)
    there.at(13.0, "fall")
    assert there.run()[-2:] == [(13.0, "fell", "app-0"), (13.0, "stopped", "app-0")]
    assert there.moves.counters()["move_time"] == 3.0
    assert promises(there.host) == (0.0, 0.0, 0.0)


def test_an_old_one_that_is_stopped_meanwhile_needs_no_new_one() -> None:
    there = Recreating()
    there.at(11.0, "stop")
    assert there.run() == [
        (2.0, "ready", "app-0"), (12.0, "stopped", "app-0"), (12.0, "ready", "app-1"), (13.0, "stopped", "app-1"),
    ]  # fmt: skip
    assert there.run_of.guests == []
    assert promises(there.host) == (0.0, 0.0, 0.0)


def test_a_vm_that_is_stopped_while_it_is_copied() -> None:
    there = Recreating("vm", memory="{base: 400MB}")  # 4 s
    there.at(11.0, "stop")
    assert there.run()[1:] == [(12.0, "stopped", "app-0")]
    assert there.told.times("move-aborted") == [14.0]
    assert (promises(there.host), there.world.plane.memory_used, there.host.running) == ((0.0, 0.0, 0.0), 0.0, 0)


@pytest.mark.parametrize(("moment", "ready"), [(10.5, 13.5), (11.5, 14.5)])
def test_a_vm_that_falls_while_it_is_copied_goes_on_with_its_start_there(moment: float, ready: float) -> None:
    there = Recreating("vm", memory="{base: 400MB}")
    there.at(moment, "fall")
    rows = [(moment, "fell", "app-0"), *sorted([(ready, "ready", "app-0"), (14.0, "moved", "app-0")])]
    assert there.run()[1:] == rows
    assert (promises(there.host), there.world.plane.memory_used, there.host.running) == ((0.0, 0.0, 0.0), 0.0, 0)


def test_a_vm_that_falls_while_it_stands_still_starts_there() -> None:
    """Forced after one round: it stands still from 14 to 16 s, falls at 15, and its 3 s of start begin at once."""
    there = Recreating("vm", move="dirty_rate: 50MB/s, max_rounds: 1, on_no_convergence: force", memory="{base: 400MB}")
    there.at(15.0, "fall")
    assert there.run()[1:] == [(15.0, "fell", "app-0"), (16.0, "moved", "app-0"), (18.0, "ready", "app-0")]
    assert (promises(there.host), there.world.plane.memory_used, there.host.running) == ((0.0, 0.0, 0.0), 0.0, 0)
