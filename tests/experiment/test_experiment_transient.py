import numpy as np
import pytest
from experiment_fakes import queue_responses, stream

from sim.experiment.replications.transient import mser5, settled, transient_end


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
