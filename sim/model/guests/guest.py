"""One guest: what it was made from, what it holds, and how far it is in its life. Only its own methods change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, inf, isinf, isnan, nan

import numpy as np
from simpy import Process

from sim.engine.building import Quota
from sim.engine.layout import UNBOUNDED
from sim.model.chance.sampling import Sampler, sampler
from sim.model.host.machine import Machine
from sim.model.host.placement import Share
from sim.model.world import World
from sim.platforms import Platform
from sim.scenario import Image, Service
from sim.scenario.amounts import PAGE

STARTING, READY, RESTARTING, DRAINING, STOPPED = "starting", "ready", "restarting", "draining", "stopped"
WARM = "warm"  # started, and kept for a scale-up
Draws = Mapping[str, tuple[Sampler, np.random.Generator]]


def phase_draws(world: World, platform: Platform, owner: str) -> Draws:
    """The law and the stream `<owner>/<phase>` of every start-up phase whose duration is drawn."""
    return {
        phase.name: (sampler(law), world.stream(f"{owner}/{phase.name}"))
        for phase in (*platform.startup, *platform.beside)
        if (law := phase.hold or phase.duration) is not None
    }


def draw_each(draws: Draws) -> dict[str, float]:
    """The next duration of each phase, s."""
    return {name: float(sample(stream, 1)[0]) for name, (sample, stream) in draws.items()}


@dataclass(frozen=True, eq=False)
class Recipe:
    """What all replicas of a service are made from. `index`: its number in the data plane; `disk`: bytes a guest."""

    service: str
    index: int
    spec: Service
    platform: Platform
    image: Image
    parts: list[tuple[str, float]]
    disk: float
    draws: Draws
    phases: np.random.Generator  # a number in [0, 1) a guest: where its periods of a limit end
    growth: float = 0.0  # bytes more that the host uses for each byte of the application's

    @property
    def per_request(self) -> float:
        """Bytes that the host uses for one request in service."""
        return self.spec.memory.per_request * (1.0 + self.growth)


def quota_of(share: Share, phase: float) -> Quota | None:
    """The limit by period of a guest with this share, whose periods end at the share `phase` of a period."""
    if share.quota is None:
        return None
    limit, period, burst = share.quota.limit, share.quota.period, share.quota.burst
    return Quota(limit * period, burst, period, phase * period, share.quota.extra)


class Guest:
    """A replica on a machine (the host, or a VM on it). Times in s, NaN for what has not happened."""

    def __init__(
        self, world: World, recipe: Recipe, number: int, slot: int, machine: Machine, share: Share, phase: float = 0.0
    ) -> None:
        self.env, self._plane = world.env, world.plane
        self.recipe, self.image, self.parts = recipe, recipe.image, recipe.parts
        self.machine, self.share = machine, share
        self.number = number
        self.slot = slot
        self.name = f"{recipe.service}-{number}"
        self.state = STARTING
        self.requested = world.env.now
        self.ready = self.stopped = nan
        self.ready_since = nan  # of the present life: a restart sets it anew
        self.stop_reason = ""
        self.phases: dict[str, float] = {}
        self.durations = draw_each(recipe.draws)
        self._phase = phase
        self.has_process = False
        self.came_through = False  # all phases of its start, once
        self.failures = 0  # restarts in a row
        self._window, self._starts = -inf, 0  # when the count of its application's starts began, and the count
        self._story: Process | None = None
        self.fixed = 0.0  # bytes charged to the host but for requests in service
        self.cache = 0.0  # of them, page cache of its own
        self._files_read = self._application = False  # in the cache; up, with what it needs
        self._touched = 0.0  # most bytes of its memory that its application has used in this life of the process
        self.balloon = 0.0  # bytes of its RAM that the host has taken back
        self.spare = False  # it is no replica yet: a scale-up may take it (`control.warm`)
        self.paused = False  # its process does nothing, not even idle
        self.merged = False  # its OS pages are shared with other guests of its image

    @property
    def service(self) -> str:
        """Name of its service."""
        return self.recipe.service

    @property
    def disk(self) -> float:
        """Bytes on the disk beyond its image."""
        return self.recipe.disk

    @property
    def alive(self) -> bool:
        """True for a replica that is neither leaving nor gone."""
        return self.state in (STARTING, READY, RESTARTING) and not self.spare

    @property
    def here(self) -> bool:
        """True unless it runs on the host at the other end of a move."""
        return self.machine.here

    @property
    def has_been_ready(self) -> bool:
        """Whether it has served, in this life or an earlier one."""
        return not isnan(self.ready)

    # its story

    @property
    def story(self) -> Process | None:
        """The process that brings it up, or to its end, if one is at work."""
        return self._story if self._story is not None and self._story.is_alive else None

    def follow(self, story: Process | None) -> None:
        """`story` brings it up, or to its end, from now on; None: it is up, or there is nothing to bring up."""
        self._story = story

    def break_off(self) -> None:
        """Whatever brings it up, or to its end, ends here (unless that is what calls)."""
        story, self._story = self.story, None
        if story is not None and story is not self.env.active_process:
            story.interrupt()

    def comes_through(self) -> None:
        """It has gone through its phases: what they have made stays."""
        self.came_through = True

    def took(self, phase: str, seconds: float) -> None:
        """A phase of its first start has taken so long; a restart's phases are none of its start-up."""
        self.phases.setdefault(phase, seconds)

    def waited(self, phase: str, seconds: float) -> None:
        """It has waited so long in all for what its start needs."""
        if not self.has_been_ready:
            self.phases[phase] = seconds

    # its memory

    def process_begins(self) -> None:
        """Its process (VMM, shim) exists: it has memory, and burns what an idle guest burns."""
        self.has_process = True
        self.charge(self.share.resident)
        self.machine.process_begins()

    def process_ends(self) -> None:
        """Its process, if it has one, is gone."""
        if self.has_process:
            self.goes_on()
            self.has_process = False
            self.drops_files()
            self._window = -inf  # who counted is gone too
            self.machine.process_ends()

    def charge(self, amount: float, most: int = UNBOUNDED) -> None:
        """Charge the host with its memory and its page cache, unless it runs elsewhere; `most` requests fit besides."""
        self._application = False
        self.fixed = amount + self.cache if self.here else 0.0
        self._plane.set_memory(self.slot, self.fixed, most)

    def charge_application(self) -> bool:
        """The application's own memory is in use from now on; False if it is more than it may have."""
        base = self.recipe.spec.memory.base
        if self.share.application < base:
            return False
        self.cache = min(self.cache, self.share.application - base)
        self.charge(self.share.resident + base * (1.0 + self.recipe.growth), self.most)
        self._application = True
        return True

    def _left(self) -> float:
        """Bytes that neither its system, its application, requests in service nor its balloon take: page cache's."""
        memory, serving = self.recipe.spec.memory, float(self._plane.serving()[self.slot])
        wants = memory.base + memory.per_request * serving if self._application else 0.0
        return max(0.0, self.share.application - self.balloon - wants)

    def reads(self, size: float) -> None:
        """It has read so many bytes of files: what stays with it is page cache, as far as there is memory left."""
        kept = self.recipe.platform.memory.file_cache * size
        if kept > 0.0 and self.has_process and self.here:
            self._keep(max(self.cache, min(self.cache + kept, self._left())))

    def reads_files(self) -> None:
        """Its application reads its files, unless the guest has them in its page cache already."""
        size = self.recipe.spec.memory.files
        if size and not self._files_read:
            self._files_read = True
            self.reads(size)
            if (rest := 1.0 - self.recipe.platform.memory.file_cache) > 0.0:  # once for all guests of the machine
                self.machine.images.note_pages(f"files of {self.recipe.service}", size * rest)

    def gives_way(self) -> bool:
        """Requests in service need more than its page cache leaves: whether they have got it, of that cache."""
        if self.cache == 0.0:
            return False
        self._keep(min(self.cache, self._left()))
        return float(self._plane.serving()[self.slot]) <= self.most

    def drops_files(self) -> None:
        """Its page cache is lost; what is charged next is without it."""
        self.cache, self._files_read, self._touched = 0.0, False, 0.0

    def touches(self) -> float:
        """Core-seconds for the pages of its memory that its application's start is the first to touch."""
        memory, costs = self.recipe.spec.memory, self.recipe.platform.memory
        size = memory.base + costs.file_cache * (memory.files or 0.0)
        new, self._touched = max(0.0, size - self._touched), max(size, self._touched)
        return costs.first_touch * ceil(new / PAGE)

    def _keep(self, cache: float) -> None:
        """It has so many bytes of page cache from now on."""
        self.fixed += cache - self.cache if self.here else 0.0
        self.cache = cache
        self._plane.set_memory(self.slot, self.fixed, self.most if self._application else UNBOUNDED)

    def in_use(self, serving: float) -> float:
        """Bytes in use on the host for it with so many requests in service."""
        return self.fixed + self.recipe.per_request * serving

    @property
    def most(self) -> int:
        """Requests in service that its memory carries, less what its balloon and its page cache hold."""
        memory = self.recipe.spec.memory
        left = self.share.application - self.balloon - self.cache - memory.base
        if memory.per_request == 0.0 or isinf(left):
            return UNBOUNDED
        return min(floor(left / memory.per_request * (1 + 1e-12)), UNBOUNDED)

    def inflate(self, amount: float) -> None:
        """Its balloon holds `amount` bytes from now on, which are promised to others."""
        self.balloon = amount
        self._plane.promise(self.slot, self.share.memory - amount)
        self._keep(min(self.cache, self._left()))

    def deflate(self) -> float:
        """Its memory has been given back, and with it what its balloon held: so many bytes."""
        held, self.balloon = self.balloon, 0.0
        return held

    def merge(self, merged: bool) -> None:
        """Whether its pages are shared with others."""
        self.merged = merged

    def resize(self, share: Share) -> None:
        """It has another share from now on; admission has agreed."""
        old, self.share = self.share, share
        self._plane.resize(self.slot, share.weight, share.cap, quota_of(share, self._phase))
        if self.here:
            self._plane.promise(self.slot, share.memory - self.balloon)
            if self.has_process:
                self.fixed += share.resident - old.resident
        self._keep(min(self.cache, self._left()))

    # its states

    def serves(self) -> None:
        """It is ready."""
        self.state = READY
        self._story = None
        self.ready_since = self.env.now
        if not self.has_been_ready:
            self.ready = self.env.now

    def set_aside(self) -> None:
        """It is started to be kept, not to serve."""
        self.spare = True

    def keeps(self, *, paused: bool) -> None:
        """It is up, and waits to be taken."""
        self.state = WARM
        self._story = None
        if paused and self.has_process and not self.paused:
            self.paused = True
            self.machine.process_ends()

    def goes_on(self) -> None:
        """It is not paused any longer, if it was."""
        if self.paused:
            self.paused = False
            self.machine.process_begins()

    def is_taken(self) -> None:
        """It is a replica from now on; what it took to bring it up before is no part of that one's start."""
        self.spare = False
        self.state = STARTING
        self.requested = self.env.now
        self.phases = {}
        self.goes_on()

    def falls(self) -> None:
        """Its process has died; it is to be started again."""
        self.goes_on()
        self.state = RESTARTING

    def failed_again(self) -> int:
        """Its application has died: how often in a row, counted afresh after a long enough service."""
        if self.env.now - self.ready_since >= self.recipe.platform.restart.reset_after:
            self.failures = 0
        self.failures += 1
        return self.failures

    def may_start(self) -> bool:
        """Whether its application may be started (then that counts): not more than `burst` times within `interval`."""
        restart, now = self.recipe.platform.restart, self.env.now
        if restart.burst is None or restart.interval is None:
            return True
        if now - self._window > restart.interval:
            self._window, self._starts = now, 0
        self._starts += 1
        return self._starts <= restart.burst

    def drains(self, reason: str) -> None:
        """It is given nothing more."""
        self.state = DRAINING
        self.stop_reason = self.stop_reason or reason  # that of a guest that has moved away stays

    def moves(self, machine: Machine) -> None:
        """It goes on elsewhere; what it held on this host is no longer its own."""
        self.machine = machine
        self.stopped, self.stop_reason = self.env.now, "moved"

    def ends(self) -> None:
        """It is gone; one that has moved away had stopped here before."""
        self.state = STOPPED
        if isnan(self.stopped):
            self.stopped = self.env.now
