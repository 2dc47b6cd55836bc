"""What a search would run, and how long that will take: where promises alone let it end, and what one run costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.experiment import offered
from sim.experiment.density.axes import Axis
from sim.experiment.density.observing import observe_run
from sim.experiment.density.recovery import REPLICATIONS as REBOOTS
from sim.experiment.density.search import TYPICAL
from sim.experiment.foresight import foresee
from sim.experiment.replications.runner import platform_of
from sim.report.metrics.statistics import FEWEST
from sim.scenario import Scenario

_TOO_MUCH = ("never-served", "partly-placed", "overload")
_UNKNOWN = 64  # steps of an axis that has no end by promises
_FARTHEST = 1 << 12  # a value up to which promises alone are looked at


@dataclass(frozen=True)
class Plan:
    """What is to be run. `ends`: platform → the value at which promises or offered work alone end it (None: unknown).

    `runs` and `seconds`: the fewest, when the search begins at its answer, and about the most.
    """

    ends: Mapping[str, float | None]
    runs: tuple[int, int]
    seconds: tuple[float, float]


def hint(axis: Axis, platform: str) -> int | None:
    """The last index at which all replicas of the start have room and the offered work can be done; None: no end.

    It is where the search begins, and nothing more: nothing is run for it.
    """
    last = min(axis.grid.last, _FARTHEST)
    good, bad = -1, 0
    while bad <= last and _fits(axis.at(axis.grid.value(bad)), platform):
        good, bad = bad, 2 * bad + 1
    if bad > last:
        if axis.grid.stop is None or _fits(axis.at(axis.grid.value(last)), platform):
            return None
        bad = last
    while bad - good > 1:
        middle = (good + bad) // 2
        if _fits(axis.at(axis.grid.value(middle)), platform):
            good = middle
        else:
            bad = middle
    return max(good, 0)


def _fits(scenario: Scenario, platform: str) -> bool:
    found = foresee(scenario, {platform: platform_of(scenario, platform)})
    return not any(each.code in _TOO_MUCH for each in found)


def plan(axis: Axis, platforms: Sequence[str], hints: Mapping[str, int], replications: int, slots: int) -> Plan:
    """What a search would run. One replication of the first value is run on each platform, to see what a run costs."""
    first = axis.at(axis.grid.value(0))
    runs, seconds = [0, 0], [0.0, 0.0]
    for name in platforms:
        near = hints.get(name)
        fewest, most = FEWEST + replications + REBOOTS, most_runs(near, replications)
        here = axis.at(axis.grid.value(near or 0))
        once = observe_run(first, name, 0).seconds * max(_requests(here) / max(_requests(first), 1.0), 1.0)
        for end, number in enumerate((fewest, most)):
            runs[end] += number
            seconds[end] += number * once / max(slots, 1)
    ends = {name: axis.grid.value(hints[name]) if name in hints else None for name in platforms}
    return Plan(ends, (runs[0], runs[1]), (seconds[0], seconds[1]))


def most_runs(near: int | None, replications: int) -> int:
    """About the most runs of a search that begins at the index `near` (None: nobody knows where it will end)."""
    way = round(math.log2(2 + (_UNKNOWN if near is None else near)) * TYPICAL)
    return FEWEST + REBOOTS + way + 2 * replications


def _requests(scenario: Scenario) -> float:
    """About how many requests a run has; 1 for each guest where that cannot be told."""
    total = 0.0
    for name, service in scenario.services.items():
        number = offered.requests(service, scenario, 0.0, scenario.duration)
        total += (number or service.least) * max(scenario.tenants_of(name), 1)
    return total
