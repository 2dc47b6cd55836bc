"""The public surface is pinned: a name added, lost or without a docstring is a decision, not an accident."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sim
import sim.report
from sim.reading import errors
from sim.reading.errors import ScenarioError

NAMES = [
    "RunFailed", "Scenario", "arrivals", "autoscaler", "catalogue", "compare", "crossover", "density", "explain",
    "init", "load_results", "load_scenario", "page", "platform", "reproduce", "run", "schema", "scorecard",
    "sensitivity", "sweep", "validate", "why",
]  # fmt: skip
PARAMETERS = {
    "load_scenario": ["path", "overrides", "platforms", "replications", "seed"],
    "run": [
        "scenario", "platforms", "replications", "workers", "out", "keep_requests", "plots", "progress", "overwrite",
        "force",
    ],
    "compare": ["results", "platforms", "out", "plots"],
    "density": [
        "path", "vary", "start", "stop", "step", "unit", "platforms", "replications", "overrides", "seed", "workers",
        "scheduler", "out", "plots", "progress", "budget", "reboot", "want", "force",
    ],
    "crossover": [
        "path", "vary", "start", "stop", "unit", "metric", "service", "whole", "points", "platforms",
        "replications", "overrides", "seed", "workers", "scheduler", "out", "plots", "progress", "force",
    ],
    "why": [
        "scenario", "metric", "platforms", "replications", "workers", "scheduler", "out", "plots", "progress", "budget",
        "force",
    ],
    "sweep": [
        "path", "metric", "out", "plots", "workers", "scheduler", "overrides", "platforms", "replications", "seed",
        "overwrite", "retry_failed", "progress", "force",
    ],
    "sensitivity": [
        "path", "method", "size", "metric", "out", "plots", "workers", "scheduler", "overrides", "platforms",
        "replications", "seed", "overwrite", "retry_failed", "progress", "force",
    ],
    "load_results": ["folder"],
    "catalogue": [],
    "explain": ["name"],
    "init": ["source", "files", "entry"],
    "page": ["result", "out"],
    "platform": ["name"],
    "reproduce": ["result", "recordings", "workers", "scheduler", "progress"],
    "schema": [],
    "validate": ["scenario"],
    "arrivals": ["name"],
    "autoscaler": ["name"],
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert sorted(sim.__all__) == NAMES
    assert dir(sim) == NAMES
    for name in NAMES:
        assert inspect.getdoc(getattr(sim, name)), f"{name} has no docstring"


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters_are_these(name: str) -> None:
    assert list(inspect.signature(getattr(sim, name)).parameters) == PARAMETERS[name]


def test_all_errors_hang_on_one_tree() -> None:
    tree = inspect.getdoc(errors) or ""
    package = Path(sim.__file__).parent
    for path in package.rglob("*.py"):
        if path.is_relative_to(package / "engine"):
            continue  # which knows nothing of the rest: what it raises is a failed run
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name != "HostsimError" and node.name[0] != "_":
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                assert not bases & {"Exception", "ValueError", "RuntimeError"} or "HostsimError" in bases, node.name
                if "HostsimError" in bases:
                    assert f"── {node.name} " in tree, f"{node.name} is not drawn in sim/reading/errors.py"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        sim.nothing  # noqa: B018


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    assert sim.__version__ in (project["version"], "(source tree)")  # the latter where it is not installed
    told = subprocess.run([sys.executable, "-m", "sim", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"hostsim {sim.__version__}\n"


def test_importing_costs_nothing() -> None:
    code = "import sim, sys; print(sorted({'numpy', 'numba', 'pandas', 'pydantic', 'simpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SMALL = """
name: small
seed: 3
duration: 60s
warmup: 10s
replications: 3
host: {cores: 4, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [native, container]
services:
  api:
    image: {container: 100MB, cached: true}
    memory: {base: 100MiB}
    request_cpu: {exponential: {mean: 10ms}}
    slo: {p99: 1s}
    size: {cpu: 1, memory: 512MiB}
    replicas: 1
    traffic: {constant-arrival-rate: {rate: 20/s}}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api") / "small.yaml"
    path.write_text(SMALL)
    return path


def test_run_gives_tables_a_verdict_and_no_files(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.parent)
    seen: list[tuple[int, int]] = []
    result = sim.run(sim.load_scenario(small), progress=lambda done, total: seen.append((done, total)))
    assert [path.name for path in small.parent.iterdir()] == ["small.yaml"]
    assert set(result.summary["platform"]) == {"native", "container"}
    assert set(result.summary["replication"]) == {0, 1, 2}
    assert seen[0] == (0, 6)
    assert seen[-1] == (6, 6)
    assert len(result.guests) == 6
    assert result.timeline["time"].max() <= 60
    assert any("Response p99" in line for line in result.verdict)
    assert "response p99" in result.table()


def test_run_keeps_what_it_is_told_to(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept"
    result = sim.run(small, platforms=["native"], replications=1, out=out, keep_requests=True)
    again = sim.load_results(out)
    assert again.summary.equals(result.summary)
    arrived = result.summary.query("metric == 'requests.arrived' and service == 'api'")["value"].sum()
    measured = again.requests.query("arrival >= 10")
    assert len(measured) == arrived
    assert set(again.platforms) == {"native"}


def test_compare_pairs_equal_seeds_and_says_when_they_differ(small: Path, tmp_path: Path) -> None:
    a = sim.run(small, out=tmp_path / "a")
    b = sim.run(sim.load_scenario(small, overrides=["host.cores=2"]), out=tmp_path / "b")
    other = sim.run(sim.load_scenario(small, seed=4), out=tmp_path / "c")
    same = sim.compare([a, b], platforms=["native"])
    assert same.platforms == ["a", "b"]
    assert same.paired
    line = same.line("requests.arrived")
    assert line is not None
    assert line.differences["b"].mean == 0
    assert not sim.compare([tmp_path / "a", other]).paired


def test_density_answers_with_a_number(small: Path) -> None:
    found = sim.density(
        small, "services.api.traffic.constant-arrival-rate.rate", start=20, stop=140, step=20, unit="/s",
        platforms=["native"], replications=3,
    )  # fmt: skip
    assert len(found) == 1
    # the server does 100/s; the p99 of an M/M/1 is 4.6 / (100 - rate) s, so 1 s is passed at about 95/s
    assert found[0].most in (60, 80)
    assert found[0].broke is not None


def test_a_scenario_is_checked_like_a_file(small: Path) -> None:
    loaded = sim.load_scenario(small)
    for scenario in (small, loaded):
        with pytest.raises(ScenarioError, match="did you mean native"):
            sim.run(scenario, platforms=["natve"])


def test_every_study_writes_what_the_command_line_writes(small: Path, tmp_path: Path) -> None:
    rate = "services.api.traffic.constant-arrival-rate.rate"
    sim.density(
        small, rate, start=20, stop=60, step=40, unit="/s", platforms=["native"], replications=3,
        out=tmp_path / "density",
    )  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "density").iterdir()) == ["density.csv", "density.json"]
    sim.crossover(small, rate, 20, 60, points=2, unit="/s", replications=3, out=tmp_path / "crossover", plots=True)
    written = ["crossover.csv", "crossover.json", "crossover.png"]
    assert sorted(path.name for path in (tmp_path / "crossover").iterdir()) == written
    result = sim.run(small, replications=1, out=tmp_path / "run")
    sim.compare([result], out=tmp_path / "compare")
    assert (tmp_path / "compare" / "comparison.csv").is_file()
    with pytest.raises(sim.report.ResultsError, match="not a result of density"):
        sim.density(small, rate, unit="/s", out=tmp_path / "compare")


def test_sensitivity_gives_effects_and_the_runs_behind_them(small: Path, tmp_path: Path) -> None:
    file = tmp_path / "ranges.yaml"
    over = "{services.api.request_cpu.exponential.mean: [2ms, 12ms], host.cores: [2, 8]}"
    sample = f"sample: {{method: sobol, points: 4, over: {over}}}"
    file.write_text(f"base: {small}\n{sample}\nreplications: 1\nplatforms: [native]\n")
    found = sim.sensitivity(file, "morris", size=2, metric="response.mean", workers=1, out=tmp_path / "out", plots=True)
    assert [each.parameter.split(".")[0] for each in found.effects["native"].effects] == ["services", "host"]
    assert found.failed == 0
    assert found.folder == tmp_path / "out"
    assert set(found.table["metric"]) >= {"response.mean"}
    assert [path.name for path in found.plots] == ["response.mean-tornado.png"]
    with pytest.raises(ValueError, match="needs ranges"):
        sim.sensitivity(sweep_of(small, tmp_path), workers=1)


def sweep_of(small: Path, folder: Path) -> Path:
    file = folder / "sweep.yaml"
    file.write_text(f"base: {small}\naxes:\n  host.cores: [1, 4]\nreplications: 2\nplatforms: [native]\n")
    return file


def test_sweep_gives_one_tidy_table(small: Path, tmp_path: Path) -> None:
    swept = sim.sweep(sweep_of(small, tmp_path), out=tmp_path / "out", workers=1)
    assert (swept.total, swept.made, swept.failed, swept.plots) == (4, 4, 0, ())
    assert swept.path == tmp_path / "out" / "table.parquet"
    table = swept.table
    assert sorted(table["host.cores"].unique()) == [1, 4]
    assert table["error"].isna().all()
    assert len(table[["point", "replication"]].drop_duplicates()) == 4


def test_a_failed_run_raises_and_keeps_the_others(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.model import run as model_run

    real = model_run.simulate

    def sometimes(scenario: object, platform: object, replication: int, **more: object) -> object:
        if replication == 1:
            raise ZeroDivisionError("the second replication is cursed")
        return real(scenario, platform, replication, **more)

    monkeypatch.setattr(model_run, "simulate", sometimes)
    with pytest.raises(sim.RunFailed, match="cursed") as caught:
        sim.run(small, platforms=["native"])
    assert caught.value.results is not None
    assert set(caught.value.results.summary["replication"]) == {0, 2}
    assert caught.value.results.manifest["state"] == "incomplete"


@pytest.mark.parametrize("loaded", [False, True])
def test_a_wrong_platform_is_refused_before_anything_runs(small: Path, loaded: bool) -> None:
    with pytest.raises(ScenarioError) as caught:
        sim.run(sim.load_scenario(small) if loaded else small, platforms=["nativ"])
    first = caught.value.problems[0]
    assert (first.path, first.found, first.suggestion) == ("platforms.nativ", "'nativ'", "native")


def test_a_scenario_changed_in_python_is_checked_too(small: Path) -> None:
    scenario = sim.load_scenario(small)
    with pytest.raises(ScenarioError, match=r"^platforms=\['native'\]: platforms.native.cpu.overhed: found an unknown"):
        sim.run(scenario.model_copy(update={"platforms": {"native": {"cpu": {"overhed": 2}}}}))


def test_density_checks_each_value_as_a_file(small: Path) -> None:
    with pytest.raises(ScenarioError, match=r"^--set platforms=1: platforms: found 1; allowed: a list"):
        sim.density(small, "platforms", stop=2)
