"""Measured requests as a scenario: the same arrivals and demands, weights and limits, on `native`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sim.calibration.recordings import Group, Job

PLATFORM: Final = "native"
PHASES: Final = 8
"""Replications under a limit: they differ in where its periods lie, which nobody can know."""
SPAN: Final = 1e-6
"""The measured span begins here, s: behind the request of no work with which every recording begins."""


def replayed(jobs: Sequence[Job], cpus: int, until: float, folder: Path) -> dict[str, Any]:
    """The tree of the scenario, `until` s on `cpus` cores; a recording for each group is written into `folder`.

    A recording counts from its first request, so each gets one of no work at second 0 to keep the groups in step.
    """
    return {
        "name": "measured",
        "seed": 1,
        "duration": f"{until}s",
        "warmup": f"{SPAN}s",
        "replications": PHASES if any(job.group.limit is not None for job in jobs) else 1,
        "host": {"cores": cpus, "memory": "8GiB"},
        "platforms": [PLATFORM],
        "services": {job.group.name: _service(job, folder) for job in jobs},
    }


def _service(job: Job, folder: Path) -> dict[str, Any]:
    file = f"{job.group.name}.csv"
    lines = [f"{arrival:.6f},{demand:.6f}\n" for arrival, demand in zip(job.arrival, job.demand, strict=True)]
    (folder / file).write_text("".join(["arrival,demand\n", "0,0\n", *lines]), encoding="utf-8")
    return {
        "request_cpu": "1ms",  # every request has its own
        "concurrency": job.group.threads,
        "size": {"cpu": _cpu(job.group), "memory": {"request": "1MiB"}},
        "traffic": [{"trace": {"file": file, "time": "arrival", "demand": "demand"}}],
    }


def _cpu(group: Group) -> dict[str, float | str]:
    if group.limit is None:
        return {"request": group.request}
    return {"request": group.request, "limit": group.limit, "burst": f"{group.burst}s"}
