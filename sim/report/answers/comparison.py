"""Platforms side by side as data: every metric's mean, its differences, and who is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sim.report.folder.summary import platform_order
from sim.report.metrics.known import describe, in_order, places
from sim.report.metrics.measures import SummaryRow
from sim.report.metrics.numbers import share
from sim.report.metrics.statistics import Interval, mean_interval, paired_difference, unpaired_difference
from sim.terms.doubts import Doubt, thin, touched
from sim.terms.metrics import ALL, Metric

MOST_SERVICES = 6


@dataclass(frozen=True)
class Line:
    """One metric of one service, over all platforms."""

    metric: Metric
    service: str
    values: Mapping[str, Interval]
    """Platform → mean over its replications, in the metric's unit; absent where there is none."""
    differences: Mapping[str, Interval]
    """Platform → platform − first platform."""
    ratios: Mapping[str, float]
    """Platform → mean / mean of the first platform; absent where that is 0."""
    best: Sequence[str] = ()
    """Platforms with the best mean (several if equal); empty where nothing is better, or all are equal."""
    clear: bool = False
    """Whether the interval of the difference between the best and the next best excludes 0."""
    rival: str | None = None
    """The next best platform; None where all are equal or nothing is better."""
    lead: Interval | None = None
    """How far the best is ahead of the next best, at least 0 on the mean, in the metric's unit."""
    same: bool = False
    """Whether one way is better and all platforms are equal."""
    found: Mapping[str, Mapping[int, float]] = field(default_factory=dict, repr=False)
    """Platform → replication → value."""
    paired: bool = True
    thin: bool = False
    """Whether too few requests are behind it to name a clear winner."""
    untold: str = ""
    """Why no platform is better, where the number does not mean the same on all of them: a doubt, in short."""

    def ahead(self, name: str, other: str) -> Interval | None:
        """How much better `name` is than `other`, in the metric's unit; None without a replication to compare."""
        difference = apart(self.found[other], self.found[name], self.paired)
        if difference is None or self.metric.better != "lower":
            return difference
        return Interval(0.0 - difference.mean, difference.half, difference.count)


@dataclass(frozen=True)
class Comparison:
    """All lines of a scenario, and what a reader must know to read them."""

    scenario: str
    platforms: Sequence[str]
    replications: Mapping[str, int]
    """Platform → replications that have results."""
    lines: Sequence[Line]
    services: Sequence[str]
    """`all`, then the services that are worth a block of their own."""
    left_out: int = 0
    """Services without a block."""
    paired: bool = True
    """Whether equal replication numbers met the same traffic."""
    host: Mapping[str, float] = field(default_factory=dict)
    """`cores` and `memory` (B), as far as known."""
    focus: Sequence[str] = ()
    """What the scenario is about: metrics, or service/metric; columns of the timeline have no line."""
    description: str = ""
    doubts: Sequence[Doubt] = ()
    """What makes the numbers doubtful, from bad to harmless."""
    because: Mapping[str, Any] = field(default_factory=dict)
    """Mainly because of what the platforms differ: `text`, and the numbers behind it; empty where nobody asked."""

    def line(self, metric: str, service: str = ALL) -> Line | None:
        """Find one line; None when no platform has that metric."""
        return next((each for each in self.lines if each.metric.name == metric and each.service == service), None)

    def shown_in(self, metric: Metric) -> tuple[float, str]:
        """Factor and unit to show a metric in: a share of the host's memory in bytes, where its size is known."""
        known = metric.capacity == "memory" and "memory" in self.host
        return (self.host["memory"], "B") if known else (1.0, metric.unit)

    def of(self, service: str) -> list[Line]:
        """Lines of one service, in the order of the catalogue."""
        return [line for line in self.lines if line.service == service]


def compare(
    scenario: str,
    rows: Sequence[SummaryRow],
    *,
    platforms: Sequence[str] = (),
    host: Mapping[str, float] | None = None,
    paired: bool = True,
    focus: Sequence[str] = (),
    description: str = "",
    doubts: Sequence[Doubt] = (),
    because: Mapping[str, Any] | None = None,
) -> Comparison:
    """Put platforms side by side.

    `rows` of `summary.csv`; `platforms` gives their order (the first is what the others are compared with),
    `host` its `cores` and `memory` (B). `paired` says that equal replication numbers met the same arrivals
    and demands; `because` is what the manifest says of the reasons. No winner is named from a metric that one of the
    `doubts` touches.
    Raises ValueError when there are no rows.
    """
    if not rows:
        raise ValueError("nothing to compare: no run has finished")
    names = platform_order(rows, platforms)
    table: dict[str, dict[str, dict[str, dict[int, float]]]] = {}  # service, platform, metric, replication
    for row in rows:
        found = table.setdefault(row.service, {}).setdefault(row.platform, {})
        found.setdefault(row.metric, {})[row.replication] = row.value
    units = {row.metric: row.unit for row in rows}
    order = places()
    lines = {
        service: [
            _doubted(_line(describe(metric, units[metric]), service, names, _of_metric(own, metric), paired), doubts)
            for metric in in_order([list(own[name]) for name in names if name in own], order)
        ]
        for service, own in table.items()
    }
    services = [service for service in table if service != ALL]
    shown, left_out = _worth_showing(services, lines)
    return Comparison(
        scenario=scenario,
        platforms=names,
        replications={name: len({row.replication for row in rows if row.platform == name}) for name in names},
        lines=[line for own in lines.values() for line in own],
        services=[ALL, *shown],
        left_out=left_out,
        paired=paired,
        host=dict(host or {}),
        focus=tuple(focus),
        description=description,
        doubts=tuple(doubts),
        because=dict(because or {}),
    )


@dataclass(frozen=True)
class Focused:
    """A line of the block that leads: what was `asked` for, and the line with its service in the label."""

    asked: str
    line: Line


def focus_lines(comparison: Comparison) -> list[Focused]:
    """Lines of the metrics in the scenario's focus, in its order; those that no platform has are left out."""
    found: list[Focused] = []
    for entry in comparison.focus:
        service, _, metric = entry.rpartition("/")
        line = comparison.line(metric, service or ALL)
        if line is not None:
            label = f"{service}: {line.metric.label.strip()}" if service else line.metric.label.strip()
            found.append(Focused(entry, replace(line, metric=replace(line.metric, label=label))))
    return found


def _of_metric(own: Mapping[str, Mapping[str, Mapping[int, float]]], metric: str) -> dict[str, Mapping[int, float]]:
    return {platform: metrics[metric] for platform, metrics in own.items() if metric in metrics}


def _line(
    metric: Metric, service: str, names: Sequence[str], found: Mapping[str, Mapping[int, float]], paired: bool
) -> Line:
    values = {name: mean_interval(found[name].values()) for name in names if name in found}
    first = names[0]
    differences: dict[str, Interval] = {}
    ratios: dict[str, float] = {}
    for name in values:
        if name == first or first not in values:
            continue
        difference = apart(found[first], found[name], paired)
        if difference is not None:
            differences[name] = difference
        if values[first].mean != 0.0:
            ratios[name] = values[name].mean / values[first].mean
    best, rival, lead = _best(metric, values, found, paired)
    clear = lead is not None and lead.excludes_zero
    same = lead is None and len(best) > 1
    best = [] if same else best
    return Line(metric, service, values, differences, ratios, best, clear, rival, lead, same, found, paired)


def _doubted(line: Line, doubts: Sequence[Doubt]) -> Line:
    """A line that names no winner where a doubt touches it, and no clear one where too few requests are behind it."""
    found = touched(doubts, line.metric.name, line.service)
    if found:
        return replace(line, best=(), clear=False, rival=None, lead=None, same=False, untold=_in_short(found[0]))
    return replace(line, clear=False, thin=True) if thin(doubts, line.metric.name, line.service) else line


def _in_short(found: Doubt) -> str:
    if found.code != "survivors":
        return found.code
    shares = sorted(found.numbers["served"].values())
    return f"served {share(shares[0])} against {share(shares[-1])}"


def apart(a: Mapping[int, float], b: Mapping[int, float], paired: bool) -> Interval | None:
    """Interval of b − a (replication → value); None without a replication to compare."""
    return paired_difference(a, b) if paired else unpaired_difference(a.values(), b.values())


def _best(
    metric: Metric, values: Mapping[str, Interval], found: Mapping[str, Mapping[int, float]], paired: bool
) -> tuple[Sequence[str], str | None, Interval | None]:
    """Platforms with the best mean, the next best one and how far it is behind; (all, None, None) if all are equal."""
    if metric.better is None or len(values) < 2:
        return (), None, None
    first, *others = sorted(values, key=lambda name: values[name].mean, reverse=metric.better == "higher")
    best = [first]
    for name in others:
        difference = apart(found[first], found[name], paired)
        if difference is None:
            return (), None, None
        if difference.mean != 0.0:
            ahead = difference.mean if metric.better == "lower" else -difference.mean
            return best, name, Interval(ahead, difference.half, difference.count)
        best.append(name)
    return best, None, None


def _worth_showing(services: Sequence[str], lines: Mapping[str, Sequence[Line]]) -> tuple[list[str], int]:
    """Services that get a block: none if there is only one, all up to six, else the six served worst."""
    if len(services) <= 1:
        return [], 0
    if len(services) <= MOST_SERVICES:
        return list(services), 0
    worst = sorted(services, key=lambda name: _badness(lines[name]), reverse=True)[:MOST_SERVICES]
    return [name for name in services if name in worst], len(services) - MOST_SERVICES


def _badness(lines: Sequence[Line]) -> tuple[float, float]:
    """Greatest share of requests that were not completed, then the greatest p99, over the platforms."""
    own = {line.metric.name: line.values for line in lines}
    arrived, completed = own.get("requests.arrived", {}), own.get("requests.completed", {})
    lost = [1 - completed[name].mean / arrived[name].mean for name in arrived if arrived[name].mean > 0]
    tail = [value.mean for value in own.get("response.p99", {}).values()]
    return max(lost, default=0.0), max(tail, default=0.0)
