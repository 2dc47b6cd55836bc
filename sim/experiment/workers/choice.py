"""Which executor fits: this process, some processes of this machine, or an existing Dask scheduler."""

from __future__ import annotations

import os

from sim.experiment.workers.executor import Executor, SerialExecutor

WORTH_IT = 4
"""Runs from which on processes pay: starting one costs about as much as a short run."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def executor_for(workers: int | None = None, scheduler: str | None = None, *, runs: int | None = None) -> Executor:
    """An executor of `workers` processes (None: as many as cores, if that pays), or of the Dask `scheduler`.

    `runs`: how many there will be, where that is known. Enter it before use. Raises ExecutorError for a `scheduler`
    where Dask is not installed.
    """
    if scheduler is not None:
        from sim.experiment.workers.cluster import DaskExecutor
        from sim.model import compiled

        return DaskExecutor(scheduler, warm=compiled.warm_up)
    if workers is None:
        workers = available_cores() if runs is None or runs >= WORTH_IT else 1
    if runs is not None:
        workers = min(workers, runs)
    if workers <= 1:
        return SerialExecutor()
    from sim.experiment.workers.pool import PoolExecutor

    return PoolExecutor(workers)
