"""CPU limits and weights: real servers in control groups beside what the simulator says to the very same requests."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sim.calibration import machine
from sim.calibration.recordings import Group, Job
from sim.calibration.replay import PLATFORM, replayed
from sim.calibration.servers import Runner

_DEMAND: Final = 0.005
_CASES: Final[dict[str, tuple[tuple[Group, float], ...]]] = {
    "limit 0.5, load 0.8 of it, 1 thread": ((Group("limited", 0.25, 0.5, 1), 80.0),),
    "limit 0.5, load 0.8 of it, 4 threads": ((Group("limited", 0.25, 0.5, 4), 80.0),),
    "weights 1 to 3, together 1.4 of a CPU": (
        (Group("light", 0.25, None, 1), 140.0), (Group("heavy", 0.75, None, 1), 140.0),
    ),
}  # fmt: skip
"""Case → groups and rate of their requests [1/s]; demands are exponential, 5 ms in the mean; on one CPU."""


@dataclass(frozen=True, slots=True)
class Limited:
    """One group of a case: `requests`, mean response time measured and predicted [s], the share of CPU for `others`."""

    case: str
    group: str
    requests: int
    measured: float
    predicted: float
    others: float

    @property
    def off(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1


def measure_limits(seconds: float) -> list[Limited]:
    """Measure each case for so long. Raises Missing without control groups or a C compiler."""
    told = []
    with Runner() as runner:
        for number, (case, groups) in enumerate(_CASES.items()):
            jobs = [_job(group, rate, seconds, 10 * number + i) for i, (group, rate) in enumerate(groups)]
            served, seen = runner.run(jobs, machine.allowed()[-1:], seconds)
            others = seen.machine["background"] + seen.machine["steal"]
            said = _predict(jobs, seconds)
            for job, each, mean in zip(jobs, served, said, strict=True):
                measured = float(np.nanmean(each.finish - job.arrival))
                told.append(Limited(case, job.group.name, job.arrival.size, measured, mean, others))
    return told


def _job(group: Group, rate: float, seconds: float, seed: int) -> Job:
    draw = np.random.default_rng(seed)
    arrival = np.sort(draw.uniform(0.0, seconds, int(rate * seconds)))
    return Job(group, arrival, draw.exponential(_DEMAND, arrival.size))


def _predict(jobs: Sequence[Job], seconds: float) -> list[float]:
    """Mean response time of each group by the simulator, s."""
    from sim.experiment.replications.runner import run_one
    from sim.scenario import scenario_from_text

    with tempfile.TemporaryDirectory(prefix="hostsim-") as folder:
        tree = replayed(jobs, 1, seconds, Path(folder))
        scenario = scenario_from_text(json.dumps(tree), base=folder)
        runs = [run_one(scenario, PLATFORM, i).requests for i in range(tree["replications"])]
    return [
        float(np.mean([run[job.group.name].response.total / run[job.group.name].response.count for run in runs]))
        for job in jobs
    ]
