"""Numbers that belong to a request whatever happens around it: a key, a counter, and a mixing function (docs/model.md).

SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014); inverse normal: Wichura,
Algorithm AS 241 (PPND16), Applied Statistics 37, 1988; gamma: Marsaglia and Tsang, ACM TOMS 26, 2000.
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt
from typing import Any

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.compiling.cache import interpreted
from sim.engine.compiling.jit import hot, inline

GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
CONSTANT, EXPONENTIAL, UNIFORM, LOGNORMAL, WEIBULL, PARETO, GAMMA = range(7)


def _mix_whole(key: Any, n: Any) -> Any:
    """In Python's whole numbers, which do not overflow."""
    z = (int(key) + GOLDEN * (int(n) + 1)) % 2**64
    z = (z ^ (z >> 30)) * FIRST % 2**64
    z = (z ^ (z >> 27)) * SECOND % 2**64
    return np.uint64(z ^ (z >> 31))


@hot
def _mix_words(key: Any, n: Any) -> Any:
    """In machine words, which wrap round."""
    z = np.uint64(key) + np.uint64(GOLDEN) * (np.uint64(n) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    return z ^ (z >> np.uint64(31))


mix: Any = _mix_whole if interpreted() else _mix_words


@hot
def next_key(a: Arrays, slot: int) -> Any:
    """The next number of a request, as a key."""
    act = a.acts[slot]
    act["used"] += 1
    return mix(act["key"], act["used"])


@hot
def next_number(a: Arrays, slot: int) -> float:
    """The next number of a request, in [0, 1)."""
    return float(next_key(a, slot) >> np.uint64(11)) * 2.0**-53


@inline
def normal_quantile(u: float) -> float:
    """Inverse of the normal distribution (AS 241, PPND16); 0 counts as 2^-54."""
    p = max(u, 2.0**-54)
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        n = ((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
        n = ((n + 45921.953931549871457) * r + 13731.693765509461125) * r
        n = ((n + 1971.5909503065514427) * r + 133.14166789178437745) * r + 3.387132872796366608
        d = ((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
        d = ((d + 21213.794301586595867) * r + 5394.1960214247511077) * r
        d = ((d + 687.1870074920579083) * r + 42.313330701600911252) * r + 1.0
        return q * n / d
    r = sqrt(-log(min(p, 1.0 - p)))
    if r <= 5.0:
        r -= 1.6
        n = ((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
        n = ((n + 1.27045825245236838258) * r + 3.64784832476320460504) * r
        n = ((n + 5.7694972214606914055) * r + 4.6303378461565452959) * r + 1.42343711074968357734
        d = ((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
        d = ((d + 0.14810397642748007459) * r + 0.68976733498510000455) * r
        d = ((d + 1.6763848301838038494) * r + 2.05319162663775882187) * r + 1.0
    else:
        r -= 5.0
        n = ((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r
        n = ((n + 0.026532189526576123093) * r + 0.29656057182850489123) * r
        n = ((n + 1.7848265399172913358) * r + 5.4637849111641143699) * r + 6.6579046435011037772
        d = ((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r
        d = ((d + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r
        d = ((d + 0.13692988092273580531) * r + 0.59983220655588793769) * r + 1.0
    return n / d if q > 0.0 else -n / d


@inline
def gamma_number(a: Arrays, slot: int, shape: float, scale: float) -> float:
    """A gamma variate from as many of the request's numbers as it takes."""
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    while True:
        x = normal_quantile(next_number(a, slot))
        v = (1.0 + c * x) ** 3
        if v <= 0.0:
            continue
        u = max(next_number(a, slot), 2.0**-54)
        if log(u) < 0.5 * x * x + d - d * v + d * log(v):
            break
    value = d * v * scale
    if shape < 1.0:
        value *= next_number(a, slot) ** (1.0 / shape)
    return value


@hot
def draw(a: Arrays, slot: int, law: int, x: float, y: float) -> float:
    """The next value of a law (`steps.Law`: its two numbers are `x`, `y`) for a request."""
    if law == CONSTANT:
        return x
    if law == GAMMA:
        return gamma_number(a, slot, x, y)
    u = next_number(a, slot)
    if law == EXPONENTIAL:
        return -x * log1p(-u)
    if law == UNIFORM:
        return x + (y - x) * u
    if law == LOGNORMAL:
        return exp(x + y * normal_quantile(u))
    if law == WEIBULL:
        return x * (-log1p(-u)) ** (1.0 / y)
    return x * (1.0 - u) ** (-1.0 / y)
