import math

import numpy as np
import pytest
from experiment_fakes import queue_responses, stream
from scipy import stats

from sim.experiment.statistics import (
    common_series,
    difference,
    lower_bound,
    mean_interval,
    mser5,
    order_statistics,
    paired_interval,
    percentile_interval,
    proportion_interval,
    settled,
    transient_end,
    unpaired_interval,
    upper_bound,
)


def test_no_interval_from_fewer_than_two_values():
    assert mean_interval([]) is None
    assert mean_interval([1.0]) is None
    assert paired_interval([1.0], [2.0]) is None
    assert unpaired_interval([1.0], [2.0, 3.0]) is None
    assert upper_bound([1.0]) is None
    assert lower_bound([1.0]) is None
    assert percentile_interval([1.0], 0.5) is None
    assert proportion_interval(1, 1) is None
    assert difference({0: 2.0}, {0: 1.0}).interval is None


def test_mean_interval_is_scipys():
    values = stream(1).normal(10, 3, 7)
    interval = mean_interval(values, 0.9)
    low, high = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)
    assert upper_bound(values, 0.95) == pytest.approx(high, rel=1e-12)  # one tail of 5 % each
    assert lower_bound(values, 0.95) == pytest.approx(low, rel=1e-12)


def test_unpaired_interval_is_welchs():
    a, b = stream(1).normal(10, 3, 7), stream(2).normal(8, 1, 12)
    ours = unpaired_interval(a, b)
    scipys = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((scipys.low, scipys.high), rel=1e-12)


def test_an_interval_of_equal_values_has_no_width():
    interval = mean_interval([0.1] * 3)
    assert interval.low == interval.high == 0.1
    assert interval.relative_half_width == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="finite"):
        mean_interval([1.0, value])


def test_t_interval_covers_the_mean_of_an_mm1_in_95_percent_of_seeds():
    load, covered = 0.7, 0
    for seed in range(200):
        means = [queue_responses(stream(seed, replication), load, 4000).mean() for replication in range(10)]
        interval = mean_interval(means)
        covered += interval.low <= 1 / (1 - load) <= interval.high  # E[T] = 1 / (mu - lambda)
    assert 0.91 <= covered / 200 <= 0.98


def test_pairs_are_narrower_than_two_groups_by_the_correlation():
    common = stream(1).normal(0, 5, 40)
    a = dict(enumerate(10 + common + stream(2).normal(0, 1, 40)))
    b = dict(enumerate(9 + common + stream(3).normal(0, 1, 40)))
    paired = difference(a, b)
    unpaired = difference(a, {("other seed", key): value for key, value in b.items()})
    assert paired.paired
    assert paired.pairs == 40
    assert not unpaired.paired
    assert paired.estimate == pytest.approx(unpaired.estimate)
    # variances: 1 + 1 against 26 + 26
    assert paired.interval.half_width / unpaired.interval.half_width == pytest.approx(math.sqrt(2 / 52), rel=0.3)
    assert paired.interval.excludes(0)
    assert not unpaired.interval.excludes(0)


def test_only_common_replications_are_paired():
    result = difference({0: 5.0, 1: 6.0, 2: 100.0}, {1: 5.0, 0: 3.0, 7: -50.0})
    assert result.pairs == 2
    assert result.estimate == pytest.approx(1.5)


def test_pairs_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one length"):
        paired_interval([1.0, 2.0], [1.0])


def test_order_statistics_are_the_tightest_ranks_that_cover():
    low, high = order_statistics(100, 0.5)
    assert (low, high) == (40, 61)  # the table in David and Nagaraja, 7.1
    below, above = stats.binom.cdf(low - 1, 100, 0.5), stats.binom.sf(high - 1, 100, 0.5)
    assert max(below, above) <= 0.025 < min(stats.binom.cdf(low, 100, 0.5), stats.binom.sf(high - 2, 100, 0.5))


@pytest.mark.parametrize(("count", "exists"), [(367, False), (368, True)])
def test_p99_needs_368_values(count, exists):
    assert (percentile_interval(np.arange(count), 0.99) is not None) == exists


def test_percentile_interval_covers():
    truth = -math.log(0.1)
    covered = 0
    for seed in range(300):
        interval = percentile_interval(stream(seed).exponential(1, 200), 0.9)
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / 300 <= 0.995


def test_proportion_interval_is_clopper_and_pearsons():
    for successes in (0, 3, 10):
        ours = proportion_interval(successes, 10)
        scipys = stats.binomtest(successes, 10).proportion_ci(method="exact")
        assert (ours.low, ours.high) == pytest.approx((scipys.low, scipys.high), rel=1e-9)


def naive_mser5(values):
    means = [np.mean(values[i : i + 5]) for i in range(0, len(values) - 4, 5)]
    errors = [np.var(means[d:]) / (len(means) - d) for d in range(len(means) // 2 + 1)]
    return 5 * int(np.argmin(errors))


@pytest.mark.parametrize("seed", range(20))
def test_mser5_is_its_definition(seed):
    rng = stream(seed)
    values = 1e6 + rng.normal(size=int(rng.integers(10, 400)))
    values[: len(values) // 4] += 3
    assert mser5(values) == naive_mser5(values)


def test_mser5_cuts_the_transient_and_not_much_more():
    noise = stream(5).normal(0, 1, 2000)
    transient = 50 * np.exp(-np.arange(2000) / 40)
    assert 100 <= mser5(noise + transient) <= 400
    assert mser5(noise) <= 400
    assert mser5(np.ones(100)) == 0


def test_a_series_without_end_of_its_transient_is_not_settled():
    trend = np.arange(500.0)
    assert not settled(mser5(trend), 500)
    assert transient_end(np.arange(500.0), trend) is None
    assert not settled(mser5([1.0, 2.0]), 2)


def test_transient_end_is_the_time_of_the_first_kept_arrival():
    times = np.sort(stream(6).uniform(0, 100, 1000))
    values = np.where(times < 20, 30.0, 1.0) + stream(7).normal(0, 0.1, 1000)
    shuffled = stream(8).permutation(1000)
    end = transient_end(times[shuffled], values[shuffled])
    assert 19.5 <= end <= 25  # never inside the transient, at most a twentieth too late


def test_removing_the_transient_removes_the_bias_of_an_empty_start():
    load = 0.9
    raw, cut = [], []
    for replication in range(60):
        series = queue_responses(stream(9, replication), load, 4000, start_empty=True) + np.where(
            np.arange(4000) < 200, 40.0, 0.0
        )
        raw.append(series.mean())
        cut.append(series[mser5(series) :].mean())
    assert abs(np.mean(cut) - 10) < abs(np.mean(raw) - 10)


def test_common_series_is_cut_to_the_shortest():
    assert common_series([[1.0, 2.0, 3.0], [3.0, 4.0]]).tolist() == [2.0, 3.0]
