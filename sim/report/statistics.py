"""How sure a mean over replications, or a difference between two platforms, is.

Student's t (Law, "Simulation Modeling and Analysis", 5th ed., eq. 4.12; paired differences: section 10.2.1;
Welch's form where the replications cannot be paired: section 10.2.2). No interval below three replications.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LEVEL = 0.95
FEWEST = 3  # replications below which no interval is given: with two, t is 12.7 and says nothing
SAME = 1e-9  # relative difference below which two values are the same number


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its confidence interval; `half` is None where none can be given."""

    mean: float
    half: float | None
    count: int
    """Replications behind it."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval is there and does not hold zero."""
        return self.half is not None and abs(self.mean) > self.half


def student_t(level: float, freedom: float) -> float:
    """Two-sided quantile of Student's t: P(|T| <= t) = `level` with `freedom` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2))


def mean_interval(values: Iterable[float], level: float = LEVEL) -> Interval:
    """Mean of independent replications with its interval. Raises ValueError for no value at all."""
    sample = list(values)
    count = len(sample)
    if count == 0:
        raise ValueError("a mean of nothing")
    mean = math.fsum(sample) / count
    if count < FEWEST:
        return Interval(mean, None, count)
    return Interval(mean, student_t(level, count - 1) * math.sqrt(_variance(sample, mean) / count), count)


def paired_difference(a: Mapping[int, float], b: Mapping[int, float], level: float = LEVEL) -> Interval | None:
    """Interval of b − a over the replications (replication → value) that both have; None without any."""
    shared = [key for key in a if key in b]
    differences = [0.0 if _same(a[key], b[key]) else b[key] - a[key] for key in shared]
    return mean_interval(differences, level) if differences else None


def unpaired_difference(a: Iterable[float], b: Iterable[float], level: float = LEVEL) -> Interval | None:
    """Interval of mean(b) − mean(a) for independent replications (Welch); None when one side is empty."""
    first, second = list(a), list(b)
    if not first or not second:
        return None
    means = [math.fsum(sample) / len(sample) for sample in (first, second)]
    difference = 0.0 if _same(*means) else means[1] - means[0]
    count = min(len(first), len(second))
    if count < FEWEST:
        return Interval(difference, None, count)
    parts = [_variance(sample, mean) / len(sample) for sample, mean in zip((first, second), means, strict=True)]
    if sum(parts) == 0.0:
        return Interval(difference, 0.0, count)
    weights = sum(part**2 / (len(sample) - 1) for part, sample in zip(parts, (first, second), strict=True))
    freedom = sum(parts) ** 2 / weights
    return Interval(difference, student_t(level, freedom) * math.sqrt(sum(parts)), count)


def _variance(sample: list[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in sample) / (len(sample) - 1)


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=SAME)
