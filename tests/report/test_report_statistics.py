import math

import pytest
from scipy import stats

from sim.report.metrics import student
from sim.report.metrics.statistics import (
    lower_bound,
    mean_interval,
    paired_difference,
    unpaired_difference,
    upper_bound,
)


def test_interval_is_students_t() -> None:
    values = [10.0, 12.0, 11.0, 15.0, 9.5]
    interval = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=interval.mean, scale=stats.sem(values))
    assert interval.mean == pytest.approx(11.5)
    assert interval.half == pytest.approx((high - low) / 2)


def test_one_sided_bounds_leave_all_of_the_risk_on_one_side() -> None:
    values = [10.0, 12.0, 11.0, 15.0, 9.5]
    low, high = stats.t.interval(0.9, 4, loc=11.5, scale=stats.sem(values))  # 5 % on either side
    assert upper_bound(values, 0.95) == pytest.approx(high)
    assert lower_bound(values, 0.95) == pytest.approx(low)


@pytest.mark.parametrize("count", [1, 2])
def test_no_interval_below_three_replications(count: int) -> None:
    few = [1.0, 2.0][:count]
    assert mean_interval(few).half is None
    assert not mean_interval(few).excludes_zero
    assert math.isinf(mean_interval(few).relative)
    assert (mean_interval(few).low, mean_interval(few).high) == (-math.inf, math.inf)
    assert upper_bound(few) is None
    assert lower_bound(few) is None
    pairs = paired_difference(dict(enumerate(few)), dict(enumerate(few)))
    assert pairs is not None
    assert pairs.half is None
    welch = unpaired_difference(few, [1.0, 2.0, 3.0])
    assert welch is not None
    assert welch.half is None


def test_equal_values_give_an_interval_without_width() -> None:
    interval = mean_interval([0.1] * 3)
    assert (interval.mean, interval.half, interval.relative) == (0.1, 0.0, 0.0)
    assert mean_interval([-1.0, 0.0, 1.0]).relative == math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([1.0, 2.0, value])


def test_a_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="mean of nothing"):
        mean_interval([])


def test_pairs_are_matched_by_replication_and_noise_in_common_cancels() -> None:
    a = {0: 10.0, 1: 50.0, 2: 30.0, 7: 99.0}
    b = {2: 31.1, 1: 50.9, 0: 11.0}
    paired = paired_difference(a, b)
    assert paired is not None
    assert (paired.mean, paired.count) == (pytest.approx(1.0), 3)
    assert paired.excludes_zero
    unpaired = unpaired_difference([10.0, 50.0, 30.0], b.values())
    assert unpaired is not None
    assert not unpaired.excludes_zero
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_unpaired_difference_is_welchs() -> None:
    a, b = [1.0, 2.0, 3.0, 4.5], [7.0, 9.0, 20.0]
    found = unpaired_difference(a, b)
    reference = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert found.half is not None
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((reference.low, reference.high))


def test_rounding_noise_is_no_difference() -> None:
    third = dict.fromkeys(range(5), 0.1 + 0.2)
    same = dict.fromkeys(range(5), 0.3)
    difference = paired_difference(third, same)
    assert difference is not None
    assert difference.mean == 0.0
    assert not difference.excludes_zero


@pytest.mark.parametrize("freedom", [1, 2, 2.7, 4, 9, 29, 199, 1000, 100_000])
def test_students_t_is_scipys(freedom: float) -> None:
    for chance in (0.5, 0.6, 0.9, 0.95, 0.975, 0.999, 0.99999, 0.025, 1e-4):
        expected = stats.t.ppf(chance, freedom)
        assert student.quantile(chance, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    for value in (-30.0, -2.0, -0.1, 0.0, 0.5, 1.96, 12.7, 400.0):
        assert student.upper_tail(freedom, value) == pytest.approx(stats.t.sf(value, freedom), rel=1e-9, abs=1e-280)
    assert student.quantile(1.0, freedom) == math.inf
    assert student.upper_tail(freedom, math.inf) == 0.0
