"""What an interval promises, on the simulator itself: it covers the truth, and pairs make it narrower."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import sim
from sim.experiment.replications import runner
from sim.model.record import timeline
from sim.report.metrics.statistics import mean_interval, paired_difference, unpaired_difference
from sim.scenario import scenario_from_text
from sim.scorecard import theory

RATE, MEAN = 5.0, 0.1  # 1/s, s: an M/M/1 at a load of 0.5
REQUESTS = 4000  # a replication: its mean is near normal, and what is in flight at the end does not count
SEEDS, REPLICATIONS = 200, 5
QUEUE = f"""\
name: queue
duration: {50 + REQUESTS / RATE}s
warmup: 50s
host: {{cores: 1, memory: 8GiB, disk: {{read: 1GB/s, write: 1GB/s}}, network: 1Gbit/s}}
platforms: [native]
services:
  queue:
    image: 1MB
    memory: {{base: 1MiB}}
    request_cpu: {{exponential: {{mean: {MEAN}s}}}}
    size: {{cpu: 1, memory: 1GiB}}
    replicas: 1
    traffic: {{constant-arrival-rate: {{rate: {RATE}/s}}}}
"""
EXACT = {
    "response.mean": theory.mm1_response(RATE, MEAN),
    "response.p95": theory.mm1_response_quantile(RATE, MEAN, 0.95),
    "response.p99": theory.mm1_response_quantile(RATE, MEAN, 0.99),
}


@pytest.mark.slow
def test_the_interval_covers_the_truth_of_an_mm1_in_95_percent_of_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "SAMPLES", 2)  # of the timeline, which nobody looks at here: they take most time
    base = scenario_from_text(QUEUE)
    covered = dict.fromkeys(EXACT, 0)
    for seed in range(SEEDS):
        scenario = base.model_copy(update={"seed": seed})
        runs = [runner.summarise(runner.run_one(scenario, "native", each), scenario) for each in range(REPLICATIONS)]
        values = [{row.metric: row.value for row in rows if row.service == "all"} for rows in runs]
        for metric, exact in EXACT.items():
            interval = mean_interval(each[metric] for each in values)
            covered[metric] += interval.low <= exact <= interval.high
    shares = {metric: count / SEEDS for metric, count in covered.items()}
    assert all(0.91 <= share <= 0.98 for share in shares.values()), shares


def factors(file: str, root: Path, metrics: tuple[str, ...], *overrides: str) -> list[float]:
    """Width of the unpaired interval of container − vm / width of the paired one, metric by metric."""
    summary = sim.run(sim.load_scenario(root / "scenarios" / file, overrides=overrides), replications=6).summary
    found = []
    for metric in metrics:
        rows = summary[(summary.service == "all") & (summary.metric == metric)]
        vm, container = (
            dict(zip(own.replication, own.value, strict=True))
            for own in (rows[rows.platform == name] for name in ("vm", "container"))
        )
        paired, unpaired = paired_difference(vm, container), unpaired_difference(vm.values(), container.values())
        assert paired is not None
        assert unpaired is not None
        assert paired.half is not None
        assert unpaired.half is not None
        found.append(unpaired.half / paired.half if paired.half else math.inf)
    return found


def test_where_platforms_follow_the_same_path_pairs_are_several_times_narrower(root: Path) -> None:
    shorter = ("duration=5min", "warmup=1min")
    mean, p99, completed = factors(
        "steady.yaml", root, ("response.mean", "response.p99", "requests.completed"), *shorter
    )
    assert 3 < mean < 30
    assert 3 < p99 < 30
    assert completed > 100


def test_where_one_platform_is_overrun_pairs_gain_nothing_but_cost_nothing(root: Path) -> None:
    stages = "services.shop.traffic.ramping-arrival-rate.stages"
    shorter = ("duration=3min", "warmup=30s", f"{stages}=[{{duration: 1min, target: 50/s}}, {{duration: 10s, target: "
               "500/s}, {duration: 1min, target: 500/s}]")  # fmt: skip
    arrived, mean, p99 = factors("burst.yaml", root, ("requests.arrived", "response.mean", "response.p99"), *shorter)
    assert math.isinf(arrived)  # the very same traffic
    assert 0.5 < mean < 2
    assert 0.5 < p99 < 2
