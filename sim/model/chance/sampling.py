"""Samplers of the scenario's distributions, vectorised.

Every sampler draws one value after the other from its stream: drawing n and then m values gives the same n +
m as drawing them at once, so that results do not depend on the size of blocks. That rules out filling one
array of uniforms and another of normals; NumPy's Generator methods with scalar parameters keep it (also the
gamma's rejection), and their exp and pow are the C library's, the same on every CPU of a platform.

Formulas: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions, vol. 1, 2nd ed., 1994.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sim.reading.distribution import Distribution
from sim.terms.records import Array

Sampler = Callable[[np.random.Generator, int], Array]


def _constant(mean: float) -> Sampler:
    return lambda stream, n: np.full(n, mean)


def _exponential(mean: float) -> Sampler:
    """Mean ``mean``; NumPy's ziggurat (Marsaglia and Tsang 2000)."""

    def draw(stream: np.random.Generator, n: int) -> Array:
        values = stream.standard_exponential(n)
        values *= mean
        return values

    return draw


def _lognormal(mean: float, cv: float) -> Sampler:
    """sigma² = ln(1 + cv²), mu = ln(mean) - sigma² / 2 (Johnson et al., chapter 14)."""
    if cv == 0.0:
        return _constant(mean)
    variance = math.log1p(cv * cv)
    mu, sigma = math.log(mean) - 0.5 * variance, math.sqrt(variance)
    return lambda stream, n: stream.lognormal(mu, sigma, n)


def _gamma(mean: float, cv: float) -> Sampler:
    """Shape 1 / cv², scale mean cv² (Johnson et al., chapter 17)."""
    if cv == 0.0:
        return _constant(mean)
    shape, scale = 1.0 / (cv * cv), mean * cv * cv
    return lambda stream, n: stream.gamma(shape, scale, n)


def _pareto(mean: float, shape: float) -> Sampler:
    """Pareto of the first kind: P(X > x) = (x_m / x)^shape from x_m = mean (shape - 1) / shape on, shape > 1.

    X = x_m exp(Y / shape) with Y exponential (Johnson et al., chapter 20); NumPy's
    ``pareto`` is X / x_m - 1.
    """
    if shape <= 1.0:
        raise ValueError(f"a Pareto distribution of shape {shape} has no mean; the shape must be above 1")
    least = mean * (shape - 1.0) / shape

    def draw(stream: np.random.Generator, n: int) -> Array:
        values = stream.pareto(shape, n)
        values += 1.0
        values *= least
        return values

    return draw


def _weibull(mean: float, shape: float) -> Sampler:
    """P(X > x) = exp(-(x / c)^shape), c = mean / Gamma(1 + 1 / shape) (Johnson et al., chapter 21)."""
    scale = mean / math.gamma(1.0 + 1.0 / shape)

    def draw(stream: np.random.Generator, n: int) -> Array:
        values = stream.weibull(shape, n)
        values *= scale
        return values

    return draw


def _uniform(low: float, high: float) -> Sampler:
    return lambda stream, n: stream.uniform(low, high, n)


#: Family -> its factory and the names of its parameters, in the factory's order.
_FAMILIES: dict[str, tuple[Callable[..., Sampler], tuple[str, ...]]] = {
    "constant": (_constant, ("mean",)),
    "exponential": (_exponential, ("mean",)),
    "lognormal": (_lognormal, ("mean", "cv")),
    "gamma": (_gamma, ("mean", "cv")),
    "pareto": (_pareto, ("mean", "shape")),
    "weibull": (_weibull, ("mean", "shape")),
    "uniform": (_uniform, ("min", "max")),
}


def sampler(distribution: Distribution) -> Sampler:
    """Return ``draw(stream, n)``, which gives the next n values f8[n] of the distribution, in its unit.

    Raises ``ValueError`` for an unknown family or a parameter that is missing or impossible.
    """
    try:
        factory, names = _FAMILIES[distribution.kind]
    except KeyError:
        known = ", ".join(_FAMILIES)
        raise ValueError(f"unknown distribution {distribution.kind!r}; known are {known}") from None
    missing = [name for name in names if name not in distribution.parameters]
    if missing:
        raise ValueError(f"distribution {distribution.kind!r} needs {', '.join(missing)}")
    return factory(*(float(distribution.parameters[name]) for name in names))
