"""Doubts that need no run: what a scenario and the catalogue say about its answer before it is asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sim.experiment import loads, offered
from sim.model.host.placement import Share, admission_limits, share_of
from sim.platforms import Platform
from sim.report.answers.doubts.observed import softened
from sim.scenario import Scenario, Service, Trace
from sim.scenario.requests import width
from sim.terms.doubts import Doubt, doubt, in_order

SHAPED = 0.01
"""Share of the requests of the span that decide its p99."""
SHORT, LONG = 0.01, 100.0
"""Shares of the run that a trace covers beyond which its clock is doubted."""
_GIB = 2.0**30
_SLACK = 1e-9


def foresee(scenario: Scenario, platforms: Mapping[str, Platform]) -> list[Doubt]:
    """Doubts about a scenario on its platforms (by name), from bad to harmless. Raises ValueError, OSError (traces)."""
    found: list[Doubt] = []
    for name, platform in platforms.items():
        here = _OnPlatform(scenario, name, platform)
        for sight in (here.memory, here.room, here.load, here.boots):
            found += sight()
    found += _promises(scenario, platforms)
    for name, service in scenario.services.items():
        found += _traces(scenario, name, service)
    found += _defaults(scenario)
    return in_order(softened(found, scenario.focus))


@dataclass(frozen=True)
class _OnPlatform:
    """A scenario on one platform."""

    scenario: Scenario
    name: str
    platform: Platform

    @cached_property
    def shares(self) -> Mapping[str, Share]:
        """What a replica of each service is promised; those without a size are left out (the loader refuses them)."""
        sizes = {name: each.size_on(self.platform.size_lineage) for name, each in self.scenario.services.items()}
        memory = self.scenario.host.memory if self.platform.nested is None else self.platform.nested.vm.memory
        return {name: share_of(self.platform, size, memory) for name, size in sizes.items() if size is not None}

    @cached_property
    def flat(self) -> bool:
        """Whether guests are on the host itself."""
        return self.platform.nested is None

    def memory(self) -> Iterator[Doubt]:
        """An application that does not fit into its limit is killed whenever it starts, or serves."""
        for name, share in self.shares.items():
            need = self.scenario.services[name].memory
            one = need.per_request if self.scenario.services[name].traffic else 0.0
            if need.base + one <= share.application:
                continue
            what = "idle" if need.base > share.application else "with one request"
            limit = self._limit_for(need.base + one, share)
            text = f"needs {_size(need.base + one)} {what}, has {_size(share.application)}: killed over and over"
            yield doubt(
                "oom-loop", text, self.name, name, f"give it at least {_size(limit)}",
                needs=need.base + one, there=share.application, limit=limit,
            )  # fmt: skip

    def _limit_for(self, need: float, share: Share) -> float:
        if not share.ram:
            return need
        ram = need
        for _ in range(20):
            ram = need + self.platform.guest_os_bytes(ram)
        return ram

    def room(self) -> Iterator[Doubt]:
        """Replicas of the start that admission has no room for, in the order of the file."""
        for name, admitted, asked, limit in self._placed:
            if asked and admitted == 0:
                yield doubt("never-served", f"no replica fits: {limit}", self.name, name, limit=limit)
            if admitted < asked:
                text = f"{admitted} of {asked} replicas fit: {limit}"
                yield doubt("partly-placed", text, self.name, name, admitted=admitted, asked=asked, limit=limit)

    @cached_property
    def _placed(self) -> list[tuple[str, int, int, str]]:
        """Service, replicas of the start that fit, those asked for, what binds. Empty where guests are in VMs."""
        if not self.flat:
            return []
        services = {
            name: each
            for name, each in self.scenario.services.items()
            if name in self.shares and (each.replicas is None or isinstance(each.replicas, int))
        }
        room = _Room(self, *admission_limits(self.scenario, self.platform))
        of = {name: stack for stack in self.scenario.stacks.values() for name in stack.services}
        for turn in range(max((each.least for each in services.values()), default=0)):
            for name, service in services.items():
                for _ in range(max(self.scenario.tenants_of(name), 1)):
                    if name not in of and turn < service.least:
                        room.admit({name: 1})
                    elif name in of and turn == 0 and name == of[name].services[0]:
                        room.admit({each: services[each].least for each in of[name].services if each in services})
        return [
            (name, room.admitted[name], each.least * max(self.scenario.tenants_of(name), 1), room.limits.get(name, ""))
            for name, each in services.items()
        ]

    def load(self) -> Iterator[Doubt]:
        """More than the guests' caps and places, the host's cores, its disk and its network can do, calls included."""
        found = loads.load(self.scenario, self.platform, lambda name, each: self._most(name, each)[0])
        for name, each in found.items():
            most, cores, places = self._most(name, each.each)
            if each.rate >= most * (1 - _SLACK):
                by_cores = each.work * places >= each.places * cores
                told = f"{each.work:.3g} core-s a second for {cores:g} cores"
                if not by_cores:
                    told = f"{each.places:.3g} requests in service at least, {places:g} places"
                yield self._overloaded(name, each.rate / most, told)
        total = sum(each.served * each.each.work for each in found.values())
        cores = self.scenario.host.effective_cores - self.platform.cpu.host
        if total >= cores * (1 - _SLACK):
            yield self._overloaded("", total / cores, f"{total:.3g} core-s a second for {cores:g} cores of the host")
        for link in ("read", "write", "network"):
            moved = sum(each.served * each.each.moved.get(link, 0.0) for each in found.values())
            host = self.scenario.host
            there = host.network if link == "network" else float(getattr(host.disk, link))
            if moved >= there * (1 - _SLACK):
                where = "the network" if link == "network" else f"{link}s of the disk"
                told = f"{moved / 1e6:.4g} MB/s for {where}, {there / 1e6:.4g} MB/s"
                yield self._overloaded("", moved / there, told)

    def _most(self, name: str, each: loads.Taken) -> tuple[float, float, float]:
        """Requests a second that one tenant of a service can serve at most; the cores and the places that it has."""
        service, share = self.scenario.services[name], self.shares.get(name)
        if service.most is None or share is None:
            return math.inf, math.inf, math.inf
        jobs = service.concurrency * max((width(steps) for _, steps in service.programs), default=1)
        threads = jobs if service.threads is None else min(service.threads, jobs)
        cores = service.most * min(share.cap, float(threads), self.scenario.host.effective_cores)
        places = float(service.most * service.concurrency)
        by_cores = cores / each.work if each.work > 0.0 else math.inf
        by_places = places / each.seconds if each.seconds > 0.0 else math.inf
        return min(by_cores, by_places), cores, places

    def _overloaded(self, service: str, factor: float, told: str) -> Doubt:
        ends = "the queue grows with `duration`"
        if service and _bounded(self.scenario.services[service]):
            ends = "the rest is lost"
        return doubt("overload", f"load {factor:.3g} ({told}): {ends}", self.name, service, load=factor)

    def boots(self) -> Iterator[Doubt]:
        """Starts at time 0 that take longer than the warm-up, with a share of the requests that shapes the p99."""
        scenario = self.scenario
        if scenario.warmup == "auto":
            return
        for name in self.shares:
            service = scenario.services[name]
            until = offered.start_up(self.platform, service, scenario)
            if not service.least or until <= scenario.warmup:
                continue
            early = offered.requests(service, scenario, scenario.warmup, min(until, scenario.duration))
            every = offered.requests(service, scenario, scenario.warmup, scenario.duration)
            if early is not None and every and early / every >= SHAPED:
                text = (
                    f"starts take about {until:.3g} s, the warmup is {scenario.warmup:g} s: about "
                    f"{100 * early / every:.2g} % of the requests come before"
                )
                yield doubt("boots-in-span", text, self.name, name, start=until, share=early / every)


class _Room:
    """What a platform's host can promise, and to whom it has."""

    def __init__(self, here: _OnPlatform, cores: float, memory: float) -> None:
        self._shares, self.cores, self.memory = here.shares, cores, memory
        self.admitted: Counter[str] = Counter()
        self.limits: dict[str, str] = {}  # of services: what bound the first time

    def admit(self, wanted: Mapping[str, int]) -> None:
        """Promise so many replicas of each service, all or none."""
        cpu = sum(self._shares[name].cpu * number for name, number in wanted.items())
        memory = sum(self._shares[name].memory * number for name, number in wanted.items())
        if cpu <= self.cores + _SLACK and memory <= self.memory * (1 + _SLACK):
            self.admitted.update(wanted)
            self.cores, self.memory = self.cores - cpu, self.memory - memory
            return
        if cpu > self.cores + _SLACK:
            limit = f"cpu: {cpu:g} cores each, {max(self.cores, 0.0):g} left"
        else:
            limit = f"memory: {_size(memory)} each, {_size(max(self.memory, 0.0))} left"
        for name in wanted:
            self.limits.setdefault(name, limit)


def _bounded(service: Service) -> bool:
    return service.queue is not None or service.timeout is not None


def _promises(scenario: Scenario, platforms: Mapping[str, Platform]) -> Iterator[Doubt]:
    """What a replica is promised on each platform, where that differs; services with the same promises are one."""
    alike: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for name, service in scenario.services.items():
        promised: dict[tuple[float, float], list[str]] = {}
        for platform_name, platform in platforms.items():
            size = service.size_on(platform.size_lineage)
            if size is None:
                continue
            share = share_of(platform, size, scenario.host.memory)
            cpu = share.cpu - platform.cpu.request_per_guest
            promised.setdefault((cpu, share.ram or size.memory_request), []).append(platform_name)
        if len(promised) > 1:
            told = "; ".join(
                f"{', '.join(names)} {cpu:g} CPU, {_size(memory)}" for (cpu, memory), names in promised.items()
            )
            numbers = {each: {"cpu": key[0], "memory": key[1]} for key, names in promised.items() for each in names}
            alike.setdefault(told, ([], numbers))[0].append(name)
    for told, (names, numbers) in alike.items():
        text = f"a replica is promised: {told}"
        yield doubt("unequal-promise", text, service=", ".join(names), promised=numbers)


def _traces(scenario: Scenario, name: str, service: Service) -> Iterator[Doubt]:
    for source in service.traffic:
        if not isinstance(source, Trace):
            continue
        last, epoch = offered.end_of(source), source.recording().looks_like
        part = last / scenario.duration
        if epoch or 0.0 < part < SHORT or part > LONG:
            unit = offered.likely_unit(source, scenario.duration)
            looks = f": its times look like {unit}{' since 1970' if epoch else ''}" if unit else ""
            text = f"{source.file} covers {last:.4g} s, the run {scenario.duration:g} s{looks}"
            advice = f"say `unit: {unit}`" if unit else ""
            yield doubt("clock-unit", text, service=name, advice=advice, covers=last, duration=scenario.duration)
        elif last < scenario.duration * (1 - SHORT) and not source.repeat:
            text = f"{source.file} ends at {last:.4g} s of {scenario.duration:g} s"
            yield doubt("trace-ends", text, service=name, ends=last, duration=scenario.duration)


def _defaults(scenario: Scenario) -> Iterator[Doubt]:
    """Numbers of the host and of services that the file leaves out although they matter."""
    given = scenario.host.model_fields_set
    left = [f"host.{key}" for key in ("disk", "network") if key not in given]
    left += [
        f"services.{name}.memory" + ("" if "memory" not in service.model_fields_set else ".base")
        for name, service in scenario.services.items()
        if "memory" not in service.model_fields_set or "base" not in service.memory.model_fields_set
    ]
    if left:
        yield doubt("defaulted", f"not given, so a default stands for it: {', '.join(left)}", paths=left)


def _size(bytes_: float) -> str:
    return f"{bytes_ / _GIB:.3g} GiB" if bytes_ >= _GIB else f"{bytes_ / 2**20:.3g} MiB"
