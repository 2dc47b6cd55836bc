"""One run: a scenario on a platform in a replication, wired together and carried to its end."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane
from sim.model.control import faults, moves, network, on_demand, oom, page_cache, reclaim, resizing, scaling, swap, warm
from sim.model.guests.fleet import Fleet
from sim.model.guests.vm_pool import host_of
from sim.model.record.events import EventLog
from sim.model.record.guests import GuestLog
from sim.model.record.requests import RequestLog, Sink
from sim.model.record.timeline import Timeline
from sim.model.record.totals import SpanTotals
from sim.model.signals import Signals
from sim.model.traffic.arrivals import ArrivalStream, closed_sources
from sim.model.world import World
from sim.platforms import Platform
from sim.scenario import PerRequest, Scenario
from sim.terms.records import RunRecords


def simulate(scenario: Scenario, platform: Platform, replication: int, *, sink: Sink | None = None) -> RunRecords:
    """Run `scenario` on `platform`; `sink` is given the requests as they end (columns, services, guests).

    Raises ValueError for a `warmup` that is still to be found ("auto"), and for a service that has no size or image
    on the platform.
    """
    with rare_collection():
        return Run(scenario, platform, replication, sink).carry_out()


@contextmanager
def rare_collection() -> Iterator[None]:
    """Look for cycles of dead objects a hundred times less often: with 8192 guests it took half of a run's set-up."""
    before = gc.get_threshold()
    gc.set_threshold(100 * 700, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def world_of(scenario: Scenario, platform: Platform, replication: int) -> World:
    """The clock and the data plane of a run, with the scenario's traffic to come."""
    if isinstance(scenario.warmup, str):
        raise ValueError("warmup: auto must be resolved to seconds before a run")
    stream = ArrivalStream(scenario.expanded(), scenario.seed, replication, scenario.duration)
    signals = Signals()
    plane = DataPlane(
        scenario.host.effective_cores,
        source=stream.next_chunk,
        sink=signals.requests_ended.fire,
        memory_limit=scenario.host.memory + (scenario.host.swap.size if scenario.host.swap else 0.0),
        measure_from=scenario.warmup,
    )
    return World(scenario, platform, replication, scenario.warmup, HybridEnvironment(plane), plane, signals)


class Run:
    """The host, its services, what acts on them and what watches them."""

    def __init__(self, scenario: Scenario, platform: Platform, replication: int, sink: Sink | None) -> None:
        self._began = time.perf_counter()
        self.world = world = world_of(scenario, platform, replication)
        self.events, self.guests = EventLog(world), GuestLog(world)
        self.host = host = host_of(world)
        self.fleet = fleet = Fleet(world, host)
        names = [service.name for service in fleet.services]
        self.requests = RequestLog(world, names, sink, self.guests.names)
        self.timeline = Timeline(world, fleet, host, self.guests)
        self.totals = SpanTotals(world, fleet, host, self.guests)
        self.reclaim = reclaim.begin(world, fleet, host)
        page_cache.begin(world, fleet)
        on_demand.begin(world, fleet)
        oom.begin(world, fleet, host, lambda guest: guest.gives_way() or self.reclaim.relieved(guest))
        for source in closed_sources(scenario.expanded(), scenario.seed, replication):
            world.plane.add_closed_loop(source.service, source)
        self.moves = moves.Moves(world, fleet, host)
        self.faults = faults.Faults(world, fleet, host, self.moves)

    def carry_out(self) -> RunRecords:
        """Carry the run to its end."""
        world, fleet, host = self.world, self.fleet, self.host
        scaling.begin(world, fleet)
        warm.begin(world, fleet)
        self.moves.begin()
        resizing.begin(world, fleet)
        network.begin(world, fleet, host)
        self.paging = swap.begin(world, fleet, host)
        self.faults.begin()
        self.timeline.begin()
        if world.warmup > 0.0:
            world.env.run(until=world.warmup)
        self.totals.restart()
        if self.paging is not None:
            self.paging.restart()
        self.guests.restart_peak()
        world.env.run(until=world.scenario.duration)
        integrals, by_service = self.totals.span()
        pulled = self.totals.pulled
        world.plane.end()
        return self._records(integrals, by_service, pulled)

    def _records(
        self, integrals: dict[str, float], by_service: dict[str, dict[str, float]], pulled: float
    ) -> RunRecords:
        world, services = self.world, self.fleet.services
        scenario, platform = world.scenario, world.platform
        integrals["cpu_stranded"] = self.timeline.cpu_stranded
        integrals["memory_stranded"] = self.timeline.memory_stranded()
        if any(phase.shared == "image" for phase in platform.startup):
            integrals["memory_cache"] = self.timeline.memory_cached()
        if self.paging is not None:
            swapped = self.paging.seconds()
            integrals["memory_used"] -= swapped
            integrals["memory_swapped"] = swapped
        measured = [world.plane.measured(s.index) for s in services]
        density = self.totals.density
        counters = {
            "refused": float(self.totals.refusals),
            "oom_kills": float(self.totals.kills),
            "disk_used": self.host.disk_peak,
            "network_pulled": pulled,
        }
        return RunRecords(
            platform=platform.name,
            replication=world.replication,
            services=tuple(service.name for service in services),
            warmup=world.warmup,
            duration=scenario.duration,
            cores=scenario.host.effective_cores,
            memory=scenario.host.memory,
            requests=self.requests.tallies([bool(s.spec.traffic) for s in services]),
            guests=self.guests.table(),
            timeline=self.timeline.table(),
            events=self.events.table(),
            integrals=integrals,
            service_integrals=by_service,
            peaks={"guests": self.guests.peak},
            counters=counters | self.moves.counters() | self.faults.counters(sum(measured)),
            deploy=self._deploy(),
            cold=self._cold(),
            density_max=None if density is None else float(density),
            scale_out=self.totals.scale_out(),
            power=() if scenario.host.power is None else scenario.host.power.curve,
            price=scenario.host.price,
            carbon=scenario.host.carbon,
            wall=time.perf_counter() - self._began,
        )

    def _deploy(self) -> dict[str, float]:
        """Seconds from the first start of a service to its first answer, where that start is in the measured span."""
        begun: dict[str, float] = {}
        for guest in self.guests.replicas:
            begun.setdefault(guest.service, guest.requested)
        answered, since = self.requests.first_answers(), self.world.warmup
        return {name: answered[name] - start for name, start in begun.items() if start >= since and name in answered}

    def _cold(self) -> dict[str, int]:
        """Requests of the measured span that had to wait for a guest of their own to start: the per-request rule."""
        starts = [guest.service for guest in self.guests.replicas if guest.requested >= self.world.warmup]
        serverless = [s.name for s in self.fleet.services if isinstance(s.spec.autoscale, PerRequest)]
        return {name: starts.count(name) for name in serverless}
