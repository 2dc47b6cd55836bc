"""Runs in parallel processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

from sim import registry
from sim.experiment.workers.executor import TICK, Executor, Outcome, Result, Task

GRACE = 3.0
"""Seconds that interrupted processes have to end the run they are at, before they are ended."""

_NOTHING: Any = object()
AHEAD = 4
"""Runs handed over for each process: the one it is at and a few more, so that it never waits."""


class PoolExecutor(Executor):
    """Executes in `workers` processes of this machine.

    One that dies is replaced. What was under way is done once more, and only a task whose process dies again is `lost`.
    Scripts need the usual `if __name__ == "__main__":` guard of multiprocessing.
    """

    slots = 1

    def __init__(self, workers: int) -> None:
        self.slots = workers
        self._pool: ProcessPoolExecutor | None = None
        self._others: set[int | None] = set()
        self._abandoned = False

    def __enter__(self) -> Self:
        """Prepare the processes; each starts when it is first needed."""
        self._others = {child.pid for child in multiprocessing.active_children()}
        self._pool = self._new_pool()
        return self

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.slots, _context(), _prepare_worker, (registry.luggage(),))

    def __exit__(self, *failure: object) -> None:
        """Stop the processes; at once when this is left by an exception, or with tasks that nobody waits for."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if failure[0] is None and not self._abandoned:
            pool.shutdown()
            return
        queue = getattr(pool, "_result_queue", None)
        locks = queue, getattr(pool, "_call_queue", None)  # kept until all are gone: who starts just now looks for them
        _stop_server()
        pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + GRACE
        mine = [child for child in multiprocessing.active_children() if child.pid not in self._others]
        for child in mine:  # most end by themselves, with the run they are at
            child.join(max(0.0, deadline - time.monotonic()))
        for child in mine:
            if child.is_alive():
                child.kill()
                child.join(1.0)
        del locks
        # one that died while it wrote a result leaves half a message: without a writer the reader meets its end
        if queue is not None:
            with contextlib.suppress(OSError):
                queue._writer.close()

    def unordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Generator[Outcome[Task, Result] | None]:
        """Yield an outcome per task as it finishes, and None at least every `TICK` s.

        Tasks are taken as processes need them. Those under way when a process died may have been bystanders: each is
        done once more, alone, when all others are done.
        """
        suspects: list[Task] = []
        for outcome in self._together(function, iter(tasks), AHEAD * self.slots):
            if outcome is None or not outcome.lost:
                yield outcome
            else:
                suspects.append(outcome.task)
        yield from self._together(function, iter(suspects), 1)

    def _together(
        self, function: Callable[[Task], Result], tasks: Iterator[Task], most: int
    ) -> Generator[Outcome[Task, Result] | None]:
        """Outcomes of tasks of which at most `most` are under way; after a death in new processes."""
        running: dict[Future[Result], Task] = {}
        refused: list[Task] = []  # handed over to processes that were dead already
        stuck = 0.0  # s since a process died without the pool taking notice
        try:
            while True:
                if not self._hand_over(function, tasks, refused, running, most) and not running:
                    return
                done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
                stuck = 0.0 if done or not self._died() else stuck + TICK
                if stuck > GRACE:
                    self._break()
                if not done:
                    yield None
                for future in done:
                    yield _outcome(future, running.pop(future))
        finally:
            self._abandoned = bool(running)  # interrupted, or closed early: nobody waits for the rest

    def _hand_over(
        self,
        function: Callable[[Task], Result],
        tasks: Iterator[Task],
        refused: list[Task],
        running: dict[Future[Result], Task],
        most: int,
    ) -> bool:
        """Hand over what may be under way; False when there is nothing left to hand over, or nobody to take it."""
        assert self._pool is not None
        while len(running) < most:
            task = refused.pop() if refused else next(tasks, _NOTHING)
            if task is _NOTHING:
                return False
            try:
                with _undisturbed():  # it may start a process, and nobody would know of one half started
                    running[self._pool.submit(function, task)] = task
            except BrokenProcessPool:
                refused.append(task)
                if running:  # their outcomes first: they were lost with the processes
                    return False
                self._renew()
        return True

    def _renew(self) -> None:
        """New processes in place of those that a death took along."""
        assert self._pool is not None
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new_pool()

    def _died(self) -> bool:
        """Whether one of the processes is there no longer."""
        return any(not child.is_alive() for child in (getattr(self._pool, "_processes", None) or {}).values())

    def _break(self) -> None:
        """One died while it wrote a result: it left half a message, and holds the lock that the others wait for.

        Without a writer the pool's reader meets its end, and every task has an outcome.
        """
        for child in list((getattr(self._pool, "_processes", None) or {}).values()):
            child.kill()
        queue = getattr(self._pool, "_result_queue", None)
        if queue is not None:
            with contextlib.suppress(OSError):
                queue._writer.close()


def _outcome(future: Future[Result], task: Task) -> Outcome[Task, Result]:
    try:
        return Outcome(task, future.result())
    except BrokenProcessPool:
        return _lost(task)
    except Exception as error:  # a failed task is an outcome, it never stops the others
        return Outcome(task, error=error)


def _lost(task: Task) -> Outcome[Task, Result]:
    return Outcome(task, error=RuntimeError("a worker process died (killed, or out of memory)"), lost=True)


def _context() -> multiprocessing.context.BaseContext:
    """Forking from a server that has imported everything: imports are paid once, and no thread is forked."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sim.experiment.workers.preload"])
    _start_server()
    return context


def _start_server() -> None:
    """Start the server that forks, deaf to Ctrl-C, which reaches the whole group: the parent alone decides."""
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()  # which would let Ctrl-C through again
    with _undisturbed(signal.SIGINT):
        forkserver.ensure_running()


@contextlib.contextmanager
def _undisturbed(*kinds: signal.Signals) -> Iterator[None]:
    """Let signals (Ctrl-C and SIGTERM unless told) come afterwards, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, kinds or (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop_server() -> None:
    """End the server of this process that forks others: one that has not come yet would find nobody any more.

    It is started anew when it is needed.
    """
    from multiprocessing import forkserver

    server = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if server is not None:
        with contextlib.suppress(OSError):
            os.kill(server, signal.SIGKILL)


def _prepare_worker(luggage: bytes) -> None:
    """What a script has registered is known to its workers too.

    Ctrl-C in a terminal reaches the whole process group; the parent alone decides what it means.

    A worker whose parent was killed ends itself: it would wait for tasks for ever.
    """
    with contextlib.suppress(ValueError):  # not the main thread: nothing to shield
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    registry.unpack(luggage)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
