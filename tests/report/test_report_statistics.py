import pytest
from scipy import stats

from sim.report import mean_interval, paired_difference, unpaired_difference


def test_interval_is_students_t() -> None:
    values = [10.0, 12.0, 11.0, 15.0, 9.5]
    interval = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=interval.mean, scale=stats.sem(values))
    assert interval.mean == pytest.approx(11.5)
    assert interval.half == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("count", [1, 2])
def test_no_interval_below_three_replications(count: int) -> None:
    assert mean_interval([1.0, 2.0][:count]).half is None
    assert not mean_interval([1.0, 2.0][:count]).excludes_zero


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
