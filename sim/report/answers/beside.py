"""What is predicted beside what was observed, where the scenario says what was (`observed` of a service)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from sim.report.metrics.measures import SummaryRow
from sim.terms.metrics import ALL

OTHER: Final = 0.05
"""Relative difference of the arrival rate from which the predicted traffic is another than the observed."""
_TIMES: Final = (("mean", "response mean"), ("p50", "response p50"), ("p95", "response p95"), ("p99", "response p99"))


@dataclass(frozen=True)
class Beside:
    """One quantity: `observed` in `unit`, and the mean over replications on each platform that has it.

    `bucket`: (lower, upper) bound of the histogram's bucket that the observed value was read from.
    """

    service: str
    label: str
    unit: str
    observed: float
    predicted: Mapping[str, float]
    bucket: tuple[float, float] | None = None

    def error(self, platform: str) -> float | None:
        """Predicted / observed − 1."""
        value = self.predicted.get(platform)
        return None if value is None else value / self.observed - 1.0

    def as_dict(self) -> dict[str, Any]:
        """Plain data, in SI."""
        errors = {name: self.error(name) for name in self.predicted}
        return {"service": self.service, "what": self.label, "unit": self.unit, "observed": self.observed,
                "bucket": None if self.bucket is None else list(self.bucket),
                "predicted": dict(self.predicted), "error": errors}  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """Observed beside predicted. `other`: service → by how much its traffic is another, where it is."""

    lines: list[Beside]
    platforms: list[str]
    other: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, in SI."""
        return {"lines": [each.as_dict() for each in self.lines], "other_traffic": dict(self.other)}


class _Predicted:
    """Means over replications of a result's rows."""

    def __init__(self, rows: Sequence[SummaryRow], manifest: Mapping[str, Any]) -> None:
        found: dict[tuple[str, str, str], list[float]] = {}
        for row in rows:
            found.setdefault((row.platform, row.service, row.metric), []).append(row.value)
        self.means = {key: float(np.mean(values)) for key, values in found.items()}
        self.platforms = list(dict.fromkeys(row.platform for row in rows))
        scenario = manifest["scenario"]
        warmup = manifest.get("warmup", scenario["warmup"])
        self.span = scenario["duration"] - (warmup if isinstance(warmup, int | float) else 0.0)
        self.cores, self.memory = scenario["host"]["cores"], scenario["host"]["memory"]
        self.daemons = {name: _number(manifest, name, "memory.host") for name in self.platforms}

    def of(self, service: str, metrics: Sequence[str], factor: float = 1.0) -> dict[str, float]:
        """Platform → sum of metrics, times a factor; without the platforms that lack one."""
        return {
            name: factor * sum(self.means[name, service, metric] for metric in metrics)
            for name in self.platforms
            if all((name, service, metric) in self.means for metric in metrics)
        }


def _number(manifest: Mapping[str, Any], platform: str, path: str) -> float:
    entry = manifest.get("platforms", {}).get(platform, {}).get(path, {})
    value = entry.get("si") if isinstance(entry, Mapping) else None
    return float(value) if isinstance(value, int | float) else 0.0


def beside(rows: Sequence[SummaryRow], manifest: Mapping[str, Any]) -> Sheet | None:
    """The sheet of a result; None where its scenario says nothing of what was observed."""
    services = manifest["scenario"]["services"]
    observed = {name: each["observed"] for name, each in services.items() if each.get("observed")}
    if not observed:
        return None
    predicted = _Predicted(rows, manifest)
    lines: list[Beside] = []
    other: dict[str, float] = {}
    for name, seen in observed.items():
        lines += _of_service(name, seen, predicted)
        asked = [each for each in lines if each.service == name and each.unit == "1/s"]
        gaps = [gap for each in asked for platform in each.predicted if (gap := each.error(platform)) is not None]
        if gaps and max(map(abs, gaps)) > OTHER:
            other[name] = max(gaps, key=abs)
    return Sheet([*lines, *_of_host(observed, predicted)], predicted.platforms, other)


def _of_service(name: str, seen: Mapping[str, Any], predicted: _Predicted) -> list[Beside]:
    lines = []
    if seen.get("rate"):
        came = predicted.of(name, ["requests.arrived"], 1.0 / predicted.span)
        lines.append(Beside(name, "requests", "1/s", seen["rate"], came))
    for stat, label in _TIMES:
        if seen.get(stat):
            bucket = None if stat == "mean" else _bucket(seen.get("buckets") or [], seen[stat])
            lines.append(Beside(name, label, "s", seen[stat], predicted.of(name, [f"response.{stat}"]), bucket))
    if seen.get("cpu"):
        used = predicted.of(name, ["cpu.utilization"], predicted.cores)
        lines.append(Beside(name, "CPU of its work", "cores", seen["cpu"], used))
    return lines


def _of_host(observed: Mapping[str, Mapping[str, Any]], predicted: _Predicted) -> list[Beside]:
    """What all services use together, the platform's part of it too; daemons are not of any service."""
    lines = []
    cpu = [seen["cpu"] for seen in observed.values() if seen.get("cpu")]
    memory = [seen["memory"] for seen in observed.values() if seen.get("memory")]
    if cpu:
        used = predicted.of(ALL, ["cpu.utilization", "cpu.overhead"], predicted.cores)
        lines.append(Beside(ALL, "CPU, the platform's too", "cores", sum(cpu), used))
    if memory:
        used = predicted.of(ALL, ["memory.used"], predicted.memory)
        used = {name: value - predicted.daemons[name] for name, value in used.items()}
        lines.append(Beside(ALL, "memory of guests", "B", sum(memory), used))
    return lines


def _bucket(bounds: Sequence[float], seconds: float) -> tuple[float, float] | None:
    edges = [0.0, *bounds]
    return next(((low, high) for low, high in pairwise(edges) if seconds <= high), None)
