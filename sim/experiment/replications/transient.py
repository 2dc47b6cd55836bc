"""Where the transient of a run ends: MSER-5, behind `warmup: auto`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MSER_BATCH = 5
"""Observations a batch in MSER-5 (White, Cobb and Spratt 2000)."""


def mser5(values: ArrayLike) -> int:
    """Number of observations at the beginning of the series `values` (n,) to discard as transient.

    Means of batches of 5 are formed; d batches are cut such that the squared standard error of the rest,
    sum((x - mean)^2) / (n - d)^2, is least, d being at most half of them. Sources: White, Simulation 69 (1997);
    White, Cobb and Spratt, Winter Simulation Conference 2000. Check the result with `settled`.
    """
    array = _finite(values)
    batches = array.size // MSER_BATCH
    if batches < 2:
        return 0
    means = array[: batches * MSER_BATCH].reshape(batches, MSER_BATCH).mean(axis=1)
    means = means - means.mean()  # keeps the difference of squares below from cancelling
    left = np.arange(batches, 0, -1, dtype=np.float64)
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means**2)[::-1])[::-1]
    error = np.maximum(squares - sums**2 / left, 0.0) / left**2
    return int(np.argmin(error[: batches // 2 + 1])) * MSER_BATCH


def settled(truncation: int, count: int) -> bool:
    """Whether MSER-5 found its minimum before the end of its range; if not, the series is too short."""
    batches = count // MSER_BATCH
    return batches >= 2 and truncation < (batches // 2) * MSER_BATCH


def transient_end(times: ArrayLike, values: ArrayLike) -> float | None:
    """Time (s) at which the transient of a series ends by MSER-5; None when it does not settle.

    `times` (n,) in s and `values` (n,), in any order: they are taken in order of time (arrival), as `warmup: auto`
    needs it.
    """
    moments, series = _finite(times), _finite(values)
    if moments.size != series.size:
        raise ValueError(f"{moments.size} times do not fit {series.size} values")
    order = np.argsort(moments, kind="stable")
    cut = mser5(series[order])
    if not settled(cut, series.size):
        return None
    return float(moments[order[cut]]) if cut else 0.0


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise ValueError("the end of a transient needs finite values")
    return array
