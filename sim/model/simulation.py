"""One run: a scenario on a platform in a replication, wired together and carried to its end."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from sim.engine import layout
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane, Stop
from sim.model import memory, network, resizing, scaling
from sim.model.arrivals import ArrivalStream, closed_sources
from sim.model.faults import Faults
from sim.model.guest import Guest
from sim.model.moves import Moves
from sim.model.nesting import NestedHost, host_of
from sim.model.observer import Observer, Sink, Usage
from sim.model.reclaim import Reclaim
from sim.model.service import ServiceRun
from sim.model.streams import generator
from sim.platforms import Platform
from sim.scenario import PerRequest, Scenario
from sim.terms.records import RunRecords


def simulate(scenario: Scenario, platform: Platform, replication: int, *, sink: Sink | None = None) -> RunRecords:
    """Run `scenario` on `platform`; `sink` is given the requests as they end (columns, services, guests).

    Raises ValueError for a `warmup` that is still to be found ("auto"), and for a service that has no size or image
    on the platform.
    """
    with rare_collection():
        return Simulation(scenario, platform, replication, sink).run()


@contextmanager
def rare_collection() -> Iterator[None]:
    """Look for cycles of dead objects a hundred times less often: with 8192 guests it took half of a run's set-up."""
    before = gc.get_threshold()
    gc.set_threshold(100 * 700, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Simulation:
    """The host, its services and what watches them."""

    def __init__(self, scenario: Scenario, platform: Platform, replication: int, sink: Sink | None) -> None:
        if isinstance(scenario.warmup, str):
            raise ValueError("warmup: auto must be resolved to seconds before a run")
        self._began = time.perf_counter()
        self.scenario, self.platform, self.replication = scenario, platform, replication
        self.warmup = scenario.warmup
        expanded = scenario.expanded()
        names = [name for name, _ in expanded]
        self.observer = Observer(names, self.warmup, sink)
        stream = ArrivalStream(expanded, scenario.seed, replication, scenario.duration)
        self.plane = DataPlane(
            scenario.host.cores,
            source=stream.next_chunk,
            sink=self.observer.ended,
            memory_limit=scenario.host.memory,
            measure_from=self.warmup,
        )
        self.env = HybridEnvironment(self.plane)
        self.stop_stream = generator(scenario.seed, replication, "stop")
        self.machine = host_of(self)
        self.reclaim = Reclaim(self)
        self.services = [ServiceRun(self, name, spec) for name, spec in expanded]
        for source in closed_sources(expanded, scenario.seed, replication):
            self.plane.add_closed_loop(source.service, source)
        self.moves = Moves(self)
        self.faults = Faults(self)
        self.refusals = 0
        self.kills = 0
        self.pulled = 0.0  # bytes of images that came over the network in the measured span
        self.density: int | None = None  # guests when the host first refused, or memory first ran out
        self._waiting: list[ServiceRun] = []
        self.env.on(layout.GUEST_OOM, self._guest_oom)
        self.env.on(layout.POOL_OOM, self._vm_oom)
        self.env.on(layout.HOST_OOM, self._host_oom)
        self.env.on(layout.NEED_GUEST, self._need_guest)
        self.env.on(layout.WAITING, self._waiting_at_zero)

    def run(self) -> RunRecords:
        """Carry the run to its end."""
        for service in self.services:
            scaling.begin(service)
        self.moves.begin()
        resizing.begin(self)
        network.begin(self)
        self.faults.begin()
        self.env.process(self.observer.watch(self))
        if self.warmup > 0.0:
            self.env.run(until=self.warmup)
        before = self._totals()
        pulled_before = self.machine.pulled
        self.observer.peak = float(self.observer.present)
        for service in self.services:  # a scale-out is measured from the first decision in the span
            service.first_scale_up = nan
        memory_before = self._memory_integral()
        self.env.run(until=self.scenario.duration)
        after = self._totals()
        self.pulled = self.machine.pulled - pulled_before
        after["memory_used"], before["memory_used"] = self._memory_integral(), memory_before
        self.plane.end()
        return self._records({name: after[name] - before[name] for name in after})

    # what control decides

    def refused(self, service: ServiceRun, why: str) -> None:
        """Admission has refused a start."""
        self.refusals += 1
        if not self.machine.down:
            self.reached_density()
        self.observer.event(None, "refused", f"{service.name}: {why}", self.env.now)
        if service not in self._waiting:
            self._waiting.append(service)

    def reached_density(self) -> None:
        """The host has come to its limit for the first time: how many guests did it hold?"""
        if self.density is None:
            self.density = self.observer.present

    def room_is_free(self) -> None:
        """A guest is gone: those that wait for room are tried again, first refused first."""
        for service in list(self._waiting):
            service.start_pending()
            if not service.pending:
                self._waiting.remove(service)

    def guest_at(self, slot: int) -> Guest:
        """The guest that has this slot of the data plane now."""
        return next(g for service in self.services for g in service.guests_of_slot(slot))

    def out_of_memory(self, guest: Guest, detail: str) -> None:
        """The guest's own kernel, or the host's for its cgroup, kills the application."""
        self.kills += 1
        guest.service.crash(guest, "oom-kill", f"{self.platform.oom}: {detail}")

    def _guest_oom(self, stop: Stop) -> None:
        guest = self.guest_at(stop.subject)
        if not self.reclaim.deflated(guest):
            self.out_of_memory(guest, "more requests in service than its memory carries")

    def _host_oom(self, stop: Stop) -> None:
        self.reached_density()
        if isinstance(self.machine, NestedHost):
            self._host_oom_kills_vms(self.machine)
            return
        whole = self.platform.oom == "guest"
        for guest in memory.victims(self):
            self.kills += 1
            guest.service.crash(guest, "oom-kill", "host: memory has run out", whole=whole)
            if self.plane.memory_used <= self.scenario.host.memory:
                break

    def _vm_oom(self, stop: Stop) -> None:
        """A VM's RAM has run out: its own kernel kills containers, those of that VM only."""
        assert isinstance(self.machine, NestedHost)
        self.reached_density()
        vm = self.machine.vm_of(stop.subject)
        for guest in memory.victims(self, vm):
            self.kills += 1
            guest.service.crash(guest, "oom-kill", f"{vm.name}: memory has run out")
            if vm.used <= vm.share.memory:
                break

    def _host_oom_kills_vms(self, machine: NestedHost) -> None:
        """To the host a VM is one process, the larger the likelier its victim; all that is in it falls."""
        for vm in sorted(machine.vms, key=lambda vm: -vm.used):
            self.kills += 1
            for service in self.services:
                for guest in [guest for guest in service.present() if guest.machine is vm]:
                    service.crash(guest, "oom-kill", f"host: memory has run out, {vm.name} is killed")
            vm.reboot()
            if self.plane.memory_used <= self.scenario.host.memory:
                break

    def _need_guest(self, stop: Stop) -> None:
        """The per-request rule: no guest is idle, so one is started for this request."""
        service = self.services[stop.subject]
        rule = service.spec.autoscale
        assert isinstance(rule, PerRequest)
        guest = service.start_one() if len(service.guests) < rule.max else None
        self.plane.bind(guest.slot if guest else -1)

    def _waiting_at_zero(self, stop: Stop) -> None:
        """Scaled to zero, and a request waits: start one."""
        service = self.services[stop.subject]
        if service.wanted == 0:
            scaling.change(service, 1)

    # what is measured

    def usage(self) -> Usage:
        """What is used now, and totals up to now, for the timeline."""
        self.machine.book()
        totals = self.plane.sample()
        cpu = totals.work + self.machine.promised["cpu_idle"]  # with what the VMs of a pool take to boot
        stranded = self.machine.stranded() if isinstance(self.machine, NestedHost) else totals.unused
        ready = totals.ready - sum([service.ready_away for service in self.services])
        return Usage(cpu, totals.memory, stranded, totals.arrived, totals.completed, totals.in_flight, ready)

    def cpu_by_service(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cores promised now and core-seconds used so far, by service; VMs that hold replicas are one together."""
        used = self.plane.work_by_service()
        if isinstance(self.machine, NestedHost):
            return np.array([self.machine.cpu_held]), np.array([used.sum()])
        return np.array([s.cpu_held for s in self.services]), used

    def _memory_integral(self) -> float:
        self.plane.book()
        return self.plane.memory_integral

    def _totals(self) -> dict[str, float]:
        """Every integral from the start up to now; `service/name` for those of one service."""
        self.plane.book()
        self.machine.book()
        totals = dict(self.machine.promised)
        totals["guests"] = self.observer.guest_seconds(self.env.now)
        sums = {"cpu_request": 0.0, "cpu_tax": 0.0, "cpu_boot": self.machine.boot_work, "cpu_start": 0.0}
        for service in self.services:
            request, boot, start = self.plane.work(service.index)
            tax = request * (1.0 - 1.0 / self.platform.cpu.overhead)
            parts = {"cpu_request": request - tax, "cpu_tax": tax, "cpu_boot": boot, "cpu_start": start}
            for name, value in parts.items():
                sums[name] += value
                totals[f"{service.name}/{name}"] = value
        return totals | sums

    def _deploy(self) -> dict[str, float]:
        """Seconds from the first start of a service to its first answer, where that start is in the measured span."""
        begun: dict[str, float] = {}
        for guest in self.observer.guests:
            begun.setdefault(guest.service.name, guest.requested)
        answered = self.observer.first_answers()
        return {
            name: answered[name] - start for name, start in begun.items() if start >= self.warmup and name in answered
        }

    def _cold(self) -> dict[str, int]:
        """Requests of the measured span that had to wait for a guest of their own to start: the per-request rule."""
        serverless = [s for s in self.services if isinstance(s.spec.autoscale, PerRequest)]
        starts = [g.service for g in self.observer.guests if g.requested >= self.warmup]
        return {s.name: sum(service is s for service in starts) for s in serverless}

    def _records(self, integrals: dict[str, float]) -> RunRecords:
        scenario = self.scenario
        integrals["cpu_stranded"] = self.observer.cpu_stranded
        integrals["memory_stranded"] = self.observer.stranded_integral(self.warmup)
        if any(phase.shared == "image" for phase in self.platform.startup):
            integrals["memory_cache"] = self.observer.cached_integral(self.warmup)
        measured = [self.plane.measured(s.index) for s in self.services]
        return RunRecords(
            platform=self.platform.name,
            replication=self.replication,
            services=tuple(service.name for service in self.services),
            warmup=self.warmup,
            duration=scenario.duration,
            cores=scenario.host.cores,
            memory=scenario.host.memory,
            requests=self.observer.requests(measured, [bool(s.spec.traffic) for s in self.services]),
            guests=self.observer.guest_table(),
            timeline=self.observer.timeline(),
            events=self.observer.event_table(),
            integrals={name: value for name, value in integrals.items() if "/" not in name},
            service_integrals=_by_service(integrals),
            peaks={"guests": self.observer.peak},
            counters={
                "refused": float(self.refusals),
                "oom_kills": float(self.kills),
                "disk_used": self.machine.disk_peak,
                "network_pulled": self.pulled,
            }
            | self.moves.counters()
            | self.faults.counters(sum(measured)),
            deploy=self._deploy(),
            cold=self._cold(),
            density_max=None if self.density is None else float(self.density),
            scale_out={
                s.name: s.last_ready - s.first_scale_up
                for s in self.services
                if not isnan(s.first_scale_up) and s.last_ready > s.first_scale_up
            },
            wall=time.perf_counter() - self._began,
        )


def _by_service(integrals: dict[str, float]) -> dict[str, dict[str, float]]:
    """The integrals named `service/name`."""
    found: dict[str, dict[str, float]] = {}
    for name, value in integrals.items():
        service, slash, what = name.rpartition("/")
        if slash:
            found.setdefault(service, {})[what] = value
    return found
