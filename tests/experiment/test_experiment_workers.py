"""Worker processes that die at the worst moment. Times in s."""

from __future__ import annotations

import os
import signal
import sys
import time

from sim.experiment.workers.pool import PoolExecutor


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
        outcomes = [each for each in executor.unordered(dies_while_it_writes, range(4)) if each is not None]
    assert time.monotonic() - began < 60
    assert sorted(outcome.task for outcome in outcomes) == [0, 1, 2, 3]
    lost = {outcome.task for outcome in outcomes if outcome.error is not None}
    assert 0 in lost
    assert all(outcome.result == outcome.task for outcome in outcomes if outcome.task not in lost)
