"""Random stacks with limits by period, threads, resizes, stops of the CPU and pools, over those of `program_cases`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from .program_cases import Shape, random_stack, shapes
from .program_limits import LimitedStack
from .programs import Stack
from .quotas import Change, Limit
from .storeys import Pool, Resize

FEATURES = ("burst", "pools", "resizes", "pauses", "threads", "unlimited")


@dataclass(frozen=True)
class RandomLimitedStack(LimitedStack):
    """Printed as the call that makes it."""

    made: str = ""

    def __repr__(self) -> str:
        return self.made


def limited_stacks() -> st.SearchStrategy[LimitedStack]:
    features = st.frozensets(st.sampled_from(FEATURES))
    return st.builds(limited_stack, shapes(), features, st.integers(0, 2**32 - 1))


def limited_stack(shape: Shape, features: frozenset[str], seed: int) -> LimitedStack:
    """The same for the same arguments; a period is a fraction of the time in which requests arrive."""
    stack = random_stack(shape, seed)
    rng = np.random.default_rng([seed, 1])
    span = shape.arrivals * 0.5 / shape.load
    period = float(rng.uniform(0.01, 0.15) * span)
    limits = [_limit(features, period, rng) for _ in stack.guests]
    bounded = "threads" in features
    threads = [int(rng.integers(1, 5)) if bounded and rng.random() < 0.7 else None for _ in stack.services]
    changes = [
        change
        for number in range(len(stack.guests))
        for change in _changes(features, number, limits[number], span, rng)
    ]
    pools, pool_of, resizes = _pools(stack, span, rng) if "pools" in features else ([], [], [])
    made = f"limited_stack({shape!r}, {features!r}, {seed})"
    return RandomLimitedStack(stack, limits, threads, changes, pools, pool_of, resizes, made)


def _limit(features: frozenset[str], period: float, rng: np.random.Generator) -> Limit | None:
    if "unlimited" in features and rng.random() < 0.5:
        return None
    own = period if rng.random() < 0.7 else float(rng.uniform(0.5, 2.0) * period)
    cores = float(rng.choice([0.5, 1.0, 2.0, rng.uniform(0.05, 2.5)]))
    burst = float(rng.uniform(0.0, 3.0) * cores * own) if "burst" in features else 0.0
    surplus = float(rng.uniform(0.0, 0.05) * cores * own) if "threads" in features else 0.0
    return Limit(cores, own, float(rng.random() * own), burst, surplus)


def _changes(
    features: frozenset[str], number: int, limit: Limit | None, span: float, rng: np.random.Generator
) -> list[Change]:
    made = []
    for _ in range(int(rng.integers(0, 3)) if "resizes" in features else 0):
        cores = float(rng.choice([0.5, 1.0, rng.uniform(0.05, 2.5)]))
        another = None if limit is None or rng.random() < 0.2 else replace(limit, cores=cores)
        time = float(rng.uniform(0.0, 0.9) * span)
        made.append(Change(time, number, "resize", float(rng.lognormal()), cores, another))
    if "pauses" in features and rng.random() < 0.5:
        stop = float(rng.uniform(0.0, 0.8) * span)
        made += [Change(stop, number, "pause"), Change(stop + float(rng.uniform(0.01, 0.3) * span), number, "resume")]
    return made


def _pools(stack: Stack, span: float, rng: np.random.Generator) -> tuple[list[Pool], list[int], list[Resize]]:
    count, promised = int(rng.integers(1, 4)), float(rng.choice([0.5, 1.0, 1.5]))
    pools = [
        Pool(float(promised * stack.cores * part), float(rng.lognormal()))
        for part in rng.dirichlet(np.full(count, 2.0))
    ]
    pool_of = [int(rng.integers(count)) for _ in stack.guests]
    resizes = []
    for _ in range(int(rng.integers(0, 3))):
        pool = int(rng.integers(-1, count))
        cores = float(rng.uniform(0.3, 2.0)) * (stack.cores if pool < 0 else pools[pool].cores)
        resizes.append(Resize(float(rng.uniform(0, span)), pool, cores))
    return pools, pool_of, resizes
