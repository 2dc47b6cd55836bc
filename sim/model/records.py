"""What a run leaves behind, as plain data (the shapes that `report` reads)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


class Usage(NamedTuple):
    """The host at a moment: CPU (core-s) and requests so far; memory (bytes), requests and guests now."""

    cpu: float
    memory: float
    stranded: float
    arrived: int
    completed: int
    in_flight: int
    ready: int


@dataclass(frozen=True)
class Sample:
    """Response times (s): every value, ascending, or a histogram by `edges` (n + 1) and `counts` (n)."""

    count: int
    total: float
    values: NDArray[np.float64] | None = None
    edges: NDArray[np.float64] | None = None
    counts: NDArray[Any] | None = None


@dataclass(frozen=True)
class RequestTally:
    """What became of one service's requests that arrived in the measured span."""

    arrived: int
    completed: int
    rejected: int
    timed_out: int
    failed: int
    in_flight: int
    response: Sample
    waiting_sum: float
    waiting_count: int


@dataclass(frozen=True)
class RunRecords:
    """One run: a platform and a replication of a scenario. Times in s, memory in bytes, CPU in cores."""

    platform: str
    replication: int
    services: tuple[str, ...]
    warmup: float
    duration: float
    cores: float
    memory: float
    requests: Mapping[str, RequestTally]
    guests: Columns
    timeline: Columns
    events: Columns
    integrals: Mapping[str, float]
    service_integrals: Mapping[str, Mapping[str, float]]
    peaks: Mapping[str, float]
    counters: Mapping[str, float]
    density_max: float | None
    scale_out: Mapping[str, float]
    deploy: Mapping[str, float] = field(default_factory=dict)
    cold: Mapping[str, int] = field(default_factory=dict)
    wall: float = field(default=0.0, compare=False)
