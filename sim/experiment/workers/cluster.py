"""Runs on the workers of an existing Dask scheduler (extra `cluster`).

Tasks are pulled only as workers need them, so a sweep of a million runs never stands in the scheduler's memory at once.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, Self

from sim import registry
from sim.experiment.workers.executor import TICK, Executor, ExecutorError, Outcome, Result, Task

TASKS_PER_SLOT = 2
"""Tasks handed out per slot: one running, one waiting, so that no worker idles for a round trip."""
CONNECT_TIMEOUT = 15.0
"""Longest wait for an existing scheduler to answer, s."""
REFRESH = 5.0
"""How often the number of workers is asked for again, s (clusters grow and shrink)."""


class DaskExecutor(Executor):
    """Executes on the workers of `scheduler`: an address (tcp://host:port, tls://host:port), or the file that
    `dask scheduler --scheduler-file` writes (.json). Certificates for tls are those of Dask's own configuration.

    `warm` is called once on one worker before anything else, and then on every worker as it starts: it loads what is
    slow at first use (the compiled kernel), and the first call fills the cache on disk that the others read.
    """

    def __init__(self, scheduler: str, warm: Callable[[], object] | None = None) -> None:
        self._scheduler = scheduler
        self._warm = warm
        self._client: Any = None
        self._slots = 0
        self._asked = -REFRESH

    @property
    def slots(self) -> int:
        """Threads of all workers, as last asked for."""
        if time.monotonic() - self._asked > REFRESH:
            self._asked = time.monotonic()
            self._slots = sum(self._client.ncores().values())
        return self._slots

    def __enter__(self) -> Self:
        """Connect. Raises ExecutorError when Dask is not installed, or the workers cannot be reached."""
        try:
            from distributed import Client
        except ImportError as error:
            raise ExecutorError(
                "a scheduler needs Dask, which is not installed: pip install 'hostsim[cluster]'"
            ) from error
        by_file = self._scheduler.endswith(".json")  # as `dask scheduler --scheduler-file` writes it
        where = {"scheduler_file" if by_file else "address": self._scheduler}
        try:
            self._client = Client(**where, timeout=CONNECT_TIMEOUT, set_as_default=False)
            self._prepare()
        except BaseException as error:
            self.__exit__()
            if not isinstance(error, Exception):
                raise
            # a worker may die at any step of this: whatever Dask then raises means the same
            raise ExecutorError(f"no Dask workers through {self._scheduler}: {error}") from error
        return self

    def __exit__(self, *failure: object) -> None:
        """Disconnect. The scheduler goes on, without what this client asked for."""
        client, self._client = self._client, None
        if client is not None:
            # a scheduler killed at this very moment changes nothing any more
            with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                client.close(timeout=5)

    def _prepare(self) -> None:
        if self._warm is not None:
            first = self._client.submit(self._warm, pure=False)
            first.result()
        self._client.register_plugin(_worker_plugin(self._warm, registry.luggage()))

    def unordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Outcome[Task, Result] | None]:
        """Yield an outcome per task as it finishes. Raises ExecutorError when the scheduler is lost."""
        todo = iter(tasks)
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        running: dict[Any, tuple[Any, Task]] = {}
        exhausted = False
        try:
            while True:
                while not exhausted and len(running) < max(TASKS_PER_SLOT * self.slots, 1):
                    try:
                        task = next(todo)
                    except StopIteration:
                        exhausted = True
                        break
                    future = self._client.submit(function, task, pure=False)
                    running[future.key] = (future, task)
                    future.add_done_callback(done.put)
                if not running and exhausted:
                    return
                try:
                    finished = done.get(timeout=TICK)
                except queue.Empty:
                    yield None
                    continue
                future, task = running.pop(finished.key)
                yield _outcome(future, task)
        finally:
            if running and self._client is not None and self._client.status == "running":
                self._client.cancel([future for future, _ in running.values()])


def _worker_plugin(warm: Callable[[], object] | None, luggage: bytes) -> Any:
    from distributed import WorkerPlugin

    class Prepare(WorkerPlugin):  # type: ignore[misc]
        """Runs on every worker as it starts, also on one restarted after its death."""

        name = "hostsim-prepare"

        def setup(self, worker: Any) -> None:
            registry.unpack(luggage)
            if warm is not None:
                warm()

    return Prepare()


def _outcome(future: Any, task: Task) -> Outcome[Task, Any]:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        return Outcome(task, future.result())
    except KilledWorker as error:
        return Outcome(task, error=RuntimeError(f"the worker process died ({error.task})"), lost=True)
    except CancelledError as error:  # Dask cancels everything when its connection to the scheduler breaks
        raise ExecutorError("the Dask scheduler was lost") from error
    except Exception as error:
        return Outcome(task, error=error)
    finally:
        future.release()
