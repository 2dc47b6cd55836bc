"""A package beside hostsim adds one of each kind, and a scenario uses them all; a script does with two lines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "tests" / "plugin_package"


def install(target: Path) -> None:
    """What `pip install --target` leaves of the package: its folder, its metadata and its entry points."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]
    shutil.copytree(SOURCE / "hostsim_example", target / "hostsim_example")
    folder = target / f"hostsim_example-{project['version']}.dist-info"
    folder.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (folder / "METADATA").write_text(head, "utf-8")
    groups = project["entry-points"].items()
    lines = [[f"[{group}]", *(f"{name} = {value}" for name, value in points.items())] for group, points in groups]
    (folder / "entry_points.txt").write_text("\n".join("\n".join(each) for each in lines) + "\n", "utf-8")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    return folder


def run(target: Path | None, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    paths = [str(each) for each in (target, ROOT) if each is not None]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_scenario_uses_one_of_each_kind(target: Path, tmp_path: Path) -> None:
    """Exact where the package says so: 24 requests in bunches, starts longer by 2 and 3 s, two waves, five replicas."""
    scenario = str(SOURCE / "flood.yaml")
    done = run(target, "-m", "sim", scenario, "--quiet", "--no-plots", "--workers", "2", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    host = summary[summary["service"] == "all"].set_index(["platform", "metric"])["value"]
    events = pd.read_parquet(tmp_path / "out" / "events.parquet")
    guests = pd.read_parquet(tmp_path / "out" / "guests.parquet")
    for platform, patience in (("edge", 2.0), ("mine", 3.0)):
        assert host[platform, "requests.arrived"] == 24
        assert host[platform, "startup.attest.p50"] == patience
        assert host[platform, "example.each"] == host[platform, "requests.completed"]
        of = events[(events["platform"] == platform) & (events["event"] == "flood")]
        assert sorted(set(of["time"])) == [45.0, 49.0]
        mine = guests[guests["platform"] == platform]
        assert [int((mine["requested"] == time).sum()) for time in (0.0, 10.0, 20.0, 30.0)] == [1, 2, 2, 0]
    assert "requests a service" in done.stdout


def test_the_schema_knows_them(target: Path) -> None:
    schema = json.loads(run(target, "-m", "sim", "schema").stdout)
    kinds = schema["$defs"]["Service"]["properties"]
    (mapping, *_) = kinds["traffic"]["anyOf"]
    pulses = schema["$defs"][mapping["properties"]["pulses"]["$ref"].rpartition("/")[2]]
    assert set(pulses["properties"]) == {"every", "size"}
    rules = kinds["autoscale"]["anyOf"][0]["discriminator"]["mapping"]
    assert list(rules) == ["hpa", "concurrency", "per-request", "staircase"]
    faults = schema["properties"]["faults"]["items"]["discriminator"]["mapping"]
    assert {"flood", "host-patch"} <= set(faults)


def test_the_reference_knows_them(target: Path, tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, 'scripts'); import docs_reference; print(docs_reference.plugins())"
    text = run(target, "-c", code)
    for name in ("staircase", "attest", "flood", "pulses", "example.each", "edge"):
        assert f"`{name}`" in text.stdout, text.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("rule: staircase", "rule: staircas"),
        ("pulses: {", "pulse: {"),
        ("kind: flood", "kind: floods"),
        ("[example.each]", "[example.eac]"),
        ("{edge: ,", "{edg: ,"),
    ],
)
def test_names_from_outside_are_suggested(target: Path, tmp_path: Path, change: str, told: str) -> None:
    text = (SOURCE / "flood.yaml").read_text("utf-8")
    assert change in text
    (tmp_path / "a.yaml").write_text(text.replace(change, told), "utf-8")
    shutil.copy(SOURCE / "mine.yaml", tmp_path)
    done = run(target, "-m", "sim", "validate", str(tmp_path / "a.yaml"))
    assert done.returncode == 2
    assert "did you mean" in done.stderr


def test_mistakes_in_what_they_add_have_their_line(target: Path, tmp_path: Path) -> None:
    text = (SOURCE / "flood.yaml").read_text("utf-8").replace("every: 10s", "every: 10").replace("waves: 2", "waves: 0")
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    (tmp_path / "mine.yaml").write_text("title: x\nbased_on: edge\nstartup: {attest: {patience: 3, rate: 1GB/s}}\n")
    done = run(target, "-m", "sim", "validate", "a.yaml", cwd=tmp_path)
    assert done.returncode == 2
    places = [line.split(": ")[:2] for line in done.stderr.splitlines()[:-1]]
    assert places == [
        ["mine.yaml:3:30", "platforms.mine.startup.attest.patience"],
        ["mine.yaml:3:39", "platforms.mine.startup.attest.rate"],
        ["a.yaml:14:23", "services.web.traffic.pulses.every"],
        ["a.yaml:16:35", "faults.0.waves"],
    ]


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    done = run(None, "-m", "sim", "validate", str(SOURCE / "flood.yaml"))
    assert done.returncode == 2
    for path in ("platforms.edge", "services.web.autoscale.rule", "services.web.traffic.pulses", "faults.0.kind"):
        assert f"{path}: found" in done.stderr


def test_a_broken_package_is_named_without_a_traceback(tmp_path: Path) -> None:
    install(tmp_path / "site")
    (tmp_path / "site" / "hostsim_example" / "__init__.py").write_text("import no_such_library\n")
    done = run(tmp_path / "site", "-m", "sim", "validate", str(SOURCE / "flood.yaml"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for path, point in (
        ("platforms.edge.startup.attest.kind", "attest = hostsim_example:Attest in hostsim.phases"),
        ("services.web.autoscale.rule", "staircase = hostsim_example:Staircase in hostsim.autoscalers"),
        ("services.web.traffic.pulses", "pulses = hostsim_example:Pulses in hostsim.traffic"),
        ("faults.0.kind", "flood = hostsim_example:Flood in hostsim.faults"),
    ):
        (line,) = [line for line in done.stderr.splitlines() if f" {path}: found " in line]
        assert f"the package hostsim-example 1.0, entry point {point}: ModuleNotFoundError: No module named" in line
    assert run(tmp_path / "site", "-m", "sim", "validate", "scenarios/steady.yaml").returncode == 0  # it is not used


SCRIPT = """
import numpy as np
import sim
from sim.scenario import Rule

@sim.arrivals("three")
def three(rng, duration):
    return np.array([1.0, 2.0, 2.0])

@sim.autoscaler("all-at-once")
class AllAtOnce:
    class Spec(Rule):
        many: int = 4

    def decide(self, state):
        return state.rule.many

if __name__ == "__main__":
    result = sim.run("a.yaml", workers=WORKERS)
    arrived = result.summary.query("service == 'all' and metric == 'requests.arrived'")["value"]
    print(arrived.tolist(), len(result.guests))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_script_registers_its_own_and_its_workers_know_it(tmp_path: Path, workers: str) -> None:
    text = (SOURCE / "flood.yaml").read_text("utf-8").split("faults:")[0]
    text = text.replace("{rule: staircase, max: 5, sync: 10s, step: 2}", "{rule: all-at-once, max: 9, sync: 10s}")
    text = text.replace("pulses: {every: 10s, size: 4}", "three: {}")
    text = text.replace("{edge: , mine: ./mine.yaml}", "[container]")
    (tmp_path / "a.yaml").write_text(text.replace("replications: 1", "replications: 2"), "utf-8")
    (tmp_path / "script.py").write_text(SCRIPT.replace("WORKERS", workers), "utf-8")
    done = run(None, "script.py", cwd=tmp_path)
    assert done.stdout == "[3.0, 3.0] 8\n", done.stderr
