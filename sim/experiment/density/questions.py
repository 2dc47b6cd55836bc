"""What density asks, one value after the other: where a load stops holding, and what is around that."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

from sim.experiment.density.objectives import Verdict
from sim.experiment.study import StudyError

_MOST_STEPS = 1 << 14  # where doubling gives up when no `stop` is given: no host of today carries as many guests


@dataclass(frozen=True)
class Grid:
    """The values tried: `start`, `start + step`, … up to `stop` (None: no end). Whole numbers stay whole."""

    start: float = 1
    step: float = 1
    stop: float | None = None

    def __post_init__(self) -> None:
        """Refuse an empty grid (StudyError)."""
        if not self.step > 0:
            raise StudyError(f"a grid needs a step above 0, not {self.step}")
        if self.stop is not None and self.stop < self.start:
            raise StudyError(f"a grid cannot stop at {self.stop} before its start, {self.start}")

    @property
    def last(self) -> int:
        """Index of the last value."""
        if self.stop is None:
            return _MOST_STEPS
        return int((self.stop - self.start) / self.step * (1 + 1e-12))

    def value(self, index: int) -> float:
        """The value at an index; an int where start and step are, else without the dust of adding up."""
        value = self.start + index * self.step
        return value if isinstance(value, int) else float(f"{value:.12g}")


class Question(NamedTuple):
    """A value to judge, `at` an index of the grid; `thorough`: a yes only with all replications."""

    at: int
    thorough: bool


class Found(NamedTuple):
    """Indices: the last that holds, the last that is safe (-1: none), the last that is not clearly too much."""

    most: int
    safe: int
    high: int


def search(grid: Grid, hint: int | None = None) -> Generator[Question, bool, int]:
    """Yield what to judge, be sent whether it holds; return the last index that does (-1: none).

    It begins at the `hint` and goes on in doubling steps; without one it doubles the distance from the start, or
    bisects at once where there is an end. A "yes" on the way may rest on few replications; the answer itself is
    confirmed with all, and the search goes on below if that fails.
    """
    high = grid.last + 1  # does not hold, by assumption until judged
    held = [-1]  # what held on the way, ascending
    if hint is not None or grid.stop is None:
        index, step = min(max(hint or 0, 0), grid.last), 1
        while index <= grid.last:
            if not (yield Question(index, False)):
                high = index
                break
            held.append(index)
            index, step = index + step, 2 * step
    while True:
        while high - held[-1] > 1:
            middle = (held[-1] + high) // 2
            if (yield Question(middle, False)):
                held.append(middle)
            else:
                high = middle
        if held[-1] < 0 or (yield Question(held[-1], True)):
            return held[-1]
        high = held.pop()


def surround(grid: Grid, hint: int | None) -> Generator[Question, Verdict, Found]:
    """The search, and what is around its answer; every value is judged by the verdict that is sent for it."""
    most = yield from _by(search(grid, hint), lambda verdict: verdict.holds)
    safe = most
    if most >= 0 and not (yield Question(most, True)).safe:
        safe = (yield from _by(edge(most, -1), lambda verdict: not verdict.safe)) - 1
    high = yield from _by(edge(most, grid.last + 1), lambda verdict: not verdict.clear)
    return Found(most, safe, high)


def edge(inside: int, outside: int) -> Generator[Question, bool, int]:
    """From `inside`, where something is so, the last index on the way to `outside`, where it is not, at which it is so.

    Steps double, as the edge is near.
    """
    toward, step = (1 if outside > inside else -1), 1
    while abs(outside - inside) > 1:
        index = inside + toward * min(step, abs(outside - inside) - 1)
        if (yield Question(index, True)):
            inside, step = index, 2 * step
        else:
            outside, step = index, max(step // 2, 1)
    return inside


def _by(walk: Generator[Question, bool, int], good: Callable[[Verdict], bool]) -> Generator[Question, Verdict, int]:
    """A walk whose questions are answered by verdicts."""
    try:
        question = next(walk)
        while True:
            question = walk.send(good((yield question)))
    except StopIteration as stop:
        found: int = stop.value
        return found
