"""The serverless rule against twenty experiments on AWS Lambda (tests/rows/data/README.md)."""

from __future__ import annotations

import csv
from functools import cache
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

from .rows import metrics_of

DATA = Path(__file__).parent / "data"
ROWS = [
    row
    for file in ("lambda_cold_starts.csv", "lambda_cold_starts_others.csv")
    for row in csv.DictReader((DATA / file).read_text("utf-8").splitlines())
]
NUMBERS = range(len(ROWS))
COLD_STARTS, MOST = 1500, 400_000  # cold starts to see, and the most requests that it may take
BATCHES = 40
MEASURED = 0.75 * 28 * 3600  # s that an experiment's probability is of: three quarters of 28 hours

# The worst row, index 5 (0.1004/s): 0.566 % ± 0.042 % was measured, the rule gives 0.71 %: 3.3 of the stated errors.
# That is the rule: `rule` below, which shares no code with the simulator, says 0.71 % too, and SimFaaS' own run of this
# row 0.730 % (`examples/04-Experiment-Comparison.ipynb`). What is off is the stated error. Of 2000 such experiments
# made with the rule (28 hours, cut up and averaged as in data/README.md) the probability scatters by 0.061 %, so this
# one lies 2.4 of them off (1.7 % lie as far), and its own stated error came out smaller than in 88 % of them. One
# experiment in 46 lies beyond three of its own stated errors: of twenty, one does so every third time.
# No mechanism brings this row nearer and leaves the others: with instances kept for 11 minutes instead of 10, for
# instance, the sum of squares over all twenty rows rises from 55 to 99.
WORST = 5

SCENARIO = """
duration: {duration}s
warmup: {warmup}s
seed: 1
host: {{cores: 1000, memory: 1TiB, disk: {{read: 1GB/s, write: 1GB/s}}, network: 1Gbit/s}}
platforms: [native]
services:
  function:
    image: {{size: 1MB, cached: true}}
    memory: {{base: 1MiB}}
    start_cpu: {start}s
    request_cpu: {{exponential: {{mean: {warm}s}}}}
    size: {{cpu: {{request: 1m, limit: 1}}, memory: {{request: 1MiB}}}}
    autoscale: {{rule: per-request, keep_alive: {keep}min, max: 1000}}
    traffic: {{constant-arrival-rate: {{rate: {rate}/s}}}}
"""


class Found(NamedTuple):
    cold: float
    error: float
    requests: int
    guests: float
    running: float


@cache
def run(number: int) -> Found:
    """Cold-start probability and its standard error (batch means), mean guests, mean guests that serve or start."""
    row = {name: float(value) for name, value in ROWS[number].items()}
    rate = row["arrival_rate_per_s"]
    span = min(COLD_STARTS / row["cold_start_probability"], MOST) / rate
    text = SCENARIO.format(
        duration=span * 1.02,
        warmup=span * 0.02,
        start=(row["service_cold_ms"] - row["service_warm_ms"]) / 1e3,  # what a cold request takes longer
        warm=row["service_warm_ms"] / 1e3,
        keep=row["keep_alive_min"],
        rate=rate,
    )
    records: RunRecords = simulate(scenario_from_text(text), load_platform("native"), 0)
    edges = np.linspace(records.warmup, records.duration, BATCHES + 1)
    batches = np.histogram(records.guests["requested"], edges)[0] / (rate * span / BATCHES)
    cold = records.cold["function"] / records.requests["function"].arrived
    busy = records.integrals["cpu_request"] + records.integrals["cpu_start"]
    error = batches.std(ddof=1) / sqrt(BATCHES)
    requests = records.requests["function"].arrived
    return Found(cold, error, requests, records.integrals["guests"] / span, busy / span)


def apart(number: int) -> tuple[float, float]:
    """Found − measured probability: in stated standard errors, and in those that such an experiment has by the model.

    Both with the error of the run here. A share's error goes with 1 / √span.
    """
    found, row = run(number), ROWS[number]
    difference = found.cold - float(row["cold_start_probability"])
    span = found.requests / float(row["arrival_rate_per_s"])
    stated = sqrt(float(row["cold_start_probability_se"]) ** 2 + found.error**2)
    expected = found.error * sqrt(span / MEASURED + 1.0)
    return difference / stated, difference / expected


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != WORST])
def test_cold_start_probability(number: int) -> None:
    """Within 3 standard errors of the difference, as stated."""
    assert abs(apart(number)[0]) <= 3.0


def test_the_worst_row() -> None:
    """Beyond 3 of the stated errors, within 3 of those that such an experiment has; and no other row is as far."""
    stated, expected = apart(WORST)
    assert 3.0 < stated < 4.0
    assert 1.5 < expected < 3.0
    assert stated == max(abs(apart(number)[0]) for number in NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_no_row_is_beyond_the_scatter_of_such_an_experiment(number: int) -> None:
    assert abs(apart(number)[1]) <= 3.0


def test_all_rows_together() -> None:
    """Twenty squares of errors: 37.6 is passed by chance once in a hundred times (chi-squared, 20 degrees)."""
    assert sum(apart(number)[1] ** 2 for number in NUMBERS) < 37.6


@pytest.mark.parametrize("number", NUMBERS)
def test_mean_guests(number: int) -> None:
    """Within 10 %; no error is given."""
    assert run(number).guests == pytest.approx(float(ROWS[number]["mean_guests"]), rel=0.1)


@pytest.mark.parametrize("number", NUMBERS)
def test_mean_idle_guests(number: int) -> None:
    """Within 10 %; no error is given."""
    found = run(number)
    assert found.guests - found.running == pytest.approx(float(ROWS[number]["mean_idle"]), rel=0.1)


@pytest.mark.parametrize("number", NUMBERS)
def test_mean_running_guests(number: int) -> None:
    """Little's law, rate × service time, within 3 %; and what was measured, within 3 standard errors of that.

    It was counted once a minute for three quarters of 28 hours: a mean of so many Poisson numbers.
    """
    row = {name: float(value) for name, value in ROWS[number].items()}
    found = run(number)
    extra = found.cold * (row["service_cold_ms"] - row["service_warm_ms"])
    assert found.running == pytest.approx(row["arrival_rate_per_s"] * (row["service_warm_ms"] + extra) / 1e3, rel=0.03)
    assert abs(found.running - row["mean_running"]) <= 3 * sqrt(found.running / (MEASURED / 60))


def rule(rate: float, warm: float, extra: float, keep: float, requests: int) -> float:
    """Cold-start probability by the rule itself: the guest that became idle last serves, or a new one starts."""
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.exponential(1 / rate, requests))
    works = rng.exponential(warm, requests)
    free: list[float] = []  # when each guest is idle again
    cold = 0
    for at, work in zip(arrivals.tolist(), works.tolist(), strict=True):
        free = [until for until in free if until > at - keep]
        idle = [until for until in free if until <= at]
        if idle:
            free.remove(max(idle))
        else:
            cold += 1
            work += extra
        free.append(at + work)
    return cold / requests


@pytest.mark.parametrize("number", [2, 5])
def test_the_simulator_does_what_the_rule_says(number: int) -> None:
    """Against the few lines above, within 10 %: some 2000 cold starts each have an error of about 3 %."""
    row = {name: float(value) for name, value in ROWS[number].items()}
    warm, cold = row["service_warm_ms"] / 1e3, row["service_cold_ms"] / 1e3
    requests = int(2000 / row["cold_start_probability"])
    probability = rule(row["arrival_rate_per_s"], warm, cold - warm, 60 * row["keep_alive_min"], requests)
    assert run(number).cold == pytest.approx(probability, rel=0.1)


@pytest.mark.parametrize("platform", ["vm", "microvm", "container"])
def test_how_often_it_is_cold_follows_from_the_traffic(platform: str) -> None:
    """Poisson arrivals at 0.01/s: at least e^-6 find all asleep; the rest are those that come while one is served."""
    assert 0.0025 < metrics_of("cold-start", platform)["requests.cold"] < 0.03


def test_what_it_costs_is_the_start() -> None:
    starts = [metrics_of("cold-start", name)["startup.p50"] for name in ("microvm", "container", "vm")]
    assert starts == sorted(starts)
    assert starts[2] == pytest.approx(11.5 + 0.2, rel=0.05)  # the VM's published start and the application's own
