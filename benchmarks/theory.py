"""What the mean response time on W must be: closed forms, and a Markov chain solved numerically.

Three questions are answered by the peers, and each has its own truth:

- `isolated`: guests that never contend (a Resource a guest): 64 independent M/M/1 queues, 1/(μ - λ/N).
- `pooled`: tasks on one host, no guests: M/M/c, the Erlang C formula. Each task uses at most one core, so the
  number of tasks is that of M/M/c whatever the discipline among them, and the mean by Little's law too.
- `shared`: what W asks. A busy guest is served at rate min(1, cores/busy guests). No closed form; solved below.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.workload import Work

# Mean response, s, of `shared` on W (16 cores, 224/s, 50 ms) by number of guests: shared_mean with depth=9, jobs=66
# for 64 guests and depth=8, jobs=60 for the others, which deeper cuts move by less than 1e-6 s.
# `python -m benchmarks --theory` computes them again, less deep.
SHARED: dict[int, float] = {64: 0.061643, 1024: 0.051885, 8192: 0.051417}


def isolated_mean(work: Work) -> float:
    """Mean response of an M/M/1 guest left alone, s: 1/(μ - λ). Raises ValueError when a guest is overloaded."""
    service_rate = 1.0 / work.mean_demand
    if work.guest_rate >= service_rate:
        raise ValueError("a guest is offered more than it can serve")
    return 1.0 / (service_rate - work.guest_rate)


def pooled_mean(work: Work) -> float:
    """Mean response of M/M/c, s (Erlang C; e.g. Gross et al., Fundamentals of Queueing Theory, section 3.3)."""
    load = work.rate * work.mean_demand
    if load >= work.cores:
        raise ValueError("the host is offered more than it can serve")
    blocking = 1.0  # Erlang B by its recursion, then Erlang C from it
    for servers in range(1, work.cores + 1):
        blocking = load * blocking / (servers + load * blocking)
    delayed = blocking / (1.0 - load / work.cores * (1.0 - blocking))
    return work.mean_demand + delayed * work.mean_demand / (work.cores - load)


def mean_response(model: str, work: Work) -> float:
    """Theory's mean response, s, of one of `isolated`, `pooled`, `shared`."""
    if model == "isolated":
        return isolated_mean(work)
    if model == "pooled":
        return pooled_mean(work)
    if model != "shared":
        raise ValueError(f"no such model: {model}")
    default = Work(guests=work.guests)
    known = (work.cores, work.rate, work.mean_demand) == (default.cores, default.rate, default.mean_demand)
    if known and work.guests in SHARED:
        return SHARED[work.guests]
    return shared_mean(work)


@cache
def shared_mean(work: Work, depth: int = 7, jobs: int = 50) -> float:
    """Mean response, s, of guests that share the host's cores, from the stationary law of a Markov chain.

    Guests are alike, so the state is how many of them hold 1, 2, … `depth` requests. With B busy guests each
    completes at rate μ·min(1, cores/B); an arrival meets a guest that holds k with probability n_k/N. Demands are
    exponential and a guest has one core, so the order of service within a guest does not matter. Cut at `depth`
    requests a guest and `jobs` requests on the host; an arrival that would pass the cut is turned away, which makes
    the mean a little too low (by 3e-6 s on W with the default cut). Little's law gives the mean.
    """
    states = _states(depth, jobs, work.guests)
    flow = _generator(states, work)
    law = _stationary(flow, _independent_law(states, work))
    held = states @ np.arange(1, depth + 1)
    accepted = float(flow.accepted @ law)
    return float(held @ law) / accepted


def _states(depth: int, jobs: int, guests: int) -> NDArray[np.int64]:
    """All (n_1 … n_depth) with Σ k·n_k ≤ jobs and Σ n_k ≤ guests, in lexicographic order; shape (S, depth)."""
    states = np.zeros((1, 0), dtype=np.int64)
    room, free = np.array([jobs]), np.array([guests])
    for k in range(1, depth + 1):
        choices = np.minimum(room // k, free) + 1
        parent = np.repeat(np.arange(len(states)), choices)
        number = np.arange(len(parent)) - np.repeat(np.cumsum(choices) - choices, choices)
        states = np.column_stack([states[parent], number])
        room, free = room[parent] - k * number, free[parent] - number
    return states


class _Flow:
    """The chain's transitions in sparse form: the probability flow per unit of time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        self.accepted = np.zeros(size)

    def add(self, source: NDArray[np.int64], target: NDArray[np.int64], rate: NDArray[np.float64]) -> None:
        self.parts.append((source, target, rate))


def _generator(states: NDArray[np.int64], work: Work) -> _Flow:
    size, depth = states.shape
    radix = int(states.sum(axis=1).max()) + 2
    place = radix ** np.arange(depth - 1, -1, -1, dtype=np.int64)
    codes = states @ place  # increasing, as the states are in lexicographic order
    busy = states.sum(axis=1)
    idle = work.guests - busy
    share = np.minimum(1.0, work.cores / np.maximum(busy, 1))
    flow = _Flow(size)
    for k in range(depth + 1):
        holding = idle if k == 0 else states[:, k - 1]
        if k < depth:  # an arrival at a guest that holds k
            step = place[k] - (place[k - 1] if k else 0)
            rate = work.rate * holding / work.guests
            source, target = _moves(codes, step, holding)
            flow.add(source, target, rate[source])
            flow.accepted[source] += rate[source]
        if k > 0:  # a completion there
            step = (place[k - 2] if k > 1 else 0) - place[k - 1]
            source, target = _moves(codes, step, holding)
            flow.add(source, target, (share * holding / work.mean_demand)[source])
    return flow


def _moves(
    codes: NDArray[np.int64], step: int, holding: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    source = np.flatnonzero(holding > 0)
    wanted = codes[source] + step
    target = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    kept = codes[target] == wanted  # past the cut there is no such state
    return source[kept], target[kept]


def _independent_law(states: NDArray[np.int64], work: Work) -> NDArray[np.float64]:
    """A first guess: guests independent, each geometric with the load it would have alone."""
    load = work.guest_rate * work.mean_demand
    weight = np.array([math.lgamma(n + 1) for n in range(int(states.max()) + 1)])
    idle = work.guests - states.sum(axis=1)
    log = -weight[states].sum(axis=1) + states @ (np.arange(1, states.shape[1] + 1) * math.log(load))
    lgamma_idle = np.array([math.lgamma(n + 1) for n in range(int(idle.min()), work.guests + 1)])
    log -= lgamma_idle[idle - int(idle.min())]
    law = np.exp(log - log.max())
    return law / law.sum()


def _stationary(flow: _Flow, law: NDArray[np.float64], tolerance: float = 1e-12) -> NDArray[np.float64]:
    """Stationary law by uniformisation and power iteration, until a step moves less than `tolerance` in all."""
    from scipy.sparse import coo_matrix

    source, target, rate = (np.concatenate([part[i] for part in flow.parts]) for i in range(3))
    leaving = np.bincount(source, rate, flow.size)
    top = 1.02 * float(leaving.max())
    jump = coo_matrix((rate / top, (target, source)), shape=(flow.size, flow.size)).tocsr()
    stay = 1.0 - leaving / top
    for sweep in range(100_000):
        after = jump @ law + stay * law
        if sweep % 50 == 0 and float(np.abs(after - law).sum()) < tolerance:
            return after / after.sum()
        law = after
    raise RuntimeError("the chain did not settle")


def special_cases() -> list[tuple[str, float, float]]:
    """(what, computed, closed form) where `shared` has a closed form: tests of the numeric method, in s."""
    alone = Work(guests=4, cores=4, rate=16.0)
    single = Work(guests=6, cores=1, rate=6.0)
    many = Work(guests=200_000, cores=4, rate=40.0)
    one = 1.0 / (1.0 / single.mean_demand - single.rate)
    return [
        ("as many cores as guests: M/M/1 each", shared_mean(alone, 12, 24), isolated_mean(alone)),
        ("one core: work-conserving, M/M/1", shared_mean(single, 12, 24), one),
        ("very many guests: M/M/c", shared_mean(many, 4, 40), pooled_mean(many)),
    ]
