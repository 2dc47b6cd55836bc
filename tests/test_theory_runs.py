"""Whole runs on the platform `native` against closed forms of queueing theory, within the run's own 99 % interval.

One replica without overhead or start-up is a textbook queue: with as many places in service as cores, FCFS with c
servers; with a bound on neither, processor sharing. Times in s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.scorecard import theory

pytestmark = pytest.mark.slow

MEAN = 0.001  # s of CPU a request
REQUESTS = 800_000  # so that the interval of a mean is a few percent of it
LEVEL = 0.99
NARROW = 0.05  # half the interval / the mean, at most: else agreement would mean nothing

SCENARIO = """\
name: theory
seed: {seed}
duration: {duration:.3f}s
warmup: {warmup:.3f}s
host: {{cores: {cores}, memory: 8GiB, disk: {{read: 1GB/s, write: 1GB/s}}, network: 1Gbit/s}}
platforms: [native]
services:
  queue:
    image: 1MB
    memory: {{base: 1MiB}}
    request_cpu: {demand}
    concurrency: {concurrency}
    {bound}
    size: {{cpu: {cores}, memory: 1GiB}}
    replicas: 1
    traffic:
      constant-arrival-rate: {{rate: {rate}/s}}
"""
EXPONENTIAL = "{exponential: {mean: 1ms}}"
UNBOUNDED = 1_000_000  # places in service: everybody is served at once, by equal shares


@dataclass(frozen=True)
class Queue:
    """One station: its load and servers, how work is drawn and served, and what theory says."""

    waiting: float
    response: float
    load: float = 0.7
    servers: int = 1
    demand: str = EXPONENTIAL
    concurrency: int | None = None  # as many as servers
    bound: int | None = None
    requests: int = REQUESTS
    seed: int = 1

    @property
    def rate(self) -> float:
        return self.load * self.servers / MEAN

    def text(self) -> str:
        duration = self.requests / self.rate
        return SCENARIO.format(
            seed=self.seed,
            duration=duration,
            warmup=0.02 * duration,
            cores=self.servers,
            demand=self.demand,
            concurrency=self.concurrency or self.servers,
            bound="" if self.bound is None else f"queue: {self.bound}",
            rate=f"{self.rate:.6f}",
        )


def requests_of(queue: Queue, folder: Path) -> pd.DataFrame:
    """All requests that arrived after the transient, in the order of arrival."""
    file = folder / "theory.yaml"
    file.write_text(queue.text(), "utf-8")
    sim.run(sim.load_scenario(file), replications=1, out=folder / "out", plots=False, keep_requests=True)
    requests = pd.read_parquet(folder / "out" / "requests.parquet").sort_values(["arrival", "request"])
    return requests[requests.arrival >= 0.02 * queue.requests / queue.rate]


def assert_mean(values: pd.Series, exact: float) -> None:
    """The interval holds the closed form, and is narrow."""
    low, high = theory.batch_interval(values.to_numpy(), LEVEL)
    assert low <= exact <= high, f"{low:.6g} … {high:.6g}, theory says {exact:.6g}"
    assert (high - low) / 2 < NARROW * exact


def mm1(load: float) -> Queue:
    rate = load / MEAN
    response = theory.mm1_response(rate, MEAN)
    return Queue(response - MEAN, response, load)


def mmc(load: float, servers: int, requests: int = REQUESTS) -> Queue:
    rate = load * servers / MEAN
    waiting = theory.mmc_waiting(rate, MEAN, servers)
    return Queue(waiting, waiting + MEAN, load, servers, requests=requests)


def md1(load: float) -> Queue:
    response = theory.md1_response(load / MEAN, MEAN)
    return Queue(response - MEAN, response, load, demand="1ms")


def mg1(load: float, cv: float) -> Queue:
    rate = load / MEAN
    law = f"{{gamma: {{mean: 1ms, cv: {cv}}}}}"
    return Queue(theory.mg1_waiting(rate, MEAN, cv), theory.mg1_response(rate, MEAN, cv), load, demand=law)


FCFS = {
    "M/M/1 at 0.5": mm1(0.5),
    "M/M/1 at 0.8": mm1(0.8),
    "M/M/4 at 0.7": mmc(0.7, 4),
    "M/M/8 at 0.8": mmc(0.8, 8, 2_000_000),
    "M/D/1 at 0.7": md1(0.7),
    "M/G/1 at 0.6": mg1(0.6, 1.5),
}


@pytest.mark.parametrize("queue", FCFS.values(), ids=FCFS)
def test_first_come_first_served(queue: Queue, tmp_path: Path) -> None:
    requests = requests_of(queue, tmp_path)
    served = requests[requests.status == "completed"]
    assert len(requests) - len(served) < 1000  # those still there at the end
    assert_mean(served.start - served.arrival, queue.waiting)
    assert_mean(served.finish - served.arrival, queue.response)


def shared(load: float, demand: str) -> Queue:
    return Queue(0.0, theory.mg1_ps_response(load / MEAN, MEAN), load, demand=demand, concurrency=UNBOUNDED)


SHARING = {
    "M/M/1-PS at 0.7": shared(0.7, EXPONENTIAL),
    "M/D/1-PS at 0.7": shared(0.7, "1ms"),
    "M/G/1-PS at 0.6": shared(0.6, "{lognormal: {mean: 1ms, cv: 2}}"),
    # with exponential work the number present is the same birth-death chain as under FCFS
    "M/M/4-PS at 0.7": Queue(0.0, theory.mmc_response(2.8 / MEAN, MEAN, 4), 0.7, 4, concurrency=UNBOUNDED),
}


@pytest.mark.parametrize("queue", SHARING.values(), ids=SHARING)
def test_processor_sharing(queue: Queue, tmp_path: Path) -> None:
    requests = requests_of(queue, tmp_path)
    served = requests[requests.status == "completed"]
    assert (served.start == served.arrival).all()
    response = served.finish - served.arrival
    assert_mean(response, queue.response)
    if queue.servers == 1:  # of those with much work and those with little: demand / (1 - load), one by one
        stretch = response[served.demand > 0] / served.demand[served.demand > 0]
        large = served.demand > 2 * MEAN
        if large.any():
            assert_mean(stretch[large], 1 / (1 - queue.load))


def test_a_bounded_line_loses_what_theory_says(tmp_path: Path) -> None:
    load, servers, line = 1.1, 2, 6
    rate = load * servers / MEAN
    queue = Queue(0.0, theory.mmck_response(rate, MEAN, servers, servers + line), load, servers, bound=line)
    requests = requests_of(queue, tmp_path)
    assert_mean(
        (requests.status == "rejected").astype(float), theory.mmck_blocking(rate, MEAN, servers, servers + line)
    )
    served = requests[requests.status == "completed"]
    assert_mean(served.finish - served.arrival, queue.response)
    assert set(requests.status) <= {"completed", "rejected", "in-flight"}


def test_the_printed_means_are_those_of_the_requests(tmp_path: Path) -> None:
    requests = requests_of(mm1(0.5), tmp_path)
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    value = summary[summary.service == "queue"].set_index("metric").value
    served = requests[requests.status == "completed"]
    started = requests[requests.start.notna()]
    assert value["response.mean"] == pytest.approx((served.finish - served.arrival).mean(), rel=1e-9)
    assert value["waiting.mean"] == pytest.approx((started.start - started.arrival).mean(), rel=1e-9)
    assert value["response.p99"] == pytest.approx(np.quantile(served.finish - served.arrival, 0.99), rel=2e-3)
    assert value["requests.arrived"] == len(requests)
