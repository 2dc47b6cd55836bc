"""Bins of the histograms of response times: by exponent and leading bits, and what `tally` counts by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.engine.layout import STATUS_NAMES

MANTISSA = 9  # bits of the mantissa that choose the bin: 512 bins an octave, error below 0.1 %
LOWEST = -24  # binary exponent of the smallest time told apart: 60 ns
OCTAVES = 48  # up to 2^24 s, half a year
BINS = OCTAVES << MANTISSA
SHIFT = 52 - MANTISSA  # bits of a f8 below those that choose the bin
FIRST = (1023 + LOWEST) << MANTISSA
LOWEST_BITS = FIRST << SHIFT
STATUSES, SUMS = len(STATUS_NAMES), 3  # columns of a tally's counts and of its sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def bin_edges() -> Floats:
    """Edges of all bins, shape (BINS + 1,), s."""
    step = np.arange(BINS + 1, dtype=np.int64)
    return ((step + FIRST) << SHIFT).view(np.float64)
