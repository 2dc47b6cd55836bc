"""Two storeys of sharing in their plainest form: pools share the host, guests share their pool.

Written from the definition only, like `oracle`: a pool asks for what its guests ask for, at most its cores; the host
gives each pool its weighted max-min share; the pool gives that to its guests by the same rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from .cases import Case, random_case, shapes
from .oracle import Outcome, _Run, max_min_rates

RESIZE = 4  # an action of control, beside those of the oracle


@dataclass(frozen=True)
class Pool:
    cores: float  # its vCPUs
    weight: float


@dataclass(frozen=True)
class Resize:
    """From `time` on the pool (-1: the host) has so many cores to hand out."""

    time: float
    pool: int
    cores: float


@dataclass(frozen=True)
class Storeys:
    """A case of the oracle whose guests live in pools."""

    case: Case
    pools: list[Pool]
    pool_of: list[int]  # by guest
    resizes: list[Resize]

    def expected(self) -> tuple[list[Outcome], list[float]]:
        return _StoreyRun(self).run()


def two_level_rates(
    cores: float, pools: list[Pool], pool_of: list[int], demands: list[float], weights: list[float]
) -> list[float]:
    """The rate of every guest, given each one's pool, demand and weight."""
    members = [[i for i, own in enumerate(pool_of) if own == pool] for pool in range(len(pools))]
    wanted = [min(pool.cores, math.fsum(demands[i] for i in own)) for pool, own in zip(pools, members, strict=True)]
    given = max_min_rates(cores, wanted, [pool.weight for pool in pools])
    rates = [0.0] * len(demands)
    for total, own in zip(given, members, strict=True):
        inside = max_min_rates(total, [demands[i] for i in own], [weights[i] for i in own])
        for i, rate in zip(own, inside, strict=True):
            rates[i] = rate
    return rates


class _StoreyRun(_Run):
    def __init__(self, storeys: Storeys) -> None:
        case = storeys.case
        self.pools, self.pool_of, self.resizes = list(storeys.pools), storeys.pool_of, storeys.resizes
        super().__init__(case.cores, case.services, case.guests, case.arrivals, case.end)
        self.control = sorted(
            [*self.control, *((each.time, number, RESIZE) for number, each in enumerate(self.resizes))]
        )

    def _do(self, number: int, action: int) -> None:
        if action != RESIZE:
            super()._do(number, action)
        elif self.resizes[number].pool < 0:
            self.cores = self.resizes[number].cores
        else:
            pool = self.resizes[number].pool
            self.pools[pool] = replace(self.pools[pool], cores=self.resizes[number].cores)

    def _shared(self, busy: list[int], demands: list[float]) -> list[float]:
        weights = [self.guests[number].weight for number in busy]
        return two_level_rates(self.cores, self.pools, [self.pool_of[number] for number in busy], demands, weights)


@st.composite
def storeys(draw: st.DrawFn) -> Storeys:
    """Random cases in 1-4 pools (some perhaps empty), with as many vCPUs as cores, fewer, or up to three times more."""
    case = random_case(draw(shapes()), draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 4))
    promised = draw(st.sampled_from((0.5, 1.0, 1.5, 3.0)))  # vCPUs / cores
    by_cores = draw(st.booleans())  # weight proportional to vCPUs, or any
    pool_of = draw(st.lists(st.integers(0, n - 1), min_size=len(case.guests), max_size=len(case.guests)))
    resized = draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = np.full(n, 1.0 / n) if draw(st.booleans()) else rng.dirichlet(np.full(n, 2.0))
    cores = [float(promised * case.cores * part) for part in parts]
    pools = [Pool(own, own if by_cores else float(rng.lognormal())) for own in cores]
    resizes = [
        Resize(float(rng.uniform(0, 1) * case.arrivals[-1].time), int(rng.integers(-1, n)), 0.0) for _ in range(resized)
    ]
    resizes = [
        replace(each, cores=float(rng.uniform(0.3, 2.0) * (case.cores if each.pool < 0 else cores[each.pool])))
        for each in resizes
    ]
    return Storeys(case, pools, pool_of, resizes)
