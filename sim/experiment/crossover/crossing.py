"""Where along one axis the better of two platforms changes, with an interval on the crossing.

Both platforms meet the same seeds, so the difference is taken replication by replication; between the values that
were run it is interpolated linearly. The interval is Fieller's: the places where a paired t interval of the
interpolated difference holds zero (Fieller, Journal of the Royal Statistical Society B 16, 1954). Unlike a bootstrap,
it keeps its coverage with the few replications that a simulation has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from sim.experiment.drawn import Drawn
from sim.reading.errors import HostsimError
from sim.report.answers.doubts.traffic import ALIKE
from sim.report.metrics.numbers import share
from sim.report.metrics.statistics import FEWEST, LEVEL, t_quantile
from sim.terms.doubts import DOUBTS, Doubt, doubt, touches
from sim.terms.records import Array

if TYPE_CHECKING:
    import pandas as pd

_SAME = 1e-6  # shares of a gap closer than this are one place: without noise, both edges are the crossing itself


class CrossoverError(HostsimError):
    """There is nothing to compare, or a run of the search failed."""


@dataclass(frozen=True)
class Crossing:
    """One crossing: below `at` the platform `below` is better, above it `above` is.

    `low` and `high` bound it with 95 % confidence; -inf or inf where the interval leaves the values that were run.
    Both are None when there are fewer than three replications.
    """

    at: float
    low: float | None
    high: float | None
    below: str
    above: str


@dataclass(frozen=True, repr=False)
class Crossover(Drawn):
    """The difference a - b of a metric along an axis: values (n,), differences (n, replications), and its crossings.

    `better` is who is better at every value when nothing crosses (None when something does, or all is equal).
    """

    a: str
    b: str
    metric: str
    values: tuple[float, ...]
    differences: Array
    crossings: tuple[Crossing, ...]
    better: str | None
    runs: int = 0
    series: Mapping[str, Array] = field(default_factory=dict)
    """Platform → the metric itself (n, replications), where it is known."""
    served: Mapping[str, Array] = field(default_factory=dict)
    """Platform → share of the requests completed (n,), where the metric is of those that got through."""
    axis: str = "the axis"
    unit: str = ""
    scenario: str = ""

    def __repr__(self) -> str:
        """The answer in words."""
        return "\n".join(self.sentences(self.axis, self.unit))

    @property
    def doubts(self) -> list[Doubt]:
        """Where the platforms served different shares of their requests, so that no winner is named."""
        if not self.unlike:
            return []
        told = ", ".join(f"{value:g}{self.unit}" for value in self.unlike)
        text = f"{self.a} and {self.b} completed different shares of their requests at {told}"
        return [doubt("survivors", text, values=list(self.unlike))]

    def draw(self, path: Path) -> None:
        """Save a figure: the metric on both platforms over the axis, and their difference with its crossings."""
        from sim.report.figures.crossover import save_crossover
        from sim.report.figures.names import spoken

        title = f"{self.scenario or 'crossover'}: {self.metric} over {spoken(self.axis, self.unit)}"
        told = self.sentences(spoken(self.axis, ""), self.unit)
        save_crossover(self, path, self.axis, self.unit, title, told)

    @property
    def unlike(self) -> tuple[float, ...]:
        """Values at which the platforms completed different shares of their requests: no winner is named there."""
        if not self.served or not touches(DOUBTS["survivors"].touches, self.metric):
            return ()
        apart = np.abs(self.served[self.a] - self.served[self.b]) > ALIKE
        return tuple(value for value, each in zip(self.values, apart, strict=True) if each)

    def sentences(self, axis: str, unit: str = "") -> list[str]:
        """Who is better where, a sentence a crossing; `axis` and `unit` as they were asked."""
        if self.unlike:
            return self._of_survivors(axis, unit)
        if self.better is not None:
            return [f"{self.metric}: {self.better} is better at every value of {axis}"]
        if not self.crossings:
            return [f"{self.metric}: {self.a} and {self.b} are equal at every value of {axis}"]
        return [self._sentence(each, axis, unit) for each in self.crossings]

    @property
    def comparable(self) -> tuple[Crossing, ...]:
        """The crossings between values at which the platforms served alike."""
        places = [int(np.searchsorted(self.values, each.at)) for each in self.crossings]
        beside = [self.values[max(place - 1, 0) : place + 1] for place in places]
        return tuple(
            each for each, ends in zip(self.crossings, beside, strict=True) if not set(ends).intersection(self.unlike)
        )

    def _sentence(self, each: Crossing, axis: str, unit: str) -> str:
        where = f"{self.metric}: below {axis} = {each.at:.4g}{unit} {each.below} is better, above it {each.above}"
        return f"{where}{_interval(each, unit)}"

    def _of_survivors(self, axis: str, unit: str) -> list[str]:
        """What can be said where percentiles are of survivors at some values: of the others, value by value."""
        places = [self.values.index(value) for value in self.unlike]
        worst = max(places, key=lambda place: abs(self.served[self.a][place] - self.served[self.b][place]))
        shares = ", ".join(f"{name} {share(float(self.served[name][worst]))}" for name in (self.a, self.b))
        where = ", ".join(f"{value:.4g}{unit}" for value in self.unlike)
        told = [
            f"{self.metric}: not comparable at {axis} = {where}: the platforms served different shares of the requests "
            f"(at {self.values[worst]:.4g}{unit} {shares})"
        ]
        sure = self.comparable
        if sure:
            return [*told, *(self._sentence(each, axis, unit) for each in sure)]
        alike = [place for place in range(len(self.values)) if place not in places]
        lower = better_side(self.metric) == "lower"
        for name, sign in ((self.a, -1 if lower else 1), (self.b, 1 if lower else -1)):
            won = [self.values[place] for place in alike if sign * float(self.differences[place].mean()) > 0]
            if won:
                told.append(f"{self.metric}: {name} is better at {axis} = {', '.join(f'{x:.4g}{unit}' for x in won)}")
        return told


def _interval(each: Crossing, unit: str) -> str:
    if each.low is None or each.high is None:
        return " (too few replications for an interval)"
    low = f"{each.low:.4g}{unit}" if math.isfinite(each.low) else "below the least value"
    high = f"{each.high:.4g}{unit}" if math.isfinite(each.high) else "above the greatest value"
    return f" (95 %: {low} to {high})"


def better_side(metric: str) -> Literal["lower", "higher"]:
    """Which side of a metric is better. Raises CrossoverError where none is."""
    from sim.report.metrics.known import describe

    side = describe(metric).better
    if side is None:
        raise CrossoverError(f"{metric} has no better side")
    return side


def crossover(
    values: ArrayLike,
    differences: ArrayLike,
    *,
    a: str,
    b: str,
    metric: str,
    better: Literal["lower", "higher"],
    runs: int = 0,
) -> Crossover:
    """Find every crossing of the mean of `differences` (n, replications), a - b, along ascending `values` (n,).

    Raises ValueError on NaN or when the shapes do not fit.
    """
    where, delta = np.asarray(values, dtype=np.float64), np.asarray(differences, dtype=np.float64)
    if delta.ndim != 2 or where.shape != delta.shape[:1] or not (np.diff(where) > 0).all():
        raise ValueError("differences need a row for each of the ascending values, and a column a replication")
    if not np.isfinite(delta).all():
        raise ValueError("every value needs a finite difference in every replication")
    mean = delta.mean(axis=1)
    sides = {-1: a, 1: b} if better == "lower" else {-1: b, 1: a}
    signs = [int(sign) for sign in np.sign(mean)]
    found = tuple(
        _crossing(where, delta, place, sides[side], sides[-side]) for place, side in _sign_changes(mean, signs)
    )
    present = {sign for sign in signs if sign}
    winner = sides[present.pop()] if len(present) == 1 else None
    return Crossover(a, b, metric, tuple(where.tolist()), delta, found, winner, runs)


def crossover_of(table: pd.DataFrame, axis: str, a: str, b: str, metric: str, service: str = "all") -> Crossover:
    """Crossover from the table of a sweep along one of its axes (a column of numbers).

    Raises CrossoverError when the metric has no better side or is missing somewhere, or when other axes move too:
    select their value first, as in `table[table["host.cores"] == 8]`.
    """
    side = better_side(metric)
    chosen = table[(table["metric"] == metric) & (table["service"] == service)]
    keys = chosen.loc[chosen["platform"] == a, [axis, "replication"]]
    if keys.duplicated().any():
        raise CrossoverError(f"several points have the same {axis}: select a value of the other axes first")
    wide = chosen.pivot(index=axis, columns=["platform", "replication"], values="value").sort_index()
    present = set(wide.columns.get_level_values(0))
    for name in (a, b):
        if name not in present:
            raise CrossoverError(f"the table has no {metric} of {service} on {name}")
    differences = wide[a] - wide[b]
    if differences.isna().to_numpy().any():
        raise CrossoverError(f"{metric} of {service} is missing in some runs of {a} or {b}")
    found = crossover(
        wide.index.to_numpy(dtype=np.float64),
        differences.to_numpy(dtype=np.float64),
        a=a,
        b=b,
        metric=metric,
        better=side,
    )
    series = {name: wide[name].to_numpy(dtype=np.float64) for name in (a, b)}
    return replace(found, series=series, served=_served(table, axis, (a, b), service))


def _served(table: pd.DataFrame, axis: str, platforms: Sequence[str], service: str) -> dict[str, Array]:
    """Completed / arrived at each value, over all replications; empty where the table does not say."""
    own = table[(table["service"] == service) & table["metric"].isin(["requests.arrived", "requests.completed"])]
    totals = own.groupby(["platform", axis, "metric"])["value"].sum().unstack("metric")
    if totals.shape[1] < 2 or totals.isna().to_numpy().any():
        return {}
    shares = totals["requests.completed"] / totals["requests.arrived"]
    return {name: shares[name].sort_index().to_numpy(dtype=np.float64) for name in platforms}


# ---------------------------------------------------------------- places along the axis, in units of its index


def _sign_changes(mean: Array, signs: Sequence[int]) -> list[tuple[float, int]]:
    """(place, sign before it) of every change of sign; a run of zeros counts as its middle."""
    changes: list[tuple[float, int]] = []
    last: int | None = None  # index of the last value that is not zero
    for index, sign in enumerate(signs):
        if sign == 0:
            continue
        if last is not None and signs[last] != sign:
            part = float(mean[last] / (mean[last] - mean[index]))
            place = last + part if index == last + 1 else (last + index) / 2
            changes.append((place, signs[last]))
        last = index
    return changes


def _crossing(where: Array, delta: Array, place: float, below: str, above: str) -> Crossing:
    at = _value(where, place)
    if delta.shape[1] < FEWEST:
        return Crossing(at, None, None, below, above)
    t = t_quantile((1 + LEVEL) / 2, delta.shape[1] - 1)
    low = _edge(where, delta, place, t, -1)
    high = _edge(where, delta, place, t, 1)
    return Crossing(at, low, high, below, above)


def _value(where: Array, place: float) -> float:
    return float(np.interp(place, np.arange(where.size), where))


def _edge(where: Array, delta: Array, place: float, t: float, direction: int) -> float:
    """Where, going from `place` in `direction`, the t interval of the difference stops holding zero; ±inf: nowhere."""
    segment = min(int(place), where.size - 2)
    part = place - segment
    while 0 <= segment < where.size - 1:
        ahead = [root for root in _roots(delta[segment], delta[segment + 1], t) if (root - part) * direction > -_SAME]
        if ahead:
            return _value(where, segment + (min(ahead) if direction > 0 else max(ahead)))
        segment += direction
        part = -math.inf if direction > 0 else math.inf
    return direction * math.inf


def _roots(left: Array, right: Array, t: float) -> list[float]:
    """Shares u in [0, 1] of a segment at which mean(u)^2 = t^2 × variance of the mean(u): a quadratic in u."""
    slope = right - left
    count = left.size
    covariance = np.cov(np.vstack([left, slope]), ddof=1) / count
    mean, rise = float(left.mean()), float(slope.mean())
    quadratic = rise**2 - t**2 * covariance[1, 1]
    linear = 2 * (mean * rise - t**2 * covariance[0, 1])
    constant = mean**2 - t**2 * covariance[0, 0]
    roots = np.roots([quadratic, linear, constant])
    return sorted(float(root.real) for root in roots if abs(root.imag) < _SAME and 0 <= root.real <= 1)
