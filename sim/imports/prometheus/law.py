"""From windows of counters to a law: CPU seconds a request with their interval, waits, and how much both vary.

d CPU / d requests: the ratio of the sums, with the interval of a ratio estimator (Cochran, Sampling Techniques,
6.4); where CPU is used without requests too, the slope of a straight line through the windows, weighted by
1 / requests, as the variance of a sum of demands grows with their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np

from sim.terms.records import Array

_SAMPLES: Final = 5_000
_SHAPES: Final = np.round(np.geomspace(0.05, 3.0, 42), 3)
LEAST: Final = 500
"""Requests of quiet windows that a law is fitted to, at least."""


@dataclass(frozen=True)
class Demand:
    """CPU seconds a request: the mean, its 95 % interval, cores used without requests, windows behind it."""

    mean: float
    low: float
    high: float
    idle: float
    windows: int


@dataclass(frozen=True)
class Histogram:
    """Counts of durations: `bounds` f8[k] ascending, s; `counts` f8[k+1] between them, the last above all."""

    bounds: Array
    counts: Array

    @property
    def total(self) -> float:
        """All durations."""
        return float(self.counts.sum())

    def quantile(self, q: float) -> tuple[float, float, float]:
        """(value, lower, upper): straight lines within a bucket, as histogram_quantile; the bucket's own bounds."""
        cumulated = np.cumsum(self.counts)
        rank = q * cumulated[-1]
        index = int(np.searchsorted(cumulated, rank))
        if index >= self.bounds.size:
            return float(self.bounds[-1]), float(self.bounds[-1]), math.inf
        low = float(self.bounds[index - 1]) if index else 0.0
        high = float(self.bounds[index])
        before = float(cumulated[index - 1]) if index else 0.0
        inside = float(self.counts[index])
        share = (rank - before) / inside if inside > 0 else 1.0
        return low + (high - low) * share, low, high

    def mean(self) -> float:
        """Mean by the middles of the buckets, s; for where no sum was kept."""
        edges = np.concatenate([[0.0], self.bounds, [self.bounds[-1] * 1.5]])
        middles = (edges[1:] + edges[:-1]) / 2
        return float((middles * self.counts).sum() / self.total)


@dataclass(frozen=True)
class Law:
    """A request: CPU of mean `cpu` s and a wait of mean `wait` s, both of one family and coefficient of variation."""

    cpu: float
    wait: float
    family: str
    cv: float
    fitted: float
    """Requests that it was fitted to; 0 where the shape is a guess."""


def demand(cpu: Array, requests: Array, seconds: Array) -> Demand:
    """CPU seconds a request, from CPU seconds, requests and lengths of windows. Raises ValueError without requests."""
    cpu, requests, seconds = _pooled(cpu, requests, seconds)
    total, n = float(requests.sum()), int(requests.size)
    if total <= 0.0:
        raise ValueError("no requests")
    mean = float(cpu.sum()) / total
    spread = float(((cpu - mean * requests) ** 2).sum())
    error = math.sqrt(n * spread / max(n - 1, 1)) / total if n > 1 else math.inf
    ratio = Demand(mean, max(0.0, mean - _t(n - 1) * error), mean + _t(n - 1) * error, 0.0, n)
    return _slope(cpu, requests, seconds, ratio) or ratio


def _slope(cpu: Array, requests: Array, seconds: Array, ratio: Demand) -> Demand | None:
    """The slope and what is used without requests; None where that is not told from nothing, or not needed."""
    used = requests > 0
    if used.sum() < 8:
        return None
    weight = 1.0 / np.sqrt(requests[used])
    design = np.column_stack([seconds[used], requests[used]])
    weighted = design * weight[:, None]
    found, _, rank, _ = np.linalg.lstsq(weighted, cpu[used] * weight, rcond=None)
    if rank < 2:
        return None
    rest = cpu[used] * weight - weighted @ found
    n = int(used.sum())
    errors = np.sqrt(np.diag(np.linalg.inv(weighted.T @ weighted)) * float((rest**2).sum()) / (n - 2))
    idle, slope = float(found[0]), float(found[1])
    wide = _t(n - 2) * errors
    matters = idle - wide[0] > 0.0 and idle * float(seconds.sum()) > 0.05 * float(cpu.sum())
    if not matters or slope <= 0.0 or wide[1] > 0.2 * slope:
        return None
    return Demand(slope, slope - float(wide[1]), slope + float(wide[1]), idle, n)


def _pooled(cpu: Array, requests: Array, seconds: Array) -> tuple[Array, Array, Array]:
    """Windows put together until there are at most 200, or 50 requests in each, whatever leaves 8 at least."""
    size = requests.size
    each = max(1, math.ceil(size / 200), math.ceil(50 * size / max(float(requests.sum()), 1.0)))
    each = max(1, min(each, size // 8))
    starts = np.arange(0, size - size % each, each) if size >= each else np.array([0])
    return tuple(np.add.reduceat(values, starts) for values in (cpu, requests, seconds))  # type: ignore[return-value]


def _t(freedom: int) -> float:
    """97.5 % quantile of Student's t, by Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5)."""
    if freedom < 1:
        return math.inf
    z, n = 1.959964, float(freedom)
    if freedom < 3:
        return (12.706, 4.303)[freedom - 1]
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def stretch(load: float, cores: float) -> float:
    """How much longer work takes where `load` cores' worth of it shares `cores`: the mean of M/M/c with sharing.

    1 + C / (c − a), C being Erlang's second formula: with one core 1 / (1 − a), whatever the law of the work.
    """
    servers = max(1, math.floor(cores + 1e-9))
    load = min(load * servers / max(cores, 1e-9), 0.95 * servers)
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    waits = blocked / (1.0 - (load / servers) * (1.0 - blocked))
    return 1.0 + waits / (servers - load)


def fit(work: float, slower: float, quiet: Histogram, mean: float) -> Law:
    """The law of a request, of `work` core-seconds, whose durations were `quiet` with this `mean`, s.

    CPU takes `slower` times as long as its core-seconds, and not always the same; what the durations have beyond that
    is a wait. Both are of one family with one coefficient of variation, the likeliest given the counts of the buckets.
    How much sharing varies is that of M/M/1 with sharing, whose durations have a squared coefficient of variation of
    (2 + ρ) / (2 − ρ) where work has 1 (Coffman, Muntz, Trotter, JACM 17(1), 1970), with the ρ that makes `slower`.
    """
    wait = max(0.0, mean - work * slower)
    if wait < 0.05 * mean:
        wait = 0.0
    # the mean is the measured one; only the shape is fitted
    chance = np.random.default_rng(20_240_229)
    uniform = [(np.argsort(chance.random(_SAMPLES)) + 0.5) / _SAMPLES for _ in range(3)]
    busy = 1.0 - 1.0 / slower
    shared = work * slower * _of_mean_one("lognormal", math.sqrt(busy / (2.0 - busy)), uniform[2])
    best = (-math.inf, "lognormal", 1.0)
    for family in ("lognormal", "gamma"):
        for cv in _SHAPES:
            whole = _of_mean_one(family, float(cv), uniform[0]) * shared
            if wait:
                whole = whole + _of_mean_one(family, float(cv), uniform[1]) * wait
            best = max(best, (_likelihood(whole, quiet), family, float(cv)))
    return Law(work, wait, best[1], best[2], quiet.total)


def _likelihood(whole: Array, seen: Histogram) -> float:
    below = np.searchsorted(np.sort(whole), seen.bounds, side="right") / whole.size
    share = np.diff(np.concatenate([[0.0], below, [1.0]]))
    return float((seen.counts * np.log(np.maximum(share, 0.5 / whole.size))).sum())


def _of_mean_one(family: str, cv: float, uniform: Array) -> Array:
    """Quantiles of a law of mean 1."""
    if family == "gamma":
        return _gamma(1.0 / cv**2, uniform)
    width = math.sqrt(math.log1p(cv**2))
    return np.exp(width * _normal(uniform.tobytes()) - width**2 / 2)


@lru_cache(maxsize=8)
def _normal(uniform: bytes) -> Array:
    quantile = NormalDist().inv_cdf
    return np.array([quantile(each) for each in np.frombuffer(uniform).tolist()])


def _gamma(shape: float, uniform: Array) -> Array:
    """Quantiles of a gamma law of mean 1, from its distribution function on a fine grid, by the trapezoid rule.

    Over y = x^shape where the density has a pole at 0 (shape < 1): exp(-y^(1/shape)) has none.
    """
    most = shape + 12.0 * math.sqrt(shape) + 40.0
    if shape < 1.0:
        grid = np.linspace(0.0, 1.0, 20_001) ** 3 * most**shape
        x = grid ** (1.0 / shape)
        density = np.exp(-x)
    else:
        grid = x = np.linspace(0.0, 1.0, 20_001) ** 2 * most
        with np.errstate(divide="ignore"):
            density = np.exp((shape - 1.0) * np.log(x / shape) - (x - shape)) if shape > 1.0 else np.exp(-x)
    reached = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    return np.asarray(np.interp(uniform, reached / reached[-1], x) / shape)
