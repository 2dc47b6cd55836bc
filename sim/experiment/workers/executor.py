"""What executes runs: one function over a stream of tasks, whose outcomes come back as they finish.

In this process (here), in processes of this machine (`pool`), or on Dask (`cluster`); `choice` says which.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

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


class Executor(AbstractContextManager["Executor"]):
    """Executes tasks, inside a `with` statement that starts and stops what it needs."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """Tasks that can run at the same time; 0: no worker is there at the moment."""

    @abstractmethod
    def unordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Outcome[Task, Result] | None]:
        """Yield an outcome per task as it finishes, and None at least every `TICK` s while waiting."""


class SerialExecutor(Executor):
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

    def __exit__(self, *failure: object) -> None:
        """Nothing to stop."""
