"""Images on the host's disk: pulled once, joined while under way, layers shared where the platform shares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import simpy
from simpy.events import Event

from sim.engine.environment import HybridEnvironment
from sim.model.host.bandwidth import Link
from sim.model.host.clients import Client
from sim.model.host.together import together
from sim.platforms import Phase, Platform
from sim.platforms.schema import Pulls
from sim.scenario import Image


class Turns:
    """Whose pull may go on: so many at once, and so many requests a second to the registry (a token bucket)."""

    def __init__(self, env: HybridEnvironment, rules: Pulls) -> None:
        self._env, self._rate, self._burst = env, rules.rate, rules.burst
        self._places = simpy.Resource(env, rules.at_once) if rules.at_once is not None else None
        self._registry = Client(env)

    def turn(self) -> AbstractContextManager[Event | None]:
        """A place among the pulls under way, to be waited for and given back."""
        return nullcontext() if self._places is None else self._places.request()

    def wait(self, turn: Event | None) -> Generator[Event, Any, None]:
        """Wait for the place, and then for the registry."""
        if turn is not None:
            yield turn
        if not self._rate:
            return
        ahead = self._registry.reserve(1, self._rate, self._burst)
        if ahead > 0.0:
            yield self._env.timeout(ahead)


class ImageStore:
    """What is on one machine's disk and in its page cache. A layer is there when its pull has ended, not before."""

    def __init__(
        self,
        env: HybridEnvironment,
        nic: Link,
        write: Link,
        platform: Platform,
        unpack: Callable[[float], Generator[Event, Any, None]] | None = None,
    ) -> None:
        self._env, self._nic, self._write, self._platform = env, nic, write, platform
        self._there: set[str] = set()
        self._coming: dict[str, Event] = {}
        self._warm: set[str] = set()
        self._reading: dict[str, Event] = {}
        self._pages: dict[str, float] = {}  # page cache of what starts read, the least recently read first
        self._promised: dict[str, float] = {}  # admitted, but not begun: their room on the disk is taken
        self._wanted: Counter[str] = Counter()  # guests that are admitted, by the parts that they need
        self._turns = Turns(env, platform.pulls)
        self.unpack = unpack  # so many core-s of the daemon
        self.bytes = 0.0
        self.pulled = 0.0

    def parts(self, image: Image) -> list[tuple[str, float]]:
        """(key, bytes) of the things to have: layers where they are shared, else the image as a whole."""
        if self._platform.layers_shared:
            return [(layer.name, layer.bytes) for layer in image.layers]
        return [("+".join(layer.name for layer in image.layers), image.bytes)]

    def cache(self, parts: Iterable[tuple[str, float]]) -> None:
        """The parts were on the disk before the run began."""
        for key, size in parts:
            if key not in self._there:
                self._there.add(key)
                self.bytes += size

    def bake(self, parts: Iterable[tuple[str, float]]) -> None:
        """The parts are on the template that this machine's disk is backed by: there, and on another's account."""
        self.cache(parts)
        self.bytes = 0.0

    def missing(self, parts: list[tuple[str, float]]) -> float:
        """Bytes of the parts that have no room on the disk yet: neither there, nor on their way, nor promised."""
        return sum(size for key, size in parts if not self._known(key))

    def promise(self, parts: list[tuple[str, float]]) -> None:
        """A guest is admitted. Room for what is missing is taken, so that two of one moment do not get the same."""
        for key, size in parts:
            self._wanted[key] += 1
            if not self._known(key):
                self._promised[key] = size
                self.bytes += size

    def release(self, parts: list[tuple[str, float]]) -> None:
        """A guest is gone: what is not there, and no other guest needs, takes no room any longer."""
        for key, _ in parts:
            self._wanted[key] -= 1
            if self._wanted[key] == 0:
                self.bytes -= self._promised.pop(key, 0.0)

    def _known(self, key: str) -> bool:
        return key in self._there or key in self._coming or key in self._promised

    def present(self, parts: list[tuple[str, float]]) -> bool:
        """Whether all parts are on the disk."""
        return all(key in self._there for key, _ in parts)

    def fetch(
        self, parts: list[tuple[str, float]], phase: Phase, delay: float, rate: float
    ) -> Generator[Event, Any, None]:
        """Pull what is missing, and wait for what others are pulling. Read from cache afterwards."""
        mine = [(key, size) for key, size in parts if key not in self._there and key not in self._coming]
        others = [self._coming[key] for key, _ in parts if key in self._coming]
        if mine:
            yield from self._pull(mine, phase, delay, rate)
        for event in others:
            if not event.processed:
                yield event
        if any(key not in self._there for key, _ in parts):  # whoever pulled it was stopped: go on with it
            yield from self.fetch(parts, phase, delay, rate)

    def _pull(
        self, mine: list[tuple[str, float]], phase: Phase, delay: float, rate: float
    ) -> Generator[Event, Any, None]:
        whole = sum(part for _, part in mine)
        size = whole * phase.fraction
        room = whole if phase.lazy else size
        done = self._env.event()
        for key, _ in mine:
            self._coming[key] = done
            self.bytes -= self._promised.pop(key, 0.0)
        self.bytes += room
        try:
            with self._turns.turn() as turn:
                yield from self._turns.wait(turn)
                yield self._env.timeout(delay)
                yield from self._nic.transfer(size, rate, "registry")
                if phase.unpack is not None and self.unpack is not None:
                    cores = [self.unpack(part * phase.fraction / phase.unpack) for _, part in mine]
                    yield from together(self._env, self._in_turn(cores, phase.unpacks))
                yield from self._write.transfer(size)
            self._there.update(key for key, _ in mine)
            self._warm.update(key for key, _ in mine)
            self.pulled += size
        except BaseException:  # its room stays taken for those that still need it
            self._promised.update((key, part) for key, part in mine if self._wanted[key])
            self.bytes += sum(self._promised.get(key, 0.0) for key, _ in mine) - room
            raise
        finally:
            for key, _ in mine:
                del self._coming[key]
            done.succeed()
        if phase.lazy:
            self._env.process(self._rest(whole - size, rate))

    def _in_turn(self, works: list[Generator[Event, Any, None]], most: int | None) -> list[Generator[Event, Any, None]]:
        """The same works, of which at most so many go on at once, in their order."""
        if most is None or most >= len(works):
            return works
        places = simpy.Resource(self._env, most)

        def work(own: Generator[Event, Any, None]) -> Generator[Event, Any, None]:
            with places.request() as turn:
                yield turn
                yield from own

        return [work(each) for each in works]

    def _rest(self, size: float, rate: float) -> Generator[Event, Any, None]:
        """What a lazy pull has left for later; it has its room already."""
        yield from self._nic.transfer(size, rate, "registry")
        yield from self._write.transfer(size)
        self.pulled += size

    def read_once(self, key: str, read: Callable[[], Generator[Event, Any, None]]) -> Generator[Event, Any, None]:
        """Read what `key` needs to start, unless it is in the page cache, or wait for whoever is reading it."""
        while key not in self._warm:
            if key in self._reading:
                yield self._reading[key]
                continue
            self._reading[key] = done = self._env.event()
            try:
                yield from read()
                self._warm.add(key)
            finally:
                del self._reading[key]
                done.succeed()

    @property
    def pages(self) -> float:
        """Bytes of images in the page cache."""
        return sum(self._pages.values())

    def note_pages(self, key: str, size: float) -> None:
        """A start has read these bytes: they are in the page cache, once for all guests of the image."""
        self._pages.pop(key, None)
        self._pages[key] = size

    def trim_pages(self, room: float) -> None:
        """The page cache gives way to what is in use: the least recently read images are dropped, and read again."""
        while self._pages and self.pages > room:
            key = next(iter(self._pages))
            del self._pages[key]
            self._warm.discard(key)

    def forget_pages(self) -> None:
        """The machine's kernel has fallen, and the page cache with it."""
        self._warm.clear()
        self._pages.clear()

    def built(self, parts: list[tuple[str, float]]) -> None:
        """An image was made on this machine."""
        for key, size in parts:
            if key not in self._there:
                self.bytes += size - self._promised.pop(key, 0.0)
                self._there.add(key)
