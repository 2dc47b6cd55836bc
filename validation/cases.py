"""What is measured: hostsim scenarios, each at some points, and from a scenario the groups and their requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim import load_scenario
from sim.calibration.recordings import Case, Group, Job
from sim.calibration.replay import PLATFORM
from sim.model.traffic.arrivals import ArrivalStream
from sim.platforms import load_platform
from sim.scenario import ConstantUsers, Scenario

SCENARIOS = Path(__file__).parent / "scenarios"
_RATE = "traffic.0.constant-arrival-rate.rate"


@dataclass(frozen=True, slots=True)
class Point:
    """A scenario file at a point: `overrides` as of `--set`."""

    kind: str
    name: str
    file: str
    overrides: tuple[str, ...] = ()

    def scenario(self, window: float | None = None) -> Scenario:
        """The scenario, of `window` seconds if given."""
        more = () if window is None else (f"duration={window}s",)
        return load_scenario(SCENARIOS / self.file, overrides=(*self.overrides, *more))


def _limited(**changes: str) -> tuple[str, ...]:
    return tuple(
        f"services.limited.{key.replace('__', '.').replace('rate', _RATE)}={value}" for key, value in changes.items()
    )


def _neighbours(cpus: int, rate: str, threads: int = 1) -> tuple[str, ...]:
    both = tuple(f"services.{name}.{_RATE}={rate}" for name in ("left", "right"))
    return (f"host.cores={cpus}", f"services.limited.concurrency={threads}", *both)


def _weights(cpus: int, rate: str) -> tuple[str, ...]:
    each = (f"services.{name}.{_RATE}={rate}" for name in ("w1", "w2", "w2-too", "w4"))
    return (f"host.cores={cpus}", *each)


_NO_LIMIT = ("services.limited.size={cpu: {request: 0.25}, memory: {request: 1GiB}}",)
_THREE_HALVES = ("services.limited.size={cpu: {request: 0.25, limit: 1.5}, memory: 1GiB}",)
_BURST = ("services.limited.size={cpu: {request: 0.25, limit: 0.5, burst: 50ms}, memory: 1GiB}",)
_FORTY = "{exponential: {mean: 40ms}}"

POINTS: tuple[Point, ...] = (
    Point("no limit", "no limit, 5 ms, 1 thread", "quota.yaml", _NO_LIMIT),
    Point("quota", "5 ms, load 0.4, 1 thread", "quota.yaml", _limited(rate="40/s")),
    Point("quota", "5 ms, load 0.8, 1 thread", "quota.yaml"),
    Point("quota", "40 ms, load 0.8, 1 thread", "quota.yaml", _limited(rate="10/s", request_cpu=_FORTY)),
    Point("quota", "5 ms, load 0.4, 4 threads", "quota.yaml", _limited(rate="40/s", concurrency="4")),
    Point("quota", "5 ms, load 0.8, 4 threads", "quota.yaml", _limited(concurrency="4")),
    Point("quota", "5 ms, load 0.8 of limit 1.5, 4 threads", "quota.yaml",
          (*_THREE_HALVES, *_limited(rate="240/s", concurrency="4"))),
    Point("quota", "bursts of 10 ms, 4 threads", "bursts.yaml"),
    Point("quota", "bursts of 10 ms, 4 threads, burst 50 ms", "bursts.yaml", _BURST),
    Point("neighbours", "1 CPU, neighbours use 0.4", "neighbours.yaml", _neighbours(1, "20/s")),
    Point("neighbours", "1 CPU, neighbours want 1.4", "neighbours.yaml", _neighbours(1, "70/s")),
    Point("neighbours", "2 CPUs, neighbours use 1.2", "neighbours.yaml"),
    Point("neighbours", "2 CPUs, neighbours want 3", "neighbours.yaml", _neighbours(2, "150/s")),
    Point("neighbours", "2 CPUs, neighbours use 1.2, 4 threads", "neighbours.yaml", _neighbours(2, "60/s", 4)),
    Point("neighbours", "2 CPUs, neighbours want 3, 4 threads", "neighbours.yaml", _neighbours(2, "150/s", 4)),
    Point("weights", "1 CPU, load 0.7", "weights.yaml", _weights(1, "8.75/s")),
    Point("weights", "1 CPU, load 0.95", "weights.yaml", _weights(1, "11.875/s")),
    Point("weights", "2 CPUs, load 0.7", "weights.yaml"),
    Point("weights", "2 CPUs, load 0.95", "weights.yaml", _weights(2, "23.75/s")),
    Point("weights", "2 CPUs, load 1.3", "weights.yaml", _weights(2, "32.5/s")),
)  # fmt: skip


def case_of(point: Point, scenario: Scenario) -> Case:
    """The groups of a scenario. Raises ValueError for one that real processes cannot stand for."""
    lineage = load_platform(PLATFORM).size_lineage
    groups = []
    for name, service in scenario.expanded():
        size = service.size_on(lineage)
        if size is None or service.replicas != 1 or any(isinstance(each, ConstantUsers) for each in service.traffic):
            raise ValueError(f"{scenario.name}: {name} needs a size, one replica and open traffic to be measured")
        if service.threads is not None and service.threads < service.concurrency:
            raise ValueError(
                f"{scenario.name}: {name} shares {service.threads} threads; a real server has one a request"
            )
        groups.append(Group(name, size.cpu_request, size.cpu_limit, service.concurrency, size.cpu_burst))
    if scenario.host.cores != int(scenario.host.cores):
        raise ValueError(f"{scenario.name}: host.cores is {scenario.host.cores}, and real CPUs are whole")
    return Case(point.name, point.kind, int(scenario.host.cores), scenario.duration, groups)


def jobs_of(case: Case, scenario: Scenario, replication: int) -> list[Job]:
    """The requests of a replication, group by group: the very numbers that the simulator draws."""
    stream = ArrivalStream(scenario.expanded(), scenario.seed, replication, scenario.duration)
    chunks = list(iter(stream.next_chunk, None))
    service, time, demand = (
        np.concatenate([getattr(chunk, column) for chunk in chunks] or [np.zeros(0)])
        for column in ("service", "time", "demand")
    )
    return [Job(group, time[service == i], demand[service == i]) for i, group in enumerate(case.groups)]
