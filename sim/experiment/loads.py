"""What each service is offered when nothing stands in its way, calls of other services included. Nothing is run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from sim.experiment import offered
from sim.model.host.placement import share_of
from sim.platforms import Platform
from sim.scenario import Scenario, Service, Trace
from sim.scenario.amounts import amount
from sim.scenario.calls import names_called
from sim.scenario.requests import CallStep, CpuStep, ParallelStep, Step, SyscallsStep, WaitStep


@dataclass
class Taken:
    """What one request of a service takes on a platform, on the mean, alone on the host and if all that it calls works.

    `work`: core-s of its guest, overhead and I/O in it; `seconds`: at least that it holds its place; `moved`: bytes by
    link (read, write, network); `calls`: requests to other services, by the names that the program uses.
    """

    work: float = 0.0
    seconds: float = 0.0
    moved: dict[str, float] = field(default_factory=dict)
    calls: dict[str, float] = field(default_factory=dict)

    def add(self, other: Taken, times: float = 1.0) -> None:
        """So many times another's, one after the other."""
        self.work += times * other.work
        self.seconds += times * other.seconds
        for mine, more in ((self.moved, other.moved), (self.calls, other.calls)):
            for name, number in more.items():
                mine[name] = mine.get(name, 0.0) + times * number


@dataclass(frozen=True)
class Offered:
    """What a service is offered in the measured span. `rate`: requests a second of the tenant that gets most.

    `served`: of all its tenants, as many as each can serve at most; `known`: False where users or plug-ins ask too,
    which cannot be told: at least this.
    """

    rate: float
    served: float
    known: bool
    each: Taken

    @property
    def work(self) -> float:
        """Core-s a second that its busiest tenant is asked for."""
        return self.rate * self.each.work

    @property
    def places(self) -> float:
        """Places (of `concurrency`) that its busiest tenant's requests hold at least, on the mean: Little's law."""
        return self.rate * self.each.seconds


Most = Callable[[str, Taken], float]
"""Requests a second that one tenant of a service can serve at most: what it passes on to those that it calls."""


def load(scenario: Scenario, platform: Platform, most: Most = lambda name, each: inf) -> dict[str, Offered]:
    """What each service is offered, by its name in the file; a caller passes on what it can serve at `most`."""
    taken = _Takes(scenario, platform)
    begin = scenario.warmup if isinstance(scenario.warmup, float) else 0.0
    called: defaultdict[str, float] = defaultdict(float)  # calls a second, by full name
    unknown: set[str] = set()
    found: dict[str, Offered] = {}
    for name in taken.callers_first():
        each = taken.of(name)
        own = offered.requests(scenario.services[name], scenario, begin, scenario.duration)
        if own is None:
            unknown.add(name)
        rates = [(own or 0.0) / (scenario.duration - begin) + called[full] for full in scenario.names_of(name)]
        limit = most(name, each)
        served = [min(rate, limit) for rate in rates]
        found[name] = Offered(max(rates), sum(served), name not in unknown, each)
        for other, times in each.calls.items():
            if name in unknown:
                unknown.add(taken.owners[other])
            tenants = scenario.names_of(other) if _has_tenants(scenario, other) else [other] * len(served)
            for full, rate in zip(tenants, served, strict=False):
                called[full] += rate * times
    return {name: found[name] for name in scenario.services}


def takes(scenario: Scenario, platform: Platform) -> dict[str, Taken]:
    """What one request of each service takes, by the service's name in the file."""
    found = _Takes(scenario, platform)
    return {name: found.of(name) for name in scenario.services}


def _has_tenants(scenario: Scenario, name: str) -> bool:
    return name in scenario.services and scenario.tenants_of(name) > 0


class _Takes:
    """What a request of each service takes; `owners`: the service that a name in a call belongs to."""

    def __init__(self, scenario: Scenario, platform: Platform) -> None:
        self._scenario, self._platform = scenario, platform
        self.owners = {full: name for name in scenario.services for full in scenario.names_of(name)}
        self.owners |= {name: name for name in scenario.services}
        self._known: dict[str, Taken] = {}

    def callers_first(self) -> list[str]:
        """The services in an order in which each comes behind all that call it (they do not call in circles)."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name not in order:
                for other in names_called(self._scenario.services[name].programs):
                    visit(self.owners[other])
                order.append(name)

        for name in self._scenario.services:
            visit(name)
        return order[::-1]

    def of(self, name: str) -> Taken:
        """What one request of a service takes."""
        if name not in self._known:
            service = self._scenario.services[name]
            self._known[name] = total = Taken()
            recorded = _recorded(service)
            if recorded is not None:
                work = recorded * self._platform.cpu.overhead + self._extra(service)
                total.add(Taken(work, work))
            for share, steps in service.programs if recorded is None else ():
                total.add(self._program(steps, self._extra(service)), share)
            if beside := service.request_bytes + service.response_bytes:  # they slow no request
                total.add(Taken(moved={"network": beside}))
        return self._known[name]

    def _extra(self, service: Service) -> float:
        """Core-s on top of each job, for threads that the service's limit cannot run."""
        size = service.size_on(self._platform.size_lineage)
        if size is None:
            return 0.0
        host, fluid = self._scenario.host.memory, self._scenario.quota == "fluid"
        quota = share_of(self._platform, size, host, service.parallelism, fluid, service.threads).quota
        return 0.0 if quota is None else quota.extra

    def _program(self, steps: Sequence[Step], extra: float) -> Taken:
        total = Taken()
        for step in steps:
            for each in self._step(step, extra):
                total.add(each)
        return total

    def _step(self, step: Step, extra: float) -> Iterator[Taken]:
        if isinstance(step, CpuStep):
            work = step.cpu.mean * self._platform.cpu.overhead + (extra if step.cpu.mean > 0.0 else 0.0)
            yield Taken(work, work)
        elif isinstance(step, SyscallsStep):
            work = step.syscalls * self._platform.cpu.per_syscall
            yield Taken(work, work)
        elif isinstance(step, WaitStep):
            yield Taken(0.0, step.wait.mean)
        elif isinstance(step, CallStep):
            number = step.call.times * step.call.probability
            seconds = self._answer(self._scenario.services[self.owners[step.call.service]], step.call.service)
            yield Taken(0.0, number * seconds, calls={step.call.service: number})
        elif isinstance(step, ParallelStep):
            branches = [self._program(branch, extra) for branch in step.parallel]
            slowest = max(each.seconds for each in branches)
            for each in branches:
                each.seconds = 0.0
                yield each
            yield Taken(0.0, slowest)
        elif (moves := amount(step)) is not None and moves.size > 0.0:
            work, latency = self._platform.io_costs(moves.link, moves.units, moves.size)
            seconds = work + latency + moves.size / self._bandwidth(moves.link)
            yield Taken(work, seconds, {moves.link: moves.size})

    def _answer(self, service: Service, name: str) -> float:
        """Seconds that a caller waits for a service at least, if it does not fail."""
        seconds = self.of(self.owners[name]).seconds
        return seconds if service.timeout is None else min(seconds, service.timeout)

    def _bandwidth(self, link: str) -> float:
        host = self._scenario.host
        return host.network if link == "network" else float(getattr(host.disk, link))


def _recorded(service: Service) -> float | None:
    """Mean of the recorded demands, core-s; None where some are drawn."""
    sources = [source.recording().demands if isinstance(source, Trace) else None for source in service.traffic]
    found = [demands for demands in sources if demands is not None and not np.isnan(demands).any()]
    if not found or len(found) < len(sources):
        return None
    every = np.concatenate(found)
    return float(every.mean()) if every.size else None
