"""Many tenants, one SLO each: what chance does alone, and what Holm's correction leaves of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.experiment.density.objectives import Observation, judge
from sim.report.metrics.objectives import missing
from sim.report.metrics.samples import beyond
from sim.report.metrics.statistics import chance_above, holm, lower_bound
from sim.scenario.services import Slo
from sim.terms.records import RequestTally, Times
from tests.doubts.test_doubts import WEB, file_of, run

TENANTS, REPLICATIONS, MAY = 30, 5, 0.01


def shares(rng: np.random.Generator, mean: float = MAY) -> np.ndarray[Any, Any]:
    return rng.normal(mean, 0.002, (TENANTS, REPLICATIONS))


def test_a_chance_is_that_of_students_t() -> None:
    sample = [0.9, 1.2, 1.0, 1.4, 1.1]
    bound = lower_bound(sample, 0.95)
    assert bound is not None
    assert chance_above(sample, bound) == pytest.approx(0.05)  # the bound is where the test just gives up
    assert chance_above(sample[:2], 0.0) is None
    assert chance_above([1.0] * 3, 1.0) == 1.0
    assert chance_above([1.0] * 3, 0.9) == 0.0


def test_holm_gives_up_a_true_one_in_one_family_of_twenty_and_each_alone_in_most() -> None:
    """Thirty tenants exactly at their limit, a thousand times: 1 − 0.95³⁰ = 79 % false alarms alone, 5 % with Holm."""
    rng = np.random.default_rng(5)
    alone = corrected = 0
    for _ in range(1000):
        chances = [chance_above(row, MAY) for row in shares(rng)]
        alone += any(chance is not None and chance <= 0.05 for chance in chances)
        corrected += any(holm(chances))
    assert alone / 1000 == pytest.approx(1 - 0.95**TENANTS, abs=0.05)
    assert corrected / 1000 == pytest.approx(0.05, abs=0.025)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.02, 0.03, 0.9]) == [True, False, False, False]  # 0.0125, then 0.0167
    assert holm([0.01, 0.016, 0.02, 0.03]) == [True, True, True, True]
    assert holm([]) == []


def observed(rows: np.ndarray[Any, Any], replication: int) -> Observation:
    tenants = {(f"web-{number:02d}", "p99"): (float(row[replication]), MAY) for number, row in enumerate(rows)}
    return Observation([], 0.0, tenants=tenants)


def test_a_load_holds_with_many_tenants_at_their_limit_and_not_with_one_that_is_starved() -> None:
    nothing = SimpleNamespace(services={})
    rng = np.random.default_rng(6)
    verdicts = []
    for _ in range(200):
        rows = shares(rng)
        verdicts.append(judge(nothing, [observed(rows, number) for number in range(REPLICATIONS)], REPLICATIONS))
    assert np.mean([not each.holds for each in verdicts if each]) == pytest.approx(0.05, abs=0.04)
    rows = shares(rng, 0.002)
    rows[7] += 0.05
    starved = judge(nothing, [observed(rows, number) for number in range(REPLICATIONS)], REPLICATIONS)
    assert starved is not None
    assert not starved.holds
    assert "1 tenants miss p99 beyond chance, web-07" in starved.broke[0].text


def test_the_share_that_misses_an_objective_counts_what_never_came_back() -> None:
    values = np.linspace(0.001, 0.1, 100)  # a hundredth is beyond 99 ms
    tally = RequestTally(110, 100, 6, 4, 0, 0, Times(100, float(values.sum()), values=values), 0.0, 0)
    found = missing(Slo.model_validate({"p99": "99.5ms", "availability": "95%"}), tally, 60.0)
    assert found["p99"] == pytest.approx((11 / 110, 0.01))
    assert found["availability"] == pytest.approx((10 / 110, 0.05))
    binned = Times(100, 5.0, edges=np.array([0.0, 0.05, 0.1]), counts=np.array([50.0, 50.0]))
    assert beyond(binned, 0.075) == pytest.approx(25.0)
    assert beyond(Times(0, 0.0, values=np.empty(0)), 1.0) == 0.0


def test_the_verdict_says_how_many_tenants_miss_theirs_beyond_chance(tmp_path: Path) -> None:
    near = {
        WEB + "tenants": 4,
        WEB + "slo": {"p95": "30ms"},
        WEB + "traffic": {"constant-arrival-rate": {"rate": "8/s"}},
    }
    result = run(file_of(tmp_path, **near), replications=5)
    (found,) = [each for each in result.doubts if each.code == "many-tests"]
    assert found.numbers["chance"] == pytest.approx(1 - 0.95**4)
    assert found.numbers["corrected"] == pytest.approx(0.05)
    assert all(found.numbers["missed"][name] <= found.numbers["missed_alone"][name] for name in ("vm", "container"))
    slow = run(file_of(tmp_path, **{**near, WEB + "slo": {"p95": "10ms"}}), replications=5)
    told = " ".join(slow.verdict)
    assert "Tenants of web (of 4) that miss it beyond chance (Holm): vm 4, container 4." in told
