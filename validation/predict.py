"""What the simulator says to measured requests: the same arrivals and demands, weights and limits, on `native`."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import sim
from sim import registry
from sim.calibration.recordings import Case, jobs_of
from sim.calibration.replay import PHASES, replayed

if TYPE_CHECKING:
    import pandas as pd

    from sim.report.results import Results

RULES = ("period", "fluid") if "cpu.throttled_periods" in registry.names("metrics") else ("fluid",)
"""How the engine can take a limit: by period, as the kernel does, or as a plain cap on the speed."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """For one group: `response` f8[replications, n] [s], NaN for what does not end in time; and its throttling.

    `ratio`: of the periods with work in them, those in which it ran dry; `time` [s]; None where the engine has none.
    """

    response: NDArray[np.float64]
    ratio: float | None
    time: float | None


def predict(case: Case, requests: pd.DataFrame, rule: str = RULES[0], phases: int = PHASES) -> dict[str, Prediction]:
    """Run the simulator on the requests of one repetition (`Measurements.of`); the prediction of each group.

    Raises ValueError for a rule that the engine does not have.
    """
    if rule not in RULES:
        raise ValueError(f"the engine has no rule {rule!r} for limits, only {', '.join(RULES)}")
    with tempfile.TemporaryDirectory(prefix="hostsim-validation-") as folder:
        results = sim.run(_scenario(case, requests, rule, phases, Path(folder)), keep_requests=True)
        return {group.name: _prediction(results, group.name) for group in case.groups}


def _scenario(case: Case, requests: pd.DataFrame, rule: str, phases: int, folder: Path) -> Path:
    """Write the scenario of a case, with a recording for each group."""
    tree = replayed(jobs_of(case.groups, requests), case.cpus, case.until, folder)
    if tree["replications"] > 1:
        tree["replications"] = phases if rule == "period" else 1
    path = folder / "measured.yaml"
    path.write_text(json.dumps({**tree, "quota": rule}), encoding="utf-8")  # JSON is YAML
    return path


def _prediction(results: Results, group: str) -> Prediction:
    frame = results.requests
    own = frame[frame["service"] == group]
    finish = own["finish"].where(own["status"] == "completed").astype("float64")
    response = (finish - own["arrival"]).to_numpy().reshape(own["replication"].nunique(), -1)[:, 1:]
    return Prediction(
        response, _metric(results, group, "cpu.throttled_periods"), _metric(results, group, "cpu.throttled_time")
    )


def _metric(results: Results, group: str, metric: str) -> float | None:
    """The mean of a metric over replications; None where the engine or the group has none."""
    frame = results.summary
    values = frame.loc[(frame["service"] == group) & (frame["metric"] == metric), "value"].to_numpy()
    return float(np.mean(values)) if values.size else None
