"""Closed forms of queueing theory, and an interval for a mean out of one long run.

Rates in 1/s, times in s; `rate` is the arrival rate (Poisson), `mean` the mean service time at full speed.
All are of the steady state and raise ValueError where there is none. Sources, by their short names below:

Kleinrock: L. Kleinrock, Queueing Systems, vol. 1 (1975) and vol. 2 (1976), Wiley.
Harchol-Balter: M. Harchol-Balter, Performance Modeling and Design of Computer Systems (2013), Cambridge.
Gross: D. Gross, J. Shortle, J. Thompson, C. Harris, Fundamentals of Queueing Theory, 4th ed. (2008), Wiley.
Law: A. Law, Simulation Modeling and Analysis, 5th ed. (2015), McGraw-Hill.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def _load(rate: float, mean: float, servers: int = 1) -> float:
    """Utilisation of each server; ValueError unless it is in [0, 1)."""
    load = rate * mean / servers
    if not 0 <= load < 1:
        raise ValueError(f"no steady state: utilisation {load:g} is not in [0, 1)")
    return load


def mm1_response(rate: float, mean: float) -> float:
    """Mean response of M/M/1, mean / (1 - load): Kleinrock vol. 1 ch. 3; Harchol-Balter ch. 13."""
    return mean / (1 - _load(rate, mean))


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
    from scipy import stats

    series = np.asarray(values, dtype=np.float64)
    length = series.size // batches if batches >= 2 else 0
    if series.ndim != 1 or length < 2 or not 0 < level < 1:
        raise ValueError(f"{series.shape} values, {batches} batches, level {level}")
    means = series[series.size - batches * length :].reshape(batches, length).mean(axis=1)
    half = stats.t.ppf((1 + level) / 2, batches - 1) * means.std(ddof=1) / math.sqrt(batches)
    return float(means.mean() - half), float(means.mean() + half)
