import math

import numpy as np
import pytest
from experiment_fakes import Fake, fixed_code, line, stream

from sim.experiment.crossover.crossing import CrossoverError, crossover, crossover_of
from sim.experiment.crossover.search import find_crossover
from sim.experiment.sweep.plan import Plan
from sim.experiment.sweep.session import run_plan
from sim.experiment.workers.executor import SerialExecutor

SIDES = {"a": "vm", "b": "container", "metric": "response.p99", "better": "lower"}


def noisy(seed, replications=5, spread=1.0):
    """Differences vm - container falling through 0 at x = 6.3, with noise shared along x and a little not."""
    rng, where = stream(seed), np.arange(0.0, 11.0)
    noise = rng.normal(0, spread, replications) + rng.normal(0, spread / 4, (where.size, replications))
    return where, 0.5 * (6.3 - where)[:, None] + noise


def test_the_crossing_lies_where_the_lines_meet_and_names_the_sides():
    where = np.arange(0.0, 11.0)
    found = crossover(where, 0.5 * (6.3 - where)[:, None] * np.ones(4), **SIDES)
    (crossing,) = found.crossings
    assert crossing.at == pytest.approx(6.3)
    assert (crossing.low, crossing.high) == pytest.approx((6.3, 6.3), abs=1e-5)  # no noise: no width
    assert (crossing.below, crossing.above) == ("container", "vm")  # vm - container > 0 below: its p99 is higher
    assert found.better is None


def test_higher_is_better_turns_the_sides():
    where = np.arange(0.0, 11.0)
    found = crossover(where, (6.3 - where)[:, None] * np.ones(4), **{**SIDES, "better": "higher"})
    assert found.crossings[0].below == "vm"


def test_the_interval_covers_the_crossing_in_95_percent_of_seeds():
    covered = 0
    for seed in range(400):
        (crossing,) = crossover(*noisy(seed, spread=0.3), **SIDES).crossings
        covered += crossing.low <= 6.3 <= crossing.high
    assert 0.92 <= covered / 400 <= 0.98


def test_more_noise_makes_it_wider_until_it_leaves_the_axis():
    widths = []
    for spread in (0.05, 0.3):
        (crossing,) = crossover(*noisy(1, spread=spread), **SIDES).crossings
        widths.append(crossing.high - crossing.low)
    assert widths[0] < widths[1] < 10
    wild = crossover(*noisy(1, spread=30.0), **SIDES).crossings
    assert any(math.isinf(each.low) or math.isinf(each.high) for each in wild) or not wild


def test_one_replication_has_no_interval():
    where = np.arange(0.0, 11.0)
    (crossing,) = crossover(where, (6.3 - where)[:, None], **SIDES).crossings
    assert crossing.low is None
    assert crossing.high is None


def test_several_crossings_and_none():
    where = np.arange(0.0, 9.0)
    wave = np.cos(where * math.pi / 4)[:, None] * np.ones(3)
    wave[[2, 6]] = 0.0  # exactly zero where it crosses
    found = crossover(where, wave, **SIDES)
    assert [each.at for each in found.crossings] == [2.0, 6.0]
    assert [each.below for each in found.crossings] == ["container", "vm"]
    none = crossover(where, np.ones((9, 3)), **SIDES)
    assert none.crossings == ()
    assert none.better == "container"
    assert crossover(where, np.zeros((9, 3)), **SIDES).better is None


@pytest.mark.parametrize(
    ("where", "delta"), [([0, 1], [[1.0], [np.nan]]), ([1, 0], [[1.0], [2.0]]), ([0, 1, 2], [[1.0], [2.0]])]
)
def test_what_does_not_fit_is_refused(where, delta):
    with pytest.raises(ValueError, match="value"):
        crossover(where, delta, **SIDES)


def find(**settings):
    options = {"metric": "response.p99", "evaluate": line, **settings}
    return find_crossover(lambda x: Fake({"x": x}), "vm", "container", 0, 10, **options)


def test_the_search_closes_in_on_the_crossing():
    found = find()
    (crossing,) = found.crossings
    assert crossing.low <= 6.3 <= crossing.high
    assert crossing.high - crossing.low < 1
    assert (crossing.below, crossing.above) == ("container", "vm")
    gap = min(value for value in found.values if value > 6.3) - max(value for value in found.values if value < 6.3)
    assert gap <= 2.5 / 4  # halved at least twice from the first points
    assert found.runs == len(found.values) * 2 * 5


def test_whole_numbers_end_at_neighbours():
    found = find(whole=True, refinements=20)
    assert {6, 7} <= set(found.values)
    assert all(isinstance(value, float) and value == int(value) for value in found.values)


def test_a_search_without_crossing_runs_the_first_points_only():
    found = find_crossover(lambda x: Fake({"x": x}), "vm", "container", 0, 5, metric="response.p99", evaluate=line)
    assert len(found.values) == 5
    assert found.better == "container"


def test_failures_and_metrics_without_a_better_side_are_said():
    def broken(scenario, platform, replication):
        raise RuntimeError("no such disk")

    with pytest.raises(CrossoverError, match="no such disk"):
        find(evaluate=broken)
    with pytest.raises(CrossoverError, match="no better side"):
        find(metric="cpu.utilization")
    with pytest.raises(CrossoverError, match="missing"):
        find(metric="waiting.mean")


def test_from_the_table_of_a_sweep(tmp_path):
    values = [{"x": x, "y": y} for y in (1, 2) for x in range(0, 11, 2)]
    plan = Plan("line", values, lambda i: Fake(values[i]), ("vm", "container"), 4)
    with SerialExecutor() as executor:
        run_plan(plan, tmp_path, executor=executor, evaluate=line, fingerprint=fixed_code)
    import pandas as pd

    table = pd.read_parquet(tmp_path / "table.parquet")
    (crossing,) = crossover_of(table[table["y"] == 1], "x", "vm", "container", "response.p99").crossings
    assert crossing.low <= 6.3 <= crossing.high
    with pytest.raises(CrossoverError, match="other axes"):
        crossover_of(table, "x", "vm", "container", "response.p99")
    with pytest.raises(CrossoverError, match="microvm"):
        crossover_of(table[table["y"] == 1], "x", "vm", "microvm", "response.p99")
