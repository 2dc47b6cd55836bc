"""Measures every point, repetition after repetition, and keeps what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sim.calibration import machine
from sim.calibration.recordings import Job, save
from sim.calibration.servers import Runner, Served
from validation.cases import Point, case_of, jobs_of

if TYPE_CHECKING:
    import pandas as pd

Say = Callable[[str], None]


def measure(points: Sequence[Point], folder: Path, *, repetitions: int, window: float | None, say: Say) -> list[str]:
    """Measure and write `folder`; return what was left out, and why.

    Repetitions go round all points, so that a slow change of the machine does not look like one of a point. The k-th
    has the arrivals and demands of the scenario's replication k. Raises cgroups.Missing.
    """
    import pandas as pd

    allowed = machine.allowed()
    scenarios = [point.scenario(window) for point in points]
    cases = [case_of(point, scenario) for point, scenario in zip(points, scenarios, strict=True)]
    left_out = [
        f"{case.name}: needs {case.cpus} CPUs, there are {len(allowed)}" for case in cases if case.cpus > len(allowed)
    ]
    parts = []
    with Runner() as runner:
        for repetition in range(repetitions):
            for case, scenario in zip(cases, scenarios, strict=True):
                if case.cpus > len(allowed):
                    continue
                jobs = jobs_of(case, scenario, repetition)
                served, seen = runner.run(jobs, allowed[-case.cpus :], case.until)
                case.repetitions.append(seen)
                parts += [_frame(case.name, repetition, *pair) for pair in zip(jobs, served, strict=True)]
                say(f"{repetition + 1}/{repetitions} {case.kind}: {case.name}: {_told(jobs, served)}; {seen.machine}")
        host = machine.describe(runner.groups.hierarchy.version)
    done = [case for case in cases if case.repetitions]
    host["licence"] = "Apache-2.0, own measurement"
    save(folder, host, done, pd.concat(parts, ignore_index=True))
    return left_out


def _frame(case: str, repetition: int, job: Job, served: Served) -> pd.DataFrame:
    import pandas as pd

    columns = {"arrival": job.arrival, "demand": job.demand, "start": served.start, "finish": served.finish}
    return pd.DataFrame({"case": case, "repetition": repetition, "group": job.group.name, **columns})


def _told(jobs: Sequence[Job], served: Sequence[Served]) -> str:
    means = (np.nanmean(each.finish - job.arrival) * 1e3 for job, each in zip(jobs, served, strict=True))
    return ", ".join(f"{job.group.name} {mean:.1f} ms" for job, mean in zip(jobs, means, strict=True))
