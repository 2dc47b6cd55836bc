"""Which numbers that nobody has measured move the answer: of the catalogue, used by the runs, not alike on all.

A number's weight is its share of what it goes into: of a start, of a request, of the memory in use. Nothing is run for
it; how far the answer moves with a number, a sweep over it tells (docs/how-to/sweeps.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sim.experiment import loads, offered
from sim.platforms import Platform, Row, describe
from sim.scenario import Scenario
from sim.terms.doubts import UNMEASURED, Doubt, doubt, touches

LEAST: Final = 0.02
"""Share of what it goes into from which on a number is told."""
_SERVING: Final = ("response.", "waiting.", "request.", "slo.met", "requests.", "goodput", "lost.")
_USUAL: Final = ("response.p99", "slo.met", "requests.completed")
_STARTS: Final = (*_SERVING, "startup.", "scale_out.", "deploy.", "recovery.")
_FITS: Final = ("memory.", "guests.", "density.")
_BREACH: Final = ("escape_probability", "escape_delay")


@dataclass(frozen=True)
class Used:
    """What runs on a platform used. `guests`: on the mean; `starts`: whether some began to serve in the measured span.

    `memory`: bytes in use on the mean; `throttled`: share of the periods. None: not known.
    """

    guests: float
    starts: bool
    memory: float | None = None
    throttled: float = 0.0


def used_by(evidence: Any, platform: str) -> Used:
    """What the finished runs of a platform used (`evidence`: see `sim.report.answers.doubts.evidence`)."""

    def mean(metric: str) -> float:
        values = evidence.values(platform, metric)
        return math.fsum(values) / len(values) if values else 0.0

    memory = mean("memory.used") * evidence.scenario.host.memory
    return Used(
        mean("guests.mean"), bool(evidence.values(platform, "startup.p50")), memory, mean("cpu.throttled_periods")
    )


def may_use(scenario: Scenario) -> Used:
    """The same without a run."""
    guests = sum(each.least * max(scenario.tenants_of(name), 1) for name, each in scenario.services.items())
    moving = any(each.autoscale is not None for each in scenario.services.values())
    return Used(float(guests), moving or scenario.warmup == 0.0 or bool(scenario.faults or scenario.moves))


def assumed(
    scenario: Scenario, platforms: Mapping[str, Platform], used: Mapping[str, Used], metrics: Sequence[str] = ()
) -> Iterator[Doubt]:
    """One doubt with the weightiest unmeasured numbers for what is asked: `metrics`, the focus, or how it serves.

    `platforms` by name; only numbers in which they differ count, so that one alone has none.
    """
    asked = metrics or [entry.rpartition("/")[2] for entry in scenario.focus] or _USUAL
    rows = {name: {row.path: row for row in describe(name, scenario.platforms[name])} for name in platforms}
    longest = max(
        (
            offered.start_up(each, service, scenario)
            for each in platforms.values()
            for service in scenario.services.values()
        ),
        default=0.0,
    )
    found: list[tuple[float, str, Row, str]] = []
    for name, platform in platforms.items():
        for path, weight, what in _weights(scenario, platform, used[name], asked, longest):
            row = rows[name].get(path)
            if row is None or row.trust not in UNMEASURED or weight < LEAST:
                continue
            if any(path not in other or other[path].si != row.si for other in rows.values()):
                found.append((weight, name, row, what))
    if not found:
        return
    found.sort(key=lambda each: -each[0])
    weight, name, row, what = found[0]
    paths = list(dict.fromkeys(f"platforms.{each[1]}.{each[2].path}" for each in found))
    source = "from memory" if row.trust == "memory" else "an assumption of the catalogue"
    text = f"{row.path} = {row.text} is {source}, {100 * weight:.3g} % of {what}"
    if len(paths) > 1:
        text += f"; {len(paths) - 1} more, next {paths[1].removeprefix('platforms.')}"
    advice = f"override it: --set {paths[0]}={row.text}" if "{" not in row.text else f"override {paths[0]}"
    yield doubt("assumed", text, name, advice=advice, paths=paths, weight=weight)


_Weight = tuple[str, float, str]
"""Path, share, of what."""


def _weights(
    scenario: Scenario, platform: Platform, used: Used, asked: Iterable[str], longest: float
) -> Iterator[_Weight]:
    def concerns(names: Sequence[str]) -> bool:
        return any(touches(names, metric) for metric in asked)

    asked = list(asked)
    if used.starts and concerns(_STARTS):
        yield from _of_starts(scenario, platform, longest)
    if concerns(_SERVING):
        yield from _of_requests(scenario, platform)
        yield "cpu.period", used.throttled, "the periods are throttled by it"
    if concerns(_FITS):
        yield from _of_memory(scenario, platform, used)
    if concerns(("cpu.",)) or concerns(_FITS):
        cores = scenario.host.cores
        yield "cpu.idle_per_guest", platform.cpu.idle_per_guest * used.guests / cores, "the host's cores"
    if platform.nested is not None:
        yield "nested.vm.cpu", 1.0, "the size of the VMs"
        yield "nested.vm.memory", 1.0, "the size of the VMs"
    if concerns(("blast.",)):
        yield from ((f"isolation.{each}", 1.0, "what a break-in reaches") for each in _BREACH)
    if concerns(("recovery.",)):
        yield "isolation.host_reboot", 1.0, "what a reboot takes"


def _of_starts(scenario: Scenario, platform: Platform, longest: float) -> Iterator[_Weight]:
    """Seconds of an idle host's start, as shares of the longest on any platform: so much they move a comparison."""
    best: dict[str, float] = {}
    for service in scenario.services.values():
        for phase, takes in offered.phases(platform, service, scenario):
            for field, seconds in takes.items():
                path = f"startup.{phase.name}.{field}"
                best[path] = max(best.get(path, 0.0), seconds)
    if longest > 0.0:
        yield from ((path, seconds / longest, "the longest start") for path, seconds in best.items())


def _of_requests(scenario: Scenario, platform: Platform) -> Iterator[_Weight]:
    """Shares of what a request takes alone, the greatest that a service has: found by leaving a cost out."""
    whole = loads.takes(scenario, platform)
    costs = [
        *(("net", field) for field in ("cpu_per_packet", "cpu_per_byte", "latency")),
        *(("disk", field) for field in ("cpu_per_op", "latency", "latency_per_byte")),
        ("cpu", "per_syscall"),
    ]
    for part, field in costs:
        kept = getattr(platform, part)
        without = platform.model_copy(update={part: kept.model_copy(update={field: 0.0})})
        rest = loads.takes(scenario, without)
        shares = [1.0 - rest[name].seconds / each.seconds for name, each in whole.items() if each.seconds > 0.0]
        yield f"{part}.{field}", max(shares, default=0.0), "a request that waits for nobody"
    yield "cpu.overhead", abs(platform.cpu.overhead - 1.0), "the CPU of a request"


def _of_memory(scenario: Scenario, platform: Platform, used: Used) -> Iterator[_Weight]:
    costs = platform.memory
    applications = sum(
        each.memory.base * each.least * max(scenario.tenants_of(name), 1) for name, each in scenario.services.items()
    )
    each_guest = {"memory.per_guest": costs.per_guest, "memory.guest_os": costs.guest_os}
    total = used.memory or costs.host + used.guests * sum(each_guest.values()) + applications
    if total > 0.0:
        yield "memory.host", min(costs.host / total, 1.0), "the memory in use"
        for path, each in each_guest.items():
            yield path, min(each * used.guests / total, 1.0), "the memory in use"
