"""What `tally` does in compiled code: rows of ended requests, counted one by one."""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.bins import BINS, FIRST, LOWEST_BITS, SHIFT, STATUSES, SUMS
from sim.engine.compiling.jit import inline
from sim.engine.layout import COMPLETED, word


@inline
def count_rows(a: Arrays, since: float, n: int) -> int:
    """Count the rows of `out` that arrived from `since` on, and append their responses after `n`; return the new n.

    Counts by service and status; sums by service: total response (completed), total waiting, number of starts.
    """
    for i in range(a.out.shape[0]):
        row = a.out[i]
        if row["arrival"] < since:
            continue
        service = word(row["service"])
        a.tally_counts[service * STATUSES + row["status"]] += 1
        if row["start"] >= row["arrival"]:
            a.tally_sums[service * SUMS + 1] += row["start"] - row["arrival"]
            a.tally_sums[service * SUMS + 2] += 1.0
        if row["status"] == COMPLETED:
            response = row["finish"] - row["arrival"]
            a.tally_sums[service * SUMS] += response
            a.tally_values[n] = response
            a.tally_owners[n] = service
            n += 1
    return n


@inline
def count_bins(a: Arrays, n: int) -> None:
    """Count the first `n` values (by their bits) in the bins of their owners: by exponent and leading bits."""
    for i in range(n):
        at = min((max(a.tally_bits[i], LOWEST_BITS) >> SHIFT) - FIRST, BINS - 1)
        a.tally_bins[word(a.tally_owners[i]) * BINS + at] += 1
