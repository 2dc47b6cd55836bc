"""Our own measurements of real control groups: every group of every case, mean and 99th percentile, as cases.

The requests of a repetition are replayed to the simulator, arrival by arrival with the CPU time that each took
(docs/validation.md tells how they were measured). The files are part of the source tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.calibration.recordings import DATA, Group, Measurements, folders, jobs_of
from sim.calibration.recordings import Case as Measured
from sim.calibration.replay import PLATFORM, replayed
from sim.scorecard.building import Part, Plan, scenario_of
from sim.scorecard.measures import Asked
from sim.scorecard.specs import Case

if TYPE_CHECKING:
    import pandas as pd

STATISTICS: Final = {"mean": "response.mean", "p99": "response.p99"}
CROWDED: Final = 0.10
"""Share of the CPUs' time that other work had, from which on a measurement is no check of the simulator."""
_TOPICS: Final = {"quota": "quota", "no limit": "contention", "neighbours": "contention", "weights": "contention"}


def cases(folder: Path, data: Path = DATA) -> Iterator[tuple[Case, list[Plan], int]]:
    """Each group and statistic with its plans (one a repetition) and replications; recordings go into `folder`."""
    for each in folders(data):
        measured = Measurements(each)
        for case in measured.cases:
            yield from _of_case(measured, case, folder)


def _of_case(measured: Measurements, case: Measured, folder: Path) -> Iterator[tuple[Case, list[Plan], int]]:
    runs = []
    for number in range(len(case.repetitions)):
        seen = measured.of(case, number)
        place = folder / f"{measured.folder.name}-{case.name}-{number}".replace("/", "-").replace(" ", "-")
        place.mkdir()
        tree = replayed(jobs_of(case.groups, seen), case.cpus, case.until, place)
        replications = tree["replications"]
        runs.append((seen, scenario_of(tree, PLATFORM, place, f"{case.name} of validation/data")))
    for group in case.groups:
        for statistic, metric in STATISTICS.items():
            plans = [
                Plan(Part(scenario, PLATFORM, Asked(metric, group.name)), known=_measured(seen, group, case, statistic))
                for seen, scenario in runs
            ]
            yield _case(measured, case, group, statistic, plans), plans, replications


def _measured(seen: pd.DataFrame, group: Group, case: Measured, statistic: str) -> float:
    own = seen[(seen["group"] == group.name) & (seen["finish"] <= case.until)]
    took = (own["finish"] - own["arrival"]).to_numpy()
    return float(np.mean(took) if statistic == "mean" else np.percentile(took, 99))


def _case(measured: Measurements, case: Measured, group: Group, statistic: str, plans: Sequence[Plan]) -> Case:
    known = [each.known for each in plans if each.known is not None]
    words = f"{case.name}, {group.name}" if len(case.groups) > 1 else case.name
    most = max(each.machine["background"] + each.machine["steal"] for each in case.repetitions)
    host = measured.host
    where = f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs"
    crowded = f"other work had {most:.0%} of the CPUs' time, so the error is not the simulator's alone"
    tree: dict[str, Any] = {
        "case": f"{words}: {statistic} ({measured.folder.name})",
        "kind": "measured",
        "topic": _TOPICS.get(case.kind, "quota"),
        "source": f"our own measurement, {where} (docs/validation.md)",
        "trust": "raw data",
        "calibrated_on": "nothing of it: the requests' own CPU times are replayed",
        "known": f"{float(np.mean(known))!r}s",
        "scenario": {},
        "predicted": {"measure": STATISTICS[statistic], "service": group.name},
        "use": "context" if most > CROWDED else "check",
        "note": crowded if most > CROWDED else None,
    }
    if len(known) > 1:
        tree["uncertainty_of"] = f"standard deviation of {len(known)} repetitions"
    return Case.model_validate(tree)
