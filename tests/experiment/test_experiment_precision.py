from experiment_fakes import queue_responses, stream

from sim.experiment.replications.precision import FIRST_DECISION, decide
from sim.report.metrics.statistics import mean_interval
from sim.scenario import Until


def follow(rule, value_of):
    """Run `value_of(replication)` as the rule asks; returns (the values, the decision, the batches)."""
    values, batches = [], []
    decision = decide(rule, {}, 0)
    while decision.more:
        batches.append(range(decision.replications, decision.replications + decision.more))
        values += [value_of(replication) for replication in batches[-1]]
        decision = decide(rule, {"series": values}, len(values))
    return values, decision, batches


def test_stops_when_precise_and_says_so():
    values, decision, batches = follow(
        Until(metric="response.mean", within=0.05, max=500), lambda r: stream(r).normal(10, 2)
    )
    assert decision.precise
    assert decision.replications == len(values) == sum(map(len, batches))
    assert mean_interval(values).relative == decision.achieved <= 0.05
    # (1.96 * 0.2 / 0.05)^2 = 61 replications, by the true variance
    assert 30 <= len(values) <= 100
    assert [r for batch in batches for r in batch] == list(range(len(values)))
    assert decision.reason == f"response.mean within 0.05 of its mean after {len(values)} replications"


def test_stops_at_the_maximum_and_says_that_it_is_not_precise():
    values, decision, _ = follow(Until(metric="response.p99", within=0.001, max=12), lambda r: stream(r).normal(10, 2))
    assert len(values) == 12
    assert not decision.precise
    assert decision.achieved > 0.001
    assert "12 replications, the most allowed" in decision.reason


def test_never_decides_before_the_minimum():
    values, decision, batches = follow(Until(metric="goodput", within=0.5, max=100), lambda r: 3.0)
    assert decision.precise
    assert len(values) == FIRST_DECISION
    assert batches == [range(FIRST_DECISION)]


def test_a_maximum_below_the_minimum_holds():
    values, _, _ = follow(Until(metric="goodput", within=0.5, max=3), lambda r: 3.0)
    assert len(values) == 3


def test_every_series_must_be_precise():
    rule = Until(metric="response.mean", within=0.05, max=100)
    steady, noisy = [10.0] * 6, [5.0, 15.0, 8.0, 12.0, 9.0, 11.0]
    assert decide(rule, {"vm": steady}, 6).precise
    assert not decide(rule, {"vm": steady, "container": noisy}, 6).precise
    assert not decide(rule, {"vm": steady, "container": [1.0]}, 6).precise
    assert not decide(rule, {}, 6).precise  # the metric never came: not precise, and it ends at the maximum
    assert decide(rule, {}, 100).more == 0


def test_it_does_not_jump_far_beyond_what_is_needed():
    rule = Until(metric="response.mean", within=0.02, max=10_000)
    noisy = [5.0, 15.0, 8.0, 12.0, 9.0, 11.0]
    assert 1 <= decide(rule, {"vm": noisy}, 6).more <= 6  # at most doubled


def test_the_interval_where_it_stops_still_covers():
    """Stopping early costs some coverage; by Law's tables it stays near 90 % from a minimum of 5."""
    rule, covered = Until(metric="response.mean", within=0.1, max=200), 0
    for seed in range(200):
        values, _, _ = follow(rule, lambda r, seed=seed: queue_responses(stream(seed, r), 0.5, 500).mean())
        interval = mean_interval(values)
        covered += interval.low <= 2.0 <= interval.high
    assert 0.85 <= covered / 200 <= 0.99
