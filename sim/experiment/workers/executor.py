"""What executes runs: one function over a stream of tasks, whose outcomes come back as they finish.

In this process (here), in processes of this machine (`pool`), or on Dask (`cluster`); `choice` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from sim.reading.errors import HostsimError

Task = TypeVar("Task")
Result = TypeVar("Result")

TICK = 1.0
"""Longest silence of `unordered`, s: it then yields None, so that the caller can save and report."""


class ExecutorError(HostsimError):
    """The workers cannot be reached, or were lost as a whole; what finished before is not affected."""


@dataclass(frozen=True)
class Outcome(Generic[Task, Result]):
    """What became of one task: a result, or an error; `lost` when the worker died under it."""

    task: Task
    result: Result | None = None
    error: Exception | None = None
    lost: bool = False


class Executor(Protocol):
    """Executes tasks; `slots` is how many at a time (0: no worker is there at the moment).

    One is used inside a `with` statement, which starts and stops what it needs.
    """

    @property
    def slots(self) -> int:
        """Tasks that can run at the same time."""

    def unordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Outcome[Task, Result] | None]:
        """Yield an outcome per task as it finishes, and None at least every `TICK` s while waiting."""

    def __enter__(self) -> Self:
        """Start what is needed."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""


class SerialExecutor:
    """Executes in this process, one task after the other."""

    slots = 1

    def unordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Outcome[Task, Result] | None]:
        """Yield an outcome per task, in order."""
        for task in tasks:
            try:
                outcome = Outcome(task, function(task))
            except Exception as error:  # a failed task is an outcome, it never stops the others
                outcome = Outcome[Task, Result](task, error=error)
            yield outcome

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to stop."""
