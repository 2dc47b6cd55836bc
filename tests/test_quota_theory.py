"""Limits by period: their limit as periods shrink, limits that cannot be reached, and what a guest is given at most."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import sim
from oracle.quotas import INSTANT
from sim.engine.building import Quota
from sim.engine.plane import DataPlane
from sim.scenario import scenario_from_text

LIMIT = 0.5


def requests(seed: int, n: int, mean: float, load: float) -> tuple[np.ndarray, np.ndarray]:
    """Poisson arrivals (s) and exponential work (core-s) that are `load` of the limit."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.exponential(mean / (load * LIMIT), n)), rng.exponential(mean, n)


def plane_of(
    guests: list[tuple[np.ndarray, np.ndarray]], cores: float = 8.0
) -> tuple[DataPlane, list[dict[int, float]]]:
    """A plane with one service's arrivals each, and where the ends of requests are put, by service."""
    ends: list[dict[int, float]] = [{} for _ in guests]
    rows = sorted((t, who, w) for who, (at, work) in enumerate(guests) for t, w in zip(at, work, strict=True))
    times, services, works = (np.array(column) for column in zip(*rows, strict=True))
    zeros = np.zeros(len(rows))
    whole = SimpleNamespace(time=times, service=services.astype("i4"), demand=works, u1=zeros, u2=zeros)
    chunks = iter([whole])

    def sink(ended: np.ndarray) -> None:
        for row in ended:
            ends[row["service"]][int(row["number"])] = float(row["finish"])

    return DataPlane(cores, source=lambda: next(chunks, None), sink=sink), ends


def finishes(period: float | None, concurrency: int, load: float) -> np.ndarray:
    """When 300 requests end under a limit of half a core by such periods (None: as a cap on the rate)."""
    at, work = requests(5, 300, 0.1, load)
    plane, ends = plane_of([(at, work)])
    service = plane.add_service(concurrency=concurrency)
    if period is None:
        plane.open(plane.add_guest(service, 1.0, LIMIT))
    else:
        plane.open(plane.add_guest(service, 1.0, math.inf, 0, Quota(LIMIT * period, 0.0, period, 0.3 * period)))
    plane.advance(10_000.0)
    plane.end()
    return np.array([ends[0][i] for i in range(len(at))])


@pytest.mark.parametrize("load", [0.5, 0.9])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_with_shorter_periods_a_limit_becomes_the_fluid_cap(concurrency: int, load: float) -> None:
    """The error of a request's end is of the first order in the period, once its budget is less than a request's work.

    (A longer one holds requests that are not throttled at all, so that the error grows less than with it.)
    """
    fluid = finishes(None, concurrency, load)
    periods = [0.4 / 2**k for k in range(11)]
    off = [np.abs(finishes(period, concurrency, load) - fluid) for period in periods]
    for period, error in zip(periods, off, strict=True):
        assert error.max() <= 2.0 * concurrency * period
        assert 0.05 * period < error.mean() < period
    order, _ = np.polyfit(np.log(periods[2:]), np.log([error.mean() for error in off[2:]]), 1)
    assert order == pytest.approx(1.0, abs=0.05)
    assert off[2].mean() > 100 * off[-1].mean()


SCENARIO = """\
name: reach
duration: 60s
quota: {quota}
host: {{cores: 8, memory: 16GiB, disk: {{read: 1.5GB/s, write: 1GB/s}}, network: 10Gbit/s}}
platforms: [container]
services:
  app:
    image: {{size: 10MB, cached: true}}
    memory: {{base: 100MiB}}
    request_cpu: {{exponential: {{mean: 20ms}}}}
    start: {{cpu: 500ms, threads: 2}}
    concurrency: 6
    threads: 3
    size: {{cpu: {{request: 500m, limit: {limit}}}, memory: 1GiB}}
    replicas: 2
    traffic: {{constant-arrival-rate: {{rate: 150/s}}}}
"""


def files(folder: Path, **values: object) -> list[bytes]:
    scenario = scenario_from_text(SCENARIO.format(**values))
    sim.run(scenario, out=folder, plots=False, keep_requests=True)
    return [(folder / name).read_bytes() for name in ("summary.csv", "requests.parquet", "guests.parquet")]


def test_a_limit_that_cannot_be_reached_changes_nothing_to_the_bit(tmp_path: Path) -> None:
    """Three threads under a limit of three cores: the same bytes as with a cap on the rate; under 2.9 others."""
    by_period = files(tmp_path / "period", quota="period", limit=3)
    assert by_period == files(tmp_path / "fluid", quota="fluid", limit=3)
    assert by_period != files(tmp_path / "less", quota="period", limit=2.9)


@pytest.mark.parametrize("burst", [0.0, 0.04])
def test_nobody_is_given_more_in_a_period_than_budget_and_burst_nor_more_than_the_limit_for_long(burst: float) -> None:
    """Three guests on a core and a half, one of which others slow down; at some ends of periods all has been given."""
    loads, period = (0.3, 0.9, 1.5), 0.1
    plane, _ = plane_of([requests(seed, 400, 0.05, load) for seed, load in enumerate(loads)], cores=1.5)
    budget = LIMIT * period
    for phase in (0.0, 0.02, 0.07):
        service = plane.add_service(concurrency=4)
        plane.open(plane.add_guest(service, 1.0, math.inf, 0, Quota(budget, burst, period, phase)))
    given: list[list[float]] = [[], [], []]
    before, end = [0.0] * 3, 30.0
    for turn in range(int(end / period)):
        for service, phase in enumerate((0.0, 0.02, 0.07)):
            plane.advance(turn * period + phase)
            plane.book()
            work = plane.work(service)[0]
            given[service].append(work - before[service])
            before[service] = work
    for own in given:
        assert max(own) <= budget + burst + INSTANT
        assert sum(own) <= LIMIT * end + burst + INSTANT
    assert max(max(own) for own in given) == pytest.approx(budget + burst, rel=1e-6)
    assert sum(given[2]) > 0.97 * LIMIT * end  # it wants half as much again as it may have
    assert sum(given[0]) == pytest.approx(0.3 * LIMIT * end, rel=0.35)  # and this one has what it wants
