"""The waiting room: starts that admission has refused, tried again when room comes free, in rounds of one each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Attempt(NamedTuple):
    """What became of a try: whether something `started`, and whether something is `left` that waits."""

    started: bool
    left: bool


Again: TypeAlias = Callable[[], Attempt]
"""A way to try again, for one start: what is behind it the waiting room does not know."""


class WaitingRoom:
    """First refused, first tried, for one start; who has got one goes to the end, so that nobody takes all the room.

    >>> room, left = WaitingRoom(), [2]
    >>> def start() -> Attempt:
    ...     left[0] -= 1
    ...     return Attempt(True, left[0] > 0)
    >>> room.wait(start)
    >>> room.wait(start)  # it waits already
    >>> room.retry(); left
    [0]
    >>> room.retry(); left  # nobody waits
    [0]
    """

    def __init__(self) -> None:
        self._waiting: list[Again] = []

    def wait(self, again: Again) -> None:
        """Try `again` when room comes free, until it says that nothing is left."""
        if again not in self._waiting:
            self._waiting.append(again)

    def retry(self) -> None:
        """Room has come free."""
        turn = list(self._waiting)
        while turn:
            turn = [again for again in turn if self._try(again)]

    def _try(self, again: Again) -> bool:
        """Try once; whether another try in this very round may help."""
        started, left = again()
        if (started or not left) and again in self._waiting:
            self._waiting.remove(again)
            if left:
                self._waiting.append(again)  # it has had its turn
        return started and left
