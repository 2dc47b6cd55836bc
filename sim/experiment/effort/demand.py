"""How many requests each service gets in a run, from users and from other services, and what one of them takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sim.experiment import offered
from sim.reading.errors import Loc
from sim.scenario import (
    ConstantRate,
    ConstantUsers,
    Diurnal,
    Mmpp,
    RampingRate,
    Scenario,
    Service,
    Source,
    Trace,
)
from sim.scenario.requests import CallStep, CpuStep, ParallelStep, Step, WaitStep

_KEYS: Final = {ConstantRate: "rate", RampingRate: "stages", Mmpp: "states", Diurnal: "peak", Trace: "file",
                ConstantUsers: "vus"}  # fmt: skip


class Asked(NamedTuple):
    """Requests of one source in a run, of one tenant: how many, how that is found, where it is said."""

    number: float
    how: str
    loc: Loc


@dataclass
class Program:
    """What a request of a service takes, on the mean: `steps` in all, CPU `work` (core-s), `held` s of its place.

    `calls`: requests to other services, by the service's name in the file; `again`: at most so many more, should all
    fail that may be tried again.
    """

    steps: float = 0.0
    work: float = 0.0
    held: float = 0.0
    calls: dict[str, float] = field(default_factory=dict)
    again: float = 0.0


def program_of(scenario: Scenario, service: Service) -> Program:
    """What one request takes, calls not followed."""
    total = Program()
    for share, steps in service.programs:
        held = _walk(scenario, steps, share, total)
        total.held += share * held
    return total


def _walk(scenario: Scenario, steps: Sequence[Step], times: float, total: Program) -> float:
    """Add `times` passes through the steps; seconds that one pass holds its place at least."""
    held = 0.0
    for step in steps:
        total.steps += times
        match step:
            case CpuStep(cpu=cpu):
                total.work += times * cpu.mean
                held += cpu.mean
            case WaitStep(wait=wait):
                held += wait.mean
            case CallStep(call=call):
                number = times * call.times * call.probability
                owner = owner_of(scenario, call.service)
                total.calls[owner] = total.calls.get(owner, 0.0) + number
                total.steps += times * call.times
                total.again += number * call.retries
            case ParallelStep(parallel=branches):
                held += max((_walk(scenario, branch, times, total) for branch in branches), default=0.0)
    return held


def owner_of(scenario: Scenario, name: str) -> str:
    """The service in the file that a name in a call means: itself, or that of the tenant."""
    return name if name in scenario.services else name.rpartition("-")[0]


def copies(scenario: Scenario, name: str) -> int:
    """How many times over a service is there."""
    return max(scenario.tenants_of(name), 1)


def callers_first(scenario: Scenario, programs: dict[str, Program]) -> list[str]:
    """The services in an order in which each comes behind all that call it."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for other in programs[name].calls:
                visit(other)
            order.append(name)

    for name in scenario.services:
        visit(name)
    return order[::-1]


def asked(scenario: Scenario, name: str, program: Program, tree: Any) -> Iterator[Asked]:
    """Requests from outside that one tenant of a service gets, source by source."""
    service = scenario.services[name]
    for source, loc in zip(service.traffic, source_places(service, name, tree), strict=True):
        number, how = _number(source, service, program, scenario)
        if number is not None:
            yield Asked(number, how, (*loc, _KEYS.get(type(source), "")))


def _number(source: Source, service: Service, program: Program, scenario: Scenario) -> tuple[float | None, str]:
    end = scenario.duration
    match source:
        case ConstantRate(rate=rate):
            return rate * end, f"{rate:g}/s × {end:g} s"
        case Mmpp(states=states):  # the first may be the busiest, for as long as it lasts
            first = max(each.rate * min(each.mean_duration, end) for each in states)
            number = max(offered.arrivals(source, 0.0, end) or 0.0, first)
            return number, f"about {number / end:.3g}/s × {end:g} s"
        case ConstantUsers(vus=vus):
            cycle, how = _cycle(source, service, program, scenario)
            return vus * end / cycle if cycle > 0.0 else math.inf, f"{vus} users × {end:g} s / {how}"
        case Trace():
            number = offered.arrivals(source, 0.0, end) or 0.0
            rows = source.recording().times.size
            return max(number, float(rows)), f"{rows:,} rows{' again and again' if source.repeat else ''}"
    mean = offered.arrivals(source, 0.0, end)
    return mean, f"{(mean or 0.0) / end:.3g}/s on the mean × {end:g} s"


def _cycle(source: ConstantUsers, service: Service, program: Program, scenario: Scenario) -> tuple[float, str]:
    """Seconds from one request of a user to its next, at least, on the mean, and how that is found."""
    held = min(program.held, service.timeout or math.inf)
    think, work = source.think_time.mean, program.work
    cycle = max(think + held, source.vus * work / scenario.host.effective_cores)
    how = f"{cycle:.3g} s from one to the next"
    if any(bound is not None for bound in (service.queue, service.backlog, service.timeout)):
        refused = max(think, source.after_rejection)
        if refused < cycle:
            return refused, f"{refused:.3g} s after a rejection"
    return cycle, how


def source_places(service: Service, name: str, tree: Any) -> list[Loc]:
    """Where each source of a service's traffic stands in the file's tree, in order."""
    here: Loc = ("services", name, "traffic")
    try:
        raw = tree["services"][name]["traffic"]
    except (KeyError, TypeError):
        raw = None
    items: list[tuple[Loc, Any]] = [(here, raw)]
    if isinstance(raw, list):
        items = [((*here, index), item) for index, item in enumerate(raw)]
    places: list[Loc] = []
    for loc, item in items:
        if isinstance(item, dict):
            short = "kind" in item or set(item) <= {"rate", "arrivals"}
            places += [loc] if short else [(*loc, kind) for kind in item]
    return places if len(places) == len(service.traffic) else [here for _ in service.traffic]
