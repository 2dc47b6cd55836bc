"""Limits by period beside what others published; each test says what was fitted, and what the model does not have.

| quantity | published | source | read as |
|---|---|---|---|
| Go RPC proxy, quota 2 on 24 cores, 1, 3, 8 threads | 28893, 44213, 33112 1/s | uber-go/automaxprocs, README | page |
| its P50 with 1, 3, 8 threads; P99.9 with 24 | 1.46, 0.66, 0.43 ms; 76.19 ms | uber-go/automaxprocs, README | page |
| start of kube-web-view under a quota of 0.1; without | 16 s; 0.8 s | google/gvisor issue 746 | page |
| 30 ms of work under a limit of 130m, begun with a period | 204 ms | kubernetes-mixin issue 108 | page |
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import sim
from sim.experiment.replications import runner
from sim.scenario import scenario_from_text

HEAD = """\
name: published
duration: {duration}
warmup: {warmup}
host: {{cores: 24, memory: 32GiB, disk: {{read: 1.5GB/s, write: 1GB/s}}, network: 10Gbit/s}}
platforms: [{platform}]
services:
  app:
    image: {{size: 10MB, cached: true}}
    memory: {{base: 100MiB}}
    replicas: 1
"""


def metrics_of(text: str, platform: str = "native", duration: str = "4s", warmup: str = "1s") -> dict[str, float]:
    scenario = scenario_from_text(HEAD.format(platform=platform, duration=duration, warmup=warmup) + text)
    rows = runner.summarise(runner.run_one(scenario, platform, 0), scenario)
    return {row.metric: row.value for row in rows if row.service == "all"}


@cache
def proxy(threads: int, demand: float = 34.61, limit: str = ", limit: 2") -> dict[str, float]:
    """42 clients without a pause: 28893 1/s x 1.46 ms (Little's law); 34.61 us a request: one thread's 28893 1/s."""
    return metrics_of(f"""
    request_cpu: {{exponential: {{mean: {demand}us}}}}
    concurrency: 64
    threads: {threads}
    size: {{cpu: {{request: 2{limit}}}, memory: 1GiB}}
    traffic: {{constant-vus: {{vus: 42, think_time: 0s}}}}
""")


def test_throughput_falls_with_threads_that_the_limit_cannot_run() -> None:
    """Measured: 28893 (1 thread), 44715 (2), 44213 (3), 41071 (4), 33112 (8), 22191 (24). Fitted: 2 and 24.

    44.73 us a request is what two threads need. What is predicted is how 3, 4 and 8 lie between.
    """
    rate = {threads: proxy(threads, 44.73)["goodput"] for threads in (2, 3, 4, 8, 24)}
    assert rate[2] == pytest.approx(44715, rel=0.01)
    assert rate[24] == pytest.approx(22191, rel=0.02)
    for threads, measured in {3: 44213, 4: 41071, 8: 33112}.items():
        assert rate[threads] == pytest.approx(measured, rel=0.07)


def test_the_order_of_throughput_is_right_and_two_threads_are_too_good() -> None:
    """Measured: 24 < 1 < 8 < 3 threads. With what one thread needs (34.61 us), the order is right, and three threads
    serve a quarter too many: what threads of one guest lose to one another (1 to 2: 1.55 times, not 2) is not modelled.
    """
    one, three, eight, all_cores = (proxy(threads)["goodput"] for threads in (1, 3, 8, 24))
    assert one == pytest.approx(28893, rel=0.01)
    assert all_cores < 0.95 * one < one < 0.8 * eight < 0.7 * three
    assert 1.15 < three / 44213 < 1.3
    assert 1.2 < eight / 33112 < 1.35


def test_only_a_limit_by_period_makes_threads_dear() -> None:
    """CPU of a request: drawn demand + 4.1 us x (threads - 2) / 2; without a limit, or as many threads, the demand."""

    def work(threads: int, limit: str = ", limit: 2") -> float:
        found = proxy(threads, 34.61, limit)
        return found["cpu.utilization"] * 24 / found["goodput"]

    assert work(8) - work(2) == pytest.approx(3 * 4.1e-6, rel=0.05)
    assert work(8, "") == pytest.approx(34.61e-6, rel=0.01)
    assert work(2) == pytest.approx(34.61e-6, rel=0.01)


def test_more_threads_are_better_in_the_middle_and_worse_in_the_tail() -> None:
    """P50 falls from 1 to 3 to 8 threads as measured (1.46, 0.66, 0.43 ms); P99.9 of 24: 76.19 ms, within 25 %."""
    assert proxy(1)["response.p50"] > 1.5 * proxy(3)["response.p50"] > 1.5**2 * proxy(8)["response.p50"]
    assert proxy(24)["response.p999"] == pytest.approx(0.07619, rel=0.25)
    assert proxy(1)["response.p999"] < 0.02 < proxy(3)["response.p999"] < proxy(8)["response.p999"]


def test_what_more_threads_cost_is_standing_still() -> None:
    """Of each period one thread stands still for nothing, three for a third, eight for three quarters."""
    assert "cpu.throttled_periods" not in proxy(1)  # cannot use its quota up
    for threads in (3, 8, 24):
        assert proxy(threads)["cpu.throttled_periods"] == pytest.approx(1.0, abs=0.05)
        assert proxy(threads)["cpu.throttled_time"] == pytest.approx(3.0 * (1 - 2 / threads), rel=0.05)


STARTS = """
    request_cpu: 1ms
    start: {{cpu: {work}s, threads: {threads}}}
    size: {{cpu: {{request: 0.1{limit}}}, memory: 1GiB}}
    traffic: {{constant-arrival-rate: {{rate: 1/s}}}}
"""


def start(threads: int, limit: str = ", limit: 0.1", platform: str = "native") -> float:
    text = STARTS.format(work=0.8 * threads, threads=threads, limit=limit)
    return metrics_of(text, platform, "40s", "0s")["startup.mean"]


def test_a_start_of_0_8_s_takes_16_s_under_a_quota_of_a_tenth() -> None:
    """Within 25 %, with the phases of `container`, and without any. Fitted: that the start runs in two threads.

    0.8 s in one thread are 0.8 core-s and take 8 s at a tenth of a core, whatever enforces it: 16 s mean 1.6 core-s,
    so two threads for all of the 0.8 s. What is predicted is that a start is stretched by limit / threads.
    """
    assert start(2, limit="") == pytest.approx(0.8, rel=0.01)
    assert start(2) == pytest.approx(16.0, rel=0.02)
    assert 16.0 < start(2, platform="container") < 1.25 * 16.0
    assert start(1) == pytest.approx(8.0, rel=0.02)


def test_30_ms_under_130m_take_204_ms_from_the_beginning_of_a_period(tmp_path) -> None:
    """13 ms in the first period, 13 in the second, 4 in the third: 204 ms, within 5 %.

    The requests begin anywhere in a period. That is the worst case: the best, begun 13 ms before an end, takes 117 ms.
    """
    scenario = scenario_from_text(
        HEAD.format(platform="native", duration="300s", warmup="0s")
        + """
    request_cpu: 30ms
    size: {cpu: {request: 130m, limit: 130m}, memory: 1GiB}
    traffic: {constant-arrival-rate: {rate: 0.9973/s, arrivals: even}}
"""
    )
    sim.run(scenario, out=tmp_path / "out", plots=False, keep_requests=True)
    requests = pd.read_parquet(tmp_path / "out" / "requests.parquet")
    took = (requests.finish - requests.arrival).dropna().to_numpy()
    assert took.max() == pytest.approx(0.204, rel=0.05)
    assert took.max() <= 0.204 + 1e-9
    assert took.min() == pytest.approx(0.117, rel=0.05)
    assert took.min() >= 0.117 - 1e-9
    # begun anywhere but in the last 13 ms, it ends 4 ms into the third period: uniform, from both sides
    assert np.median(took) == pytest.approx(0.204 - 0.05, rel=0.05)
