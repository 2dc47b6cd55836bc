import math

import brute_force
import pytest
from experiment_fakes import Loaded, Slo, observation, observe_admission, observe_memory, observe_queue

from sim.experiment.density.objectives import judge
from sim.experiment.density.questions import Grid, search
from sim.experiment.density.search import DensityError, density
from sim.experiment.density.study import curve_rows
from sim.experiment.workers.executor import SerialExecutor
from sim.model import compiled
from sim.model.record import timeline

PLATFORMS = ("vm", "container")


def every_value(scenario_at, platform, grid, observe, replications):
    """Every value of the grid with every replication: the last value before the first that does not hold."""
    most, runs = None, 0
    for index in range(grid.last + 1):
        value = grid.value(index)
        scenario = scenario_at(value)
        seen = [observe(scenario, platform, replication) for replication in range(replications)]
        runs += replications
        if not judge(scenario, seen, replications).holds:
            # the rest of the grid is walked all the same, as a sweep does
            return most, runs + replications * (grid.last - index)
        most = value
    return most, runs


CASES = {
    "tail of a queue": (lambda value: Loaded(value, Slo(p99=30.0)), Grid(5, 1, 130), observe_queue),
    "admission": (lambda value: Loaded(value, Slo(p99=1.0)), Grid(1, 1, 64), observe_admission),
    "memory": (lambda value: Loaded(value), Grid(2, 2, 80), observe_memory),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_brute_force_in_a_quarter_of_the_runs(name):
    scenario_at, grid, observe = CASES[name]
    found = density(scenario_at, PLATFORMS, grid, observe=observe)
    most, runs = zip(*(every_value(scenario_at, platform, grid, observe, 10) for platform in PLATFORMS), strict=True)
    assert tuple(each.most for each in found) == most
    assert all(each.monotone for each in found)
    assert sum(each.runs for each in found) <= sum(runs) / 4


BROKE = {
    "tail, by load": {"vm": "tail", "container": "tail"},
    "admission, by tenants": {"vm": "admission"},
    "memory, by replicas": {"container": "memory"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", brute_force.CASES)
def test_the_simulator_gives_the_same_number_as_brute_force(name, monkeypatch):
    monkeypatch.setattr(timeline, "SAMPLES", 20)  # the timeline costs more than these short runs
    compiled.warm_up()
    case = brute_force.CASES[name].shortened()
    found = brute_force.searched(case, SerialExecutor())
    every = brute_force.brute_force(case, SerialExecutor())
    grid = case.values()
    for each in found:
        most, runs = every[each.platform]
        assert each.most == most
        assert grid[0] < most < grid[-1]  # a number that could have been another
        assert each.runs <= runs / 4
        assert each.broke.cause == BROKE[name][each.platform]


@pytest.mark.parametrize("name", CASES)
def test_without_an_end_it_doubles_and_finds_the_same(name):
    scenario_at, grid, observe = CASES[name]
    bounded = density(scenario_at, PLATFORMS, grid, observe=observe)
    open_ended = density(scenario_at, PLATFORMS, Grid(grid.start, grid.step), observe=observe)
    assert [each.most for each in open_ended] == [each.most for each in bounded]


def test_says_what_broke_just_above():
    broke = {}
    for name, (scenario_at, grid, observe) in CASES.items():
        vm, _ = density(scenario_at, PLATFORMS, grid, observe=observe)
        broke[name] = vm.broke
        above = next(load for load in vm.curve if load.value == vm.most + grid.step)
        assert not above.verdict.holds
    assert [each.cause for each in broke.values()] == ["tail", "admission", "memory"]
    assert broke["admission"].text == "starts refused: 1 (allocated: CPU 98%, memory 0% of the host)"
    assert "p99 of shop" in broke["tail of a queue"].text


def test_a_full_host_is_blamed_on_the_cpu():
    scenario = Loaded(1, Slo(p99=1.0))
    counts = {"shop_requests_arrived": 9, "shop_requests_completed": 9}
    slow = [observation(full=0.4, shop_response_p99=2.0 + r / 10, **counts) for r in range(10)]
    assert judge(scenario, slow, 10).broke[0].cause == "CPU"
    both = [observation(full=0.4, shop_response_p99=2.0, all_guests_refused=1, **counts)] * 10
    assert [each.cause for each in judge(scenario, both, 10).broke] == ["admission", "CPU"]


def runs_of(*p99, **more):
    counts = {"shop_requests_arrived": 100, "shop_requests_completed": 100}
    return [observation(shop_response_p99=value, **{**counts, **more}) for value in p99]


def test_the_bound_and_not_the_mean_must_hold():
    scenario = Loaded(1, Slo(p99=1.0))
    near = [0.9, 1.05, 0.95, 1.0, 0.9, 1.0, 0.85, 1.1, 0.95, 1.0]  # mean 0.97, upper bound 1.015
    verdict = judge(scenario, runs_of(*near), 10)
    mean, bound, limit = verdict.objectives["shop", "p99"]
    assert mean < limit < bound
    assert not verdict.holds
    assert judge(scenario, runs_of(*[value - 0.02 for value in near]), 10).holds


def test_a_clear_answer_needs_three_replications_and_a_near_one_all():
    scenario = Loaded(1, Slo(p99=1.0))
    assert judge(scenario, runs_of(0.1, 0.11), 10) is None
    assert judge(scenario, runs_of(0.1, 0.11, 0.09), 10).holds
    assert not judge(scenario, runs_of(7.0, 7.1, 6.9), 10).holds
    assert judge(scenario, runs_of(0.9, 0.8, 1.0), 10) is None
    assert judge(scenario, runs_of(0.9, 0.8, 1.0), 3) is not None


def test_one_refused_start_decides_at_once():
    scenario = Loaded(1, Slo(p99=1.0))
    assert not judge(scenario, runs_of(0.1, all_guests_refused=1), 10).holds


def test_nothing_completed_is_a_missed_objective():
    scenario = Loaded(1, Slo(p99=1.0))
    starved = [observation(shop_requests_arrived=50, shop_requests_completed=0)] * 3
    verdict = judge(scenario, starved, 10)
    assert not verdict.holds
    assert math.isinf(verdict.objectives["shop", "p99"][1])
    assert "none completed" in verdict.broke[0].text


def test_availability_counts_what_was_decided():
    scenario = Loaded(1, Slo(availability=0.9))
    served = {"shop_requests_completed": 90, "shop_requests_in_flight": 10}
    assert judge(scenario, runs_of(0.1, 0.1, 0.1, **served), 3).holds  # 90 of the 90 decided
    verdict = judge(scenario, runs_of(0.1, 0.1, 0.1, shop_requests_completed=80), 3)
    assert not verdict.holds
    assert "availability of shop 0.8" in verdict.broke[0].text


def follow(grid, holds):
    """Walk the search with `holds(index, thorough)`; returns (answer, what was asked)."""
    walk, asked = search(grid), []
    question = next(walk)
    try:
        while True:
            asked.append(question)
            question = walk.send(holds(*question))
    except StopIteration as stop:
        return stop.value, asked


@pytest.mark.parametrize("capacity", range(-1, 21))
def test_search_finds_any_capacity(capacity):
    for grid in (Grid(0, 1, 19), Grid(0, 1)):
        most, asked = follow(grid, lambda index, thorough: index <= capacity)
        assert most == min(capacity, grid.last)
        assert len(set(asked)) == len(asked) <= 11  # nothing is judged twice
        assert (most, True) in asked or most < 0


@pytest.mark.parametrize("capacity", range(-1, 21))
@pytest.mark.parametrize("optimism", [1, 3, 8])
def test_search_goes_down_when_all_replications_say_no(capacity, optimism):
    for grid in (Grid(0, 1, 19), Grid(0, 1)):
        most, _ = follow(grid, lambda index, thorough: index <= capacity + (0 if thorough else optimism))
        assert most == min(capacity, grid.last)


def test_nothing_and_everything_hold():
    none, _ = density(lambda value: Loaded(value), PLATFORMS, Grid(100, 1, 110), observe=observe_admission)
    assert none.most is None
    assert none.broke.cause == "admission"
    every, _ = density(lambda value: Loaded(value), PLATFORMS, Grid(1, 1, 10), observe=observe_admission)
    assert every.most == 10
    assert every.broke is None


def test_a_grid_of_fractions_ends_where_it_says():
    assert [Grid(0.1, 0.1, 0.5).value(i) for i in range(Grid(0.1, 0.1, 0.5).last + 1)][-1] == pytest.approx(0.5)
    assert isinstance(Grid(2, 2).value(3), int)


@pytest.mark.parametrize("settings", [{"step": 0}, {"stop": 0}])
def test_an_empty_grid_is_refused(settings):
    with pytest.raises(ValueError, match="grid"):
        Grid(**settings)


def test_a_failed_run_ends_the_search_with_its_error():
    def broken(scenario, platform, replication):
        raise RuntimeError("no such disk")

    with pytest.raises(DensityError, match=r"vm, value .*, replication 0.*no such disk"):
        density(lambda value: Loaded(value), PLATFORMS, Grid(1, 1, 10), observe=broken)


def test_curve_rows_are_one_an_objective():
    scenario_at, grid, observe = CASES["tail of a queue"]
    found = density(scenario_at, PLATFORMS, grid, observe=observe)
    rows = curve_rows(found)
    assert {row["platform"] for row in rows} == set(PLATFORMS)
    assert all(row["holds"] == (row["bound"] <= row["limit"]) for row in rows)
