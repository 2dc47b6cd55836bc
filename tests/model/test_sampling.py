"""Samplers draw their distributions, and the same values in blocks of any size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.model.chance.sampling import sampler
from sim.model.chance.streams import generator
from sim.reading.distribution import Distribution

SIGMA = math.sqrt(math.log(1 + 1.2**2))  # of the logarithm of a lognormal with a coefficient of variation of 1.2
LAWS = {
    "exponential": ({"mean": 0.05}, stats.expon(scale=0.05)),
    "lognormal": ({"mean": 0.025, "cv": 1.2}, stats.lognorm(SIGMA, scale=0.025 * math.exp(-(SIGMA**2) / 2))),
    "gamma": ({"mean": 0.5, "cv": 0.5}, stats.gamma(4, scale=0.125)),
    "pareto": ({"mean": 0.3, "shape": 3.0}, stats.pareto(3, scale=0.2)),
    "weibull": ({"mean": 2.0, "shape": 2.0}, stats.weibull_min(2, scale=2 / math.gamma(1.5))),
    "uniform": ({"min": 0.1, "max": 0.3}, stats.uniform(0.1, 0.2)),
}


def law(kind, parameters):
    return Distribution.model_construct(kind=kind, parameters=parameters)


@pytest.mark.parametrize("kind", LAWS)
def test_values_follow_the_distribution(kind):
    parameters, expected = LAWS[kind]
    n = 20_000
    values = sampler(law(kind, parameters))(generator(7, 0, kind), n)
    assert stats.kstest(values, expected.cdf).pvalue > 1e-3
    assert expected.mean() == pytest.approx(law(kind, parameters).mean)
    assert abs(values.mean() - expected.mean()) < 4 * expected.std() / math.sqrt(n)


@pytest.mark.parametrize("kind", LAWS)
def test_the_wrong_distribution_is_noticed(kind):
    parameters, expected = LAWS[kind]
    values = sampler(law(kind, parameters))(generator(7, 0, kind), 20_000)
    assert stats.kstest(values * 1.05, expected.cdf).pvalue < 1e-3


def test_a_constant_is_its_mean():
    assert sampler(law("constant", {"mean": 0.025}))(generator(7, 0, "x"), 3).tolist() == [0.025] * 3


@given(kind=st.sampled_from([*LAWS, "small-gamma"]), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_blocks_of_any_size_give_the_same_values(kind, cuts):
    # a gamma of shape below 1 rejects by another rule, and takes another number of words from the stream
    chosen = law("gamma", {"mean": 1.0, "cv": 3.0}) if kind == "small-gamma" else law(kind, LAWS[kind][0])
    draw = sampler(chosen)
    blocks, whole = generator(1, 0, "x"), generator(1, 0, "x")
    parts = [draw(blocks, n) for n in cuts]
    assert np.array_equal(np.concatenate([np.empty(0), *parts]), draw(whole, sum(cuts)))
    assert blocks.random() == whole.random()  # and both stand at the same place


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("zipf", {}, "known are constant"),
        ("lognormal", {"mean": 1.0}, "needs cv"),
        ("pareto", {"mean": 1.0, "shape": 1.0}, "no mean"),
    ],
)
def test_what_cannot_be_drawn_is_refused(kind, parameters, said):
    with pytest.raises(ValueError, match=said):
        sampler(law(kind, parameters))
