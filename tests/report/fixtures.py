"""Synthetic runs for the tests of the report: a burst served by guests that take a while to start.

The numbers come from a coarse fluid calculation with a second as its step; they are plausible, not results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.terms.records import RequestTally, RunRecords, Times

GIB = 2.0**30
CORES, MEMORY = 16.0, 64 * GIB


@dataclass(frozen=True)
class FakeSlo:
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    availability: float | None = None


@dataclass(frozen=True)
class FakeService:
    slo: FakeSlo | None = None
    least: int = 1


@dataclass(frozen=True)
class FakeScenario:
    name: str = "burst"
    seed: int = 7
    digest: str = "d" * 64
    platforms: Mapping[str, Any] = field(default_factory=lambda: {"vm": {}, "container": {}})
    services: Mapping[str, FakeService] = field(
        default_factory=lambda: {"shop": FakeService(FakeSlo(p99=0.4, availability=0.999))}
    )

    def to_dict(self) -> dict[str, Any]:
        host = {"cores": CORES, "memory": MEMORY}
        return {"name": self.name, "host": host, "platforms": dict(self.platforms)}

    def tenants_of(self, name: str) -> int:
        return 0

    def names_of(self, name: str) -> list[str]:
        return [name]

    def expanded(self) -> Sequence[tuple[str, FakeService]]:
        return list(self.services.items())


@dataclass(frozen=True)
class Kind:
    """What makes one synthetic platform: start-up phases (s), cores and bytes promised and spent per guest."""

    phases: Mapping[str, float]
    cores: float
    memory: float
    overhead: float
    own_memory: float
    idle: float = 0.0


KINDS = {
    "native": Kind({"app": 1.5}, 0.5, 0.25 * GIB, 1.0, 0.0),
    "container": Kind({"pull": 1.1, "network": 0.12, "runtime": 0.25, "app": 1.6}, 0.5, 0.25 * GIB, 1.01, 0.01 * GIB),
    "microvm": Kind({"clone": 0.3, "vmm": 0.06, "kernel": 0.13, "app": 1.7}, 2.0, 1 * GIB, 1.03, 0.06 * GIB, 0.002),
    "vm": Kind(
        {"clone": 9.0, "firmware": 2.4, "kernel": 4.2, "os": 16.0, "app": 1.8}, 2.0, 2 * GIB, 1.04, 0.35 * GIB, 0.02
    ),
}


def exact(values: Sequence[float] | NDArray[Any]) -> Times:
    array = np.asarray(values, dtype=np.float64)
    return Times(len(array), float(array.sum()), values=np.sort(array))


def histogram(values: NDArray[Any], bins_per_decade: int = 200) -> Times:
    edges = np.concatenate(([0.0], np.logspace(-6, 4, 10 * bins_per_decade + 1)))
    return Times(len(values), float(values.sum()), edges=edges, counts=np.histogram(values, edges)[0])


def tally(response: Times, **counts: int) -> RequestTally:
    kinds = {kind: counts.get(kind, 0) for kind in ("rejected", "timed_out", "failed", "in_flight")}
    arrived = response.count + sum(kinds.values())
    return RequestTally(arrived, response.count, response=response, waiting_sum=0.1 * response.total,
                     waiting_count=response.count, **kinds)  # fmt: skip


def burst(platform: str, replication: int = 0, *, kept: str = "values") -> RunRecords:
    """A fifteen-minute run in which the traffic jumps tenfold for two minutes; two minutes of transient."""
    kind = KINDS[platform]
    rng = np.random.default_rng([11, replication])
    time = np.arange(1.0, 901.0)
    arrivals = rng.poisson(np.interp(time, [0, 300, 330, 450, 480, 900], [50, 50, 500, 500, 50, 50])).astype(float)
    guests = _guests(kind, arrivals, np.random.default_rng([12, replication, len(kind.phases)]))
    ready = _at(time, guests["ready"], guests["stopped"])
    alive = _at(time, guests["requested"], guests["stopped"])
    backlog, completed, lost = _flow(arrivals, ready * 25.0)
    response = _responses(time, completed, backlog, ready * 25.0, rng)
    used = np.minimum(CORES, completed * 0.025 * kind.overhead) + alive * kind.idle
    memory = alive * (kind.own_memory + 0.22 * GIB) + completed * 0.2e6
    timeline = {
        "time": time, "guests": alive, "ready": ready, "cpu_used": used, "cpu_allocated": alive * kind.cores,
        "cpu_capacity": np.full(900, CORES), "memory_used": memory, "memory_allocated": alive * kind.memory,
        "memory_capacity": np.full(900, MEMORY), "in_flight": backlog, "arrivals": arrivals, "completed": completed,
    }  # fmt: skip
    measured = time > 120
    served = tally(exact(response) if kept == "values" else histogram(response),
                   rejected=int(lost[measured].sum() * 0.6), timed_out=int(lost[measured].sum() * 0.4))  # fmt: skip
    work = float((completed * 0.025)[measured].sum())
    stored = float((alive * kind.memory)[measured].sum()), float(memory[measured].sum())
    integrals = {
        "cpu_request": work, "cpu_start": 1.5 * 18, "cpu_boot": 4.0 * len(kind.phases),
        "cpu_tax": work * (kind.overhead - 1), "cpu_idle": float((alive * kind.idle)[measured].sum()),
        "cpu_allocated": float((alive * kind.cores)[measured].sum()),
        "memory_used": stored[1], "memory_allocated": stored[0], "memory_stranded": max(0.0, stored[0] - stored[1]),
        "guests": float(alive[measured].sum()),
    }  # fmt: skip
    first = np.isfinite(guests["ready"]) & (guests["requested"] > 0)
    scale_out = float(guests["ready"][first].max() - guests["requested"][first].min())
    return RunRecords(
        platform, replication, ("shop",), 120.0, 900.0, CORES, MEMORY, {"shop": served}, guests, timeline,
        _events(guests), integrals, {"shop": {"guests": integrals["guests"]}}, {"guests": float(alive.max())},
        {"refused": 12.0 if platform == "vm" else 0.0}, None, {"shop": scale_out}, wall=0.8,
    )  # fmt: skip


def with_services(records: RunRecords, names: Sequence[str]) -> RunRecords:
    """The same run, its one service's records given to several services."""
    (one,) = records.requests.values()
    return replace(
        records,
        services=tuple(names),
        requests=dict.fromkeys(names, one),
        scale_out=dict.fromkeys(names, records.scale_out["shop"]),
    )


def _guests(kind: Kind, arrivals: NDArray[Any], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """An autoscaler that looks every 15 s and starts what the last arrivals ask for."""
    limit = min(30.0, CORES / kind.cores * (1 if kind.cores >= 2 else 2))
    requested = [0.0, 0.0]
    for now in range(15, 480, 15):
        wanted = min(limit, np.ceil(arrivals[now - 1] / 15.0))
        requested += [float(now)] * max(0, int(wanted) - len(requested))
    count = len(requested)
    phases = {f"startup_{name}": mean * rng.lognormal(0, 0.12, count) for name, mean in kind.phases.items()}
    if "startup_pull" in phases:
        phases["startup_pull"][1:] = np.nan  # the image is there after the first
    start = np.asarray(requested)
    took = np.nansum(np.stack(list(phases.values())), axis=0)
    stopped = np.where(np.arange(count) < 2, np.nan, 780.0)
    reason = np.where(np.isnan(stopped), "", "scaled-down").astype(object)
    names = np.array([f"shop-{number}" for number in range(count)], dtype=object)
    return {"service": np.full(count, "shop", dtype=object), "guest": names, "requested": start,
            "ready": start + took, "stopped": stopped, "stop_reason": reason, **phases}  # fmt: skip


def _at(time: NDArray[Any], begin: NDArray[Any], end: NDArray[Any]) -> NDArray[Any]:
    running = (begin[None, :] <= time[:, None]) & ~(end[None, :] <= time[:, None])
    return running.sum(axis=1).astype(np.float64)


def _flow(arrivals: NDArray[Any], rate: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Backlog, completed and lost requests of each second; the line holds two seconds' worth."""
    backlog, completed, lost = (np.zeros(len(arrivals)) for _ in range(3))
    waiting = 0.0
    for now, (arrived, capacity) in enumerate(zip(arrivals, rate, strict=True)):
        done = min(waiting + arrived, capacity)
        over = max(0.0, waiting + arrived - done - 2 * max(capacity, 25.0))
        waiting += arrived - done - over
        backlog[now], completed[now], lost[now] = waiting, np.floor(done), np.floor(over)
    return backlog, completed, lost


def _responses(
    time: NDArray[Any], completed: NDArray[Any], backlog: NDArray[Any], rate: NDArray[Any], rng: np.random.Generator
) -> NDArray[Any]:
    waits = np.repeat(backlog / np.maximum(rate, 25.0), np.where(time > 120, completed, 0).astype(int))
    return waits + rng.lognormal(np.log(0.025), 0.8, len(waits))


def _events(guests: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    names = guests["guest"]
    return {
        "time": np.concatenate((guests["requested"], guests["ready"])),
        "guest": np.concatenate((names, names)),
        "event": np.repeat(np.array(["requested", "ready"], dtype=object), len(names)),
        "detail": np.full(2 * len(names), "", dtype=object),
    }
