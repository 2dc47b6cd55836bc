"""The files round the code say what is so, and the scripts do what they say."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from sim.reading.errors import ScenarioError
from sim.scenario import scenario_from_text

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def yaml(path: str) -> dict:
    return YAML(typ="safe").load((ROOT / path).read_text("utf-8"))


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    cited = yaml("CITATION.cff")
    assert (str(cited["version"]), cited["license"]) == (project["version"], project["license"])


def test_what_is_installed_says_how_to_cite_it() -> None:
    assert (ROOT / "sim" / "CITATION.cff").read_bytes() == (ROOT / "CITATION.cff").read_bytes()


def test_hooks_need_no_network() -> None:
    repos = yaml(".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for hook in repos[0]["hooks"]} == {"system"}


def test_make_alone_lists_every_target() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make (\w+)", told, re.MULTILINE) == targets
    assert "ci" in targets


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.getcwd []", "!!python/name:os.getcwd", "!run now"])
def test_a_file_is_never_code(tag: str) -> None:
    """SECURITY.md: no tag makes an object."""
    text = (ROOT / "scenarios" / "steady.yaml").read_text("utf-8")
    assert scenario_from_text(text).name == "steady"
    with pytest.raises(ScenarioError):
        scenario_from_text(text.replace("name: steady", f"name: {tag}"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a  \nb\t\n\n\n", "a\nb\n"),
        ("a\r\nb", "a\nb\n"),
        ("a\n", "a\n"),
        ("", ""),
        (" \n", ""),
        ("a\n\n b\n", "a\n\n b\n"),
    ],
)
def test_white_space_is_mended(before: str, after: str) -> None:
    assert script("whitespace").clean(before) == after


TABLE = {"time": [0.0, float("nan"), None], "guest": ["a", "b", None]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"guest": ["a", "c", None]}, "guest, row 1: b | c"),
        ({"time": [-0.0, float("nan"), None]}, "time, row 0: 0.0 | -0.0"),
        ({"time": [0.0, None, None]}, "time, row 1: nan | None"),
        ({"time": [0.0], "guest": ["a"]}, "3 and 1 rows"),
        ({"time": [0, 1, 2]}, "columns: time double, time int64"),
    ],
    ids=["same", "text", "sign of zero", "nan", "rows", "type"],
)
def test_tables_are_compared_to_the_bit(change: dict, said: str) -> None:
    assert script("same_bytes").difference(pa.table(TABLE), pa.table({**TABLE, **change})) == said


def test_all_scenarios_but_the_sweeps_are_compared() -> None:
    found = script("same_bytes").shipped(ROOT)
    assert {"burst.yaml", "rows/patch.yaml"} <= set(found)
    assert not [name for name in found if name.startswith("sweeps")]
