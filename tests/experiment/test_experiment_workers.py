"""Worker processes that die at the worst moment. Times in s."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from sim.experiment.workers.pool import AHEAD, PoolExecutor


def dies_while_it_writes(task: int) -> int:
    """Task 0 is killed in the middle of writing a result, with the lock of all writers held; others are quick."""
    if task:
        return task
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        frame = frame.f_back
    queue = frame.f_locals["result_queue"]
    time.sleep(0.3)
    queue._wlock.acquire()
    os.write(queue._writer.fileno(), b"\0\0")
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def test_a_worker_killed_in_the_middle_of_a_result_does_not_hang_the_others() -> None:
    began = time.monotonic()
    with PoolExecutor(2) as executor:
        outcomes = [each for each in executor.unordered(dies_while_it_writes, range(40)) if each is not None]
    assert time.monotonic() - began < 60
    assert sorted(outcome.task for outcome in outcomes) == list(range(40))
    assert [outcome.task for outcome in outcomes if outcome.lost] == [0]  # only the culprit, no bystander
    assert all(outcome.result == outcome.task for outcome in outcomes if not outcome.lost)


def dies_the_first_time(marker: str) -> str:
    """Task "…/3" kills its process, unless it has done so before."""
    if marker.endswith("/3") and not os.path.exists(marker):
        with open(marker, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return marker


def test_what_a_death_took_along_is_done_again(tmp_path) -> None:
    tasks = [f"{tmp_path}/{number}" for number in range(30)]
    with PoolExecutor(2) as executor:
        outcomes = [each for each in executor.unordered(dies_the_first_time, tasks) if each is not None]
        more = [each for each in executor.unordered(dies_the_first_time, tasks) if each is not None]
    assert sorted(each.result for each in outcomes) == sorted(tasks)
    assert len(more) == 30
    assert not any(each.lost for each in more)


def test_tasks_are_taken_as_processes_need_them() -> None:
    taken = 0

    def tasks():
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    with PoolExecutor(2) as executor, contextlib.closing(executor.unordered(abs, tasks())) as outcomes:
        next(each for each in outcomes if each is not None)
        assert 1 <= taken <= 2 * AHEAD + 1
