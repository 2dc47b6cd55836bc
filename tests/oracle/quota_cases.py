"""Random cases for `quotas`: laid over those of `cases` and `storeys`, and on a grid of times, so that events meet."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from .cases import ROUTINGS, Case, Shape, random_case, shapes
from .oracle import Arrival, Guest, Service
from .quotas import Change, Limit, Limited
from .storeys import Pool, Resize

FEATURES = ("burst", "pools", "falls", "resizes", "pauses", "moves", "threads")


@dataclass(frozen=True)
class Features:
    """What happens beside the limits."""

    burst: bool = False
    pools: bool = False
    falls: bool = False
    resizes: bool = False
    pauses: bool = False
    moves: bool = False
    threads: bool = False


@st.composite
def limited_cases(draw: st.DrawFn) -> Limited:
    features = Features(**{name: draw(st.booleans()) for name in FEATURES})
    return limited_case(draw(shapes()), features, draw(st.integers(0, 2**32 - 1)))


def limited_case(shape: Shape, features: Features, seed: int) -> Limited:
    """The same case for the same arguments; periods are a fraction of the time in which requests arrive."""
    case = random_case(shape, seed)
    rng = np.random.default_rng([seed, 1])
    span = case.arrivals[-1].time
    period = float(rng.uniform(0.01, 0.15) * span)

    def limit() -> Limit | None:
        if rng.random() < 0.2:
            return None
        own = period if rng.random() < 0.7 else float(rng.uniform(0.5, 2.0) * period)
        cores = float(rng.choice([0.5, 1.0, 2.0, rng.uniform(0.05, 2.5)]))
        burst = float(rng.uniform(0.0, 3.0) * cores * own) if features.burst else 0.0
        surplus = float(rng.uniform(0.0, 0.05) * cores * own) if features.threads else 0.0
        return Limit(cores, own, float(rng.random() * own), burst, surplus)

    limits = [limit() for _ in case.guests]
    threads = [int(rng.integers(1, 5)) if features.threads and rng.random() < 0.7 else None for _ in case.services]
    starts = [int(rng.integers(1, 5)) if features.threads else 1 for _ in case.services]
    boots = [int(rng.integers(1, starts[guest.service] + 1)) for guest in case.guests]
    changes: list[Change] = []
    for number, guest in enumerate(case.guests):
        changes += _changes(features, number, guest, limits[number], (span, starts[guest.service]), rng)
    count = int(rng.integers(1, 4)) if features.pools else 0
    pools, pool_of, resizes = _pools(count, case, span, rng)
    return Limited(case, limits, threads, starts, boots, changes, pools, pool_of, resizes)


def _changes(
    features: Features, number: int, guest: Guest, limit: Limit | None, of: tuple[float, int], rng: np.random.Generator
) -> list[Change]:
    """What befalls a guest over the span: `of` is that, and the most threads of a start."""
    (span, threads), made = of, []

    def moment(after: float = 0.0) -> float:
        return after + float(rng.uniform(0.0, 0.8) * max(span - after, 0.2 * span))

    for _ in range(int(rng.integers(0, 3)) if features.resizes else 0):
        cores = float(rng.choice([0.5, 1.0, rng.uniform(0.05, 2.5)]))
        another = None if limit is None or rng.random() < 0.2 else replace(limit, cores=cores)
        made.append(Change(moment(), number, "resize", float(rng.lognormal()), cores, another))
    falls = features.falls and guest.closes is None and rng.random() < 0.5
    if falls:
        fall = moment(max(guest.opens, guest.boot_at))
        again = moment(fall)
        made.append(Change(fall, number, "fall"))
        work, in_threads = float(rng.uniform(0.01, 0.2) * span), int(rng.integers(1, threads + 1))
        made.append(Change(again, number, "start_again", work=work, threads=in_threads))
    if features.pauses and not falls and rng.random() < 0.5:
        stop = moment()
        made += [Change(stop, number, "pause"), Change(moment(stop), number, "resume")]
    if features.moves and rng.random() < 0.4:
        made.append(Change(moment(), number, "send_away"))
    return made


def _pools(count: int, case: Case, span: float, rng: np.random.Generator) -> tuple[list[Pool], list[int], list[Resize]]:
    promised = float(rng.choice([0.5, 1.0, 1.5]))
    parts = rng.dirichlet(np.full(count, 2.0)) if count else []
    pools = [Pool(float(promised * case.cores * part), float(rng.lognormal())) for part in parts]
    pool_of = [int(rng.integers(count)) if count else -1 for _ in case.guests]
    resizes = []
    for _ in range(int(rng.integers(0, 3)) if count else 0):
        pool = int(rng.integers(-1, count))
        cores = float(rng.uniform(0.3, 2.0)) * (case.cores if pool < 0 else pools[pool].cores)
        resizes.append(Resize(float(rng.uniform(0, span)), pool, cores))
    return pools, pool_of, resizes


# --- the grid --------------------------------------------------------------------------------------------


def limited_grids() -> st.SearchStrategy[Limited]:
    return st.builds(limited_grid, st.integers(0, 2**32 - 1))


def limited_grid(seed: int) -> Limited:
    """All times and works are whole numbers (of a quarter, where threads share), rates powers of two: budgets end
    exactly with a job, with a period, with an arrival, and sums are exact."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 3))
    services = [_grid_service(rng) for _ in range(n)]
    guests = [_grid_guest(rng, i % n) for i in range(int(rng.integers(n, 5)))]
    times = sorted(int(t) for t in rng.integers(0, 24, int(rng.integers(5, 30))))
    numbers = [(float(rng.integers(1, 5)), int(rng.integers(8)) / 8, int(rng.integers(8)) / 8) for _ in times]
    arrivals = [Arrival(float(t), int(rng.integers(n)), *own) for t, own in zip(times, numbers, strict=True)]
    shape = Shape(n, len(guests), len(arrivals), 1.0, 64.0, "random", 2)
    case = Case(shape, seed, 64.0, services, guests, arrivals, float(rng.integers(20, 40)))
    limits = [_grid_limit(rng) for _ in guests]
    threads = [None if rng.random() < 0.5 else int(rng.integers(1, 3)) for _ in services]
    starts = [int(rng.choice([1, 2, 4])) for _ in services]
    boots = [int(rng.choice([1, starts[guest.service]])) for guest in guests]
    changes = [
        change for number, guest in enumerate(guests) for change in _grid_changes(rng, number, guest, limits[number])
    ]
    return Limited(case, limits, threads, starts, boots, changes, [], [-1] * len(guests), [])


def _grid_service(rng: np.random.Generator) -> Service:
    def bound() -> int | None:
        return None if rng.random() < 0.6 else int(rng.integers(0, 4))

    timeout = None if rng.random() < 0.5 else float(rng.integers(2, 9))
    return Service(int(rng.integers(1, 3)), bound(), bound(), timeout, ROUTINGS[int(rng.integers(4))])


def _grid_guest(rng: np.random.Generator, owner: int) -> Guest:
    boots = bool(rng.random() < 0.4)
    moment = float(rng.integers(0, 9))
    dies = moment + float(rng.integers(0, 16)) if rng.random() < 0.15 else None
    closes = moment + float(rng.integers(0, 16)) if not boots and rng.random() < 0.15 else None
    opens = 0.0 if boots or rng.random() < 0.5 else moment
    work = float(rng.integers(1, 5)) if boots else None
    return Guest(owner, 1.0, math.inf, opens, closes, dies, work, moment if boots else 0.0, None)


def _grid_limit(rng: np.random.Generator) -> Limit | None:
    if rng.random() < 0.1:
        return None
    period = float(rng.choice([2.0, 4.0]))
    burst = float(rng.choice([0.0, 0.0, 1.0, 2.0, 3.0]))
    return Limit(float(rng.choice([0.25, 0.5, 1.0, 1.5, 2.0])), period, float(rng.integers(0, int(period))), burst)


def _grid_changes(rng: np.random.Generator, number: int, guest: Guest, limit: Limit | None) -> list[Change]:
    made = []
    if rng.random() < 0.3:
        cores = float(rng.choice([0.5, 1.0, 2.0]))
        another = None if limit is None else replace(limit, cores=cores)
        made.append(Change(float(rng.integers(0, 20)), number, "resize", 1.0, math.inf, another))
    if rng.random() < 0.2 and guest.closes is None:
        fall = max(guest.opens, guest.boot_at) + float(rng.integers(1, 10))
        again = fall + float(rng.integers(1, 5))
        made += [Change(fall, number, "fall"), Change(again, number, "start_again", work=float(rng.integers(1, 4)))]
    elif rng.random() < 0.2:
        stop = float(rng.integers(0, 16))
        made += [Change(stop, number, "pause"), Change(stop + float(rng.integers(1, 6)), number, "resume")]
    if rng.random() < 0.15:
        made.append(Change(float(rng.integers(0, 20)), number, "send_away"))
    return made
