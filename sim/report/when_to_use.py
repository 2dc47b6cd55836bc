"""When to use which platform, by a scenario's numbers and nothing beyond them.

A question is answered by metrics of the whole scenario ("all"), one answer a metric that at least two platforms have.
The winner has the better mean; it is *clear* if the 95 % interval of the difference to the next best excludes 0
(paired over replications where they met the same traffic; `Line.lead`). Below three replications there is no interval,
and the answer says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .comparison import Comparison, Line
from .statistics import Interval
from .units import share, spread, text, times

TITLE: Final = "When to use which, by these numbers"
QUESTIONS: Final[Mapping[str, Sequence[str]]] = {
    "density": ("density.max",),
    "start-up": ("startup.p50",),
    "tail": ("response.p99",),
    "isolation": ("blast.guests", "blast.requests"),
    "moving": ("move.time", "move.downtime"),
    "elasticity": ("scale_out.time", "memory.stranded"),
}
SERVED_ALIKE: Final = 0.0005  # shares of completed requests closer than this compare the same requests


@dataclass(frozen=True)
class Answer:
    """One metric's answer to a question. `values`: means by platform, better first, in the metric's unit."""

    question: str
    metric: str
    label: str
    unit: str
    better: str
    values: Mapping[str, float]
    best: Sequence[str]
    """Platforms with the best mean; empty where all are the same."""
    rival: str | None
    """The next best."""
    lead: Interval | None
    """How much better the best is than the next best (>= 0 in the better direction)."""
    note: str = ""

    @property
    def clear(self) -> bool:
        """Whether there is an interval of the lead, and it excludes 0."""
        return self.lead is not None and self.lead.excludes_zero

    def sentence(self) -> str:
        """The answer in words."""
        told = ", ".join(f"{name} {text(value, self.unit)}" for name, value in self.values.items())
        note = f" ({self.note})" if self.note else ""
        if not self.best or self.rival is None or self.lead is None:
            return f"{self.question}: the same on all. {self._label}: {told}{note}"
        if self.lead.half is None:
            who = f"{' and '.join(self.best)}, on the mean alone"
            sure = f", no interval from {self.lead.count} replication{'' if self.lead.count == 1 else 's'}"
        else:
            who, sure = (" and ".join(self.best), "") if self.clear else ("no clear winner", ", 0 is in the interval")
        more = "more" if self.better == "higher" else "less"
        apart = f"{self.best[0]} {self._lead()}{self._times()} {more} than {self.rival}{sure}"
        return f"{self.question}: {who}. {self._label}: {told}; {apart}{note}"

    @property
    def _label(self) -> str:
        return self.label.strip()

    def _lead(self) -> str:
        assert self.lead is not None
        return spread(self.lead, self.unit, sign=True).lstrip("+")  # a difference: of percentages, points

    def _times(self) -> str:
        assert self.rival is not None
        values = sorted((self.values[self.best[0]], self.values[self.rival]))
        return f" ({times(values[1] / values[0])})" if values[0] > 0.0 else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data in SI units."""
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
    """Answer every question that the scenario has numbers for, in the order of `QUESTIONS`."""
    found = []
    for question, metrics in QUESTIONS.items():
        for metric in metrics:
            line = comparison.line(metric)
            if line is not None and (answer := _answer(comparison, question, line)) is not None:
                found.append(answer)
    return found


def _answer(comparison: Comparison, question: str, line: Line) -> Answer | None:
    """None where fewer than two platforms can be compared."""
    better = line.metric.better
    numbers = {name: value.mean for name, value in line.values.items()}
    if better is None or len(numbers) < 2 or not all(map(math.isfinite, numbers.values())):
        return None
    ranked = dict(sorted(numbers.items(), key=lambda item: item[1], reverse=better == "higher"))
    if not line.best and not line.same:
        return None  # no replication that both have
    if line.lead is not None and line.lead.mean < 0.0:
        return None  # the replications that both have say otherwise than the means of all
    note = _served(comparison, ranked) if line.metric.name.startswith("response.") else ""
    missing = [name for name in comparison.platforms if name not in numbers]
    if missing:
        note = "; ".join(part for part in (note, f"no such number for {', '.join(missing)}") if part)
    metric = line.metric
    return Answer(
        question, metric.name, metric.label, metric.unit, better, ranked, line.best, line.rival, line.lead, note
    )  # fmt: skip


def _served(comparison: Comparison, ranked: Mapping[str, float]) -> str:
    """A percentile is of completed requests: say so where the platforms completed different shares."""
    arrived, completed = comparison.line("requests.arrived"), comparison.line("requests.completed")
    if arrived is None or completed is None:
        return ""
    shares = {
        name: completed.values[name].mean / arrived.values[name].mean
        for name in ranked
        if name in completed.values and name in arrived.values and arrived.values[name].mean > 0
    }
    if len(shares) < 2 or max(shares.values()) - min(shares.values()) < SERVED_ALIKE:
        return ""
    return f"of completed requests: {', '.join(f'{name} {share(part)}' for name, part in shares.items())}"
