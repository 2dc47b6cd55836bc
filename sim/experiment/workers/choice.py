"""Which executor fits: this process, some processes of this machine, a local Dask cluster, or an existing scheduler."""

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


def executor_for(
    workers: int | None = None, scheduler: str | None = None, *, runs: int | None = None, cluster: bool = False
) -> Executor:
    """An executor of `workers` processes (None: as many as cores, if that pays), or of the Dask `scheduler`.

    `runs`: how many there will be, where that is known. `cluster`: processes are those of a local Dask cluster, which
    takes tasks as it needs them and outlives the death of one. Enter it before use.
    """
    if workers is None:
        workers = available_cores() if runs is None or runs >= WORTH_IT else 1
    if runs is not None:
        workers = min(workers, runs)
    if scheduler is None and workers <= 1:
        return SerialExecutor()
    if scheduler is not None or cluster:
        from sim.experiment.workers.cluster import DaskExecutor
        from sim.model import compiled

        return DaskExecutor(workers, scheduler, warm=compiled.warm_up)
    from sim.experiment.workers.pool import PoolExecutor

    return PoolExecutor(workers)
