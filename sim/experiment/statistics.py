"""Intervals over replications, paired differences, percentile intervals and transient removal.

A replication gives one value of a metric; values of different replications are independent, so every
interval here is taken over replications. None is ever made from fewer than two values.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
"""Confidence of an interval unless the caller says otherwise (ratio)."""

MSER_BATCH = 5
"""Observations a batch in MSER-5 (White, Cobb and Spratt 2000)."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval [low, high] around an estimate, in the unit of the metric."""

    estimate: float
    low: float
    high: float
    confidence: float
    count: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval, in the unit of the metric."""
        return (self.high - self.low) / 2

    @property
    def relative_half_width(self) -> float:
        """Half width / |estimate|: 0 when both are 0, infinite when only the estimate is."""
        if self.half_width == 0:
            return 0.0
        return self.half_width / abs(self.estimate) if self.estimate else math.inf

    def excludes(self, value: float) -> bool:
        """Whether the interval lies wholly on one side of `value`."""
        return not self.low <= value <= self.high


@dataclass(frozen=True)
class Difference:
    """The difference a - b of two groups, and whether it was taken pair by pair."""

    estimate: float
    interval: Interval | None
    paired: bool
    pairs: int


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise ValueError("an interval needs finite values; drop the replications that lack the metric first")
    return array


def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t with `degrees` of freedom (> 0) at `probability` (0..1)."""
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats

    return float(stdtrit(degrees, probability))


def _mean_and_error(array: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and its standard error; exactly 0 error when all values are equal (no rounding residue)."""
    if array.min() == array.max():
        return float(array[0]), 0.0
    return float(array.mean()), float(array.std(ddof=1)) / math.sqrt(array.size)


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval | None:
    """Student-t interval for the mean of independent `values` (n,); None for fewer than two.

    Source: Law, Simulation Modeling and Analysis, 5th ed., eq. 4.12. Raises ValueError on NaN or infinity.
    """
    array = _finite(values)
    if array.size < 2:
        return None
    mean, error = _mean_and_error(array)
    half = t_quantile((1 + confidence) / 2, array.size - 1) * error
    return Interval(mean, mean - half, mean + half, confidence, array.size)


def upper_bound(values: ArrayLike, confidence: float = CONFIDENCE) -> float | None:
    """One-sided upper confidence bound for the mean of `values` (n,); None for fewer than two."""
    array = _finite(values)
    if array.size < 2:
        return None
    mean, error = _mean_and_error(array)
    return mean + t_quantile(confidence, array.size - 1) * error


def lower_bound(values: ArrayLike, confidence: float = CONFIDENCE) -> float | None:
    """One-sided lower confidence bound for the mean of `values` (n,); None for fewer than two."""
    bound = upper_bound(-_finite(values), confidence)
    return None if bound is None else -bound


def paired_interval(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> Interval | None:
    """Student-t interval for the mean of a - b, value by value (same seed and replication at one index).

    Raises ValueError when the lengths differ. Source: Law, 5th ed., section 10.2.1 (paired-t).
    """
    left, right = _finite(a), _finite(b)
    if left.size != right.size:
        raise ValueError(f"pairs need two groups of one length, not {left.size} and {right.size}")
    return mean_interval(left - right, confidence)


def unpaired_interval(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> Interval | None:
    """Welch's interval for mean(a) - mean(b) of independent groups; None if one has fewer than two values.

    Source: Welch, Biometrika 34 (1947); Law, 5th ed., section 10.2.2.
    """
    left, right = _finite(a), _finite(b)
    if min(left.size, right.size) < 2:
        return None
    (mean_a, error_a), (mean_b, error_b) = _mean_and_error(left), _mean_and_error(right)
    variance = error_a**2 + error_b**2
    mean = mean_a - mean_b
    if variance == 0:
        return Interval(mean, mean, mean, confidence, min(left.size, right.size))
    degrees = variance**2 / (error_a**4 / (left.size - 1) + error_b**4 / (right.size - 1))
    half = t_quantile((1 + confidence) / 2, degrees) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, confidence, min(left.size, right.size))


def difference(a: Mapping[Hashable, float], b: Mapping[Hashable, float], confidence: float = CONFIDENCE) -> Difference:
    """Difference a - b of two groups keyed by what must match for a pair, say (seed, replication).

    Paired when the groups have two common keys or more (or one each, the same): only pairs count then. Otherwise
    unpaired (Welch), and the result says so. Raises ValueError when a group is empty.
    """
    if not a or not b:
        raise ValueError("a difference needs a value on both sides")
    common = [key for key in a if key in b]
    if len(common) >= 2 or (common and len(a) == len(b) == 1):
        left, right = np.array([a[key] for key in common]), np.array([b[key] for key in common])
        interval = paired_interval(left, right, confidence)
        return Difference(float(np.mean(left - right)), interval, True, len(common))
    left, right = np.array(list(a.values())), np.array(list(b.values()))
    interval = unpaired_interval(left, right, confidence)
    return Difference(float(left.mean() - right.mean()), interval, False, 0)


def order_statistics(count: int, q: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Ranks (low, high), 1-based, of the order statistics that hold the q-quantile of `count` independent values.

    None when `count` is too small for them to exist. Source: David and Nagaraja, Order Statistics, 3rd ed.,
    section 7.1: P(X(low) <= x_q < X(high)) >= P(low <= Binomial(count, q) < high).
    """
    from scipy.stats import binom

    tail = (1 - confidence) / 2
    low, high = int(binom.ppf(tail, count, q)), int(binom.ppf(1 - tail, count, q)) + 1
    return (low, high) if low >= 1 and high <= count else None


def percentile_interval(values: ArrayLike, q: float, confidence: float = CONFIDENCE) -> Interval | None:
    """Distribution-free interval for the q-quantile (0 < q < 1) of independent `values` (n,).

    None when there are too few values (p99 at 95 % needs 368). Responses of one run are correlated: over
    replications, take `mean_interval` of each replication's percentile instead.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    array = np.sort(_finite(values))
    ranks = order_statistics(array.size, q, confidence) if array.size >= 2 else None
    if ranks is None:
        return None
    low, high = ranks
    return Interval(float(np.quantile(array, q)), float(array[low - 1]), float(array[high - 1]), confidence, array.size)


def proportion_interval(successes: int, count: int, confidence: float = CONFIDENCE) -> Interval | None:
    """Clopper-Pearson interval (Biometrika 26, 1934) for a proportion; None for fewer than two observations."""
    if count < 2:
        return None
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, count - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, count - successes, 1 - tail)) if successes < count else 1.0
    return Interval(successes / count, low, high, confidence, count)


def mser5(values: ArrayLike) -> int:
    """Number of observations at the beginning of the series `values` (n,) to discard as transient.

    Means of batches of 5 are formed; d batches are cut such that the squared standard error of the rest,
    sum((x - mean)^2) / (n - d)^2, is least, d being at most half of them. Sources: White, Simulation 69 (1997);
    White, Cobb and Spratt, Winter Simulation Conference 2000. Check the result with `settled`.
    """
    array = _finite(values)
    batches = array.size // MSER_BATCH
    if batches < 2:
        return 0
    means = array[: batches * MSER_BATCH].reshape(batches, MSER_BATCH).mean(axis=1)
    means = means - means.mean()  # keeps the difference of squares below from cancelling
    left = np.arange(batches, 0, -1, dtype=np.float64)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means**2)[::-1])[::-1]
    error = np.maximum(squares - sums**2 / left, 0.0) / left**2
    return int(np.argmin(error[: batches // 2 + 1])) * MSER_BATCH


def settled(truncation: int, count: int) -> bool:
    """Whether MSER-5 found its minimum before the end of its range; if not, the series is too short."""
    batches = count // MSER_BATCH
    return batches >= 2 and truncation < (batches // 2) * MSER_BATCH


def transient_end(times: ArrayLike, values: ArrayLike) -> float | None:
    """Time (s) at which the transient of a series ends by MSER-5; None when it does not settle.

    `times` (n,) in s and `values` (n,), in any order: they are taken in order of time (arrival), as `warmup: auto`
    needs it.
    """
    moments, series = _finite(times), _finite(values)
    if moments.size != series.size:
        raise ValueError(f"{moments.size} times do not fit {series.size} values")
    order = np.argsort(moments, kind="stable")
    cut = mser5(series[order])
    if not settled(cut, series.size):
        return None
    return float(moments[order[cut]]) if cut else 0.0


def common_series(series: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Mean over replications, position by position, of series cut to the shortest (Welch's averaging).

    Averaging before `mser5` removes the noise of a single replication. Source: Law, 5th ed., section 9.5.1.
    """
    if not series:
        raise ValueError("no series given")
    arrays = [_finite(values) for values in series]
    shortest = min(array.size for array in arrays)
    averaged: NDArray[np.float64] = np.mean([array[:shortest] for array in arrays], axis=0)
    return averaged
