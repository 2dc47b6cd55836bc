"""Doubts that need no run: what a scenario and the catalogue say about its answer before it is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sim.experiment import loads, offered
from sim.experiment.rooms import Placed, placed, size_told
from sim.model.host.placement import Share, share_of, vm_share
from sim.platforms import Platform, load_platform
from sim.report.answers.doubts.observed import softened
from sim.report.metrics import numbers
from sim.scenario import RampingRate, Scenario, Service, Size, Trace
from sim.terms.doubts import Doubt, doubt, in_order

SHAPED = 0.01
"""Share of the requests of the span that decide its p99."""
OPENING = 0.01
"""Share of the run in which a first request starts a first replica at the beginning."""
SHORT, LONG = 0.01, 100.0
"""Shares of the run that a trace covers beyond which its clock is doubted."""
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

    def memory(self) -> Iterator[Doubt]:
        """An application that does not fit into its limit is killed whenever it starts, or serves."""
        for name, share in self.shares.items():
            need = self.scenario.services[name].memory
            one = need.per_request if self.scenario.services[name].traffic else 0.0
            there = min(share.application, self._machine)
            if need.base + one <= there:
                continue
            what = "idle" if need.base > there else "with one request"
            limit = self._limit_for(need.base + one, share)
            text = f"needs {size_told(need.base + one)} {what}, has {size_told(there)}: killed over and over"
            yield doubt(
                "oom-loop", text, self.name, name, f"give it at least {size_told(limit)}",
                needs=need.base + one, there=there, limit=limit,
            )  # fmt: skip
        yield from self._daemons()
        yield from self._of_all_memory()

    def _daemons(self) -> Iterator[Doubt]:
        """A host smaller than what the platform itself takes of it, before any guest is there."""
        host, costs = self.scenario.host, self.platform
        if costs.memory.host > host.memory:
            text = f"the platform itself takes {size_told(costs.memory.host)}, the host has {size_told(host.memory)}"
            yield doubt(
                "oom-loop", f"{text}: memory in use is above what there is", self.name, advice="a larger host",
                needs=costs.memory.host, there=host.memory,
            )  # fmt: skip
        if costs.cpu.host >= host.effective_cores:
            text = f"the platform itself takes {costs.cpu.host:g} cores, the host has {host.effective_cores:g}"
            load = costs.cpu.host / host.effective_cores
            yield doubt("overload", f"{text}: none is left for guests", self.name, advice="a larger host", load=load)

    @cached_property
    def _machine(self) -> float:
        """Bytes that the guests of one machine, the host or a VM of the pool, can use at most."""
        if self.platform.nested is None:
            swap = self.scenario.host.swap
            return max(self.scenario.host.memory - self.platform.memory.host + (swap.size if swap else 0.0), 0.0)
        outside = load_platform(self.platform.nested.vm_platform)
        share = vm_share(outside, self.platform.nested.vm.cpu, self.platform.nested.vm.memory)
        return share.application - load_platform(self.platform.nested.guest).memory.host

    def _of_all_memory(self) -> Iterator[Doubt]:
        """Replicas of the start that are all admitted, and together need more than the host has, when idle."""
        costs = self.platform.memory
        if self.platform.nested is not None or (costs.sharing, costs.reclaim) != ("none", "none"):
            return
        idle = sum(each.admitted * self._idle(each.service) for each in self._placed)
        if idle > self._machine:
            text = f"the replicas of the start need {size_told(idle)} idle, the host has {size_told(self._machine)}"
            yield doubt(
                "oom-loop", f"{text}: it kills some of them over and over", self.name,
                advice="fewer replicas, or promise them what they need", needs=idle, there=self._machine,
            )  # fmt: skip

    def _idle(self, name: str) -> float:
        """Bytes in use for a replica that has started and serves nobody."""
        share, need, costs = self.shares[name], self.scenario.services[name].memory, self.platform.memory
        boot = sum(
            phase.amount(0.0) for phase in self.platform.startup if (phase.kind, phase.shared) == ("read", "none")
        )
        files = costs.file_cache * (boot + (need.files or 0.0))
        growth = costs.growth if need.files is None else 0.0
        return share.resident + (1 + growth) * need.base + max(0.0, min(files, share.application - need.base))

    @cached_property
    def _placed(self) -> Sequence[Placed]:
        return placed(self.scenario, self.platform, self.shares)

    def _limit_for(self, need: float, share: Share) -> float:
        if not share.ram:
            return need
        ram = need
        for _ in range(20):
            ram = need + self.platform.guest_os_bytes(ram)
        return ram

    def room(self) -> Iterator[Doubt]:
        """Replicas of the start that admission has no room for, in the order of the file."""
        for each in self._placed:
            if each.asked and each.admitted == 0 and not each.warm:
                yield doubt("never-served", f"no replica fits: {each.limit}", self.name, each.service, limit=each.limit)
            if each.admitted < each.asked:
                what = "guests of the warm pool" if each.warm else "replicas"
                text = f"{each.admitted} of {each.asked} {what} fit: {each.limit}"
                yield doubt(
                    "partly-placed", text, self.name, each.service,
                    admitted=each.admitted, asked=each.asked, limit=each.limit,
                )  # fmt: skip

    def load(self) -> Iterator[Doubt]:
        """More than the guests' caps and places, the host's cores, its disk and its network can do, calls included."""
        found = loads.load(self.scenario, self.platform, lambda name, each: self._most(name, each)[0])
        for name, each in found.items():
            most, cores, places = self._most(name, each.each)
            if most == 0.0 and each.rate > 0.0:
                yield doubt("never-served", "it is asked, and has no replicas", self.name, name, limit="replicas: 0")
            elif each.rate >= most * (1 - _SLACK):
                by_cores = each.work * places >= each.places * cores
                told = f"{each.work:.3g} core-s a second for {cores:g} cores"
                if not by_cores:
                    told = f"{each.places:.3g} requests in service at least, {places:g} places"
                yield self._overloaded(name, each.rate / most, told)
        total = sum(each.served * each.each.work for each in found.values())
        cores = self.scenario.host.effective_cores - self.platform.cpu.host
        if cores > 0.0 and total >= cores * (1 - _SLACK):
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
        inside = math.inf if self.platform.nested is None else self.platform.nested.vm.cpu
        cores = service.most * min(share.cap, float(service.serving), self.scenario.host.effective_cores, inside)
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
            opening = offered.requests(service, scenario, 0.0, OPENING * scenario.duration)
            if until <= scenario.warmup or not (service.least or opening):
                continue
            if until >= scenario.duration:
                text = (
                    f"starts take about {until:.3g} s, the run ends at {scenario.duration:g} s: none is ready by then"
                )
                yield doubt("never-served", text, self.name, name, start=until)
                continue
            early = offered.requests(service, scenario, scenario.warmup, min(until, scenario.duration))
            every = offered.requests(service, scenario, scenario.warmup, scenario.duration)
            if early is not None and every and early / every >= SHAPED:
                text = (
                    f"starts take about {until:.3g} s, the warmup is {scenario.warmup:g} s: about "
                    f"{numbers.share(early / every)} of the requests come before"
                )
                yield doubt("boots-in-span", text, self.name, name, start=until, share=early / every)


def _bounded(service: Service) -> bool:
    return service.queue is not None or service.timeout is not None


def _promises(scenario: Scenario, platforms: Mapping[str, Platform]) -> Iterator[Doubt]:
    """What a replica is promised on each platform, where that differs; services with the same promises are one."""
    alike: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for name, service in scenario.services.items():
        promised: dict[str, list[str]] = {}
        numbers: dict[str, Any] = {}
        for platform_name, platform in platforms.items():
            size = service.size_on(platform.size_lineage)
            if size is None:
                continue
            told, numbers[platform_name] = _promise(scenario, platform, size)
            promised.setdefault(told, []).append(platform_name)
        if len(promised) > 1:
            told = "; ".join(f"{', '.join(names)} {what}" for what, names in promised.items())
            alike.setdefault(told, ([], numbers))[0].append(name)
    for told, (names, numbers) in alike.items():
        text = f"a replica is promised: {told}"
        yield doubt("unequal-promise", text, service=", ".join(names), promised=numbers)


def _promise(scenario: Scenario, platform: Platform, size: Size) -> tuple[str, dict[str, float | None]]:
    """A promise in words and numbers: CPU, memory, the most that may be used, and how often each is promised."""
    share = share_of(platform, size, scenario.host.memory)
    cpu, memory = share.cpu - platform.cpu.request_per_guest, share.ram or size.memory_request
    most = (share.cap, memory if share.ram else size.memory_limit or math.inf)
    words = [
        f"{cpu:g} CPU{_up_to(cpu, most[0], f'{most[0]:g}')}",
        f"{size_told(memory)}{_up_to(memory, most[1], size_told(most[1]))}",
    ]
    if platform.allocation == "reserved" or platform.nested is not None:
        over = {"CPU": scenario.cpu_overcommit, "memory": scenario.memory_overcommit}
        words += [f"{what} promised {factor:g} times over" for what, factor in over.items() if factor != 1.0]
    limits = {"cpu_limit": most[0], "memory_limit": most[1]}
    numbers = {"cpu": cpu, "memory": memory} | {
        key: None if math.isinf(value) else value for key, value in limits.items()
    }
    return ", ".join(words), numbers


def _up_to(promised: float, most: float, told: str) -> str:
    if most == promised:
        return ""
    return " (no limit)" if math.isinf(most) else f" (up to {told})"


def _traces(scenario: Scenario, name: str, service: Service) -> Iterator[Doubt]:
    for source in service.traffic:
        if isinstance(source, RampingRate):
            yield from _ramp_ends(scenario, name, source)
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


def _ramp_ends(scenario: Scenario, name: str, source: RampingRate) -> Iterator[Doubt]:
    last = sum(stage.duration for stage in source.stages)
    if source.stages[-1].target > 0 and last < scenario.duration * (1 - SHORT):
        text = f"the ramp's last stage ends at {last:.4g} s of {scenario.duration:g} s, and its traffic with it"
        advice = "another stage, or a shorter `duration`"
        yield doubt("trace-ends", text, service=name, advice=advice, ends=last, duration=scenario.duration)


def _defaults(scenario: Scenario) -> Iterator[Doubt]:
    """Numbers of the host and of services that the file leaves out although they matter."""
    given = scenario.host.model_fields_set
    left = [
        f"services.{name}.concurrency (1: one request at a time)"
        for name, service in scenario.services.items()
        if "concurrency" not in service.model_fields_set and _could_do_more(service)
    ]
    left += [
        f"services.{name}.memory" + ("" if "memory" not in service.model_fields_set else ".base")
        for name, service in scenario.services.items()
        if "memory" not in service.model_fields_set or "base" not in service.memory.model_fields_set
    ]
    left += [f"host.{key}" for key in ("disk", "network") if key not in given]
    if left:
        yield doubt("defaulted", f"not given, so a default stands for it: {', '.join(left)}", paths=left)


def _could_do_more(service: Service) -> bool:
    """Whether more than one request at a time would find CPU in a replica, or wait for something else."""
    limits = [size.cpu_request if size.cpu_limit is None else size.cpu_limit for size in service.size.values()]
    per_request = service.autoscale is not None and service.most is None
    return not per_request and bool(service.traffic) and (max(limits, default=0.0) > 1 or service.plain is None)
