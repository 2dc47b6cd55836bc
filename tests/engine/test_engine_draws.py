"""Numbers that belong to a request: the mixing function, the quantile of the normal distribution, the laws."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from scipy import special, stats

from oracle import program_steps as oracle
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane
from sim.engine.rules import draws
from sim.engine.steps import Law, Wait

BASE = 0x0123456789ABCDEF


def alone(function: Any) -> Any:
    """A part of the kernel that Python may call: they are compiled into it only."""
    return numba.njit(getattr(function, "py_func", function))


mixed = alone(draws.mix)
quantile = alone(draws.normal_quantile)


def words(keys: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """The mixing function on many keys at once."""
    z = keys + np.uint64(draws.GOLDEN) * (np.atleast_1d(np.asarray(n, np.uint64)) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(draws.FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(draws.SECOND)
    return z ^ (z >> np.uint64(31))


def times_of(law: Law, n: int) -> np.ndarray:
    """How long `n` requests wait that draw from the law, s, in the order of arrival."""
    zeros = np.zeros(n)
    chunk = SimpleNamespace(time=np.arange(n) * 1.0, service=zeros.astype(np.int32), demand=zeros, u1=zeros, u2=zeros)
    chunks, rows = iter([chunk]), []
    plane = DataPlane(1.0, source=lambda: next(chunks, None), sink=lambda out: rows.append(out.copy()))
    service = plane.add_service(concurrency=n)
    plane.set_programs(service, [(1.0, [Wait(law)])], BASE)
    plane.open(plane.add_guest(service, 1.0, 1.0))
    HybridEnvironment(plane).run(until=1e6 * n)
    plane.end()
    ended = np.concatenate(rows)
    ended = ended[np.argsort(ended["number"])]
    assert len(ended) == n
    return ended["finish"] - ended["start"]


def test_the_first_words_of_splitmix64_are_those_that_its_authors_print():
    # java.util.SplittableRandom and Vigna's splitmix64.c, seed 1234567
    wanted = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [int(mixed(np.uint64(1234567), n)) for n in range(5)] == wanted


def test_mixing_is_the_oracle_s_whole_numbers_cut_to_64_bits():
    rng = random.Random(1)
    pairs = [(rng.getrandbits(64), rng.getrandbits(20)) for _ in range(500)]
    for key, n in [*pairs, (0, 0), (2**64 - 1, 0), (2**64 - 1, 2**31), (2**63, 1)]:
        assert int(mixed(np.uint64(key), n)) == oracle.mix(key, n) == int(words(np.uint64([key]), n)[0])


@pytest.mark.parametrize("which", ["first numbers of successive requests", "successive numbers of a request"])
def test_a_million_numbers_are_uniform_and_do_not_follow_from_their_neighbours(which: str):
    n = np.arange(1_000_000, dtype=np.uint64)
    base = np.full_like(n, BASE)
    drawn = words(words(base, n), 1) if which.startswith("first") else words(base, n + np.uint64(1))
    u = (drawn >> np.uint64(11)) * 2.0**-53
    cells = np.bincount((u * 1000).astype(int), minlength=1000)
    assert 0.001 < stats.chisquare(cells).pvalue < 0.999
    pairs = np.bincount((u[:-1] * 32).astype(int) * 32 + (u[1:] * 32).astype(int), minlength=1024)
    assert 0.001 < stats.chisquare(pairs).pvalue < 0.999
    bits = [int(((drawn >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(11, 64)]
    assert max(abs(ones - 500_000) for ones in bits) < 5 * 500  # five standard deviations


def test_the_normal_quantile_is_scipy_s():
    grid = np.concatenate(
        [np.linspace(1e-6, 1 - 1e-6, 2001), 10.0 ** -np.arange(1.0, 17.0), 1 - 2.0 ** -np.arange(2, 54)]
    )
    ours = np.array([quantile(float(u)) for u in grid])
    assert ours == pytest.approx(special.ndtri(grid), rel=1e-12, abs=1e-12)
    assert quantile(0.0) == pytest.approx(special.ndtri(2.0**-54), rel=1e-12)


LAWS = [
    (Law("constant", 2.0), 2.0, 0.0),
    (Law("exponential", 2.0), 2.0, 4.0),
    (Law("uniform", 1.0, 3.0), 2.0, 4 / 12),
    (Law("lognormal", 0.0, 0.5), math.exp(0.125), (math.exp(0.25) - 1) * math.exp(0.25)),
    (
        Law("weibull", 2.0, 1.5),
        2 * math.gamma(1 + 1 / 1.5),
        4 * (math.gamma(1 + 2 / 1.5) - math.gamma(1 + 1 / 1.5) ** 2),
    ),
    (Law("pareto", 1.0, 6.0), 1.2, 6 / (25 * 4)),
    (Law("gamma", 4.0, 0.5), 2.0, 1.0),
    (Law("gamma", 0.5, 4.0), 2.0, 8.0),
]
N = 3_000 if numba.config.DISABLE_JIT else 100_000


@pytest.mark.parametrize(("law", "mean", "variance"), LAWS, ids=lambda value: getattr(value, "name", ""))
def test_laws_have_their_mean_and_variance_and_the_oracle_s_values(law: Law, mean: float, variance: float):
    drawn = times_of(law, N)
    if variance == 0.0:
        assert drawn == pytest.approx(mean)
        return
    spread = np.std(drawn)
    assert abs(drawn.mean() - mean) < 4.5 * math.sqrt(variance / N)
    error = math.sqrt(float(np.mean((drawn - drawn.mean()) ** 4)) - spread**4) / math.sqrt(N)  # of the variance
    assert abs(spread**2 - variance) < 4.5 * error
    theirs = [oracle.draw(oracle.Law(law.name, law.a, law.b), oracle.Numbers(oracle.mix(BASE, n))) for n in range(300)]
    assert drawn[:300] == pytest.approx(theirs, rel=1e-9, abs=1e-9)
