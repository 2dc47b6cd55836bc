"""What the README and the project files promise: commands, links, the example, the pins, the data that is shipped."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import sim
from sim.scenario import scenario_from_text

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def setup_commands() -> list[str]:
    """As .ci/run finds them."""
    return [line for line in README.splitlines() if line.startswith("python3 -m venv ")]


def test_two_commands_set_up_one_runs_the_burst_and_the_other_the_tests() -> None:
    first, second = setup_commands()
    for command in (first, second):
        make, install, run = (shlex.split(part) for part in command.split(" && "))
        assert make == ["python3", "-m", "venv", ".venv"]
        assert install[:2] == [".venv/bin/pip", "install"]
        assert install[install.index("-c") + 1] == "constraints.txt"
        assert run[0] == ".venv/bin/python"
    assert first.endswith("python -m sim scenarios/burst.yaml")
    assert second.endswith("python -m pytest")
    assert ".[dev]" in shlex.split(second)
    assert blocks("sh")[:2] == [first + "\n", second + "\n"], "each is a block of its own, to be copied"


def test_ci_runs_the_same_two_lines(tmp_path: Path) -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    found = re.search(r"^mapfile -t setup < <\((.*)\)$", script, re.MULTILINE)
    assert found is not None
    out = subprocess.run(["bash", "-c", found[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == setup_commands()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    broken = [t for t in targets if not re.match(r"https?://", t) and not (page.parent / t).exists()]
    assert not broken


def test_files_that_commands_name_are_there() -> None:
    text = " ".join(blocks("sh") + blocks("text") + blocks("python"))
    named = set(re.findall(r"scenarios/[\w/-]+\.yaml", text))
    assert "scenarios/burst.yaml" in named
    assert all((ROOT / name).is_file() for name in named)


def test_the_help_knows_every_command_of_the_readme() -> None:
    (commands,) = blocks("text")
    verbs = {line.split()[3] for line in commands.splitlines()}
    told = subprocess.run([sys.executable, "-m", "sim", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {verb for verb in verbs if not verb.endswith(".yaml")} == set(
        re.findall(r"^  python -m sim ([a-z]+) ", told.stdout, re.MULTILINE)
    )


def test_the_table_of_scenarios_is_whole() -> None:
    listed = set(re.findall(r"^\| `([\w-]+\.yaml)` \|", README, re.MULTILINE))
    assert listed == {path.name for path in (ROOT / "scenarios").glob("*.yaml")}


def test_the_example_is_a_scenario() -> None:
    (example,) = blocks("yaml")
    scenario = scenario_from_text(example)
    assert list(scenario.platforms) == ["vm", "container"]
    assert scenario.services["shop"].autoscale is not None


def test_the_python_example_names_what_there_is(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path) -> None:
    """It runs, on a shorter scenario than the one that it names."""
    (example,) = blocks("python")
    loaded = []

    def shorter(path: str, **options: Any) -> Any:
        assert (ROOT / path).is_file()
        loaded.append(load(ROOT / path, overrides=["duration=3min"], **options))
        return loaded[0]

    load = sim.load_scenario
    monkeypatch.setattr(sim, "load_scenario", shorter, raising=False)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert all(name in out for name in (*loaded[0].platforms, "metric"))


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    names = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[\w.]+", str(r.specifier)) and not r.url for r in names), "name==version, nothing else"
    return {canonicalize_name(r.name): Version(str(r.specifier)[2:]) for r in names}


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    pinned = pins()
    extras = PROJECT["project"]["optional-dependencies"]
    for text in PROJECT["project"]["dependencies"] + extras["dev"] + extras["cluster"]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["project"]["name"]:  # one of its own extras
            continue
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in constraints.txt"
        assert requirement.specifier.contains(version), f"{requirement.name} {version} is not {requirement.specifier}"


def test_files_beside_the_code_are_shipped_with_it() -> None:
    shipped = PROJECT["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "sim").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc"):  # the last two: numba's cache
            package = next(each for each in path.parents if (each / "__init__.py").exists())
            patterns = shipped.get(".".join(package.relative_to(ROOT).parts), [])
            name = path.relative_to(package).as_posix()
            assert any(fnmatch.fnmatch(name, p) for p in patterns), f"{path.relative_to(ROOT)} would be left out"


@pytest.mark.slow
def test_the_output_of_burst_is_what_it_prints(tmp_path: Path) -> None:
    """But for the last line, which tells the time that it took."""
    (shown,) = (block for block in blocks("console") if block.startswith("burst: "))
    command = [sys.executable, "-m", "sim", "scenarios/burst.yaml", "--no-plots", "--out", str(tmp_path / "burst")]
    environment = {**os.environ, "COLUMNS": "98"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert [line.rstrip() for line in told.splitlines()[:-1]] == shown.splitlines()[:-1]
