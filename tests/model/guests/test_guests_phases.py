"""Start-up phases alone, on a real machine, with a guest that is nothing but what `Starting` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import simpy

from model.small_world import HOST, MB, at, delay, phase, small_world
from sim.model.guests.phases import run_phases
from sim.model.host.machine import Host
from sim.model.world import World
from sim.scenario import Image, Layer

KINDS: Mapping[str, tuple[dict[str, Any], float]] = {  # each kind: what it says, and how long it takes
    "delay": (delay("delay", 3), 3.0),
    "cpu": ({"name": "cpu", "kind": "cpu", "work": 2.0}, 2.0),
    "lock": ({"name": "lock", "kind": "lock", "lock": "netns"}, 3.0),
    "pull": ({"name": "pull", "kind": "pull", "bytes": "image"}, 5.0),  # 3 s of round trips, 1 s each way
    "clone": ({"name": "clone", "kind": "clone", "bytes": 200 * MB}, 2.0),
    "read": ({"name": "read", "kind": "read", "bytes": 200 * MB}, 5.0),
    "read shared": ({"name": "read", "kind": "read", "bytes": 200 * MB, "shared": "image"}, 5.0),
    "install": ({"name": "install", "kind": "install", "bytes": "image", "work": 2.0}, 6.0),
}


class Starting:
    """As little as goes through phases. Every drawn duration is 3 s."""

    def __init__(self, world: World, machine: Host, ready_made: bool = True) -> None:
        self.env, self.machine = world.env, machine
        self.slot = world.plane.add_guest(0, 1.0, 1.0)
        self.image = Image(bytes=100 * MB, layers=[Layer(name="app", bytes=100 * MB)], ready_made=ready_made)
        self.parts = [("app", 100 * MB)]
        self.durations = dict.fromkeys(("delay", "lock", "pull", "read", "install"), 3.0)
        self.has_process = False
        self.processes: list[float] = []
        self.phases: dict[str, float] = {}
        self.read = 0.0  # bytes of files, for itself alone
        self.ended: float | None = None

    def process_begins(self) -> None:
        self.has_process = True
        self.processes.append(self.env.now)

    def took(self, phase: str, seconds: float) -> None:
        self.phases[phase] = round(seconds, 9)

    def reads(self, size: float) -> None:
        self.read += size

    def start(self, *phases: Any, after: float = 0.0) -> simpy.Process:
        def story() -> Any:
            yield self.env.timeout(after)
            try:
                yield from run_phases(self, phases)
                self.ended = round(self.env.now, 9)
            except simpy.Interrupt:
                self.env.forget(self.slot)
                self.machine._env.plane.kill(self.slot)

        return self.env.process(story())


def start_in(kind: str) -> tuple[World, Host, Any, float]:
    world = small_world(host=HOST)
    world.plane.add_service()
    said, took = KINDS[kind]
    if "duration" in said:
        said = {**said, "duration": None}  # drawn by the guest
    return world, Host(world), phase(**said), took


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_its_time(kind: str) -> None:
    world, host, what, took = start_in(kind)
    guest = Starting(world, host, ready_made=kind != "install")
    guest.start(what)
    world.env.run(until=30)
    assert guest.phases == {what.name: took}
    assert guest.processes == ([] if what.kind in ("install", "pull", "clone") else [0.0])


@pytest.mark.parametrize(
    ("kind", "moment"),
    [(kind, t) for kind, (_, took) in KINDS.items() for t in (0.5, 1.0, 1.5, 2.5, 3.5, 4.5, 5.5) if t < took],
)
def test_one_that_falls_in_a_phase_leaves_all_to_the_next(kind: str, moment: float) -> None:
    """Locks, links, cores, the store: at 6 s the next one finds them as if nobody had ever started, or done."""
    world, host, what, took = start_in(kind)
    first, second = (Starting(world, host, ready_made=kind != "install") for _ in range(2))
    story = first.start(what)
    at(world, moment, story.interrupt)
    second.start(what, after=6.0)
    world.env.run(until=30)
    assert first.ended is None
    assert second.phases == {what.name: took}
    assert host.images.bytes == (100 * MB if kind in ("pull", "install") else 0.0)
    assert not [process for lock in host.locks.values() for process in (*lock.users, *lock.queue)]


@pytest.mark.parametrize("kind", ["pull", "read shared", "install", "lock"])
def test_one_that_waits_for_another_goes_on_in_its_place(kind: str) -> None:
    world, host, what, took = start_in(kind)
    first, second = (Starting(world, host, ready_made=kind != "install") for _ in range(2))
    story = first.start(what)
    at(world, 1.25, story.interrupt)
    second.start(what, after=1.0)
    world.env.run(until=30)
    assert second.ended == 1.25 + took


@pytest.mark.parametrize(("kind", "second_at"), [("pull", 5.0), ("read shared", 5.0), ("install", 6.0), ("lock", 6.0)])
def test_what_is_there_once_for_all_is_done_once(kind: str, second_at: float) -> None:
    world, host, what, took = start_in(kind)
    first, second = (Starting(world, host, ready_made=kind != "install") for _ in range(2))
    first.start(what)
    second.start(what)
    world.env.run(until=30)
    assert (first.ended, second.ended) == (took, second_at)


def test_an_image_is_pulled_or_built_here_not_both() -> None:
    world, host, install, _ = start_in("install")
    pull = phase(**KINDS["pull"][0])
    made, bare = Starting(world, host), Starting(world, host, ready_made=False)
    made.parts = [("other", 100 * MB)]
    made.start(install, pull)
    bare.start(install, pull)
    world.env.run(until=30)
    assert list(made.phases) == ["pull"]
    assert list(bare.phases) == ["install"]


def test_a_process_begins_with_the_first_phase_inside_and_only_once() -> None:
    world, host, pull, _ = start_in("pull")
    guest = Starting(world, host)
    guest.start(pull, phase(name="delay", kind="delay"), phase(name="cpu", kind="cpu", work=1.0))
    world.env.run(until=30)
    assert guest.processes == [5.0]
    assert guest.ended == 9.0
