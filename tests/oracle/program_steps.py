"""What a request does, step by step, and the numbers that it draws; for `programs`.

Written from docs/model.md alone ("A request is a program"). Keys are whole numbers of Python, cut to 64 bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from .oracle import Outcome

PARTS = ("cpu", "contention", "wait", "disk", "network", "calls", "waiting")


@dataclass(frozen=True)
class Law:
    """constant value; exponential mean; uniform low, high; lognormal mu, sigma; weibull scale, shape; pareto minimum,
    shape; gamma shape, scale."""

    name: str
    a: float
    b: float = 0.0


@dataclass(frozen=True)
class Cpu:
    law: Law
    overhead: bool = True


@dataclass(frozen=True)
class Wait:
    law: Law
    part: str = "wait"


@dataclass(frozen=True)
class Move:
    link: int
    size: float
    part: str = "disk"


@dataclass(frozen=True)
class Call:
    service: int
    times: int = 1
    probability: float = 1.0
    retries: int = 0


@dataclass(frozen=True)
class Parallel:
    branches: Sequence[Sequence[Step]]


Step = Cpu | Wait | Move | Call | Parallel


@dataclass(frozen=True)
class Program:
    """What requests of a service do: (share, steps) of each kind; the base of their numbers."""

    kinds: Sequence[tuple[float, Sequence[Step]]]
    base: int


@dataclass(frozen=True)
class Fall:
    """All that a guest holds fails at `time`, and it is ready once more at `again`."""

    guest: int
    time: float
    again: float


@dataclass(frozen=True)
class Transfer:
    """Of a start or a move: `size` bytes over a link of the host (site 0), or of another site, from `time` on."""

    time: float
    link: int
    size: float
    rate: float = math.inf  # bytes/s at most
    broken_off: float = math.inf
    site: int = 0


@dataclass(frozen=True)
class Away:
    """A guest goes on at another site (1, 2, …) from `time` on."""

    guest: int
    time: float
    site: int


@dataclass
class Result:
    """By service, all its requests in the order in which they came; of them, those called, and where time went.

    `boots` and `transfers`: when they ended, NaN where they did not.
    """

    outcomes: list[list[Outcome]]
    boots: list[float]
    calls: list[int]
    completed: list[int]  # of services with programs
    parts: list[dict[str, float]]  # s, summed over these
    transfers: list[float] = field(default_factory=list)


# --- numbers -----------------------------------------------------------------------------------------------


def mix(key: int, n: int) -> int:
    """64 bits from 64 bits: SplitMix64."""
    low = 2**64 - 1
    z = (key + 0x9E3779B97F4A7C15 * (n + 1)) & low
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & low
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & low
    return z ^ (z >> 31)


@dataclass
class Numbers:
    """The numbers of a request, or of a branch: so many are used."""

    key: int
    used: int = 0

    def word(self) -> int:
        self.used += 1
        return mix(self.key, self.used)

    def u(self) -> float:
        return (self.word() >> 11) * 2.0**-53

    def normal(self) -> float:
        return NormalDist().inv_cdf(self.u() or 2.0**-54)


def draw(law: Law, numbers: Numbers) -> float:
    """A value of the law, from as many numbers as it takes."""
    a, b = law.a, law.b
    if law.name == "constant":
        return a
    if law.name == "lognormal":
        return math.exp(a + b * numbers.normal())
    if law.name == "gamma":
        return b * _standard_gamma(a, numbers)
    u = numbers.u()
    if law.name == "uniform":
        return a + (b - a) * u
    return {
        "exponential": lambda: -a * math.log(1 - u),
        "weibull": lambda: a * (-math.log(1 - u)) ** (1 / b),
        "pareto": lambda: a * (1 - u) ** (-1 / b),
    }[law.name]()


def _standard_gamma(shape: float, numbers: Numbers) -> float:
    """Marsaglia and Tsang, the boost of shapes below 1 last."""
    if shape < 1:
        larger = _standard_gamma(shape + 1, numbers)
        return larger * (numbers.u() or 2.0**-54) ** (1 / shape)
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = numbers.normal()
        v = (1 + c * x) ** 3
        if v <= 0:
            continue
        u = numbers.u() or 2.0**-54
        if u < 1 - 0.0331 * x**4 or math.log(u) < 0.5 * x**2 + d * (1 - v + math.log(v)):
            return d * v
