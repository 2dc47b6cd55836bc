"""Counters and rates as what they have come to, whatever they were reset, sampled twice, or missed.

A counter that falls has begun again at 0, so that its increase is its new value, as Prometheus's `increase()` has it;
what came over a gap is spread evenly over it. Nothing is extrapolated beyond the first and the last sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.imports.prometheus.files import Series
from sim.terms.records import Array


@dataclass(frozen=True)
class Total:
    """Sums of some series on a grid: `grid` f8[n+1] in s, `added` f8[n] what came in each window.

    `resets`, `gaps`: how often a counter began again, and how many stretches of it are missing.
    """

    grid: Array
    added: Array
    resets: int = 0
    gaps: int = 0

    @property
    def seconds(self) -> Array:
        """Lengths of the windows, s."""
        return np.diff(self.grid)


def step_of(series: Sequence[Series]) -> float:
    """The step of the query, s: the median distance of samples (15 s where there is one only)."""
    steps = [float(np.median(np.diff(each.times))) for each in series if each.times.size > 1]
    return float(np.median(steps)) if steps else 15.0


def grid_of(series: Sequence[Series], step: float) -> Array:
    """The windows that all of the samples lie in, of `step` s each; empty where there is no whole one."""
    times = [each.times for each in series if each.times.size > 1]
    if not times:
        return np.empty(0)
    return edges(min(float(each[0]) for each in times), max(float(each[-1]) for each in times), step)


def edges(first: float, last: float, step: float) -> Array:
    """Edges of whole windows of `step` s from `first` on, f8[n+1]."""
    return np.asarray(first + step * np.arange(int((last - first) / step + 1e-6) + 1, dtype=np.float64))


def overlap(*grids: Array) -> tuple[float, float]:
    """The span that several grids share, (first, last) in s."""
    return max(float(grid[0]) for grid in grids), min(float(grid[-1]) for grid in grids)


def counted(series: Sequence[Series], grid: Array) -> Total:
    """What counters have grown by in each window, all together."""

    def grown(each: Series) -> Array:
        steps = np.diff(each.values)
        return np.where(steps < 0, each.values[1:], steps)

    resets = sum(int((np.diff(each.values) < 0).sum()) for each in series)
    return _summed(series, grid, grown, resets)


def flowed(series: Sequence[Series], grid: Array) -> Total:
    """What rates have come to in each window, all together: straight lines between the samples."""
    return _summed(series, grid, lambda each: (each.values[1:] + each.values[:-1]) / 2 * np.diff(each.times))


def _summed(series: Sequence[Series], grid: Array, come: Callable[[Series], Array], resets: int = 0) -> Total:
    """Sums by window of what has `come` from each sample to the next."""
    added, gaps = np.zeros(max(grid.size - 1, 0)), 0
    for each in series:
        if each.times.size > 1:
            added += np.diff(np.interp(grid, each.times, np.concatenate([[0.0], np.cumsum(come(each))])))
            gaps += _gaps_of(each)
    return Total(grid, added, resets, gaps)


def level(series: Sequence[Series], grid: Array) -> Array:
    """Sum of gauges in the middle of each window, f8[n]; a series counts where it has samples around."""
    middle = (grid[1:] + grid[:-1]) / 2
    total = np.zeros(middle.size)
    for each in series:
        if each.times.size:
            total += np.interp(middle, each.times, each.values, left=0.0, right=0.0)
    return total


def alive(series: Sequence[Series], grid: Array) -> Array:
    """How many of the series have samples around the middle of each window, f8[n]."""
    middle = (grid[1:] + grid[:-1]) / 2
    count = np.zeros(middle.size)
    for each in series:
        if each.times.size:
            count += (each.times[0] <= middle) & (middle <= each.times[-1])
    return count


def _gaps_of(series: Series) -> int:
    """Stretches of a series that lack two samples or more."""
    between = np.diff(series.times)
    return int(np.sum(between > 2.5 * np.median(between)))


def scraped_every(total: Total) -> int:
    """Windows from one scrape to the next: more than 1 where the query's step is finer than the scrapes.

    Samples are repeated then, and what has come is seen in one window of several, the others being empty.
    """
    busy = total.added.sum() / max(total.added.size, 1)
    empty = float(np.mean(total.added == 0.0)) if total.added.size else 0.0
    if busy < 3.0 or empty < 0.25:
        return 1
    return min(max(1, round(1.0 / (1.0 - empty))), max(1, total.added.size // 4))
