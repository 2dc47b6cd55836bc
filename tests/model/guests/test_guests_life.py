"""One replica's life alone, on a real host: what is told, when, and that all it held is given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.small_world import GIB, MB, MIB, PULL, Told, at, delay, platform, promises, service, share, small_world
from sim.engine.layout import READY
from sim.model.guests.guest import Guest, Recipe, phase_draws
from sim.model.guests.life import Life, until_ready
from sim.model.guests.roster import Roster
from sim.model.host.machine import Destination, Host
from sim.model.host.placement import PeriodLimit

BOOT = [PULL, delay("boot", 1), {"name": "work", "kind": "cpu", "work": "1s"}]  # 2 s, 1 s, 1 s; then the application
KEYS = {"start_cpu": "2s", "concurrency": 2, "memory": "{base: 100MiB, per_request: 10MiB}"}


class Lives:
    """Lives of the replicas of one service, which takes 2 + 1 + 1 + 2 s to start."""

    def __init__(
        self,
        startup: Sequence[Mapping[str, Any]] = BOOT,
        again: Sequence[str] = ("boot",),
        requests: Sequence[tuple[float, int, float]] = (),
        changes: Mapping[str, Any] | None = None,
        kind: str = "container",
    ) -> None:
        costs = {"memory": {"per_guest": "10MiB"}, "cpu": {"idle_per_guest": 0.25}, "disk": {"per_guest": "5MB"}}
        chosen = platform(kind, startup, {**costs, **(changes or {})}, again=again)
        self.world = world = small_world(service(**KEYS), on=chosen, requests=requests)
        self.told, self.host, self.roster = Told(world), Host(world), Roster()
        spec = world.scenario.services["app"]
        image = spec.image_on(chosen.image_lineage)
        assert image is not None
        number = world.plane.add_service(concurrency=2, per_request=10 * MIB)
        draws = phase_draws(world, chosen, "start/app")
        parts = self.host.images.parts(image)
        self.recipe = Recipe(
            "app", number, spec, chosen, image, parts, chosen.disk.per_guest, draws, np.random.default_rng(1)
        )
        self.life = Life(world, self.recipe, self.roster, np.random.default_rng(0))
        self.share = share(1.0, GIB, resident=10 * MIB)

    def start(self) -> Guest:
        return self.life.start_on(self.host, self.share)

    def at(self, time: float, do: Callable[[], object]) -> None:
        at(self.world, time, do)

    def run(self, until: float = 100.0) -> list[tuple[float, str, str]]:
        self.world.env.run(until=until)
        return self.told.rows

    def held(self) -> dict[str, Any]:
        """All that the host has given away."""
        return {
            "promises": promises(self.host),
            "memory": self.world.plane.memory_used,
            "running": self.host.running,
            "here": self.roster.here,
            "slots": len(self.roster.everywhere()),
        }


NOTHING = {"promises": (0.0, 0.0, 0.0), "memory": 0.0, "running": 0, "here": 0, "slots": 0}


def test_a_start_goes_through_its_phases_and_serves() -> None:
    lives = Lives()
    guest = lives.start()
    assert lives.held()["promises"] == (1.0, GIB, 5 * MB)  # from the admission on
    assert lives.run() == [(0.0, "requested", "app-0"), (6.0, "ready", "app-0")]
    assert guest.phases == {"pull": 2.0, "boot": 1.0, "work": 1.0, "app": 2.0}
    assert lives.held() == {
        "promises": (1.0, GIB, 5 * MB), "memory": 110 * MIB, "running": 1, "here": 1, "slots": 1,
    }  # fmt: skip
    assert (guest.requested, guest.ready, guest.ready_since) == (0.0, 6.0, 6.0)


def test_memory_is_in_use_from_the_process_on_and_the_applications_from_its_start() -> None:
    lives, seen = Lives(), []
    lives.start()
    for time in (1.5, 2.5, 4.5, 6.5):
        lives.at(time, lambda: seen.append((lives.world.plane.memory_used / MIB, lives.host.idle_cores)))
    lives.run()
    assert seen == [(0.0, 0.0), (10.0, 0.25), (110.0, 0.25), (110.0, 0.25)]


def test_a_stop_lets_it_finish_and_then_gives_all_back() -> None:
    lives = Lives(requests=[(6.5, 0, 2.0), (7.5, 0, 1.0)])
    guest = lives.start()
    lives.at(7.0, lambda: lives.life.stop(guest, "enough"))
    rows = lives.run()
    lives.world.plane.end()
    # the second request finds nobody; the first ends at 8.5, and stopping takes a second
    assert rows[2:] == [(9.5, "memory-returned", "app-0"), (9.5, "stopped", "app-0"), (9.5, "room-freed", "")]
    assert (8.5, "completed", 0) in lives.told.ended
    assert lives.held() == NOTHING
    assert (guest.stopped, guest.stop_reason) == (9.5, "enough")


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5, 2.5, 3.5, 5.0, 6.0, 7.0])
def test_stopped_at_any_moment_of_its_start_it_gives_all_back(moment: float) -> None:
    lives = Lives()
    guest = lives.start()
    lives.at(moment, lambda: lives.life.stop(guest, "enough"))
    lives.run()
    end = moment if moment <= 1.5 else moment + 1.0  # one with a process takes a second to stop
    assert lives.told.times("stopped") == [end]
    assert lives.held() == NOTHING
    assert lives.host.images.bytes == (100 * MB if moment > 1.5 else 0.0)
    assert lives.told.times("ready") == ([6.0] if moment >= 6.0 else [])


@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5, 3.5, 5.0, 7.0])
@pytest.mark.parametrize("whole", [False, True])
def test_one_that_falls_at_any_moment_starts_again_and_needs_what_it_never_had(moment: float, whole: bool) -> None:
    """After a second of back-off: phases that it has never gone through are not left out."""
    lives = Lives()
    guest = lives.start()
    lives.at(moment, lambda: lives.life.crash(guest, "fell", "by hand", whole=whole))
    lives.run()
    through = moment > 4.0  # all its phases: `boot` and the application's start are repeated, else all
    pulled = moment > 2.0
    took = 1.0 + 2.0 if through else (1.0 + 1.0 + 2.0 if pulled else 2.0 + 1.0 + 1.0 + 2.0)
    first = [6.0] if moment > 6.0 else []
    assert lives.told.times("ready") == [*first, moment + 1.0 + took]
    assert lives.told.times("fell") == [moment]
    assert lives.host.images.present(guest.parts)
    assert (lives.held()["memory"], lives.held()["running"]) == (110 * MIB, 1)


def test_what_a_fallen_guest_held_fails_and_its_memory_is_free() -> None:
    lives = Lives(requests=[(6.5, 0, 5.0), (6.5, 0, 5.0), (6.5, 0, 5.0)])
    guest, used = lives.start(), []
    for time in (6.9, 7.1):
        lives.at(time, lambda: used.append(lives.world.plane.memory_used / MIB))
    lives.at(7.0, lambda: lives.life.crash(guest, "fell", ""))
    lives.run()
    lives.world.plane.end()
    assert used == [130.0, 10.0]
    assert lives.told.ended == [(7.0, "failed", 0)] * 3


def test_a_whole_process_that_dies_gives_all_its_memory_back() -> None:
    lives = Lives()
    guest, used = lives.start(), []
    lives.at(7.0, lambda: lives.life.crash(guest, "fell", "", whole=True))
    lives.at(7.5, lambda: used.append((lives.world.plane.memory_used, lives.host.running)))
    assert (7.0, "memory-returned", "app-0") in lives.run()
    assert used == [(0.0, 0)]
    assert lives.held()["promises"] == (1.0, GIB, 5 * MB)  # it is still promised


def test_the_back_off_grows_up_to_its_most_and_is_counted_afresh_after_long_service() -> None:
    lives = Lives(startup=[], again=())  # 2 s of start
    guest = lives.start()
    for time in (3.0, 7.0, 14.0, 25.0, 38.0, 150.0):  # 1 s after it is ready each time, but for the last
        lives.at(time, lambda: lives.life.crash(guest, "fell", ""))
    lives.run(until=200.0)
    # waits of 1, 4, 8, 10, 10 s; 100 s later it is the first again
    assert lives.told.times("ready") == [2.0, 6.0, 13.0, 24.0, 37.0, 50.0, 153.0]


def test_an_application_that_does_not_fit_is_killed_as_it_starts() -> None:
    lives = Lives(startup=[], again=())
    lives.share = share(1.0, GIB, application=50 * MIB)
    lives.start()
    assert lives.run(until=4.0) == [
        (0.0, "requested", "app-0"), (0.0, "oom-kill", ""), (0.0, "oom-kill", "app-0"),
        (1.0, "oom-kill", ""), (1.0, "oom-kill", "app-0"),
    ]  # fmt: skip


def test_one_that_falls_while_it_drains_is_gone_at_once() -> None:
    lives = Lives(requests=[(6.5, 0, 50.0)])
    guest, ends = lives.start(), []

    def stop() -> Any:
        yield lives.world.env.timeout(7.0)
        yield lives.life.stop(guest, "enough")
        ends.append(lives.world.env.now)

    lives.world.env.process(stop())
    lives.at(8.0, lambda: lives.life.crash(guest, "fell", ""))
    rows = lives.run()
    assert [row[1] for row in rows if row[0] == 8.0] == ["fell", "memory-returned", "stopped", "room-freed"]
    assert lives.held() == NOTHING
    assert ends == [8.0]  # whoever waits for the end hears of it


def test_one_that_leaves_gives_all_back_and_goes_on_elsewhere() -> None:
    lives = Lives(requests=[(6.5, 0, 5.0), (20.0, 0, 1.0)])
    guest = lives.start()
    far = Destination(lives.world, 100 * MB, [])
    lives.at(8.0, lambda: lives.life.leave(guest, far))
    rows = lives.run()
    assert rows[2:] == [(8.0, "memory-returned", "app-0"), (8.0, "moved", "app-0"), (8.0, "room-freed", "")]
    assert lives.held() == {**NOTHING, "slots": 1}
    assert lives.world.plane.sample().unused == 0.0  # of what this host has promised
    assert promises(far) == (1.0, GIB, 5 * MB)
    lives.world.plane.flush()
    assert lives.told.ended == [(11.5, "completed", 0), (21.0, "completed", 0)]
    lives.life.stop(guest, "enough")
    lives.run(until=110.0)
    assert promises(far) == (0.0, 0.0, 0.0)
    far.images.promise(guest.parts)
    far.images.release(guest.parts)  # nobody there needs it any more
    assert far.disk_used == 0.0
    assert (guest.stopped, guest.stop_reason, lives.held()) == (8.0, "moved", NOTHING)


def test_one_that_leaves_while_it_restarts_serves_there() -> None:
    lives = Lives()
    guest = lives.start()
    far = Destination(lives.world, 100 * MB, [])
    lives.at(7.0, lambda: lives.life.crash(guest, "fell", ""))
    lives.at(8.5, lambda: lives.life.leave(guest, far))
    lives.run()
    assert lives.told.times("ready") == [6.0, 11.0]
    assert int(lives.world.plane.a.guests[guest.slot]["state"]) == READY
    assert lives.held() == {**NOTHING, "slots": 1}


@pytest.mark.parametrize(("fall", "ready"), [(None, 6.0), (2.5, 7.5), (5.0, 9.0)])
def test_until_ready_waits_through_falls(fall: float | None, ready: float) -> None:
    lives = Lives()
    guest, seen = lives.start(), []

    def wait() -> Any:
        yield from until_ready(guest)
        seen.append((lives.world.env.now, guest.state))

    lives.world.env.process(wait())
    if fall is not None:
        lives.at(fall, lambda: lives.life.crash(guest, "fell", ""))
    lives.run()
    assert seen == [(ready, "ready")]


def test_until_ready_ends_with_the_guest() -> None:
    lives = Lives()
    guest, seen = lives.start(), []

    def wait() -> Any:
        yield from until_ready(guest)
        seen.append(lives.world.env.now)

    lives.world.env.process(wait())
    lives.at(2.5, lambda: lives.life.stop(guest, "enough"))
    lives.run()
    assert seen == [2.5]


def test_a_disk_promise_of_one_that_never_pulled_is_given_back() -> None:
    """It is stopped before its pull begins: the room for its image is free again, but not another's."""
    lives = Lives(startup=[delay("wait", 5), PULL], again=())
    first, second = lives.start(), lives.start()
    assert lives.host.disk_used == 110 * MB  # one image, two disks
    lives.life.stop(first, "enough")
    lives.run(until=2.0)
    assert lives.host.disk_used == 105 * MB
    lives.life.stop(second, "enough")
    lives.run(until=4.0)
    assert lives.host.disk_used == 0.0
    assert lives.host.images.missing(first.parts) == 100 * MB


# a limit by period


class Limited(Lives):
    """Half a core by periods of 100 ms: 50 ms each. Its periods end at `phase` of one. No phases, 2 core-s of start."""

    def __init__(self, phase: float = 0.0, burst: float = 0.0, **more: Any) -> None:
        super().__init__(startup=[], again=(), **more)
        self.share = share(0.5, GIB, cap=inf, resident=10 * MIB, quota=PeriodLimit(0.5, 0.1, burst))
        stream: Any = SimpleNamespace(random=lambda: phase)
        self.recipe = replace(self.recipe, phases=stream)
        self.life = Life(self.world, self.recipe, self.roster, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("phase", "ready", "still"), [(0.0, 3.95, 39), (0.25, 3.95, 39), (0.5, 3.9, 38), (0.75, 3.925, 39)]
)
def test_a_start_is_held_to_its_limit_from_its_first_period_on(phase: float, ready: float, still: int) -> None:
    """Forty budgets: the first at once, the second when the first period ends (what is left of the first is lost)."""
    lives = Limited(phase)
    lives.start()
    lives.run(until=10.0)
    assert lives.told.times("ready") == [ready]
    assert lives.world.plane.stillness(0)[1] == still  # of half a period, the first budget ends with the period


def test_one_that_falls_has_a_new_budget() -> None:
    """Its budget is used up at 3.95. It falls at 3.97 and starts at once: 30 ms until 4, then 50 ms each tenth."""
    lives = Limited(changes={"restart": {"first": "0s"}})
    guest = lives.start()
    lives.at(3.97, lambda: lives.life.crash(guest, "fell", "by hand"))
    lives.run(until=10.0)
    assert lives.told.times("ready") == [3.95, 7.92]  # with the old one it would be 7.95


def test_a_limit_goes_with_the_guest_that_moves() -> None:
    lives = Limited(requests=[(4.97, 0, 0.15)])
    guest = lives.start()
    far = Destination(lives.world, 100 * MB, [])
    lives.at(4.99, lambda: lives.life.leave(guest, far))
    lives.run(until=10.0)
    lives.world.plane.flush()
    # 20 ms here and 10 there until 5, two budgets, and 20 ms from 5.2 on; a core of its own would be done at 5.12
    assert lives.told.ended == [(5.22, "completed", 0)]
