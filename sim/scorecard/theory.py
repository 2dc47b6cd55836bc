"""Closed forms of queueing theory, and an interval for a mean out of one long run.

Rates in 1/s, times in s; `rate` is the arrival rate (Poisson), `mean` the mean service time at full speed.
All are of the steady state and raise ValueError where there is none. Sources, by their short names below:

Kleinrock: L. Kleinrock, Queueing Systems, vol. 1 (1975) and vol. 2 (1976), Wiley.
Harchol-Balter: M. Harchol-Balter, Performance Modeling and Design of Computer Systems (2013), Cambridge.
Gross: D. Gross, J. Shortle, J. Thompson, C. Harris, Fundamentals of Queueing Theory, 4th ed. (2008), Wiley.
Law: A. Law, Simulation Modeling and Analysis, 5th ed. (2015), McGraw-Hill.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.reading.errors import nearest
from sim.reading.units import UnitError
from sim.report.metrics.statistics import t_quantile


def _load(rate: float, mean: float, servers: int = 1) -> float:
    """Utilisation of each server; ValueError unless it is in [0, 1)."""
    load = rate * mean / servers
    if not 0 <= load < 1:
        raise ValueError(f"no steady state: utilisation {load:g} is not in [0, 1)")
    return load


def mm1_response(rate: float, mean: float) -> float:
    """Mean response of M/M/1, mean / (1 - load): Kleinrock vol. 1 ch. 3; Harchol-Balter ch. 13."""
    return mean / (1 - _load(rate, mean))


def mm1_waiting(rate: float, mean: float) -> float:
    """Mean waiting of M/M/1, response less service."""
    return mm1_response(rate, mean) - mean


def mm1_response_quantile(rate: float, mean: float, q: float) -> float:
    """Quantile of the response of M/M/1 FCFS, which is exponential: Kleinrock vol. 1 ch. 5; Gross ch. 2."""
    return -math.log1p(-q) * mm1_response(rate, mean)


def erlang_b(servers: int, offered: float) -> float:
    """Blocking of M/G/c/c at `offered` erlangs (Erlang's loss), by recursion over servers: Gross ch. 2."""
    blocking = 1.0
    for c in range(1, servers + 1):
        blocking = offered * blocking / (c + offered * blocking)
    return blocking


def erlang_c(servers: int, offered: float) -> float:
    """Probability of waiting in M/M/c at `offered` erlangs: Kleinrock vol. 1 ch. 3; Harchol-Balter ch. 14."""
    load = _load(offered, 1.0, servers)
    blocking = erlang_b(servers, offered)
    return blocking / (1 - load * (1 - blocking))


def mmc_waiting(rate: float, mean: float, servers: int) -> float:
    """Mean waiting in M/M/c FCFS, C mean / (c (1 - load)): Harchol-Balter ch. 14; Gross ch. 2."""
    load = _load(rate, mean, servers)
    return erlang_c(servers, rate * mean) * mean / (servers * (1 - load))


def mmc_response(rate: float, mean: float, servers: int) -> float:
    """Mean response of M/M/c FCFS: waiting plus service."""
    return mmc_waiting(rate, mean, servers) + mean


def mg1_waiting(rate: float, mean: float, cv: float) -> float:
    """Mean waiting in M/G/1 FCFS (Pollaczek–Khinchine): Kleinrock vol. 1 ch. 5; Harchol-Balter ch. 23.

    `cv` is the coefficient of variation of the service time (standard deviation / mean).
    """
    load = _load(rate, mean)
    return load / (1 - load) * mean * (1 + cv**2) / 2


def mg1_response(rate: float, mean: float, cv: float) -> float:
    """Mean response of M/G/1 FCFS: waiting plus service."""
    return mg1_waiting(rate, mean, cv) + mean


def md1_response(rate: float, mean: float) -> float:
    """Mean response of M/D/1: Pollaczek–Khinchine with cv = 0."""
    return mg1_response(rate, mean, 0.0)


def mg1_ps_response(rate: float, mean: float, demand: float | None = None) -> float:
    """Mean response of M/G/1 under processor sharing, of those with a `demand` (s), or of all.

    demand / (1 - load), whatever the distribution: Kleinrock vol. 2 ch. 4; Harchol-Balter ch. 30.
    """
    return (mean if demand is None else demand) / (1 - _load(rate, mean))


def mmck_probabilities(rate: float, mean: float, servers: int, places: int) -> NDArray[np.float64]:
    """Distribution of the number present in M/M/c/K, K = `places` with those in service; shape (K + 1,).

    A birth-death chain, p_n proportional to the product of rate x mean / min(k, c), k = 1 ... n: Gross ch. 2.
    It has a steady state at any load. ValueError if there are fewer places than servers.
    """
    if not 1 <= servers <= places:
        raise ValueError(f"{places} places for {servers} servers")
    weights = [1.0]
    for n in range(1, places + 1):
        weights.append(weights[-1] * rate * mean / min(n, servers))
    return np.array(weights) / math.fsum(weights)


def mmck_blocking(rate: float, mean: float, servers: int, places: int) -> float:
    """Share of arrivals that find M/M/c/K full, p_K since Poisson arrivals see time averages: Gross ch. 2."""
    return float(mmck_probabilities(rate, mean, servers, places)[-1])


def mmck_response(rate: float, mean: float, servers: int, places: int) -> float:
    """Mean response of those that get into M/M/c/K: Little's law with the accepted rate: Gross ch. 2."""
    present = mmck_probabilities(rate, mean, servers, places)
    return float(np.arange(places + 1) @ present) / (rate * (1 - float(present[-1])))


def closed_network_response(users: int, think: float, demands: Sequence[float]) -> float:
    """Mean response of a closed network of FCFS stations, by exact mean value analysis.

    `demands`: s of work at each station in one round. Reiser and Lavenberg, JACM 27 (1980).
    """
    queues, response = [0.0] * len(demands), 0.0
    for n in range(1, users + 1):
        times = [demand * (1 + queue) for demand, queue in zip(demands, queues, strict=True)]
        response = math.fsum(times)
        queues = [n / (response + think) * time for time in times]
    return response


def closed_network_throughput(users: int, think: float, demands: Sequence[float]) -> float:
    """Rounds a second of the same network: users / (response + think), Little's law."""
    return users / (closed_network_response(users, think, demands) + think)


def closed_classes_response(
    users: Sequence[int], think: Sequence[float], demands: Sequence[Sequence[float]], which: int
) -> float:
    """Mean response of class `which` of a closed network with several classes, by exact mean value analysis.

    By class: `users`, s of `think` time, s of work at each station in one round. Stations are shared, or first come
    first served with the same exponential work for all classes. Reiser and Lavenberg, JACM 27 (1980).
    """
    classes, stations = range(len(users)), range(len(demands[0]))
    response = [0.0 for _ in classes]
    queues = {tuple(0 for _ in classes): [0.0 for _ in stations]}
    for present in sorted(itertools.product(*(range(each + 1) for each in users)), key=sum)[1:]:
        found = [0.0 for _ in stations]
        for own in (each for each in classes if present[each] > 0):
            others = queues[tuple(n - (each == own) for each, n in enumerate(present))]
            times = [demand * (1 + queue) for demand, queue in zip(demands[own], others, strict=True)]
            response[own] = math.fsum(times)
            rate = present[own] / (response[own] + think[own])
            found = [queue + rate * time for queue, time in zip(found, times, strict=True)]
        queues[present] = found
    return response[which]


def fork_join_response(rate: float, mean: float) -> float:
    """Mean of the later of two M/M/1 that every request forks into: Nelson and Tantawi, IEEE ToC 37 (1988)."""
    load = _load(rate, mean)
    return (12 - load) / 8 / (1 / mean - rate)


def tandem_response(rate: float, means: Sequence[float]) -> float:
    """Mean response of M/M/1 one behind the other, each as if alone: Jackson (1957)."""
    return math.fsum(mm1_response(rate, mean) for mean in means)


def retried_response(mean: float, limit: float, retries: int) -> float:
    """Mean of those served when an exponential wait is broken off at `limit` and tried again, `retries` times.

    With q = exp(-limit / mean) it is a truncated geometric sum; elementary.
    """
    q = math.exp(-limit / mean)
    served = mean - limit * q / (1 - q)
    tried = retries + 1
    return math.fsum(q**k * (1 - q) * (k * limit + served) for k in range(tried)) / (1 - q**tried)


def retried_failed(mean: float, limit: float, retries: int) -> float:
    """Share that fails in all its tries: q^(retries + 1)."""
    return math.exp(-limit / mean) ** (retries + 1)


def retried_calls(mean: float, limit: float, retries: int) -> float:
    """Mean number of tries."""
    q = math.exp(-limit / mean)
    return (1 - q ** (retries + 1)) / (1 - q)


def broken_off_response(mean: float, deadline: float) -> float:
    """Mean of the exponential times with `mean` that end by a deadline.

    So long takes a call that is broken off and made again at once, however often, until the caller's own deadline: an
    exponential time does not know its age.
    """
    missed = math.exp(-deadline / mean)
    return mean - deadline * missed / (1 - missed)


def product(factors: Sequence[float]) -> float:
    """The product of numbers: what is shared out, how long work takes."""
    return math.prod(factors)


def total(parts: Sequence[float]) -> float:
    """The sum of numbers."""
    return math.fsum(parts)


def queue_for_a_lock(starts: int, hold: float, before: float = 0.0, after: float = 0.0) -> float:
    """When the last of `starts` at once has been through a lock held `hold` s, with `before` and `after` beside it."""
    return before + starts * hold + after


def throttled_response_mean(demand: float, limit: float, period: float = 0.1) -> float:
    """Mean time of `demand` core-s in one thread under `limit` (< 1) cores a `period`, begun at a random moment.

    The group is idle before, so its budget Q = limit x period is full. Begun u before the end of a period, it runs
    min(u, Q) in what is left of it, then Q in each whole period, then the rest r: with demand - min(u, Q) = n Q + r and
    0 < r <= Q that takes u + n period + r. It takes `demand` where min(u, Q) is enough. Linear in u between corners, so
    the mean over u in (0, period) is a sum of trapezia.
    """
    budget = limit * period

    def took(u: float) -> float:
        first = min(u, budget)
        if first >= demand:
            return demand
        rest = demand - first
        whole = math.ceil(rest / budget - 1e-12) - 1
        return u + whole * period + (rest - whole * budget)

    corners = sorted({0.0, min(demand, budget), budget, demand % budget, period})
    return math.fsum((b - a) * took((a + b) / 2) for a, b in itertools.pairwise(corners)) / period


def throttled_response_max(demand: float, limit: float, period: float = 0.1) -> float:
    """The longest of the same: n whole periods and the rest of the work, begun as a period begins."""
    budget = limit * period
    whole = math.ceil(demand / budget - 1e-12) - 1
    return whole * period + (demand - whole * budget)


def precopy_time(memory: float, dirty_rate: float, bandwidth: float, downtime: float) -> float:
    """Order to end of a live migration: (M / B) sum (D / B)^i, i = 0 ... n: Clark et al., NSDI 2005, section 3."""
    left, time = memory, 0.0
    while left > downtime * bandwidth:
        took = left / bandwidth
        time, left = time + took, dirty_rate * took
    return time + left / bandwidth


def precopy_downtime(memory: float, dirty_rate: float, bandwidth: float, downtime: float) -> float:
    """How long the guest is stopped: what is left when the rest fits into `downtime` x bandwidth, sent."""
    left = memory
    while left > downtime * bandwidth:
        left = dirty_rate * left / bandwidth
    return left / bandwidth


def batch_interval(
    values: Sequence[float] | NDArray[np.float64], level: float = 0.95, batches: int = 20
) -> tuple[float, float]:
    """Confidence interval (low, high) of the mean of a stationary series, by batch means.

    The series, in its order, is cut into `batches` runs of equal length; their means are nearly independent
    and normal when a batch is much longer than the correlation, so Student's t with batches - 1 degrees of
    freedom applies: Law ch. 9. 10 to 30 batches are advised by B. Schmeiser, Batch size effects in the
    analysis of simulation output, Operations Research 30 (1982) 556-568. What does not fill the batches is
    left out at the front, nearest to the start-up. ValueError with fewer than two batches or values in one.
    """
    series = np.asarray(values, dtype=np.float64)
    length = series.size // batches if batches >= 2 else 0
    if series.ndim != 1 or length < 2 or not 0 < level < 1:
        raise ValueError(f"{series.shape} values, {batches} batches, level {level}")
    means = series[series.size - batches * length :].reshape(batches, length).mean(axis=1)
    half = t_quantile((1 + level) / 2, batches - 1) * means.std(ddof=1) / math.sqrt(batches)
    return float(means.mean() - half), float(means.mean() + half)


_NO_FORMS = {"batch_interval", "evaluate", "forms", "mmck_probabilities"}


def forms() -> dict[str, Callable[..., float]]:
    """The closed forms that a case may name."""
    return {
        name: each
        for name, each in globals().items()
        if inspect.isfunction(each) and each.__module__ == __name__ and name[0] != "_" and name not in _NO_FORMS
    }  # fmt: skip


def evaluate(name: object, arguments: Mapping[str, Any]) -> float:
    """A closed form by its name and arguments (SI). Raises UnitError."""
    known = forms()
    if name not in known:
        raise UnitError(repr(name), f"one of {', '.join(known)}", nearest(name, known))
    try:
        return float(known[str(name)](**arguments))
    except (TypeError, ValueError) as error:
        signature = inspect.signature(known[str(name)])
        raise UnitError(f"{dict(arguments)} ({error})", f"{name}{signature}, all in SI") from None
