"""The answer to "why is one better": parts that add up to the difference, with intervals, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.experiment.attribution.game import SERVED, Asked
from sim.experiment.drawn import Drawn
from sim.report.metrics.numbers import listed, spread
from sim.report.metrics.statistics import FEWEST, Interval
from sim.terms.doubts import Doubt, touched
from sim.terms.records import Array

MOST_TOLD = 2
"""Groups that are named as the main reason."""
MAIN = 0.15
"""Share of the difference from which on a group is one."""


@dataclass(frozen=True)
class Part:
    """What one group adds to the difference: its `share` (they add up), and what it adds `alone` and `last`.

    `alone`: taken from B while all else is A's, which is what swapping it by hand shows; `last`: while all else is B's.
    `values` (n,) are the shares by replication.
    """

    name: str
    share: Interval
    alone: Interval
    last: Interval
    values: Array
    groups: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    """Dotted paths in which the platforms differ."""


@dataclass(frozen=True, repr=False)
class Why(Drawn):
    """The difference `b` − `a` of a metric, split over groups of mechanisms.

    `worth`: coalition (the parts that are B's) → the metric in each replication; the empty one is A, the one of
    all parts B. `complete`: the time was enough for all replications.
    """

    scenario: str
    asked: Asked
    a: str
    b: str
    values: Mapping[str, Interval]
    difference: Interval
    parts: tuple[Part, ...]
    worth: Mapping[tuple[str, ...], Array]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    doubts: Sequence[Doubt] = ()
    runs: int = 0
    wanted: int = 0
    complete: bool = True

    def __repr__(self) -> str:
        """The answer in words."""
        return "\n".join(self.sentences)

    def __getitem__(self, name: str) -> Part:
        """A part by its name. Raises KeyError."""
        try:
            return next(part for part in self.parts if part.name == name)
        except StopIteration:
            raise KeyError(name) from None

    def draw(self, path: Path) -> None:
        """Save a waterfall: from A's mean, part by part, to B's; nothing where the platforms differ in nothing."""
        from sim.report.figures.waterfall import save_waterfall

        if self.parts:
            save_waterfall(self, path)

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        return self.asked.described.unit

    @property
    def replications(self) -> int:
        """Replications behind it."""
        return self.difference.count

    @property
    def unlike(self) -> Sequence[Doubt]:
        """Doubts because of which the metric does not mean the same on both platforms: no reason is named."""
        metric = "requests.completed" if self.asked.metric == SERVED else self.asked.metric
        return [each for each in touched(self.doubts, metric, self.asked.service) if each.code == "survivors"]

    @property
    def main(self) -> list[Part]:
        """The groups that make most of the difference, the greatest first; none where nothing can be named."""
        whole = self.difference.mean
        if self.unlike or not whole or (self.replications >= FEWEST and not self.difference.excludes_zero):
            return []
        along = [
            part
            for part in self.parts
            if part.share.mean * whole > 0
            and abs(part.share.mean) >= MAIN * abs(whole)
            and (self.replications < FEWEST or part.share.excludes_zero)
        ]
        return sorted(along, key=lambda part: -abs(part.share.mean))[:MOST_TOLD]

    @property
    def sentences(self) -> list[str]:
        """How they differ, mainly because of what, and what else."""
        return [self._differ(), self._mainly(), self._besides()]

    def _differ(self) -> str:
        better = self.asked.described.better
        mean, sure = self.difference.mean, self.replications < FEWEST or self.difference.excludes_zero
        word = ""
        if better is not None and mean and sure and not self.unlike:
            word = f", so {self.b if (mean > 0) == (better == 'higher') else self.a} is better"
        told = " and ".join(f"{spread(self.values[name], self.unit)} on {name}" for name in (self.a, self.b))
        apart = spread(self.difference, self.unit, sign=True)
        return f"{self.scenario}, {self.asked.label}: {told}: {self.b} − {self.a} = {apart}{word}."

    def _mainly(self) -> str:
        if self.unlike:
            return (
                f"No reason is named: the runs served different shares of their requests, and {self.asked.name} is of "
                f"those that got through; --metric {SERVED} can be split."
            )
        if not self.parts:
            return "The platforms differ in nothing that matters here."
        against = self._cancelling()
        if not self.main and against:
            return f"There is no clear difference: {listed(against)} cancel each other."
        if not self.main:
            return "No group stands out: the difference, or every part of it, is within chance or small."
        return f"Mainly because of {' and '.join(self._told(part) for part in self.main)}."

    def _cancelling(self) -> list[str]:
        """The clear parts, greatest first, where they are clearer than the difference and of both signs."""
        if self.replications < FEWEST or self.difference.excludes_zero:
            return []
        clear = sorted((x for x in self.parts if x.share.excludes_zero), key=lambda part: -abs(part.share.mean))
        clear = [each for each in clear if abs(each.share.mean) >= MAIN * abs(clear[0].share.mean)]
        if len({each.share.mean > 0 for each in clear}) < 2:
            return []
        return [f"{each.name} ({spread(each.share, self.unit, sign=True)})" for each in clear]

    def _besides(self) -> str:
        main = self.main
        others = [part for part in self.parts if part not in main]
        told = [f"{part.name} {spread(part.share, self.unit, sign=True)}" for part in others]
        silent = [f"{name} ({why})" for name, why in self.left_out.items()]
        sentence = f"Besides: {', '.join(told)}." if told else "Nothing else differs."
        return sentence + (f" Left out: {', '.join(silent)}." if silent else "")

    def _told(self, part: Part) -> str:
        number = spread(part.share, self.unit, sign=True)
        return f"{part.name} ({number}, {round(100 * part.share.mean / self.difference.mean)} % of it)"

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data; `parts` add up to `difference`."""
        return {
            "scenario": self.scenario,
            "metric": self.asked.metric,
            "service": self.asked.service,
            "unit": self.unit,
            "platforms": [self.a, self.b],
            "values": {name: _plain(each) for name, each in self.values.items()},
            "difference": _plain(self.difference),
            "parts": [
                {
                    "group": part.name, **_plain(part.share), "alone": _plain(part.alone), "last": _plain(part.last),
                    "differs": list(part.differs), "by_replication": part.values.tolist(),
                }
                for part in self.parts
            ],
            "mainly": [part.name for part in self.main],
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
            "doubts": [each.as_dict() for each in self.doubts],
            "answer": self.sentences,
            "coalitions": [{"of_second": list(names), "values": each.tolist()} for names, each in self.worth.items()],
            "replications": self.replications,
            "runs": self.runs,
            "complete": self.complete,
        }  # fmt: skip

    def rows(self) -> list[Mapping[str, Any]]:
        """The parts as rows of a table, and their sum."""
        rows: list[Mapping[str, Any]] = [_row(part.name, part.share, part.alone, part.last) for part in self.parts]
        return [*rows, _row("difference", self.difference, self.difference, self.difference)]


def _row(name: str, share: Interval, alone: Interval, last: Interval) -> Mapping[str, Any]:
    return {
        "group": name, "share": share.mean, "half_width_95": share.half, "alone": alone.mean, "last": last.mean,
        "replications": share.count,
    }  # fmt: skip


def _plain(value: Interval) -> dict[str, float | int | None]:
    return {"mean": value.mean, "half_width_95": value.half, "replications": value.count}
