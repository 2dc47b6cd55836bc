"""What was observed of a service where the scenario is of, to be held against what is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field

from sim.reading.errors import Finding, show
from sim.reading.fields import Strict, quantities, quantity

Seconds = Annotated[float | None, quantity("duration", above=0, optional=True)]


class Observed(Strict):
    """Means over the time that was observed; `cpu` and `memory` of all replicas together.

    `buckets`: the upper bounds of the histogram that the percentiles were read from, between which they were guessed.
    """

    rate: Annotated[float | None, quantity("rate", above=0, optional=True)] = Field(
        None, description="requests a second, such as 20/s"
    )
    cpu: Annotated[float | None, quantity("cpu", above=0, optional=True)] = Field(
        None, description="cores used by all replicas, such as 1.3"
    )
    memory: Annotated[float | None, quantity("size", above=0, optional=True)] = Field(
        None, description="memory used by all replicas, such as 300MiB"
    )
    mean: Seconds = Field(None, description="mean response time")
    p50: Seconds = Field(None, description="median response time")
    p95: Seconds = Field(None, description="95th percentile of the response time")
    p99: Seconds = Field(None, description="99th percentile of the response time")
    buckets: Annotated[tuple[float, ...], quantities("duration", "durations, such as [5ms, 10ms, 25ms]", above=0)] = (
        Field(default_factory=tuple, description="upper bounds of the histogram's buckets: [5ms, 10ms, 25ms]")
    )

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Bounds grow."""
        bounds = values.get("buckets") or []
        if any(after <= before for before, after in pairwise(bounds)):
            return [Finding(("buckets",), show(raw["buckets"]), "bounds that grow")]
        return []
