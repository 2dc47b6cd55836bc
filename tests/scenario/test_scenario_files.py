from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sim.scenario import json_schema, load_scenario, scenario_from_text

FILES = sorted(Path("scenarios").glob("*.yaml"))
jsonschema = pytest.importorskip("jsonschema")  # comes with nbformat, which the notebooks' tests need


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_scenarios_load_and_say_their_question(file: Path, validator: Any) -> None:
    scenario = load_scenario(file)
    assert scenario.name == file.stem
    assert "Question:" in file.read_text().splitlines()[0]
    kinds = {overrides.get("based_on", name) for name, overrides in scenario.platforms.items()}
    assert {"vm", "container"} <= kinds
    assert not list(validator.iter_errors(YAML(typ="safe").load(file.read_text())))


def test_the_four_scenarios_are_there() -> None:
    assert {"steady", "burst", "boot-storm", "density"} <= {file.stem for file in FILES}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("duration: 10min", "duration: 10"),
        ("duration: 10min", "duraton: 10min"),
        ("cores: 4", "cores: four"),
        ("    request_cpu: 10ms", "    request_cpu: {lognormal: {mean: 10ms}}"),
        ("ramping-arrival-rate", "ramping-rate"),
        ("target: 5/s", "target: 5"),
        ("size: {cpu: 1, memory: 256MiB}", "size: {vm: {cpu: 1}}"),
        ("    image: 100MB", "    image: {cached: 3MB, vm: 3MB}"),
        ("    image: 100MB", "    autoscale: {rule: hpa}\n    image: 100MB"),
    ],
)
def test_the_json_schema_refuses_what_the_loader_refuses(minimal: str, validator: Any, right: str, wrong: str) -> None:
    load = YAML(typ="safe").load
    assert right in minimal
    assert scenario_from_text(minimal)
    assert not list(validator.iter_errors(load(minimal)))
    assert list(validator.iter_errors(load(minimal.replace(right, wrong))))


def test_the_json_schema_speaks_the_human_forms() -> None:
    schema = json_schema()
    properties = schema["$defs"]["Hpa"]["properties"]
    assert properties["stabilization"]["default"] == "300s"
    assert properties["sync"]["description"]
    assert "kind" not in schema["$defs"]["ConstantRate"]["properties"]
    assert all("description" in each for each in schema["properties"].values())
    assert "x-quantity" not in str(schema)


def test_the_import_brings_nothing_heavy() -> None:
    code = (
        "import sys, sim.scenario; "
        "print([name for name in ('scipy', 'numpy', 'pandas', 'simpy', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
