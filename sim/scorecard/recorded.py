"""Our own measurements of real control groups: every group of every case, mean and 99th percentile, as cases.

The requests of a repetition are replayed to the simulator, arrival by arrival with the CPU time that each took
(docs/validation.md tells how they were measured). The files are part of the source tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.scorecard.building import Part, Plan, scenario_of
from sim.scorecard.loading import ROOT
from sim.scorecard.measures import Asked
from sim.scorecard.specs import Case

if TYPE_CHECKING:
    import pandas as pd

DATA: Final = ROOT / "validation" / "data"
STATISTICS: Final = {"mean": "response.mean", "p99": "response.p99"}
SPAN: Final = 1e-6
"""The measured span begins here, s: behind the request of no work with which every recording begins."""
PHASES: Final = 8
"""Replications: they differ in where the periods of a limit lie, which nobody can know."""
CROWDED: Final = 0.10
"""Share of the CPUs' time that other work had, from which on a measurement is no check of the simulator."""
_TOPICS: Final = {"quota": "quota", "no limit": "contention", "neighbours": "contention", "weights": "contention"}


def cases(folder: Path, data: Path = DATA) -> Iterator[tuple[Case, list[Plan], int]]:
    """Each group and statistic with its plans (one a repetition) and replications; recordings go into `folder`."""
    for about in sorted(data.glob("*/about.json")):
        told = json.loads(about.read_text("utf-8"))
        frame = _requests(about.parent)
        for case in told["cases"]:
            own = frame[frame["case"] == case["name"]]
            yield from _of_case(about.parent.name, told["host"], case, own, folder)


def _requests(folder: Path) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_parquet(folder / "requests.parquet")
    for name in ("arrival", "demand", "finish"):
        frame[name] = frame.pop(f"{name}_us").astype("float64") / 1e6
    return frame


def _of_case(
    data: str, host: Mapping[str, Any], case: Mapping[str, Any], frame: pd.DataFrame, folder: Path
) -> Iterator[tuple[Case, list[Plan], int]]:
    runs = []
    for number in range(len(case["repetitions"])):
        seen = frame[frame["repetition"] == number]
        place = folder / f"{data}-{case['name']}-{number}".replace("/", "-").replace(" ", "-")
        place.mkdir()
        runs.append((seen, _scenario(case, seen, place)))
    limited = any(group["limit"] is not None for group in case["groups"])
    others = [each["machine"]["background"] + each["machine"]["steal"] for each in case["repetitions"]]
    for group in case["groups"]:
        for statistic, metric in STATISTICS.items():
            plans = [
                Plan(
                    Part(scenario, "native", Asked(metric, group["name"])),
                    known=_measured(seen, group, case, statistic),
                )
                for seen, scenario in runs
            ]
            yield _case(data, host, case, group, statistic, plans, others), plans, PHASES if limited else 1


def _scenario(case: Mapping[str, Any], seen: pd.DataFrame, folder: Path) -> Any:
    services = {}
    for group in case["groups"]:
        own = seen.loc[seen["group"] == group["name"], ["arrival", "demand"]]
        lines = [f"{arrival:.6f},{demand:.6f}\n" for arrival, demand in own.itertuples(index=False)]
        (folder / f"{group['name']}.csv").write_text("".join(["arrival,demand\n", "0,0\n", *lines]), encoding="utf-8")
        cpu: dict[str, Any] = {"request": group["request"]}
        if group["limit"] is not None:
            cpu |= {"limit": group["limit"], "burst": f"{group.get('burst', 0.0)}s"}
        services[group["name"]] = {
            "request_cpu": "1ms",  # every request has its own
            "concurrency": group["threads"],
            "size": {"cpu": cpu, "memory": {"request": "1MiB"}},
            "traffic": [{"trace": {"file": f"{group['name']}.csv", "time": "arrival", "demand": "demand"}}],
        }
    tree = {
        "duration": f"{case['until']}s", "warmup": f"{SPAN}s", "services": services,
        "host": {"cores": case["cpus"], "memory": "8GiB"},
    }  # fmt: skip
    return scenario_of(tree, "native", folder, f"{case['name']} of validation/data")


def _measured(seen: pd.DataFrame, group: Mapping[str, Any], case: Mapping[str, Any], statistic: str) -> float:
    own = seen[(seen["group"] == group["name"]) & (seen["finish"] <= case["until"])]
    took = (own["finish"] - own["arrival"]).to_numpy()
    return float(np.mean(took) if statistic == "mean" else np.percentile(took, 99))


def _case(
    data: str,
    host: Mapping[str, Any],
    case: Mapping[str, Any],
    group: Mapping[str, Any],
    statistic: str,
    plans: Sequence[Plan],
    others: Sequence[float],
) -> Case:
    known = [each.known for each in plans if each.known is not None]
    words = f"{case['name']}, {group['name']}" if len(case["groups"]) > 1 else case["name"]
    most = max(others)
    where = f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs"
    crowded = f"other work had {most:.0%} of the CPUs' time, so the error is an upper bound"
    tree: dict[str, Any] = {
        "case": f"{words}: {statistic} ({data})",
        "kind": "measured",
        "topic": _TOPICS.get(case["kind"], "quota"),
        "source": f"our own measurement, {where} (docs/validation.md)",
        "trust": "raw data",
        "calibrated_on": "nothing of it: the requests' own CPU times are replayed",
        "known": f"{float(np.mean(known))!r}s",
        "scenario": {},
        "predicted": {"measure": STATISTICS[statistic], "service": group["name"]},
        "use": "context" if most > CROWDED else "check",
        "note": crowded if most > CROWDED else None,
    }
    if len(known) > 1:
        tree["uncertainty_of"] = f"standard deviation of {len(known)} repetitions"
    return Case.model_validate(tree)
