"""When to use which platform, by a scenario's numbers and nothing beyond them.

A question is answered by metrics of the whole scenario ("all"), one answer a metric that at least two platforms have;
questions without one are named. Platforms within `ALIKE` of the best mean win together. A winner is *clear* if the 95 %
interval of its difference to the best of the others excludes 0 (paired over replications where they met the same
traffic). Below three replications there is no interval, and the answer says so.

Some answers need more than the metric. A percentile is of completed requests: it has no winner where another platform
completed more of them. A host that never refused a guest has no density, only at least as many guests as it had. And
the memory that guests were promised tells how many would fit only where all platforms had as many of them; what they
left unused, not where each host was filled to its own limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sim.report.answers.comparison import Comparison, Line, apart
from sim.report.metrics.numbers import listed, share, spread, text, times
from sim.report.metrics.statistics import Interval

TITLE: Final = "When to use which, by these numbers"
ASKED: Final[Mapping[str, Sequence[str]]] = {
    "density": ("density.max", "memory.allocated"),
    "start-up": ("startup.p50",),
    "tail": ("response.p99",),
    "isolation": ("blast.guests", "blast.requests"),
    "moving": ("move.time", "move.downtime"),
    "elasticity": ("scale_out.time", "memory.stranded"),
}
ALIKE: Final = 0.01  # relative difference of means below which nobody would choose by them
SERVED_ALIKE: Final = 0.0005  # shares of completed requests closer than this compare the same requests


@dataclass(frozen=True)
class Answer:
    """One metric's answer to a question. `values`: means by platform, better first, in `unit`."""

    question: str
    metric: str
    label: str
    unit: str
    better: str
    values: Mapping[str, float]
    best: Sequence[str]
    """Platforms with the best mean, and those within `ALIKE` of it; empty where that is all, or nothing can be told."""
    rival: str | None
    """The next best."""
    lead: Interval | None
    """How much better the best is than the next best (>= 0 in the better direction)."""
    note: str = ""
    untold: str = ""
    """Why there is no winner, where the numbers cannot name one."""
    thin: bool = False
    """Whether too few requests are behind the numbers to name a clear winner."""

    @property
    def clear(self) -> bool:
        """Whether there is an interval of the lead, it excludes 0, and enough requests are behind it."""
        return not self.thin and self.lead is not None and self.lead.excludes_zero

    def sentence(self) -> str:
        """The answer in words."""
        told = f"{self.label.strip()}: " + ", ".join(f"{name} {text(x, self.unit)}" for name, x in self.values.items())
        note = f" ({self.note})" if self.note else ""
        if self.untold:
            return f"{self.question}: cannot be told, {self.untold}. {told}{note}"
        if not self.best or self.rival is None or self.lead is None:
            alike = len(set(self.values.values())) == 1
            return f"{self.question}: {'the same on all' if alike else 'alike within 1 %'}. {told}{note}"
        if self.lead.half is None:
            who = f"{listed(self.best)}, on the mean alone"
        else:
            who = listed(self.best) if self.clear else "no clear winner"
        why = "too few requests" if self.thin else "0 is in the interval"
        unsure = "" if self.clear or self.lead.half is None else f", {why}"
        more = "more" if self.better == "higher" else "less"
        return f"{self.question}: {who}. {told}; {self.best[0]} {self._lead()} {more} than {self.rival}{unsure}{note}"

    def _lead(self) -> str:
        assert self.lead is not None
        assert self.rival is not None
        words = spread(self.lead, self.unit, sign=True).lstrip("+")  # a difference: of percentages, points
        low, high = sorted((self.values[self.best[0]], self.values[self.rival]))
        if low <= 0.0:
            return words
        part = high / low
        return f"{words} ({times(part) if part >= 1.1 else f'{100 * (part - 1):.1f} %'})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data; values and lead in `unit`."""
        lead = self.lead and {"mean": self.lead.mean, "half_width_95": self.lead.half, "replications": self.lead.count}
        return {
            "question": self.question,
            "metric": self.metric,
            "unit": self.unit,
            "better": self.better,
            "values": dict(self.values),
            "best": list(self.best),
            "next": self.rival,
            "lead": lead,
            "clear": self.clear,
            "sentence": self.sentence(),
        }


def answers(comparison: Comparison) -> list[Answer]:
    """Answer every question that the scenario has numbers for, in the order of `ASKED`."""
    found = []
    for question, metrics in ASKED.items():
        for metric in metrics:
            line = comparison.line(metric)
            if line is not None and (answer := _answer(comparison, question, line)) is not None:
                found.append(answer)
    return found


def sentences(comparison: Comparison) -> list[str]:
    """The answers in words, a line each; then what cannot be answered. Nothing where nothing can."""
    found = answers(comparison)
    if not found:
        return []
    lines = [answer.sentence() for answer in found]
    means_only = [answer.lead.count for answer in found if answer.lead is not None and answer.lead.half is None]
    if means_only:
        count = min(means_only)
        lines.append(f"On the mean alone: {count} replication{'' if count == 1 else 's'}, so no interval.")
    missing = [question for question in ASKED if question not in {answer.question for answer in found}]
    if missing:
        lines.append(f"This scenario has no numbers on {', '.join(missing)}.")
    return lines


def _answer(comparison: Comparison, question: str, line: Line) -> Answer | None:
    """None where fewer than two platforms can be compared."""
    metric = line.metric
    if line.untold and len(line.values) > 1 and all(math.isfinite(value.mean) for value in line.values.values()):
        return _untold(comparison, question, line)
    numbers = {name: value.mean for name, value in line.values.items()}
    missing = [name for name in comparison.platforms if name not in numbers]
    bounded = _never_refused(comparison, missing) if metric.name == "density.max" else {}
    if bounded:
        return _at_least(comparison, question, line, bounded)
    if metric.name in _OF_GUESTS and not _OF_GUESTS[metric.name](comparison):
        return None
    if metric.better is None or len(numbers) < 2 or not all(map(math.isfinite, numbers.values())):
        return None
    ranked = sorted(numbers, key=lambda name: numbers[name], reverse=metric.better == "higher")
    best = [name for name in ranked if _alike(numbers[name], numbers[ranked[0]])]
    rival = next((name for name in ranked if name not in best), None)
    lead = line.ahead(best[0], rival) if rival is not None else None
    if any(line.ahead(ranked[0], name) is None for name in ranked):
        return None  # no replication that both have
    if lead is not None and lead.mean < 0.0:
        return None  # the replications that both have say otherwise than the means of all
    served = _served(comparison, ranked) if metric.name.startswith("response.") else {}
    notes = (
        [f"of completed requests: {', '.join(f'{name} {share(x)}' for name, x in served.items())}"] if served else []
    )
    untold = ""
    if served and served[best[0]] < max(served.values()) - SERVED_ALIKE:
        untold, rival, lead, best = f"{best[0]} completed fewer requests", None, None, []
    if missing:
        notes.append(f"no such number for {', '.join(missing)}")
    scale, unit = comparison.shown_in(metric)
    return Answer(
        question,
        metric.name,
        metric.label,
        unit,
        metric.better,
        {name: numbers[name] * scale for name in ranked},
        best if rival is not None else (),
        rival,
        lead and lead.scaled(scale),
        "; ".join(notes),
        untold,
        line.thin,
    )


def _untold(comparison: Comparison, question: str, line: Line) -> Answer:
    """No winner where a doubt says that the number does not mean the same on all platforms."""
    metric = line.metric
    scale, unit = comparison.shown_in(metric)
    ranked = sorted(line.values, key=lambda name: line.values[name].mean, reverse=metric.better == "higher")
    numbers = {name: line.values[name].mean * scale for name in ranked}
    better = metric.better or ""
    return Answer(question, metric.name, metric.label, unit, better, numbers, (), None, None, untold=line.untold)


def _at_least(comparison: Comparison, question: str, line: Line, bounded: Mapping[str, Interval]) -> Answer:
    """Density where some hosts refused a guest and others never did: those have at least as many as they had."""
    peak = comparison.line("guests.peak")
    assert peak is not None
    means = {name: value.mean for name, value in (*line.values.items(), *bounded.items())}
    ranked = sorted(means, key=lambda name: means[name], reverse=True)
    known = next(name for name in ranked if name in line.values)
    best = [name for name in ranked if name in bounded and means[name] > means[known]]
    note = f"{listed([name for name in ranked if name in bounded])} never refused one: at least so many"
    metric = line.metric
    told = question, metric.name, metric.label, metric.unit, "higher", {name: means[name] for name in ranked}
    if not best:
        return Answer(*told, (), None, None, note, f"no other had more guests than fit on {known}")
    lead = apart(line.found[known], peak.found[best[0]], comparison.paired)
    return Answer(*told, best, known, lead, note)


def _never_refused(comparison: Comparison, names: Sequence[str]) -> dict[str, Interval]:
    """Most guests that these had at once, of those that were never refused one."""
    peak, refused = comparison.line("guests.peak"), comparison.line("guests.refused")
    if peak is None or refused is None:
        return {}
    there = [name for name in names if name in peak.values and name in refused.values]
    return {name: peak.values[name] for name in there if refused.values[name].mean == 0.0}


def _same_task(comparison: Comparison) -> bool:
    """Not each host filled to its own limit."""
    density = comparison.line("density.max")
    filled = density is not None and all(name in density.values for name in comparison.platforms)
    return not filled or _as_many_guests(comparison)


def _as_many_guests(comparison: Comparison) -> bool:
    line = comparison.line("guests.mean")
    means = [] if line is None else [value.mean for value in line.values.values()]
    return bool(means) and _alike(min(means), max(means))


_OF_GUESTS: Final[Mapping[str, Callable[[Comparison], bool]]] = {
    "memory.allocated": _as_many_guests,
    "memory.stranded": _same_task,
}
"""Metrics that more guests make greater, and where they can be compared."""


def _alike(a: float, b: float) -> bool:
    return abs(a - b) <= ALIKE * max(abs(a), abs(b))


def _served(comparison: Comparison, names: Sequence[str]) -> dict[str, float]:
    """Share of requests that each completed, where that differs."""
    arrived, completed = comparison.line("requests.arrived"), comparison.line("requests.completed")
    if arrived is None or completed is None:
        return {}
    shares = {
        name: completed.values[name].mean / arrived.values[name].mean
        for name in names
        if name in completed.values and name in arrived.values and arrived.values[name].mean > 0
    }
    if len(shares) < len(names) or max(shares.values()) - min(shares.values()) < SERVED_ALIKE:
        return {}
    return shares
