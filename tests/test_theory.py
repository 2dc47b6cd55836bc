"""The closed forms against values worked out by hand, each other, and simulated recursions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, signal, stats

from sim.scorecard import theory

RATE, MEAN = 0.8, 1.0


def lindley(rate: float, services: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Responses of an FCFS single server: waiting_(n+1) = max(0, waiting_n + service_n - interarrival_n)."""
    steps = services[:-1] - rng.exponential(1 / rate, services.size - 1)
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    return walk - np.minimum.accumulate(walk) + services


def autoregressive(phi: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Stationary AR(1) of mean 0, one per row: what responses of a loaded queue look like."""
    noise = rng.standard_normal(shape)
    noise[:, 0] /= math.sqrt(1 - phi**2)
    return signal.lfilter([1.0], [1.0, -phi], noise, axis=1)


def test_mm1():
    assert theory.mm1_response(RATE, MEAN) == pytest.approx(5.0)
    # exponential with that mean: the median is ln 2 of it
    assert theory.mm1_response_quantile(RATE, MEAN, 0.5) == pytest.approx(5 * math.log(2))
    assert theory.mm1_response_quantile(RATE, MEAN, 0.99) == pytest.approx(5 * math.log(100))


def test_erlang_by_hand():
    # two servers, one erlang: weights 1, 1, 1/2, so B = 1/5; and C = 1/3
    assert theory.erlang_b(2, 1.0) == pytest.approx(1 / 5)
    assert theory.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert theory.mmc_response(1.0, 1.0, 2) == pytest.approx(4 / 3)
    assert theory.erlang_c(1, 0.8) == pytest.approx(0.8)  # one server: the utilisation


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_erlang_c_is_the_sum_of_its_definition(servers: int, load: float):
    offered = servers * load
    below = math.fsum(offered**k / math.factorial(k) for k in range(servers))
    wait = offered**servers / math.factorial(servers) / (1 - load)
    assert theory.erlang_c(servers, offered) == pytest.approx(wait / (below + wait), rel=1e-9)


@given(st.integers(1, 5), st.integers(0, 8), st.floats(0.1, 3.0))
def test_mmck_is_the_null_vector_of_its_generator(servers: int, queue: int, load: float):
    places, rate = servers + queue, load * servers / MEAN
    generator = np.zeros((places + 1, places + 1))
    for n in range(places):
        generator[n, n + 1] = rate
        generator[n + 1, n] = min(n + 1, servers) / MEAN
    generator -= np.diag(generator.sum(axis=1))
    stationary = linalg.null_space(generator.T, rcond=1e-12)[:, 0]
    stationary /= stationary.sum()
    assert theory.mmck_probabilities(rate, MEAN, servers, places) == pytest.approx(stationary, abs=1e-9)
    assert theory.mmck_blocking(rate, MEAN, servers, places) == pytest.approx(stationary[-1], abs=1e-9)


def test_mmck_at_its_ends():
    assert theory.mmck_blocking(3.0, 1.0, 5, 5) == pytest.approx(theory.erlang_b(5, 3.0))
    assert theory.mmck_response(3.0, 1.0, 5, 5) == pytest.approx(1.0)  # nobody waits
    assert theory.mmck_response(RATE, MEAN, 1, 400) == pytest.approx(theory.mm1_response(RATE, MEAN))
    assert theory.mmck_response(1.6, MEAN, 2, 400) == pytest.approx(theory.mmc_response(1.6, MEAN, 2))
    assert theory.mmck_blocking(1.0, 1.0, 1, 4) == pytest.approx(1 / 5)  # load 1: all five states alike


def test_pollaczek_khinchine_at_its_ends():
    assert theory.mg1_response(RATE, MEAN, cv=1) == pytest.approx(theory.mm1_response(RATE, MEAN))
    assert theory.md1_response(RATE, MEAN) == pytest.approx(3.0)  # half the waiting of M/M/1, which is 4
    assert theory.mg1_waiting(RATE, MEAN, cv=2) == pytest.approx(2.5 * 4)


def test_processor_sharing():
    assert theory.mg1_ps_response(RATE, MEAN) == pytest.approx(5.0)
    assert theory.mg1_ps_response(RATE, MEAN, demand=0.1) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.mm1_response(1.0, 1.0),
        lambda: theory.mg1_response(2.0, 1.0, 0.5),
        lambda: theory.mg1_ps_response(1.5, 1.0),
        lambda: theory.mmc_response(4.0, 1.0, 4),
        lambda: theory.mmck_blocking(1.0, 1.0, 3, 2),
        lambda: theory.batch_interval([1.0] * 30),
        lambda: theory.batch_interval([1.0] * 30, batches=1),
        lambda: theory.batch_interval([1.0] * 100, level=1.0),
    ],
)
def test_what_has_no_answer_is_an_error(call):
    with pytest.raises(ValueError, match=r"steady state|places|batches"):
        call()


@pytest.mark.parametrize("cv", [0.0, 1.0, 2.0])
def test_single_server_simulated_meets_pollaczek_khinchine(cv: float):
    """The interval of one long run holds the theory, is narrow, and excludes what is 5 % off."""
    rng, size = np.random.default_rng(20240607), 1_000_000
    services = np.full(size, MEAN) if cv == 0 else rng.gamma(1 / cv**2, MEAN * cv**2, size)
    low, high = theory.batch_interval(lindley(0.5, services, rng)[size // 10 :], level=0.999)
    exact = theory.mg1_response(0.5, MEAN, cv)
    assert low < exact < high
    assert exact / 1.05 < low
    assert high < exact * 1.05


def test_batch_interval_by_hand():
    # batches of (1, 3), (3, 5), (5, 7) after the odd one: means 2, 4, 6, deviation 2; t with 2 degrees
    low, high = theory.batch_interval([99, 1, 3, 3, 5, 5, 7], level=0.95, batches=3)
    half = 4.302653 * 2 / math.sqrt(3)
    assert (low, high) == pytest.approx((4 - half, 4 + half), abs=1e-5)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_batch_interval_covers_as_often_as_it_says_where_the_plain_one_does_not(level: float):
    runs, size = 600, 4000
    series = autoregressive(0.9, (runs, size), np.random.default_rng(7))
    covered = sum(low < 0 < high for low, high in (theory.batch_interval(row, level) for row in series))
    low, high = stats.binom.interval(0.9999, runs, level)
    assert low <= covered <= high
    half = stats.norm.ppf((1 + level) / 2) * series.std(axis=1, ddof=1) / math.sqrt(size)
    assert np.mean(np.abs(series.mean(axis=1)) < half) < 0.6
