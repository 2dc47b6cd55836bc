"""Quantiles of samples that are kept exactly or as histograms, and samples merged over services."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.terms.metrics import ALL, TAILS
from sim.terms.records import Array, Columns, RunRecords, Times

CURVE_POINTS = 6 * 32 + 1  # 32 a decade, so that p90, p99, p99.9 … are on the grid
CURVE_FLOOR = 1e-6  # the rarest tail that a curve shows; rarer ones need more requests than a run has


class SpreadOf:
    """Mean and quantiles of a sample (see `sim.terms.metrics.Spread`); all percentiles are found at once."""

    def __init__(self, sample: Times) -> None:
        self._sample = sample

    @property
    def mean(self) -> float:
        """Mean, s; NaN for an empty sample."""
        return mean(self._sample)

    def quantile(self, probability: float) -> float:
        """Quantile, s; NaN for an empty sample."""
        if probability in self._tails:
            return self._tails[probability]
        return float(quantiles(self._sample, [probability])[0])

    @cached_property
    def _tails(self) -> dict[float, float]:
        asked = [*TAILS.values(), 1.0]
        return dict(zip(asked, quantiles(self._sample, asked).tolist(), strict=True))


def quantiles(sample: Times, probabilities: ArrayLike) -> Array:
    """Quantiles of a sample.

    Exact values: numpy's linear method (Hyndman & Fan 1996, type 7). Histogram: linear inside the bin in
    which the cumulated count passes probability × count.

    Parameters: `probabilities` in 0..1, shape (k,). Returns shape (k,), in the sample's unit; NaN for an
    empty sample.
    """
    asked = np.asarray(probabilities, dtype=np.float64)
    if sample.count == 0:
        return np.full(asked.shape, np.nan)
    if sample.values is not None:
        return _of_ascending(sample.values, asked)
    edges, counts = _histogram(sample)
    filled = np.flatnonzero(counts)
    low, high = int(filled[0]), int(filled[-1]) + 1
    cumulated = np.concatenate(([0.0], np.cumsum(counts[low:high], dtype=np.float64)))
    # an empty bin makes the cumulated count stand still: a quantile there belongs to the bin before it
    positions, bounds = _rising(cumulated, edges[low : high + 1])
    return np.asarray(np.interp(asked * cumulated[-1], positions, bounds), dtype=np.float64)


def beyond(sample: Times, limit: float) -> float:
    """How many of a sample are greater than a limit; in a histogram, linear inside the bin that it cuts."""
    if sample.count == 0:
        return 0.0
    if sample.values is not None:
        return float(sample.count - np.searchsorted(sample.values, limit, side="right"))
    edges, counts = _histogram(sample)
    cumulated = np.concatenate(([0.0], np.cumsum(counts, dtype=np.float64)))
    return float(cumulated[-1] - np.interp(limit, edges, cumulated))


def _of_ascending(values: Array, probabilities: Array) -> Array:
    """The linear method of `numpy.quantile`, to the last digit, of values in order: nothing is to be partitioned."""
    position = probabilities * (len(values) - 1)
    below = np.floor(position).astype(np.intp)
    low, high = values[below], values[np.minimum(below + 1, len(values) - 1)]
    part = position - below
    return np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1.0 - part))


def mean(sample: Times) -> float:
    """Mean of a sample, in its unit; NaN for an empty one."""
    return sample.total / sample.count if sample.count else float("nan")


def merge(samples: Sequence[Times]) -> Times:
    """Take several samples as one.

    Exact samples are joined; if any is a histogram the result is one, over all the edges that occur (exact
    values are sorted in, and a bin that another sample's edge cuts is split in proportion to width).
    """
    kept = [sample for sample in samples if sample.count]
    if len(kept) == 1:
        return kept[0]
    count, total = sum(sample.count for sample in kept), float(sum(sample.total for sample in kept))
    exact = [sample.values for sample in kept if sample.values is not None]
    if len(exact) == len(kept):
        return Times(count, total, values=np.sort(np.concatenate(exact)) if exact else np.empty(0))
    edges = np.unique(np.concatenate([sample.edges for sample in kept if sample.edges is not None]))
    if exact:
        joined = np.concatenate(exact)
        edges = np.unique(np.concatenate(([joined.min()], edges, [joined.max()])))
    counts = np.zeros(len(edges) - 1)
    for sample in kept:
        counts += _counted(sample, edges)
    return Times(count, total, edges=edges, counts=counts)


def response_curve(records: RunRecords) -> Columns:
    """The tail of the response time of each service, and of all of them together (service `all`).

    Returns columns `platform, replication, service, probability, seconds`: `seconds` is exceeded with
    `probability`, on a grid of 193 log-spaced tail probabilities from 1 (the fastest request) to 1e-6, as far
    down as the requests of the run reach (one in `count`).
    """
    grid = np.logspace(0.0, np.log10(CURVE_FLOOR), CURVE_POINTS)
    names: list[str] = []
    tails: list[Array] = []
    seconds: list[Array] = []
    for service, sample in _by_service(records):
        reached = grid[grid * sample.count >= 1.0 - 1e-9]
        names += [service] * len(reached)
        tails.append(reached)
        seconds.append(quantiles(sample, 1.0 - reached))
    return {
        "platform": np.full(len(names), records.platform, dtype=object),
        "replication": np.full(len(names), records.replication, dtype=np.int64),
        "service": np.array(names, dtype=object),
        "probability": np.concatenate(tails) if tails else np.empty(0),
        "seconds": np.concatenate(seconds) if seconds else np.empty(0),
    }


def _by_service(records: RunRecords) -> list[tuple[str, Times]]:
    own = [(name, records.requests[name].response) for name in records.services if name in records.requests]
    users = [tally.response for tally in records.requests.values() if tally.outside]
    return [(ALL, merge(users)), *own]


def _histogram(sample: Times) -> tuple[Array, NDArray[Any]]:
    if sample.edges is None or sample.counts is None:
        raise ValueError("a sample holds neither values nor a histogram")
    return sample.edges, sample.counts


def _rising(cumulated: Array, edges: Array) -> tuple[Array, Array]:
    """Drop the upper end of empty bins, except where the next filled bin needs it as its lower end."""
    filled = np.flatnonzero(np.diff(cumulated) > 0)
    x = np.column_stack((cumulated[filled], cumulated[filled + 1])).ravel()
    y = np.column_stack((edges[filled], edges[filled + 1])).ravel()
    return x, y


def _counted(sample: Times, edges: Array) -> Array:
    """Count a sample in bins that contain all of its own edges (histogram) or all of its values."""
    if sample.values is not None:
        return np.histogram(sample.values, bins=edges)[0].astype(np.float64)
    own_edges, counts = _histogram(sample)
    cumulated = np.concatenate(([0.0], np.cumsum(counts, dtype=np.float64)))
    return np.diff(np.interp(edges, own_edges, cumulated))
