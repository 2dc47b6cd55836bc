"""How sure a mean over replications, or a difference between two platforms, is.

A replication gives one value of a metric (a percentile of its own requests is one value too), and values of different
replications are independent, so everything here is over replications. Student's t: Law, "Simulation Modeling and
Analysis", 5th ed., eq. 4.12; paired differences: section 10.2.1; Welch's form where the replications cannot be paired:
Welch, Biometrika 34 (1947), Law section 10.2.2. Nothing is said from fewer than three replications.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sim.report.metrics import student

LEVEL = 0.95
"""Confidence of every interval (ratio)."""
FEWEST = 3
"""Replications below which nothing is said: with two, t is 12.7 and the interval useless."""
SAME = 1e-9
"""Relative difference below which two values are the same number."""


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its confidence interval; `half` is None where none can be given."""

    mean: float
    half: float | None
    count: int
    """Replications behind it."""

    @property
    def low(self) -> float:
        """Lower end; −inf without an interval."""
        return -math.inf if self.half is None else self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end; inf without an interval."""
        return math.inf if self.half is None else self.mean + self.half

    @property
    def relative(self) -> float:
        """Half width / |mean|: 0 when both are 0, infinite when only the mean is or there is no interval."""
        if self.half is None:
            return math.inf
        if self.half == 0.0:
            return 0.0
        return self.half / abs(self.mean) if self.mean else math.inf

    def scaled(self, factor: float) -> Interval:
        """The same in another unit: everything times `factor` (> 0)."""
        return Interval(self.mean * factor, None if self.half is None else self.half * factor, self.count)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval is there and does not hold zero."""
        return self.half is not None and abs(self.mean) > self.half


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t with `freedom` (> 0) degrees of freedom at `probability` (0..1)."""
    return student.quantile(probability, freedom)


def mean_interval(values: Iterable[float]) -> Interval:
    """Mean of independent replications with its interval. Raises ValueError for no value at all.

    >>> interval = mean_interval([9.0, 10.0, 11.0])
    >>> print(f"{interval.mean} ± {interval.half:.3f}")
    10.0 ± 2.484
    >>> mean_interval([9.0, 11.0]).half is None  # two replications say nothing
    True
    """
    sample = list(values)
    count = len(sample)
    if count == 0:
        raise ValueError("a mean of nothing")
    if count < FEWEST:
        return Interval(math.fsum(sample) / count, None, count)
    mean, error = _mean_and_error(sample)
    return Interval(mean, t_quantile((1 + LEVEL) / 2, count - 1) * error, count)


def upper_bound(values: Iterable[float], level: float = LEVEL) -> float | None:
    """One-sided upper confidence bound for the mean of replications; None for fewer than three.

    >>> print(f"{upper_bound([9.0, 10.0, 11.0]):.3f}")
    11.686
    """
    sample = list(values)
    if len(sample) < FEWEST:
        return None
    mean, error = _mean_and_error(sample)
    return mean + t_quantile(level, len(sample) - 1) * error


def lower_bound(values: Iterable[float], level: float = LEVEL) -> float | None:
    """One-sided lower confidence bound for the mean of replications; None for fewer than three."""
    bound = upper_bound(-value for value in values)
    return None if bound is None else -bound


def chance_above(values: Iterable[float], limit: float) -> float | None:
    """One-sided p-value of "the mean is at most the limit" (Student's t); None for fewer than three replications."""
    sample = list(values)
    count = len(sample)
    if count < FEWEST:
        return None
    mean, error = _mean_and_error(sample)
    if error == 0.0:
        return 0.0 if mean > limit else 1.0
    return student.upper_tail(count - 1, (mean - limit) / error)


def holm(chances: Sequence[float | None], risk: float = 1 - LEVEL) -> list[bool]:
    """Which hypotheses are given up so that the chance to give up any true one is at most `risk`, whatever their ties.

    `chances`: their p-values (None: cannot be tested, and is kept). Holm, Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.04, 0.02, 0.6, None])  # each alone would be below 5 %
    [False, False, False, False]
    >>> holm([0.04, 0.01, 0.6, None])
    [False, True, False, False]
    """
    ranked = sorted((chance, place) for place, chance in enumerate(chances) if chance is not None)
    given_up = [False] * len(chances)
    for rank, (chance, place) in enumerate(ranked):
        if chance > risk / (len(ranked) - rank):
            break
        given_up[place] = True
    return given_up


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> Interval | None:
    """Interval of b − a over the replications (replication → value) that both have; None without any.

    What the replications have in common (here: one of them is a busy one) does not widen it:

    >>> vm, container = {0: 10.0, 1: 12.0, 2: 30.0}, {0: 9.0, 1: 11.1, 2: 28.9}
    >>> difference = paired_difference(vm, container)
    >>> print(f"{difference.mean:.2f} ± {difference.half:.2f}", difference.excludes_zero)
    -1.00 ± 0.25 True
    >>> unpaired_difference(vm.values(), container.values()).excludes_zero
    False
    """
    shared = [key for key in a if key in b]
    differences = [0.0 if _same(a[key], b[key]) else b[key] - a[key] for key in shared]
    return mean_interval(differences) if differences else None


def unpaired_difference(a: Iterable[float], b: Iterable[float]) -> Interval | None:
    """Interval of mean(b) − mean(a) for independent replications (Welch); None when one side is empty."""
    samples = list(a), list(b)
    if not all(samples):
        return None
    first, second = (math.fsum(sample) / len(sample) for sample in samples)
    difference = 0.0 if _same(first, second) else second - first
    count = min(map(len, samples))
    if count < FEWEST:
        return Interval(difference, None, count)
    variances = [_mean_and_error(sample)[1] ** 2 for sample in samples]
    if sum(variances) == 0.0:
        return Interval(difference, 0.0, count)
    weights = sum(each**2 / (len(sample) - 1) for each, sample in zip(variances, samples, strict=True))
    freedom = sum(variances) ** 2 / weights
    return Interval(difference, t_quantile((1 + LEVEL) / 2, freedom) * math.sqrt(sum(variances)), count)


def _mean_and_error(sample: list[float]) -> tuple[float, float]:
    """Mean and its standard error; exactly 0 error when all values are equal. Raises ValueError on NaN or infinity."""
    if not all(map(math.isfinite, sample)):
        raise ValueError("an interval needs finite values; drop the replications that lack the metric first")
    if min(sample) == max(sample):
        return sample[0], 0.0
    count = len(sample)
    mean = math.fsum(sample) / count
    variance = math.fsum((value - mean) ** 2 for value in sample) / (count - 1)
    return mean, math.sqrt(variance / count)


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=SAME)
