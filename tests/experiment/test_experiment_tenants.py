"""How many tenants fit: the search against every value, in ten questions; and the same for runs of two lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from brute_force import _observe

from sim.experiment.density.objectives import judge
from sim.experiment.density.questions import Grid
from sim.experiment.density.study import DensityStudy
from sim.experiment.workers.executor import SerialExecutor
from sim.model import compiled

REPLICATIONS = 5
LAST = 8
BASE: dict[str, Any] = {
    "seed": 5, "duration": "70s", "warmup": "40s", "host": {"cores": 4, "memory": "8GiB"}, "platforms": ["container"],
    "services": {"web": {
        "image": {"size": "100MB", "cached": True}, "memory": "64MiB", "request_cpu": {"exponential": "10ms"},
        "concurrency": 4, "size": {"cpu": {"request": 0.1}, "memory": {"request": "64MiB", "limit": "256MiB"}},
        "slo": {"p99": "200ms"}, "traffic": {"rate": "60/s"}, "tenants": 1,
    }},
}  # fmt: skip
DB: dict[str, Any] = {
    "image": {"size": "100MB", "cached": True}, "memory": "64MiB", "concurrency": 8,
    "size": {"cpu": 0.6, "memory": "512MiB"}, "request": [{"cpu": "2ms"}],
}  # fmt: skip
STACK: dict[str, Any] = {"stacks": {"shop": {"services": ["web", "db"]}}}
QUESTIONS: dict[str, dict[str, Any]] = {
    "CPU": {}, "CPU, loose": {"slo": {"p99": "1s"}}, "CPU, p95": {"slo": {"p95": "100ms"}},
    "availability": {"slo": {"availability": "99%"}, "timeout": "500ms"},
    "half the load": {"traffic": {"rate": "110/s"}},
    "promised CPU": {"size": {"cpu": 0.7, "memory": "256MiB"}, "traffic": {"rate": "20/s"}},
    "promised memory": {"size": {"cpu": {"request": 0.1}, "memory": "1500MiB"}},
    "killed": {"memory": "1900MiB", "size": {"cpu": {"request": 0.1}, "memory": {"request": "64MiB"}}},
    "a stack": {"request_cpu": None, "request": [{"cpu": "3ms"}, {"call": "db"}], "tenants": None},
    "a stack as VMs": {"request_cpu": None, "request": [{"cpu": "3ms"}, {"call": "db"}], "tenants": None,
                       "size": {"cpu": 1, "memory": "1GiB"}},
}  # fmt: skip


def asked(folder: Path, name: str, duration: str = "70s") -> tuple[Path, str]:
    tree = json.loads(json.dumps(BASE)) | {"duration": duration}
    web = tree["services"]["web"]
    web.update(QUESTIONS[name])
    for key in [key for key, value in web.items() if value is None]:
        del web[key]
    vary = "services.web.tenants"
    if name.startswith("a stack"):
        tree |= STACK
        tree["services"]["db"], vary = DB, "stacks.shop.tenants"
        if name.endswith("VMs"):
            tree |= {"platforms": ["vm"], "warmup": "2min", "duration": "150s"}
    path = folder / "asked.yaml"
    path.write_text(json.dumps(tree))
    return path, vary


def searched(path: Path, vary: str) -> DensityStudy:
    return DensityStudy(path, vary, Grid(1, 1, LAST), replications=REPLICATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_most_tenants_are_those_that_every_value_tried_gives(tmp_path: Path, name: str) -> None:
    compiled.warm_up()
    study = searched(*asked(tmp_path, name))
    with SerialExecutor() as executor:
        (found,) = study.run(executor, reboot=False)
    most = None
    for value in range(1, LAST + 1):
        scenario = study.axis.at(value)
        runs = [_observe((scenario, study.platforms[0], value, number)) for number in range(REPLICATIONS)]
        verdict = judge(scenario, runs, REPLICATIONS)
        assert verdict is not None
        if not verdict.holds:
            break
        most = value
    assert found.most == most
    assert most is not None
    assert most < LAST  # a number that could have been another


@pytest.mark.slow
def test_the_answer_does_not_move_with_the_length_of_the_run(tmp_path: Path) -> None:
    ends = []
    for duration in ("70s", "160s"):
        with SerialExecutor() as executor:
            (found,) = searched(*asked(tmp_path, "CPU", duration)).run(executor, reboot=False)
        ends.append((found.safe, found.most, found.high))
    (safe, most, high), (_, longer, _) = ends
    assert safe - 1 <= longer <= max(high or most, most) + 1
    assert abs(longer - most) <= 1
