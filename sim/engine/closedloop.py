"""Drawn numbers of closed-loop clients, kept ready for the kernel."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]
WANTS = ("demand", "u1", "u2")
AHEAD = 4096  # rows kept ready besides those that every client may need at once


class ClosedLoop(Protocol):
    """Clients who think, ask, wait, and think again."""

    vus: int
    pause: float  # s, that a client waits at least after a rejection

    def draw(self, n: int) -> Any:
        """Next `n` turns as columns `think` (s), `demand` (core-s), `u1` and `u2`."""


class Stock:
    """Two queues of drawn numbers, think times and (demand, u1, u2), used up at their own pace.

    The n-th think time and the n-th request are the same numbers whenever they are drawn.
    """

    def __init__(self, clients: ClosedLoop) -> None:
        self.size = AHEAD + 4 * clients.vus
        self._clients = clients
        self._columns: dict[str, Column] = {name: np.empty(0) for name in ("think", *WANTS)}

    def keep(self, think: Column, wants: Column) -> None:
        """Put back what the kernel has not used: think times, and rows of the other columns."""
        self._columns["think"] = np.concatenate([think, self._columns["think"]])
        for name in WANTS:
            self._columns[name] = np.concatenate([wants[name], self._columns[name]])

    def take(self, rows: Column) -> None:
        """Fill `rows` (`layout.draw_dtype`, `size` of them) with the next of both queues."""
        short = self.size - min(len(column) for column in self._columns.values())
        if short > 0:
            drawn = self._clients.draw(short)
            for name in self._columns:
                self._columns[name] = np.concatenate([self._columns[name], getattr(drawn, name)])
        for name, column in self._columns.items():
            rows[name] = column[: self.size]
            self._columns[name] = column[self.size :]
