"""What became of the requests: counts, waiting, and the sample of response times, in constant memory.

Responses are kept one by one up to a bound on all services together; past it they are moved into log-linear
histograms (each octave cut into equal bins, as in HdrHistogram), whose relative error is half a bin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine.compiling.jit import njit
from sim.engine.layout import COMPLETED, STATUS_NAMES

KEPT = 1_000_000  # responses kept one by one (12 MB)
MANTISSA = 9  # bits of the mantissa that choose the bin: 512 bins an octave, error below 0.1 %
LOWEST = -24  # binary exponent of the smallest time told apart: 60 ns
OCTAVES = 48  # up to 2^24 s, half a year
BINS = OCTAVES << MANTISSA
SHIFT = 52 - MANTISSA  # bits of a f8 below those that choose the bin
FIRST = (1023 + LOWEST) << MANTISSA
LOWEST_BITS = FIRST << SHIFT

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@njit
def count_rows(rows: Any, since: float, counts: Ints, sums: Floats, values: Floats, owners: Any, n: int) -> int:
    """Count `rows` that arrived from `since` on, and append their responses at `values[n:]`; return the new n.

    `counts[service, status]`; `sums[service]` = total response (completed), total waiting, number of starts.
    """
    for i in range(rows.shape[0]):
        row = rows[i]
        if row["arrival"] < since:
            continue
        service = row["service"]
        counts[service, row["status"]] += 1
        if row["start"] >= row["arrival"]:
            sums[service, 1] += row["start"] - row["arrival"]
            sums[service, 2] += 1.0
        if row["status"] == COMPLETED:
            response = row["finish"] - row["arrival"]
            sums[service, 0] += response
            values[n] = response
            owners[n] = service
            n += 1
    return n


@njit
def count_bins(bits: Ints, owners: Any, bins: Ints, lowest: int, first: int) -> None:
    """Count values (bits of f8, `lowest` at least) in `bins[owner, bin]`, the bin by exponent and leading bits."""
    last = bins.shape[1] - 1
    for i in range(bits.shape[0]):
        at = (max(bits[i], lowest) >> SHIFT) - first
        bins[owners[i], min(at, last)] += 1


def bin_edges() -> Floats:
    """Edges of all bins, shape (BINS + 1,), s."""
    step = np.arange(BINS + 1, dtype=np.int64)
    return ((step + FIRST) << SHIFT).view(np.float64)


class Tally:
    """Counts and samples of `services` services, of requests that arrived from `since` (s) on."""

    def __init__(self, services: int, since: float, kept: int = KEPT) -> None:
        self.counts: Ints = np.zeros((services, len(STATUS_NAMES)), np.int64)
        self.sums: Floats = np.zeros((services, 3))
        self._since = since
        self._kept = kept
        self._values: Floats = np.zeros(1024)
        self._owners = np.zeros(1024, np.int32)
        self._n = 0
        self._bins: Ints | None = None  # shape (services, BINS)

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Count rows of `layout.out_dtype`."""
        if self._n + len(rows) > len(self._values):
            if self._n > self._kept or (self._bins is not None and self._n):
                self.fold()
            need = max(self._n + len(rows), min(2 * len(self._values), self._kept + len(rows)))
            if need > len(self._values):
                self._values = np.concatenate([self._values[: self._n], np.zeros(need - self._n)])
                self._owners = np.concatenate([self._owners[: self._n], np.zeros(need - self._n, np.int32)])
        self._n = count_rows(rows, self._since, self.counts, self.sums, self._values, self._owners, self._n)

    def fold(self) -> None:
        """Move the kept responses into the histograms."""
        if self._bins is None:
            self._bins = np.zeros((len(self.counts), BINS), np.int64)  # pages that nobody counts in stay unused
        bits = self._values[: self._n].view(np.int64)
        count_bins(bits, self._owners[: self._n], self._bins, LOWEST_BITS, FIRST)
        self._n = 0

    def samples(self) -> list[tuple[Floats | None, Floats | None, Ints | None]]:
        """Responses of each service: (values ascending, None, None), or (None, edges, counts) of the bins in use."""
        if self._bins is None:
            order = np.argsort(self._owners[: self._n], kind="stable")
            ends = np.cumsum(np.bincount(self._owners[: self._n], minlength=len(self.counts)))[:-1]
            return [(np.sort(values), None, None) for values in np.split(self._values[: self._n][order], ends)]
        self.fold()
        edges = bin_edges()
        return [_in_use(edges, counts) for counts in self._bins]


def _in_use(edges: Floats, counts: Ints) -> tuple[Floats | None, Floats | None, Ints | None]:
    used = np.flatnonzero(counts)
    if len(used) == 0:
        return np.empty(0), None, None
    first, last = int(used[0]), int(used[-1]) + 1
    return None, edges[first : last + 1], counts[first:last].copy()
