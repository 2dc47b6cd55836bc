"""One service on the host: how many replicas it has, and wants; what becomes of each is `life`'s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np

from sim.engine import layout
from sim.model.guests.guest import READY, Guest, Recipe, phase_draws
from sim.model.guests.life import Life
from sim.model.guests.roster import Roster
from sim.model.guests.waiting import Again, Attempt
from sim.model.host.machine import Host, Machine
from sim.model.host.placement import Claim, Share, share_of
from sim.model.world import World
from sim.scenario import Image, Layer, PerRequest, Service, Size

ROUTING_CODES = {
    "random": layout.RANDOM,
    "round-robin": layout.ROUND_ROBIN,
    "least-outstanding": layout.LEAST_OUTSTANDING,
    "power-of-two": layout.POWER_OF_TWO,
}


def _nobody() -> None:
    """No guest is kept."""


class ServiceRun:
    """The replicas of one service. `index` is the service's number in the data plane.

    `wait` is told, with a way to try again, when admission has refused a start. Raises ValueError for a service that
    has no size or image on the platform.
    """

    def __init__(
        self,
        world: World,
        host: Host,
        name: str,
        spec: Service,
        stops: np.random.Generator,
        wait: Callable[[Again], None],
    ) -> None:
        platform = world.platform
        size, image = spec.size_on(platform.size_lineage), spec.image_on(platform.image_lineage)
        if image is None and not platform.uses_images:
            image = Image(bytes=0.0, layers=[Layer(name=name, bytes=0.0)], cached=True)
        if size is None or image is None:
            raise ValueError(f"service {name} has no {'size' if size is None else 'image'} for {platform.name}")
        self._world, self._host, self._wait = world, host, wait
        self.name, self.spec = name, spec
        self.share = self.share_for(size)
        self.booted = self.share  # of its guests' beginning: what can be plugged depends on it
        self.pending = 0  # replicas wanted that admission has refused so far
        self._kept: Callable[[], Guest | None] = _nobody  # takes a guest that is kept (`control.warm`)
        self.held = False  # it is part of a tenant that is not placed yet (`whole`): nothing starts
        parts = host.images.parts(image)
        if image.cached:
            host.cache(parts)
        full_copy = any(p.kind == "clone" and p.bytes == "image" for p in platform.startup)
        self.recipe = Recipe(
            service=name,
            index=self._add_to_plane(),
            spec=spec,
            platform=platform,
            image=image,
            parts=parts,
            disk=platform.disk.per_guest + (image.bytes if full_copy else 0.0),
            draws=phase_draws(world, platform, f"start/{name}"),
            growth=self._growth,
            phases=world.stream(f"quota/{name}"),
        )
        self.index = self.recipe.index
        self.roster = Roster()
        self.life = Life(world, self.recipe, self.roster, stops)

    def _add_to_plane(self) -> int:
        spec = self.spec
        per_request = isinstance(spec.autoscale, PerRequest)
        return self._world.plane.add_service(
            concurrency=spec.concurrency,
            threads=spec.threads,
            start_threads=spec.start_threads if spec.start_cpu > 0.0 else 1,
            queue=spec.queue,
            backlog=spec.backlog,
            timeout=inf if spec.timeout is None else spec.timeout,
            routing=layout.IDLE_LIFO if per_request else ROUTING_CODES[spec.routing],
            overhead=self._world.platform.cpu.overhead,
            per_request=spec.memory.per_request * (1.0 + self._growth),
            notify=getattr(spec.autoscale, "min", 1) == 0,
            name=self.name,
        )

    @property
    def _growth(self) -> float:
        """Bytes that the host uses beside each of the application's, where it is not said which files it reads."""
        return self._world.platform.memory.growth if self.spec.memory.files is None else 0.0

    def is_called(self, name: str | None) -> bool:
        """Whether `name` means this service: its own name, that of the service whose tenant it is, or any (None)."""
        return name is None or name in (self.name, self.name.rpartition("-")[0])

    def share_for(self, size: Size) -> Share:
        """What a size means for a replica of this service."""
        fluid = self._world.scenario.quota == "fluid"
        spec, node_memory = self.spec, self._host.node_memory
        share = share_of(self._world.platform, size, node_memory, spec.parallelism, fluid, spec.threads)
        return replace(share, pids=spec.pids)

    # how many

    @property
    def guests(self) -> list[Guest]:
        """Replicas that count: alive, by number."""
        return self.roster.guests

    @property
    def wanted(self) -> int:
        """Replicas asked for: those alive and those that wait for room."""
        return len(self.roster.guests) + self.pending

    @property
    def ready(self) -> int:
        """Replicas that serve now."""
        return self._world.plane.ready(self.index)

    def scale_to(self, n: int) -> None:
        """Have `n` replicas: new ones are admitted or wait for room; those waiting, starting, newest go first."""
        while self.wanted < n:
            if self.start_one() is None:
                self.pending += 1
        while self.wanted > n:
            if self.pending:
                self.pending -= 1
                continue
            last = max(self.roster.guests, key=lambda guest: (guest.state != READY, guest.number))
            self.life.stop(last, "scaled down")

    def start_one(self) -> Guest | None:
        """Start a replica; None if admission refuses it, which is told to whoever listens and to the waiting room."""
        if self.held:
            return None  # its tenant was refused, and waits
        if (kept := self._kept()) is not None:
            return kept
        machine = self._place()
        if isinstance(machine, str):
            self._world.signals.start_refused.fire(self.name, machine, self._host.down)
            self._wait(self.start_pending)
            return None
        return self.life.start_on(machine, self.share)

    def start_pending(self) -> Attempt:
        """Room has come free: start one of those that wait for it."""
        if self.held or not self.pending:
            return Attempt(False, self.pending > 0)
        if self._kept() is None:
            if isinstance(machine := self._place(), str):
                return Attempt(False, True)
            self.life.start_on(machine, self.share)
        self.pending -= 1
        return Attempt(True, self.pending > 0)

    def hold_back(self) -> None:
        """Nothing starts until `let_go`: its tenant is placed as a whole (`Whole`)."""
        self.held = True

    def let_go(self) -> None:
        """Its tenant has its place."""
        self.held = False

    @property
    def claim(self) -> Claim:
        """What its next replica asks for."""
        return Claim(self.share, self.recipe.disk, self.recipe.parts)

    def take_from(self, kept: Callable[[], Guest | None]) -> None:
        """Ask `kept` for a guest before one is started: it gives one that has become a replica, or None."""
        self._kept = kept

    def keep_one(self) -> Guest | str:
        """Start a guest that is kept when it is up, for replicas to come; or why admission refuses it."""
        machine = self._place()
        return machine if isinstance(machine, str) else self.life.start_on(machine, self.share, spare=True)

    def _place(self) -> Machine | str:
        return self._host.place(*self.claim)

    def resize(self, share: Share) -> None:
        """Replicas started from now on have this share."""
        self.share = share
