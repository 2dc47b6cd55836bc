"""Merging of point processes, in bounded memory and without a process knowing of another.

Processes of any rates advance together in rounds: what is earlier than the last known arrival of every
process that goes on can be merged, the rest waits in buffers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim.model.traffic.processes import Block, Process
from sim.terms.records import Array

#: Fewest arrivals a feed looks ahead.
_LEAST_AHEAD = 32
#: Arrivals that the sources of one service look ahead in all at first; their shares follow.
_START = 1024
#: Up to here the stable sort of sorted runs is the faster one (measured at 65,536 rows).
_FEW_RUNS = 10


class Feed:
    """A process with a buffer in front of it, cut at the end of the simulation."""

    def __init__(self, process: Process, duration: float) -> None:
        """Take the process, and the end [s] from which on its arrivals do not count."""
        self._process = process
        self._duration = duration
        self._block = Block(np.empty(0))
        self._start = 0
        self.live = True  # more may come than the buffer holds
        self.ahead = _LEAST_AHEAD

    def look(self, ahead: int) -> None:
        """Buffer at least so many arrivals at the next `fill`."""
        self.ahead = ahead

    @property
    def last(self) -> float:
        """The last time in the buffer, which must not be empty."""
        return float(self._block.time[-1])

    def fill(self) -> None:
        """Buffer at least ``ahead`` arrivals, or all that are left."""
        missing = self.ahead - (self._block.time.size - self._start)
        if not self.live or missing <= 0:
            return
        new = self._process.take(missing)
        self.live = new.time.size == missing
        if new.time.size and new.time[-1] >= self._duration:
            new, self.live = new[: int(new.time.searchsorted(self._duration, side="left"))], False
        rest = self._block[self._start :]
        self._block = joined([rest, new]) if rest.time.size else new
        self._start = 0

    def pop(self, before: float) -> Block:
        """Take the buffered arrivals earlier than ``before`` [s] out of the buffer."""
        end = int(self._block.time.searchsorted(before, side="left"))
        part = self._block[self._start : end]
        self._start = end
        return part


def joined(blocks: Sequence[Block]) -> Block:
    """Return blocks one after the other; where only some have recorded demands, the others' are NaN."""
    time = np.concatenate([block.time for block in blocks])
    if all(block.demand is None for block in blocks):
        return Block(time)
    unknown = [np.full(block.time.size, np.nan) if block.demand is None else block.demand for block in blocks]
    return Block(time, np.concatenate(unknown))


class Feeds:
    """Feeds that advance together: a round takes what is earlier than all that is not known yet."""

    def __init__(self, feeds: Sequence[Feed], ahead: int) -> None:
        """Take the feeds and the arrivals to look ahead in all before their shares are known."""
        self._feeds = feeds
        for feed in feeds:
            feed.look(max(_LEAST_AHEAD, ahead // max(len(feeds), 1)))

    def round(self, rows: int) -> list[Block]:
        """Return each feed's next arrivals, about ``rows`` in all; none at all only if there are no more.

        A feed's look-ahead follows its share of the last round, so that the buffers end near the same time
        and the whole stays within a small multiple of ``rows``.
        """
        while True:
            for feed in self._feeds:
                feed.fill()
            horizon = min((feed.last for feed in self._feeds if feed.live), default=np.inf)
            blocks = [feed.pop(horizon) for feed in self._feeds]
            total = sum(block.time.size for block in blocks)
            if total or horizon == np.inf:
                break
            for feed in self._feeds:  # nothing but ties at the horizon: look further there
                if feed.live and feed.last == horizon:
                    feed.look(2 * feed.ahead)
        for feed, block in zip(self._feeds, blocks, strict=True):
            feed.look(_LEAST_AHEAD + (5 * rows * block.time.size) // (4 * max(total, 1)))
        return blocks


class MergedProcess:
    """The sources of one service added up; at equal times in the order of the sources."""

    def __init__(self, processes: Sequence[Process], duration: float) -> None:
        """Take the sources' processes, and the end [s] from which on arrivals do not count."""
        self._feeds = Feeds([Feed(process, duration) for process in processes], _START)
        self._ready = Block(np.empty(0))

    def take(self, n: int) -> Block:
        """Return the next n arrivals; fewer mean that there are no more after them."""
        parts, found = [self._ready], self._ready.time.size
        while found < n:
            blocks = self._feeds.round(n)
            new = joined(blocks)
            if new.time.size == 0:
                break
            order = order_of(new.time, len(blocks))
            parts.append(Block(new.time[order], None if new.demand is None else new.demand[order]))
            found += new.time.size
        whole = joined(parts) if len(parts) > 1 else parts[0]
        self._ready = whole[n:]
        return whole[:n]


def order_of(time: Array, runs: int) -> NDArray[np.intp]:
    """Return the stable order of ``time``, which is ``runs`` ascending parts one after the other.

    NumPy's stable sort merges runs, its plain sort is faster from some ten runs on; ties are rare there.
    """
    if runs > _FEW_RUNS:
        order = time.argsort()
        ascending = time[order]
        if not np.any(ascending[1:] == ascending[:-1]):
            return order
    return time.argsort(kind="stable")
