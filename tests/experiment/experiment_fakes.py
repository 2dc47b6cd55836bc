"""Stand-ins for the simulator: small scenarios whose runs are cheap, with known answers."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class SummaryRow(NamedTuple):
    service: str
    metric: str
    unit: str
    value: float


@dataclass(frozen=True)
class Fake:
    """A scenario as far as the sweep looks into it."""

    values: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"name": "fake", "replications": 3, **self.values}


def stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def queue_responses(
    rng: np.random.Generator, load: float, count: int, start_empty: bool = False
) -> np.ndarray[Any, Any]:
    """Response times of `count` customers of an M/M/1 of service rate 1 (Lindley's recursion), in s."""
    gaps = rng.exponential(1 / load, count)
    services = rng.exponential(1.0, count)
    # W(n+1) = max(0, W(n) + S(n) - A(n+1)): a random walk minus its running minimum
    walk = np.concatenate(([0.0], np.cumsum(services[:-1] - gaps[1:])))
    # the first wait drawn from its stationary law: 0 with 1 - load, else exponential of rate 1 - load
    first = 0.0 if start_empty or rng.random() >= load else rng.exponential(1 / (1 - load))
    waits = np.maximum(walk + first, walk - np.minimum.accumulate(walk))
    return waits + services


def quick(scenario: Fake, platform: str, replication: int) -> list[SummaryRow]:
    """A run that takes no time; points where `bad` says so fail."""
    if scenario.values.get("bad"):
        raise ValueError(f"this point cannot be run on {platform}")
    x = float(scenario.values["x"])
    rng = stream(replication)
    value = x * (2 if platform == "vm" else 1) + rng.normal()
    return [SummaryRow("all", "response.mean", "s", value), SummaryRow("shop", "goodput", "1/s", 1 / (1 + x))]


def deadly(scenario: Fake, platform: str, replication: int) -> list[SummaryRow]:
    """A run that kills its own process at one point, until a file says that the cause is gone."""
    if scenario.values["x"] == 3 and platform == "vm" and not Path(scenario.values["cure"]).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(scenario, platform, replication)


def fixed_code() -> str:
    """Fingerprint of these fakes: the real one changes whenever the simulator does."""
    return "fakes"


@dataclass(frozen=True)
class Slo:
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    availability: float | None = None


@dataclass(frozen=True)
class Service:
    slo: Slo | None
    replicas: int | None = 1


@dataclass(frozen=True)
class Loaded:
    """A scenario whose `amount` (per cent of an M/M/1's capacity, or guests) is what density varies."""

    amount: float
    slo: Slo | None = None
    replications: int = 10

    @property
    def services(self) -> dict[str, Service]:
        return {"shop": Service(self.slo)}


def observation(full: float = 0.0, **values: float) -> Any:
    """An observation of rows named like `all_guests_refused` (service, metric with its first point)."""
    from sim.experiment.density.objectives import Observation

    rows = []
    for name, value in values.items():
        service, _, metric = name.partition("_")
        rows.append(SummaryRow(service, metric.replace("_", ".", 1), "1", value))
    return Observation(rows, full)


def observe_queue(scenario: Loaded, platform: str, replication: int) -> Any:
    """An M/M/1 at `amount` per cent of its capacity; a VM's server is a tenth slower."""
    load = scenario.amount / 100 * (1.1 if platform == "vm" else 1.0)
    response = queue_responses(stream(replication), min(load, 5.0), 4000, start_empty=True)
    return observation(
        full=1.0 if load > 1 else 0.0,
        shop_requests_arrived=4000,
        shop_requests_completed=4000,
        shop_requests_in_flight=0,
        shop_response_p99=float(np.quantile(response, 0.99)),
    )


def observe_admission(scenario: Loaded, platform: str, replication: int) -> Any:
    """A host that refuses the 38th VM and the 61st container."""
    room = 37 if platform == "vm" else 60
    return observation(all_guests_refused=max(scenario.amount - room, 0), all_cpu_allocated=0.98)


def observe_memory(scenario: Loaded, platform: str, replication: int) -> Any:
    """Memory use drawn anew each replication: somewhere above 40 guests one replication has a kill."""
    used = scenario.amount * (1.2 if platform == "vm" else 1.0) + stream(replication).normal(0, 2)
    return observation(all_oom_kills=float(used > 50))


@dataclass(frozen=True)
class Span:
    """A range of a sweep file: 0..10 on one path."""

    paths: tuple[str, ...]

    def at(self, share: float) -> float:
        return 10 * share


def line(scenario: Fake, platform: str, replication: int) -> list[SummaryRow]:
    """p99 of a VM is flat, of a container rises with x: they cross at 6.3; noise shared by both, and a little not."""
    x = float(scenario.values["x"])
    common = stream(replication).normal(0, 5)
    own = stream(replication, int(1000 * x), len(platform)).normal(0, 0.05)
    value = 10 + (0 if platform == "vm" else 0.5 * (x - 6.3)) + common + own
    return [SummaryRow("all", "response.p99", "s", value), SummaryRow("all", "goodput", "1/s", -value)]
