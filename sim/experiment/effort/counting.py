"""What a run is made of, counted before it is made: requests, guests, ticks, samples, and what each of them costs.

Costs are this program's own, in CPU-seconds and bytes, each about twice what docs/benchmarks.md and the cases in
tests/experiment/test_effort.py show on one core, so that what is refused would really take long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sim.experiment import offered
from sim.experiment.effort import demand
from sim.experiment.effort.demand import copies
from sim.model.host.placement import Share, admission_limits, share_of
from sim.platforms import Platform
from sim.reading.errors import Loc
from sim.scenario import Concurrency, ConstantUsers, Hpa, Mmpp, PerRequest, Ramp, Rule, Scenario, Service, Trace
from sim.scenario.requests import width

REQUEST: Final = 0.5e-6
"""CPU-s of a request of one job: 0.37 µs in a run of 10⁷ (docs/benchmarks.md, What bounds it)."""
STEP: Final = 0.3e-6
"""CPU-s of a step of a program or of a call: 0.02 to 0.2 µs."""
GUEST: Final = 0.3e-3
"""CPU-s of a start: 0.07 to 0.17 ms."""
REFUSED: Final = 10e-6
"""CPU-s of a start that the host refuses: 3 µs."""
SERVICE: Final = 2e-3
"""CPU-s of a service or a tenant of it, in the 500 samples of the timeline above all: 0.85 ms."""
TURN: Final = 0.3e-6
"""CPU-s of asking one service at the beginning whether it has its n-th replica."""
TICK, REMEMBERED = 25e-6, 0.2e-6
"""CPU-s of a decision of an autoscaler, and of each moment that it looks back to: 12 µs and 0.15 µs."""
STATE: Final = 0.06e-6
"""CPU-s of a state of an mmpp: 0.03 µs."""
LOOK: Final = 30e-6
"""CPU-s of a look, once a second, at the swap or the network's load."""
FAULT, WAITER = 30e-6, 4e-6
"""CPU-s of a fault of one guest: 9 µs; one of the host starts all its guests again, and while faults come faster than
guests start, each of them is looked after at each: 2.6 µs."""
LEVEL, LEVEL_AGAIN = 40e-6, 0.6e-6
"""CPU-s of a number of requests that a replica runs at once, for the first replica and for each further one."""
HELD, HELD_PROGRAM = 200.0, 1000.0
"""Bytes of a request that waits or is served: 111 B; with its program 5 times as many."""
GUEST_BYTES, REFUSED_BYTES, SERVICE_BYTES, JOB_BYTES, ROW_BYTES = 8e3, 300.0, 60e3, 16.0, 16.0
"""Bytes of a guest (3.6 to 6 kB), a refusal (240 B), a service (44 kB), a place of `concurrency`, a recorded row."""
LEVEL_BYTES: Final = 500.0
"""Bytes of a level of CPU: 320."""


_SELDOM = 0.02  # faults a second below which guests are back before the next


@dataclass(frozen=True)
class Part:
    """So many things of a kind in a run: `how` that is found, CPU-s (`cost`) and bytes (`size`) of each, and where."""

    what: str
    number: float
    how: str
    loc: Loc
    cost: float = 0.0
    size: float = 0.0

    @property
    def seconds(self) -> float:
        """CPU-s of all of them."""
        return self.number * self.cost if self.cost else 0.0

    @property
    def memory(self) -> float:
        """Bytes of all of them."""
        return self.number * self.size if self.size else 0.0


def parts(scenario: Scenario, platform: Platform, tree: Any) -> list[Part]:
    """What one run on a platform is made of. `tree`: the scenario as its file says it, to tell places."""
    return list(_Run(scenario, platform, tree).parts())


class _Run:
    """One run, counted."""

    def __init__(self, scenario: Scenario, platform: Platform, tree: Any) -> None:
        self.scenario, self.platform, self.tree = scenario, platform, tree
        self.end = scenario.duration
        self.programs = {name: demand.program_of(scenario, each) for name, each in scenario.services.items()}
        self.asked = {name: list(demand.asked(scenario, name, self.programs[name], tree)) for name in scenario.services}

    def parts(self) -> Iterator[Part]:
        """Everything, service by service."""
        for name, service in self.scenario.services.items():
            yield from self._requests(name, service)
            yield from self._traffic(name, service)
            yield self._waiting(name, service)
            yield from self._guests(name, service)
            yield from self._ticks(name, service)
        yield from self._turns()
        yield from self._incidents()
        if self.scenario.host.swap is not None:
            yield Part("looks at the swap", self.end, "one a second", ("duration",), LOOK + 2e-6 * self._alive)
        if any(each.request_bytes + each.response_bytes > 0.0 for each in self.scenario.services.values()):
            number = len(self.scenario.services)
            yield Part("looks at the network", self.end, "one a second", ("duration",), LOOK + 1e-6 * number)

    # requests

    @cached_property
    def inflow(self) -> Mapping[str, float]:
        """Requests of each service in the run, of all its tenants, calls of others included."""
        found = {name: copies(self.scenario, name) * math.fsum(each.number for each in self.asked[name])
                 if all(math.isfinite(each.number) for each in self.asked[name]) else math.inf
                 for name in self.scenario.services}  # fmt: skip
        for name in demand.callers_first(self.scenario, self.programs):
            for other, times in self.programs[name].calls.items():
                found[other] += found[name] * times if times else 0.0
        return found

    @cached_property
    def _beyond(self) -> Mapping[str, float]:
        """CPU-s of a request of each service beyond itself: its steps, and all that it calls."""
        found: dict[str, float] = {}
        for name in reversed(demand.callers_first(self.scenario, self.programs)):
            mine = self.programs[name]
            plain = self.scenario.services[name].plain is not None
            called = math.fsum(n * (REQUEST + found[other]) for other, n in mine.calls.items())
            found[name] = (0.0 if plain else STEP * mine.steps) + called + REQUEST * mine.again
        return found

    def _requests(self, name: str, service: Service) -> Iterator[Part]:
        many, beyond = copies(self.scenario, name), self._beyond[name]
        times = f" × {many:,} tenants" if many > 1 else ""
        for source in self.asked[name]:
            number = source.number * many
            yield Part(f"requests of {name}", number, source.how + times, source.loc, REQUEST)
            if beyond > 0.0:
                each = beyond / STEP
                told = f"{number:.3g} requests × {each:.3g} steps, calls and retries"
                where = "mix" if service.mix is not None else "request"
                yield Part(f"steps of {name}", number * each, told, ("services", name, where), STEP)

    def _traffic(self, name: str, service: Service) -> Iterator[Part]:
        """What sources themselves cost beside the requests."""
        many = copies(self.scenario, name)
        places = demand.source_places(service, name, self.tree)
        for source, loc in zip(service.traffic, places, strict=True):
            if isinstance(source, Mmpp):
                stay = math.fsum(each.mean_duration for each in source.states) / len(source.states)
                told = f"{self.end:g} s / {stay:.3g} s × {many:,}"
                yield Part(f"states of {name}", many * self.end / stay, told, (*loc, "states"), STATE)
            if isinstance(source, Trace):
                rows = max(each.number for each in self.asked[name] if each.loc[: len(loc)] == loc)
                told = f"{rows:.3g} rows × {many:,} tenants"
                yield Part(f"rows of {name}", rows * many, told, (*loc, "file"), 0.1e-6, ROW_BYTES)
        if any(not isinstance(each, Mmpp | Trace) for each in service.traffic):
            users = sum(getattr(each, "vus", 0) for each in service.traffic)
            if users:
                place: Loc = ("services", name, "traffic")
                yield Part(f"users of {name}", float(users) * many, f"{users:,} × {many:,}", place, 1e-6, HELD)

    def _waiting(self, name: str, service: Service) -> Part:
        """Requests that are there at once, when more come than can be served: the part that is too much waits."""
        program, many, inflow = self.programs[name], copies(self.scenario, name), self.inflow[name]
        most = self._live(name, service) / many
        cores = self._cores(name, service)
        rate = inflow / self.end / many
        busy = max(rate * program.work / cores if cores > 0.0 else math.inf, self._load)
        places = most * service.concurrency
        busy = max(busy, rate * program.held / places if places > 0.0 else math.inf)
        excess = 1.0 - 1.0 / busy if busy > 1.0 else 0.0
        waiting = inflow * excess if excess else 0.0
        waiting = max(waiting, many * rate * min(self._late(service), self.end))
        if service.timeout is not None:
            waiting = min(waiting, many * rate * service.timeout)
        if service.queue is not None and service.backlog is not None:
            waiting = min(waiting, many * (most * (service.queue + service.concurrency) + service.backlog))
        waiting = min(waiting, self._under_way[name])
        told = f"{inflow:.3g} requests, load {busy:.3g}, no end of the queue"
        size = HELD if service.plain is not None else HELD_PROGRAM
        return Part(f"requests of {name} that wait at once", waiting, told, self._first_place(name), 0.0, size)

    @cached_property
    def _under_way(self) -> Mapping[str, float]:
        """Requests of each service that can be there at once at all: users wait for an answer, callers for theirs."""
        found: dict[str, float] = {}
        for name, service in self.scenario.services.items():
            each = (float(x.vus) if isinstance(x, ConstantUsers) else math.inf for x in service.traffic)
            found[name] = copies(self.scenario, name) * sum(each)
        for name in demand.callers_first(self.scenario, self.programs):
            for other, times in self.programs[name].calls.items():
                found[other] += found[name] * max(times, 1.0) if times else 0.0
        return found

    def _first_place(self, name: str) -> Loc:
        return self.asked[name][0].loc if self.asked[name] else ("services", name)

    @cached_property
    def _load(self) -> float:
        """Core-s asked for, over those that the host has."""
        work = math.fsum(self.inflow[name] * each.work for name, each in self.programs.items() if each.work)
        return work / (self.end * self.scenario.host.effective_cores)

    # guests

    def _share(self, service: Service) -> Share:
        size = service.size_on(self.platform.size_lineage)
        assert size is not None  # a scenario without it is refused by the catalogue's own check
        fluid, memory = self.scenario.quota == "fluid", self.scenario.host.memory
        return share_of(self.platform, size, memory, service.parallelism, fluid, service.threads)

    def _cores(self, name: str, service: Service) -> float:
        """Cores that the replicas of one tenant have at most; none if they are never ready."""
        share = self._share(service)
        need = service.memory.base + (service.memory.per_request if self.inflow[name] else 0.0)
        if need > share.application or self._late(service) >= self.end:
            return 0.0
        limit = share.cap if share.quota is None else share.quota.limit
        each = min(limit, float(service.serving))
        most = self._live(name, service) / copies(self.scenario, name)
        return min(most * each if most else 0.0, self.scenario.host.effective_cores)

    def _late(self, service: Service) -> float:
        """About how long a start takes, s."""
        return offered.start_up(self.platform, service, self.scenario) if service.least else 0.0

    def _room(self, service: Service) -> float:
        """Replicas of a service that the host can hold at most, were it alone there."""
        share = self._share(service)
        cores, memory = admission_limits(self.scenario, self.platform)
        room = math.inf
        for each, there in ((share.cpu, cores), (share.memory, memory)):
            if each > 0.0 and self.platform.nested is None:
                room = min(room, max(there, 0.0) // each)
        node = self.scenario.node
        return room if node is None or node.pods is None else min(room, node.pods)

    def _wanted(self, name: str, service: Service) -> tuple[float, Loc]:
        """Replicas that a service asks for at most, of all its tenants; where that is said."""
        many, rule = copies(self.scenario, name), service.autoscale
        place: Loc = ("services", name, "replicas")
        if isinstance(service.replicas, Ramp):
            ramp = service.replicas
            number = ramp.add * (self.end / ramp.every + 1.0)
            return many * min(number, ramp.max or math.inf, self._room(service) + 1), (*place, "every")
        if rule is None:
            return float(many * service.least), self._where(name) if service.least <= 1 else place
        most, least = float(getattr(rule, "max", 0)), float(service.least)
        inflow = self.inflow[name] / many
        if isinstance(rule, Hpa):  # it wants what its use is over its target, and that is bounded by the host
            each = self._share(service).cpu * rule.target_cpu
            most = min(most, self.scenario.host.effective_cores / each + 1.0 if each > 0.0 else most)
        elif isinstance(rule, Concurrency):
            most = min(most, inflow / rule.target + 1.0)
        elif isinstance(rule, PerRequest):
            most = min(most, inflow)
        return many * max(most, least), ("services", name, "autoscale", "max")

    def _where(self, name: str) -> Loc:
        """Where it is said how many tenants a service has."""
        for stack, each in self.scenario.stacks.items():
            if name in each.services:
                return ("stacks", stack, "tenants")
        return ("services", name, "tenants")

    def _live(self, name: str, service: Service) -> float:
        return min(self._wanted(name, service)[0], self._room(service))

    @cached_property
    def _alive(self) -> float:
        return sum(self._live(name, each) for name, each in self.scenario.services.items())

    def _guests(self, name: str, service: Service) -> Iterator[Part]:
        many, (wanted, place) = copies(self.scenario, name), self._wanted(name, service)
        live = self._live(name, service)
        if many > 1:
            yield Part(f"tenants of {name}", float(many), f"{many:,}", self._where(name), SERVICE, SERVICE_BYTES)
        starts = live * self._rounds(service)
        if isinstance(service.autoscale, PerRequest):
            starts = min(self.inflow[name], live * (1.0 + self.end / max(service.autoscale.keep_alive + 0.1, 0.1)))
            told = f"{self.inflow[name]:.3g} requests, each asks for a replica"
            yield Part(f"requests of {name} that look for a replica", self.inflow[name], told, place, 20e-6)
        yield from self._places(name, service, live, starts)
        yield Part(f"replicas of {name}", starts, f"{live:.3g} at once", place, GUEST, GUEST_BYTES)
        if wanted > live:
            told = f"{wanted:.3g} asked for, room for {live:.3g}"
            yield Part(f"replicas of {name} that are refused", wanted - live, told, place, REFUSED, REFUSED_BYTES)

    def _places(self, name: str, service: Service, live: float, starts: float) -> Iterator[Part]:
        """Jobs that replicas have room for, and the levels of CPU that so many of them make."""
        wide = service.concurrency * max((width(steps) for _, steps in service.programs), default=1)
        places, key = max((wide, "concurrency"), (service.start_threads, "start"))
        place: Loc = ("services", name, key)
        yield Part(f"places of {name}", live * places, f"{live:.3g} replicas × {places:,}", place, 0.0, JOB_BYTES)
        levels = min(float(places), self._share(service).cap)
        told = f"{levels:.3g} at once in each of {starts:.3g} replicas"
        yield Part(f"levels of {name}", levels * starts, told, place, LEVEL_AGAIN + LEVEL / max(starts, 1.0))
        yield Part(f"bands of {name}", levels, told, place, 0.0, LEVEL_BYTES)

    def _rounds(self, service: Service) -> float:
        """How often an autoscaler can grow to its most and shrink again."""
        match service.autoscale:
            case Hpa(stabilization=past, sync=sync):
                return 1.0 + self.end / (past + sync)
            case Concurrency(window=window, sync=sync):
                return 1.0 + self.end / max(window, sync)
        return 1.0

    def _ticks(self, name: str, service: Service) -> Iterator[Part]:
        rule, many = service.autoscale, copies(self.scenario, name)
        if not isinstance(rule, Hpa | Concurrency | Rule):
            return
        past = 0.0
        if isinstance(rule, Hpa):
            past = rule.stabilization + rule.up_period + 2 * rule.metric_delay
        elif isinstance(rule, Concurrency):
            past = rule.window
        kept = min(past, self.end) / rule.sync
        back = f", each looks back to {kept:.3g}" if kept > 100 else ""
        told = f"{self.end:g} s / {rule.sync:g} s × {many:,}{back}"
        place: Loc = ("services", name, "autoscale", "sync")
        ticks = many * self.end / rule.sync
        yield Part(f"decisions for {name}", ticks, told, place, TICK + REMEMBERED * kept)
        yield Part(f"moments kept for {name}", many * kept, told, place, 0.0, 150.0)

    def _turns(self) -> Iterator[Part]:
        """Replicas of the start are asked for in turns: each service's first, then each one's second."""
        least = {name: each.least for name, each in self.scenario.services.items()}
        name = max(least, key=lambda each: least[each])
        number = sum(copies(self.scenario, each) for each in least)
        told = f"{least[name]:,} replicas × {number:,} services"
        yield Part("turns of the start", float(least[name]) * number, told, ("services", name, "replicas"), TURN)

    # what breaks

    def _incidents(self) -> Iterator[Part]:
        requests = min(sum(self.inflow.values()), 1e300)
        for index, fault in enumerate(self.scenario.faults):
            number = 1.0 if fault.rate is None else fault.rate * self.end
            told = "once" if fault.rate is None else f"{fault.rate:g}/s × {self.end:g} s"
            whole = fault.kind not in ("app-crash", "compromise")
            faster = whole and fault.rate is not None and fault.rate > _SELDOM
            cost = FAULT + (GUEST * self._alive if whole else 0.0) + 10e-6 * requests / 16_384
            cost += WAITER * number if faster else 0.0
            size = 2 * REFUSED_BYTES * (1.0 + (self._alive if whole else 0.0))
            yield Part(f"faults ({fault.kind})", number, told, ("faults", index, "rate"), cost, size)
