"""What is refused because it would take too long, or too much memory; `--force` lifts it.

The limits are for mistakes (a unit that was forgotten, a zero too many) and for files from strangers: what people ask
for in earnest is far below them, and takes the word `--force` where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sim.experiment.effort.counting import Part, parts
from sim.experiment.study import StudyError, most_replications
from sim.platforms import Platform, PlatformError, load_platform
from sim.platforms.checks import CHECKS
from sim.reading.document import Document
from sim.reading.errors import Finding, Loc, ScenarioError
from sim.scenario import Scenario, Sweep
from sim.scenario.loader import Check

RUN: Final = 600.0
"""CPU-s that a run may take."""
COMMAND: Final = 3600.0
"""CPU-s that all runs of a command may take together."""
MEMORY: Final = 2e9
"""Bytes that a run, or the tables of all runs of a command, may take."""
POINTS: Final = 1_000_000
"""Runs that a study may plan: as many points as a sweep may have."""
ALLOWED: Final = "at most 10 min of CPU a run, 1 h in all, 2 GB; --force does it all the same"

_TABLES, _OF_SERVICE, _OF_GUEST = 120e3, 6e3, 250.0
"""Bytes of a run that are kept to the end: samples of the timeline, of each tenant's responses, rows of a guest."""


def checks(force: bool = False, **_: object) -> tuple[Check, ...]:
    """Everything that a scenario is checked for before it is run; `force`: but not for how long that takes."""
    return CHECKS if force else (*CHECKS, within_limits)


def within_limits(scenario: Scenario | None, document: Document) -> Iterator[Finding]:
    """What makes a run, or all of them, longer or larger than the limits."""
    platforms = None if scenario is None else _platforms(scenario)
    if scenario is None or platforms is None:
        return
    found = {name: parts(scenario, each, document.tree) for name, each in platforms.items()}
    told: set[Loc] = set()
    for name, each in found.items():
        for finding in _of_run(each, name if len(found) > 1 else ""):
            if finding.loc not in told:
                told.add(finding.loc)
                yield finding
    if not told:
        yield from _of_all(scenario, found)


def seconds(scenario: Scenario, platforms: Sequence[str] | None = None) -> float:
    """About how long one run on each of the platforms takes, CPU-s together; 0 where the scenario cannot be run."""
    chosen = _platforms(scenario)
    names = scenario.platforms if platforms is None else platforms
    return 0.0 if chosen is None else math.fsum(_seconds(parts(scenario, chosen[name], None)) for name in names)


def runs_told(number: int | float, each: float) -> str:
    """So many runs of `each` CPU-s, in words."""
    return f"{number:,} runs of {cpu(each)} each = {told(number * each)}"


def check_design(sweep: Sweep, number: int) -> None:
    """Refuse (ScenarioError) a design of `number` points over the ranges of a sweep that takes too long."""
    over = sweep.sample.over if sweep.sample is not None else []
    ends = [{path: each.at(share) for each in over for path in each.paths} for share in (0.0, 1.0)]
    scenarios = [sweep.scenario(point) for point in ends]
    each = max(seconds(scenario) for scenario in scenarios) * most_replications(scenarios[0])
    if number * each > COMMAND or number > POINTS:
        found = f"a design of {number:,} points: {runs_told(number, each)}"
        raise ScenarioError([sweep.file.problem(Finding(("sample",), found, ALLOWED))])


def check_sweep(sweep: Sweep, points: Sequence[Mapping[str, object]], replications: int) -> None:
    """Refuse (ScenarioError) the points of a sweep that take too long together, by some of them."""
    some = points[:: max(1, len(points) // 32)]
    each = math.fsum(seconds(sweep.scenario(point)) for point in some) / len(some)
    number = len(points) * replications
    if each * number > COMMAND:
        key = "axes" if sweep.axes else "sample"
        found = f"{len(points):,} points × {replications:,} replications = {runs_told(number, each)}, on all platforms"
        raise ScenarioError([sweep.file.problem(Finding((key,), found, ALLOWED))])


def check_runs(what: str, number: int, each: float) -> None:
    """Refuse (StudyError) `number` runs of `each` CPU-s that take too long together, because of an option."""
    if number * each > COMMAND or number > POINTS:
        raise StudyError(f"{what}: {runs_told(number, each)}; {ALLOWED}")


def _platforms(scenario: Scenario) -> dict[str, Platform] | None:
    """The platforms by name; None where one is wrong, or a service has no size on it: others tell that."""
    try:
        found = {name: load_platform(name, own) for name, own in scenario.platforms.items()}
    except PlatformError:
        return None
    sized = all(service.size_on(each.size_lineage) is not None
                for each in found.values() for service in scenario.services.values())  # fmt: skip
    return found if sized else None


def _of_run(found: Sequence[Part], platform: str) -> Iterator[Finding]:
    """The parts that alone make one run too long or too large, or the greatest of many that do."""
    on = f" on {platform}" if platform else ""
    took = {part: part.seconds for part in found}
    for part, rest in _greatest(took, RUN):
        beside = f", with all else {told(rest)}" if rest else ""
        yield Finding(part.loc, f"{_counted(part)}: {cpu(part.seconds)} a run{on}{beside}", ALLOWED)
    holds = {part: part.memory for part in found}
    for part, rest in _greatest(holds, MEMORY):
        beside = f", with all else {size_told(rest)}" if rest else ""
        yield Finding(part.loc, f"{_counted(part)}: about {size_told(part.memory)} of memory{on}{beside}", ALLOWED)


def _greatest(each: Mapping[Part, float], most: float) -> Iterator[tuple[Part, float]]:
    """The parts that alone are beyond `most`, or the greatest of many that are together, with what they make."""
    total = math.fsum(each.values())
    if total > most:
        alone = [part for part, amount in each.items() if amount > most]
        for part in alone or [max(each, key=lambda part: each[part])]:
            yield part, 0.0 if alone else total


def _counted(part: Part) -> str:
    same = part.how == f"{part.number:,.0f}"
    return f"{part.how} = {part.number:.3g} {part.what}" if not same else f"{part.how} {part.what}"


def _of_all(scenario: Scenario, found: Mapping[str, Sequence[Part]]) -> Iterator[Finding]:
    """All replications on all platforms together."""
    number = most_replications(scenario)
    each = math.fsum(_seconds(these) for these in found.values())
    where = f"{number:,} replications on {len(found)} platform{'s' if len(found) > 1 else ''}"
    if number * each > COMMAND:
        text = f"{where}, {cpu(each)} a replication = {told(number * each)}"
        yield Finding(("replications",), text, ALLOWED)
    kept = number * math.fsum(_kept(these) for these in found.values())
    if kept > MEMORY:
        yield Finding(("replications",), f"{where}: about {size_told(kept)} of tables", ALLOWED)


def _kept(found: Sequence[Part]) -> float:
    """Bytes of a run's tables."""
    services = math.fsum(part.number for part in found if part.what.startswith("tenants of "))
    guests = math.fsum(part.number for part in found if part.what.startswith(("replicas of ", "faults ")))
    return _TABLES + _OF_SERVICE * services + _OF_GUEST * guests


def _seconds(found: Sequence[Part]) -> float:
    return math.fsum(part.seconds for part in found)


def _memory(found: Sequence[Part]) -> float:
    return math.fsum(part.memory for part in found)


def told(amount: float) -> str:
    """CPU-seconds as people say them."""
    if not math.isfinite(amount):
        return "for ever"
    for unit, length in (("years", 31_557_600.0), ("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if amount >= 2 * length:
            return f"{amount / length:,.3g} {unit}"
    return f"{amount:.3g} s"


def cpu(amount: float) -> str:
    """CPU-seconds as a message has them."""
    return f"about {told(amount)} of CPU" if math.isfinite(amount) else "CPU for ever"


def size_told(amount: float) -> str:
    """Bytes as people say them."""
    return f"{amount / 1e9:,.3g} GB" if math.isfinite(amount) else "no end"
