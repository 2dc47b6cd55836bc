"""What a run draws, costs and emits: the whole host's, idle or not, shared by the requests that were completed.

Power follows the utilization of the cores: a straight line (Fan, Weber, Barroso, "Power provisioning for a
warehouse-sized computer", ISCA 2007; from memory), or straight pieces through points at equal steps, as those of
SPECpower_ssj2008 are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from sim.terms.records import RequestTally, RunRecords

_BUSY: Final = ("cpu_request", "cpu_tax", "cpu_boot", "cpu_start", "cpu_idle")
MILLION: Final = 1e6


class Spent(Protocol):
    """What of a run is needed here; `sim.terms.metrics.Measured` has it."""

    records: RunRecords
    span: float
    tallies: Sequence[RequestTally]
    integrals: Mapping[str, float]


def power(run: Spent) -> float | None:
    """Mean over the span, W; exact for a line, by the timeline's samples for a curve. None where unknown."""
    curve, records = run.records.power, run.records
    if not curve:
        return None
    if len(curve) > 2:
        return _by_samples(curve, records)
    if any(part not in run.integrals for part in _BUSY):
        return None
    used = sum(run.integrals[part] for part in _BUSY) / (records.cores * run.span)
    return curve[0] + (curve[1] - curve[0]) * used


def per_request(run: Spent) -> float | None:
    """Joules of the host for each completed request of users; None where unknown, or none was completed."""
    return _shared(power(run), run)


def cost(run: Spent) -> float | None:
    """Price of the host for a million completed requests of users, in the price's currency."""
    return _shared(run.records.price, run, MILLION)


def carbon(run: Spent) -> float | None:
    """Grams of CO2 equivalent for a million completed requests of users."""
    watts, intensity = power(run), run.records.carbon
    return None if watts is None or intensity is None else _shared(watts * intensity, run, MILLION)


def _shared(rate: float | None, run: Spent, requests: float = 1.0) -> float | None:
    completed = sum(tally.completed for tally in run.tallies)
    return rate * run.span / completed * requests if rate is not None and completed else None


def _by_samples(curve: Sequence[float], records: RunRecords) -> float | None:
    import numpy as np

    if "time" not in records.timeline:
        return None
    ends = np.asarray(records.timeline["time"], dtype=np.float64)
    starts = np.concatenate(([0.0], ends[:-1]))
    inside = np.clip(np.minimum(ends, records.duration) - np.maximum(starts, records.warmup), 0.0, None)
    if not inside.sum() > 0.0:
        return None
    used = np.asarray(records.timeline["cpu_used"], dtype=np.float64) / records.cores
    watts = np.interp(used, np.linspace(0.0, 1.0, len(curve)), np.asarray(curve))
    return float(np.average(watts, weights=inside))
