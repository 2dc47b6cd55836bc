"""What became of the requests: counts, waiting, and the sample of response times, in constant memory.

Responses are kept one by one up to a bound on all services together; past it they are moved into log-linear
histograms (each octave cut into equal bins, as in HdrHistogram), whose relative error is half a bin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine import layout as lay
from sim.engine.arrays import Arrays
from sim.engine.bins import BINS, STATUSES, SUMS, Floats, Ints, bin_edges
from sim.engine.compiling.calling import entry

KEPT = 1_000_000  # responses kept one by one (12 MB)
TABLE = ("tally_counts", "tally_sums", "tally_values", "tally_owners", "tally_bins", "tally_bits", "out")


class Tally:
    """Counts and samples of `services` services, of requests that arrived from `since` (s) on."""

    def __init__(self, services: int, since: float, kept: int = KEPT) -> None:
        self.counts: Ints = np.zeros((services, STATUSES), np.int64)
        self.sums: Floats = np.zeros((services, SUMS))
        self._a = Arrays(TABLE)
        self._a.put("tally_counts", self.counts.reshape(-1))
        self._a.put("tally_sums", self.sums.reshape(-1))
        self._enter = entry()
        self._since = float(since)
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
        self._a.put("out", rows)
        self._a.put("tally_values", self._values)
        self._a.put("tally_owners", self._owners)
        self._n = self._enter(self._a.handle, lay.COUNT_ROWS, -1, self._n, 0, self._since, 0.0, 0.0)

    def fold(self) -> None:
        """Move the kept responses into the histograms."""
        if self._bins is None:
            self._bins = np.zeros((len(self.counts), BINS), np.int64)  # pages that nobody counts in stay unused
        self._a.put("tally_bins", self._bins.reshape(-1))
        self._a.put("tally_bits", self._values.view(np.int64))
        self._a.put("tally_owners", self._owners)
        self._enter(self._a.handle, lay.COUNT_BINS, -1, self._n, 0, 0.0, 0.0, 0.0)
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
