"""The inverse of the integral of a rate is exact, against the integral itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.model.chance.streams import generator
from sim.model.traffic.rates import FlatRate, MarkovModulatedRate, PiecewiseLinearRate, SineRate

rates = st.one_of(st.just(0.0), st.floats(0.01, 1e4))
stages = st.lists(st.tuples(st.one_of(st.just(0.0), st.floats(0.01, 1e3)), rates), min_size=1, max_size=8)


def ramp_mass(start, stages, time):
    """Return the integral of a ramp from 0 to ``time``, by the trapezoid of each stage."""
    mass, rate, begin = 0.0, start, 0.0
    for duration, target in stages:
        part = min(max(time - begin, 0.0), duration)
        if duration > 0.0:
            mass += part * (rate + (target - rate) * part / duration / 2)
        rate, begin = target, begin + duration
    return mass


@given(start=rates, stages=stages, shares=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_a_ramp_is_inverted_exactly(start, stages, shares):
    ramp = PiecewiseLinearRate.of_stages(start, stages)
    total = ramp_mass(start, stages, math.inf)
    assert ramp.total == pytest.approx(total, rel=1e-12)
    mass = np.sort(np.array(shares)) * ramp.total
    times = ramp.invert(mass.copy())
    if total == 0.0:
        assert times.size == 0
        return
    assert times.size == mass.size
    assert np.all(np.diff(times) >= -1e-12 * ramp.end)
    found = [ramp_mass(start, stages, time) for time in times]
    # the mass of one rounding of the time is at most the highest rate times that rounding
    slack = 1e-12 * total + 4e-16 * ramp.end * max(start, *(target for _, target in stages))
    assert np.allclose(found, mass, rtol=0, atol=slack)


@given(start=rates, stages=stages, cut=st.integers(0, 1000))
def test_a_ramp_does_not_depend_on_blocks(start, stages, cut):
    # whole: by segments; parts: perhaps in one segment, or each mass with its own
    ramp = PiecewiseLinearRate.of_stages(start, stages)
    mass = np.linspace(0.0, ramp.total * 1.1, 1000)
    parts = [ramp.invert(part.copy()) for part in np.split(mass, [cut, cut + 7])]
    assert np.array_equal(np.concatenate(parts), ramp.invert(mass.copy()))


def test_nothing_comes_after_the_last_stage():
    ramp = PiecewiseLinearRate.of_stages(10.0, [(1.0, 10.0), (1.0, 0.0)])
    assert ramp.total == 15.0
    assert ramp.invert(np.array([1.0, 15.0, 15.001])).tolist() == [0.1, 2.0]


def test_a_mass_on_a_boundary_comes_before_the_pause_that_follows():
    ramp = PiecewiseLinearRate.of_stages(1.0, [(3.0, 1.0), (0.0, 0.0), (10.0, 0.0), (0.0, 1.0), (2.0, 1.0)])
    assert ramp.invert(np.array([3.0, 3.5])).tolist() == [3.0, 13.5]


@pytest.mark.parametrize("rate", [FlatRate(0.0), SineRate(0.0, 0.0, 1.0)])
def test_a_rate_of_zero_brings_nothing(rate):
    assert rate.invert(np.array([0.0, 1.0])).size == 0


def sine_mass(mean, peak, period, phase, time):
    turn = 2 * np.pi / period
    return mean * time + (peak - mean) / turn * (np.cos(turn * phase) - np.cos(turn * (time + phase)))


@given(
    swing=st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1)),
    phase=st.floats(-2, 2),
    period=st.floats(0.1, 1e5),
)
def test_a_sine_is_inverted_exactly(swing, phase, period):
    mean = 100.0
    peak, phase = mean * (1 + swing), phase * period
    shares = np.concatenate((np.linspace(0, 3, 997), 0.75 + np.geomspace(1e-12, 1e-3, 20)))  # the trough if phase is 0
    mass = np.sort(shares) * mean * period
    times = SineRate(mean, peak, period, phase).invert(mass.copy())
    assert np.abs(sine_mass(mean, peak, period, phase, times) - mass).max() < 2e-12 * mean * period
    assert np.all(np.diff(times) >= -1e-9 * period)


def test_a_sine_that_stops_leaves_its_trough_as_a_cubic():
    # from a trough without traffic the mass grows as mean (2 pi)² t³ / (6 period²): E - sin E = E³ / 6 (1 - E² / 20)
    mass = np.geomspace(1e-8, 1e-3, 50)
    times = SineRate(100.0, 200.0, 1.0, 0.75).invert(mass.copy())
    cubic = np.cbrt(6 * mass / 100.0 / (2 * np.pi) ** 2)
    assert times == pytest.approx(cubic * (1 + (2 * np.pi * cubic) ** 2 / 60), rel=1e-5)


@given(swing=st.sampled_from([0.0, 0.5, 0.95, 1.0]), cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_a_sine_does_not_depend_on_blocks(swing, cuts):
    sine = SineRate(10.0, 10.0 * (1 + swing), 60.0, 7.0)
    mass = np.sort(generator(1, 0, "mass").random(1000)) * 2000
    parts = [sine.invert(part.copy()) for part in np.split(mass, sorted(cuts))]
    assert np.array_equal(np.concatenate(parts), sine.invert(mass.copy()))


@pytest.mark.parametrize("arguments", [(1.0, 2.1, 1.0), (1.0, 0.9, 1.0), (1.0, 1.0, 0.0), (-1.0, -1.0, 1.0)])
def test_a_sine_below_zero_is_refused(arguments):
    with pytest.raises(ValueError, match="diurnal"):
        SineRate(*arguments)


def test_states_last_exponential_times_of_their_means_and_carry_their_rates():
    # at rates of 1000/s and 10/s every state shows in the gaps of an even mass: 1 ms and 100 ms
    states = [(1000.0, 2.0), (10.0, 6.0)]
    duration = 10_000.0
    times = MarkovModulatedRate(states, generator(3, 0, "states/shop/0"), duration).invert(np.arange(1.0, 4e6))
    assert times[-1] > duration  # what lies beyond is cut by whoever asked
    times = times[times < duration]
    gaps = np.diff(times)
    fast = np.isclose(gaps, 1e-3, rtol=1e-6)
    assert np.mean(fast | np.isclose(gaps, 0.1, rtol=1e-6)) > 0.999  # all but those across a change
    # share of time of the fast state: 2 / 8; its variance over d seconds is 2 v d, v = p q / (1/2 + 1/6)
    share = gaps[fast].sum() / times[-1]
    deviation = math.sqrt(2 * 0.25 * 0.75 / (1 / 2 + 1 / 6) / duration)
    assert abs(share - 0.25) < 4 * deviation
    cycles = np.count_nonzero(fast[1:] & ~fast[:-1])
    assert abs(cycles - duration / 8) < 4 * math.sqrt(duration / 8)  # cv of a cycle is below 1


def test_the_first_state_is_drawn_by_its_share_of_time():
    n = 2000
    starts = (MarkovModulatedRate([(1e6, 1.0), (1.0, 3.0)], generator(3, r, "s"), 1.0) for r in range(n))
    fast = sum(float(rate.invert(np.array([1e-3]))[0]) < 1e-6 for rate in starts)
    assert abs(fast - n / 4) < 4 * math.sqrt(n * 3 / 16)


@given(cuts=st.lists(st.integers(0, 1000), max_size=5))
def test_states_do_not_depend_on_blocks(cuts):
    mass = np.arange(1.0, 1001.0)
    states = [(50.0, 0.01), (0.0, 0.02), (5.0, 0.005)]  # thousands of states: several blocks of them
    rate = MarkovModulatedRate(states, generator(3, 0, "s"), 1e3)
    parts = [rate.invert(part.copy()) for part in np.split(mass, sorted(cuts))]
    whole = MarkovModulatedRate(states, generator(3, 0, "s"), 1e3).invert(mass.copy())
    assert np.array_equal(np.concatenate(parts), whole)


def test_states_without_traffic_end_with_the_simulation():
    rate = MarkovModulatedRate([(0.0, 1.0), (0.0, 2.0)], generator(3, 0, "s"), 1e4)
    assert rate.invert(np.array([1.0])).size == 0


@pytest.mark.parametrize("states", [[], [(1.0, 0.0)]])
def test_states_that_never_end_are_refused(states):
    with pytest.raises(ValueError, match="mmpp"):
        MarkovModulatedRate(states, generator(3, 0, "s"), 1.0)
