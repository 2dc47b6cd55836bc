"""The waiting room: starts that admission has refused, tried again when room comes free, first refused first."""

from __future__ import annotations

from collections.abc import Callable


class WaitingRoom:
    """Ways to try again; what is behind them it does not know.

    >>> room, left = WaitingRoom(), [2]
    >>> def start() -> bool:
    ...     left[0] -= 1
    ...     return left[0] > 0
    >>> room.wait(start)
    >>> room.wait(start)  # it waits already
    >>> room.retry(); left
    [1]
    >>> room.retry(); room.retry(); left
    [0]
    """

    def __init__(self) -> None:
        self._waiting: list[Callable[[], bool]] = []

    def wait(self, again: Callable[[], bool]) -> None:
        """Try `again` when room comes free, until it says that nothing waits any more."""
        if again not in self._waiting:
            self._waiting.append(again)

    def retry(self) -> None:
        """Room has come free."""
        for again in list(self._waiting):
            if not again() and again in self._waiting:
                self._waiting.remove(again)
