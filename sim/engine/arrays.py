"""The arrays of the data plane as one argument: a table of addresses that compiled code reads.

Compiled code sees `a.guests`, `a.bands` … as ordinary arrays of one dimension (`compiling.rows`); interpreted code
(``NUMBA_DISABLE_JIT=1``) uses the same attributes of the Python object. Python hands over `Arrays.handle`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine.compiling.cache import interpreted
from sim.engine.layout import ROWS

NAMES = tuple(ROWS)
Array = npt.NDArray[Any]


class Arrays:
    """`layout.ROWS` as attributes; `put` replaces one, `grow` lengthens some (zeros behind)."""

    guests: Array
    requests: Array
    services: Array
    bands: Array
    pools: Array
    state: Array
    sample: Array
    sample_time: Array
    sample_work: Array
    out: Array
    arrival_time: Array
    arrival_service: Array
    arrival_demand: Array
    arrival_u1: Array
    arrival_u2: Array
    loops: Array
    acts: Array
    spent: Array
    service_spent: Array
    ops: Array
    kinds: Array
    todo: Array
    alarms: Array
    quotas: Array
    ends: Array
    timers: Array
    members: Array
    jobs: Array
    stock: Array
    saturated: Array
    unsaturated: Array
    order: Array
    profile: Array
    ready: Array
    tree: Array
    leaf: Array
    pending: Array
    done: Array
    tally_values: Array
    tally_sums: Array
    tally_counts: Array
    tally_bins: Array
    tally_bits: Array
    tally_owners: Array

    def __init__(self, names: Iterable[str] = NAMES) -> None:
        self._table = np.zeros(2 * len(NAMES), np.int64)
        self.handle: Any = self if interpreted() else int(self._table.ctypes.data)
        for name in names:
            self.put(name, np.zeros(1 if name == "state" else 16, ROWS[name]))

    def put(self, name: str, array: Array) -> None:
        """Use `array` (contiguous, of the right dtype) as `name` from now on."""
        assert array.dtype == ROWS[name]
        assert array.flags.c_contiguous
        setattr(self, name, array)
        i = 2 * NAMES.index(name)
        self._table[i], self._table[i + 1] = array.ctypes.data, len(array)

    def grow(self, **need: int) -> None:
        """Make the named arrays at least so long, doubling at least."""
        for name, n in need.items():
            old = getattr(self, name)
            if len(old) < n:
                longer = np.zeros(max(n, 2 * len(old)), old.dtype)
                longer[: len(old)] = old
                self.put(name, longer)
