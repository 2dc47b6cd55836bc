"""Limits by period from first principles: what a request takes that comes at any moment of a period, mean and range."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from sim.experiment.replications import runner
from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import scenario_from_text

SCENARIO = """\
name: alone
duration: {duration}s
host: {{cores: 8, memory: 8GiB}}
platforms: {{native: {{cpu: {{period: {period}s}}}}}}
services:
  web:
    request: [parallel: [{branches}]]
    size: {{cpu: {{request: 100m, limit: {limit}}}, memory: 256MiB}}
    traffic: {{constant-arrival-rate: {{rate: {rate}/s, arrivals: even}}}}
"""


def expected(work: float, limit: float, period: float, threads: int) -> tuple[float, float, float]:
    """Least, mean and greatest response of a request of so many branches of `work` each, alone, at a random moment.

    The budget lasts for run = limit * period / threads; work = n * run + rest, 0 < rest <= run. Of the moments, those
    with more than `run` to go to the end of the period (period - run) stop there first, and each of them waits for that
    end; of the others, those with less than `rest` to go need one period more than those with more.
    """
    run = limit * period / threads
    n = ceil(work / run) - 1
    if n < 1:
        return work, work, work
    rest = work - n * run
    least, greatest = (n - 1) * period + run + rest, n * period + rest
    middle = (least + greatest) / 2
    return least, ((period - run) * middle + rest * greatest + (run - rest) * least) / period, greatest


@pytest.mark.parametrize(
    ("work", "limit", "period", "threads"),
    [
        (0.060, 0.25, 0.1, 1),  # 25 ms a period: 2 whole ones, 10 ms left
        (0.037, 0.5, 0.02, 1),  # short periods
        (0.200, 0.7, 0.05, 1),  # many periods
        (0.040, 1.5, 0.2, 4),  # four branches at once; within the budget: it is never stopped
        (0.090, 1.5, 0.1, 3),  # three: the budget lasts 50 ms
        (0.008, 0.1, 0.1, 1),  # below the budget
        (0.050, 0.25, 0.1, 1),  # just two budgets
    ],
)
def test_a_request_alone_takes_what_the_periods_leave_it(
    work: float, limit: float, period: float, threads: int
) -> None:
    """Requests come 10.027 periods apart, so that 37 of them go once round a period; all moments are met alike."""
    rate, rounds = 1 / (period * (10 + 1 / 37)), 4
    text = SCENARIO.format(
        duration=f"{(37 * rounds + 0.5) / rate:.6f}",
        period=period,
        branches=", ".join([f"{{cpu: {work}s}}"] * threads),
        limit=limit,
        rate=f"{rate:.9f}",
    )
    scenario = scenario_from_text(text)
    records = simulate(scenario, load_platform("native", scenario.platforms["native"]), 0)
    took = records.requests["web"].response.values
    assert took is not None
    took = np.sort(took)
    least, mean, greatest = expected(work, limit, period, threads)
    step = period / 37
    assert 37 * rounds - 2 <= len(took) <= 37 * rounds + 1
    assert least - 1e-6 <= took[0] <= least + step
    assert greatest - step <= took[-1] <= greatest + 1e-6
    assert took.mean() == pytest.approx(mean, abs=0.04 * (greatest - least) + 1e-6)


BUSY = """\
name: busy
duration: 40s
warmup: 20s
cpu_overcommit: 2
host: {{cores: 1, memory: 8GiB}}
platforms: [{platform}]
services:
  one: &one
    image: {{size: 1MB, cached: true}}
    memory: {{base: 10MiB}}
    request_cpu: 7ms
    size: {{cpu: {{request: 250m{limit}}}, memory: 512MiB}}
    traffic: {{constant-vus: {{vus: 1, think_time: 0s}}}}
  two:
    <<: *one
    size: {{cpu: {{request: 250m}}, memory: 512MiB}}
"""


@pytest.mark.parametrize(
    ("platform", "limit", "ready", "still"),
    [
        ("native", "", 0.5, None),  # each asks for a core and has half of it
        ("vm", "", (2 - 0.98) / 2, None),  # the same for two vCPUs, of what hypervisor and guests' daemons leave
        # 25 ms at half a core, then it stands still for the other half of the period and asks for nothing
        ("native", ", limit: 250m", (0.25 + 0.25) / 1.5, 10.0),
    ],
)
def test_who_is_always_busy_lacks_what_others_have_and_nothing_while_it_stands_still(
    platform: str, limit: str, ready: float, still: float | None
) -> None:
    scenario = scenario_from_text(BUSY.format(platform=platform, limit=limit))
    rows = runner.summarise(runner.run_one(scenario, platform, 0), scenario)
    found = {row.metric: row.value for row in rows if row.service == "all"}
    assert found["cpu.ready"] == pytest.approx(ready, rel=0.01)
    if still is None:
        assert "cpu.throttled_time" not in found
    else:
        assert found["cpu.throttled_time"] == pytest.approx(still, rel=0.01)  # of the group, however many CPUs
        assert found["cpu.throttled_periods"] == pytest.approx(1.0, abs=0.01)
