"""An image store alone, on links of 100 MB/s: pulls that are joined, broken off, gone on with, and room on the disk."""

from __future__ import annotations

from typing import Any

import simpy

from model.small_world import MB, at, phase, platform, small_world
from sim.engine.environment import HybridEnvironment
from sim.model.host.bandwidth import SharedBandwidth
from sim.model.host.images import ImageStore
from sim.model.world import World
from sim.scenario import Image, Layer

PULL = phase(name="pull", kind="pull", bytes="image")
PARTS = [("base", 100 * MB), ("app", 100 * MB)]


class Store:
    """A store, and when each start that pulls has its image."""

    def __init__(self) -> None:
        self.world: World = small_world()
        self.env: HybridEnvironment = self.world.env
        self.nic, self.write = SharedBandwidth(self.env, 100 * MB), SharedBandwidth(self.env, 100 * MB)
        self.images = ImageStore(self.env, self.nic, self.write, platform())
        self.there: dict[str, float] = {}

    def pull(self, name: str, parts: list[tuple[str, float]], start: float = 0.0, **keys: Any) -> simpy.Process:
        def story() -> Any:
            yield self.env.timeout(start)
            try:
                yield from self.images.fetch(parts, keys.get("phase", PULL), keys.get("delay", 0.0), 1e12)
                self.there[name] = round(self.env.now, 9)
            except simpy.Interrupt:
                self.there[f"{name} broken off"] = round(self.env.now, 9)

        return self.env.process(story())


def test_a_pull_is_a_delay_the_network_and_then_the_disk() -> None:
    store = Store()
    store.pull("a", PARTS, delay=0.5)
    store.env.run(until=10)
    assert store.there == {"a": 4.5}
    assert (store.images.bytes, store.images.pulled, store.images.present(PARTS)) == (200 * MB, 200 * MB, True)


def test_it_is_there_when_it_has_ended_not_before() -> None:
    store, seen = Store(), []
    store.pull("a", PARTS)
    for time in (3.9, 4.1):
        at(store.world, time, lambda: seen.append(store.images.present(PARTS)))
    store.env.run(until=10)
    assert seen == [False, True]


def test_layers_that_another_pulls_are_waited_for() -> None:
    store = Store()
    store.pull("a", PARTS[:1])
    store.pull("b", PARTS, start=0.5)
    store.env.run(until=10)
    # network: a has 50 MB at 0.5 s and, beside b, the rest at 1.5; b its second half alone till 2. Disk: a writes 50 MB
    # alone till 2 and the rest beside b till 3; b has written 50 MB by then, and the rest at 3.5
    assert store.there == {"a": 3.0, "b": 3.5}
    assert store.images.pulled == 200 * MB


def test_whoever_waited_goes_on_when_the_puller_is_stopped() -> None:
    store = Store()
    first = store.pull("a", PARTS)
    store.pull("b", PARTS, start=1.0)
    at(store.world, 1.5, first.interrupt)
    store.env.run(until=20)
    assert store.there == {"a broken off": 1.5, "b": 5.5}  # from the beginning: 2 s and 2 s
    assert (store.images.bytes, store.images.pulled) == (200 * MB, 200 * MB)


def test_a_pull_broken_off_gives_disk_and_network_back() -> None:
    store = Store()
    first = store.pull("a", PARTS)
    at(store.world, 1.0, first.interrupt)
    store.pull("c", [("other", 100 * MB)], start=1.0)
    store.env.run(until=20)
    assert store.there == {"a broken off": 1.0, "c": 3.0}
    assert store.images.bytes == 100 * MB
    assert not store.images.present(PARTS)


def test_room_is_promised_once_for_all_that_start() -> None:
    images = Store().images
    assert images.missing(PARTS) == 200 * MB
    images.promise(PARTS)
    images.promise(PARTS)
    assert (images.missing(PARTS), images.bytes) == (0.0, 200 * MB)
    assert images.missing([*PARTS, ("more", 5.0)]) == 5.0


def test_the_room_of_a_pull_that_is_broken_off_stays_for_those_that_need_it() -> None:
    store = Store()
    for _ in range(2):
        store.images.promise(PARTS)
    first = store.pull("a", PARTS)
    at(store.world, 1.0, first.interrupt)
    store.env.run(until=2)
    assert (store.images.bytes, store.images.missing(PARTS)) == (200 * MB, 0.0)
    store.images.release(PARTS)
    assert store.images.bytes == 200 * MB
    store.images.release(PARTS)
    assert (store.images.bytes, store.images.missing(PARTS)) == (0.0, 200 * MB)


def test_what_is_there_stays_when_the_last_that_needs_it_is_gone() -> None:
    store = Store()
    store.images.promise(PARTS)
    store.pull("a", PARTS)
    store.env.run(until=10)
    store.images.release(PARTS)
    assert (store.images.bytes, store.images.missing(PARTS)) == (200 * MB, 0.0)


def test_a_promise_becomes_the_image_and_is_not_counted_twice() -> None:
    store = Store()
    store.images.promise(PARTS)
    store.pull("a", PARTS)
    seen: list[float] = []
    at(store.world, 1.0, lambda: seen.append(store.images.bytes))
    store.env.run(until=10)
    assert [*seen, store.images.bytes] == [200 * MB, 200 * MB]


def test_a_part_of_an_image_is_enough_where_the_phase_says_so() -> None:
    store = Store()
    store.pull("a", PARTS, phase=phase(name="pull", kind="pull", bytes="image", fraction=0.25))
    store.env.run(until=10)
    assert store.there == {"a": 1.0}
    assert store.images.bytes == 50 * MB


def test_cached_and_baked_images_are_there_and_only_the_first_takes_room() -> None:
    store = Store()
    store.images.cache(PARTS)
    store.images.cache(PARTS)
    assert (store.images.bytes, store.images.missing(PARTS)) == (200 * MB, 0.0)
    other = Store().images
    other.bake(PARTS)
    assert (other.bytes, other.present(PARTS)) == (0.0, True)


def test_an_image_as_a_whole_has_one_part_where_layers_are_not_shared() -> None:
    image = Image(bytes=3.0, layers=[Layer(name="x", bytes=1.0), Layer(name="y", bytes=2.0)])
    store = Store()
    assert store.images.parts(image) == [("x", 1.0), ("y", 2.0)]
    whole = ImageStore(store.env, store.nic, store.write, platform("vm"))
    assert whole.parts(image) == [("x+y", 3.0)]


def read(store: Store, name: str, start: float, took: float) -> simpy.Process:
    def once() -> Any:
        yield store.env.timeout(took)

    def story() -> Any:
        yield store.env.timeout(start)
        try:
            yield from store.images.read_once("app", once)
            store.there[name] = store.env.now
        except simpy.Interrupt:
            store.there[f"{name} broken off"] = store.env.now

    return store.env.process(story())


def test_one_reads_and_the_others_wait_for_it() -> None:
    store = Store()
    for name, start in (("a", 0.0), ("b", 1.0), ("c", 5.0)):
        read(store, name, start, took=2.0)
    store.env.run(until=20)
    assert store.there == {"a": 2.0, "b": 2.0, "c": 5.0}


def test_what_a_pull_has_written_need_not_be_read() -> None:
    store = Store()
    store.pull("pull", PARTS)  # 4 s
    read(store, "early", 1.0, took=2.0)
    at(store.world, 3.5, store.images.forget_pages)
    read(store, "late", 5.0, took=2.0)
    store.env.run(until=20)
    assert store.there == {"pull": 4.0, "early": 3.0, "late": 5.0}


def test_one_of_those_that_wait_reads_when_the_reader_falls() -> None:
    store = Store()
    first = read(store, "a", 0.0, took=2.0)
    read(store, "b", 0.5, took=2.0)
    read(store, "c", 0.5, took=2.0)
    at(store.world, 1.0, first.interrupt)
    store.env.run(until=20)
    assert store.there == {"a broken off": 1.0, "b": 3.0, "c": 3.0}


def test_the_least_recently_read_gives_way_and_is_read_again() -> None:
    store = Store()
    images = store.images
    read(store, "a", 0.0, took=2.0)
    store.env.run(until=3)
    images.note_pages("app", 30.0)
    images.note_pages("other", 30.0)
    images.trim_pages(60.0)
    assert images.pages == 60.0
    images.trim_pages(59.0)
    assert images.pages == 30.0
    read(store, "b", 0.0, took=2.0)
    store.env.run(until=20)
    assert store.there == {"a": 2.0, "b": 5.0}  # "app" had been dropped
    images.forget_pages()
    assert images.pages == 0.0
