"""Runs on Dask: a local cluster, or an existing scheduler.

Tasks are pulled only as workers need them, so a sweep of a million runs never stands in the scheduler's memory at once.
"""

from __future__ import annotations

import contextlib
import os
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
    """Executes on Dask: `workers` local processes of one thread each, or the workers of `scheduler`: an
    address (tcp://host:port) or the file that `dask scheduler --scheduler-file` writes (.json).

    `warm` is called once on one worker before anything else, and then on every worker as it starts: it loads what is
    slow at first use (the compiled kernel), and the first call fills the cache on disk that the others read.
    """

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        warm: Callable[[], object] | None = None,
    ) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._scheduler = scheduler
        self._warm = warm
        self._client: Any = None
        self._cluster: Any = None
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
        """Connect. Raises ExecutorError when the workers cannot be reached or started."""
        import dask
        from distributed import Client

        try:
            if self._scheduler is None:
                with dask.config.set(_LOCAL_SETTINGS):
                    self._cluster = _local_cluster(self._workers)
                    self._client = Client(self._cluster, set_as_default=False)
            else:
                by_file = self._scheduler.endswith(".json")  # as `dask scheduler --scheduler-file` writes it
                where = {"scheduler_file" if by_file else "address": self._scheduler}
                self._client = Client(**where, timeout=CONNECT_TIMEOUT, set_as_default=False)
            self._prepare()
        except BaseException as error:
            self.__exit__()
            if not isinstance(error, Exception):
                raise
            # a worker may die at any step of this: whatever Dask then raises means the same
            what = "no local workers" if self._scheduler is None else f"no Dask workers through {self._scheduler}"
            raise ExecutorError(f"{what}: {error}") from error
        return self

    def __exit__(self, *failure: object) -> None:
        """Disconnect; stop the local cluster. An existing scheduler goes on, without what this client asked for."""
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        for each in (client, cluster):
            if each is not None:
                # a worker or scheduler killed at this very moment changes nothing any more
                with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                    each.close(timeout=5)

    def _prepare(self) -> None:
        if self._warm is not None:
            first = self._client.submit(self._warm, pure=False)
            first.result()
        self._client.register_plugin(_worker_plugin(self._warm, registry.luggage(), own=self._cluster is not None))

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


_LOCAL_SETTINGS = {
    # A run in the compiled kernel may hold the interpreter for long; a dead worker is seen by its closed connection.
    "distributed.scheduler.worker-ttl": None,
    # A task that kills its worker gets a second chance, not four.
    "distributed.scheduler.allowed-failures": 1,
    # What Dask watches for its dashboard, which is not shown here, took an eighth of each worker's time: stacks sampled
    # every 10 ms, the event loop's delay every 20 ms, memory every 100 ms, the machine every 500 ms.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    # No warnings about the speed of this machine's disk or event loop on the user's terminal.
    "distributed.admin.tick.limit": "1h",
}


def _local_cluster(workers: int) -> Any:
    import logging

    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # any free port: two sweeps at once must not quarrel about 8787
        worker_dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )


def _worker_plugin(warm: Callable[[], object] | None, luggage: bytes, own: bool) -> Any:
    from distributed import WorkerPlugin

    class Prepare(WorkerPlugin):  # type: ignore[misc]
        """Runs on every worker as it starts, also on one restarted after its death."""

        name = "hostsim-prepare"

        def setup(self, worker: Any) -> None:
            if own:  # ctrl-C in the terminal reaches the whole process group; the parent alone decides what it means
                import signal

                with contextlib.suppress(ValueError):  # not the main thread: nothing to shield
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
