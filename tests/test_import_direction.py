"""The rooms of the house: imports run one way, and what a platform is stays data.

    terms -> scenario -> platforms -> model (on engine) -> report -> experiment -> cli

Imports are read from the source, also those inside functions, relative ones, those for type checkers only, and
`import_module("sim…")`.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.platforms import names as platform_names

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sim"
ROOMS: dict[str, set[str]] = {
    "terms": set(),
    "scenario": {"terms"},
    "platforms": {"scenario", "terms"},
    "engine": set(),
    "model": {"engine", "platforms", "scenario", "terms"},
    "report": {"scenario", "terms"},
    "experiment": {"model", "report", "scenario", "platforms", "terms"},
}
TOP = {"__init__", "__main__", "api", "cli"}  # above all rooms: the public names and the command line
# what a room must not know, as far as an import shows it
STRANGERS: dict[str, set[str]] = {
    "terms": {
        "simpy",
        "numba",
        "pandas",
        "pyarrow",
        "pydantic",
        "matplotlib",
        "seaborn",
        "rich",
        "dask",
        "distributed",
    },
    "scenario": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "platforms": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "engine": {"pandas", "pyarrow", "pydantic", "ruamel", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "model": {"pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "report": {"simpy", "numba", "dask", "distributed"},
    "experiment": {"rich"},
}
# named policies of a platform, one of whose values is also a platform's name
POLICIES = {"panic_scope"}
LONGEST = 400  # lines of a file
NOT_OURS = {"__pycache__", "build", "dist", "results", "venv"}


def modules() -> dict[str, Path]:
    """Every module of the package: dotted name to file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    """`sim.model.host` is in `model`; `sim` and `sim.cli` are above the rooms."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """What `from … import` names, without its dots."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(module: str, path: Path, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that a module names in an import: dotted name and line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, path, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                # `from sim import model` and `from .. import model` name a room, `from sim.model import Host` does not
                yield (inner if base == "sim" and alias.name in {*ROOMS, "cli"} else base), node.lineno
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(name, ast.Constant):
                text = str(name.value)
                yield (module.rsplit(".", text.count("."))[0] + text if text[:1] == "." else text), node.lineno


def backward(module: str, path: Path, tree: ast.AST) -> list[str]:
    """The arrows of a module that run back or out of its room's reach."""
    here = room(module)
    if here not in ROOMS:
        return []
    found = []
    for name, line in imports(module, path, tree):
        where = f"{module}:{line} imports {name}"
        if name.split(".")[0] != "sim":
            if name.split(".")[0] in STRANGERS[here]:
                found.append(f"{where}, which {here} must not know")
        elif room(name) != here and room(name) not in ROOMS[here]:
            found.append(f"{where}, from {here} back to {room(name)}")
    return found


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def test_every_module_is_in_a_room() -> None:
    strange = {room(module) for module in MODULES} - set(ROOMS) - TOP
    assert not strange, "a new room needs its row in the table above"
    assert set(ROOMS) <= {room(module) for module in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    assert not backward(module, MODULES[module], parse(MODULES[module]))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sim.scenario.units", "import sim.model"),
        ("sim.platforms.schema", "from sim.engine import kernel"),
        ("sim.engine.plane", "from sim import model"),
        ("sim.model.host", "from ..report import store"),
        ("sim.model.host", "from .. import experiment"),
        ("sim.report.results", "def f():\n    from sim.experiment.runner import run"),
        ("sim.experiment.runner", "import sim.cli"),
        ("sim.experiment.runner", "from sim import run"),
        ("sim.model.host", "from importlib import import_module\nimport_module('sim.report.results')"),
        ("sim.model.host", "import pandas as pd"),
        ("sim.report.joined", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sim.model import guest"),
        ("sim.terms.records", "from sim.scenario import Scenario"),
    ],
)
def test_an_arrow_that_runs_back_is_seen(module: str, line: str) -> None:
    assert backward(module, PACKAGE / "room" / "module.py", ast.parse(line))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sim.model.host", "from .guest import Guest"),
        ("sim.model.host", "from . import guest"),
        ("sim.model.host", "from ..engine.plane import DataPlane"),
        ("sim.model.host", "import numpy as np"),
        ("sim.experiment.runner", "from sim.model import simulation"),
        ("sim.cli", "import sim.experiment.runner"),
    ],
)
def test_an_arrow_along_the_path_is_not_held_against_it(module: str, line: str) -> None:
    assert not backward(module, PACKAGE / "room" / "module.py", ast.parse(line))


def strings(node: ast.AST) -> Iterator[str]:
    """The strings of a side of a comparison: itself, or the members of a collection."""
    members = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    yield from (m.value for m in members if isinstance(m, ast.Constant) and isinstance(m.value, str))


def platform_tests(tree: ast.AST) -> list[int]:
    """Lines that compare something with the name of a platform (`==`, `in`, `case`)."""
    known = set(platform_names())
    lines = []
    for node in ast.walk(tree):
        sides: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Attribute) and side.attr in POLICIES for side in sides):
                continue
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        lines += [side.lineno for side in sides for text in strings(side) if text in known]
    return lines


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) != "platforms"])
def test_no_platform_is_asked_for_by_name(module: str) -> None:
    lines = platform_tests(parse(MODULES[module]))
    assert not lines, f"{module}: what differs between platforms belongs in sim/platforms, as data or a named policy"


@pytest.mark.parametrize(
    "line",
    [
        'p.name == "vm"',
        '"container" != name',
        'name in ("vm", "native")',
        'match name:\n    case "microvm":\n        x = 1',
    ],
)
def test_asking_for_a_platform_by_name_is_seen(line: str) -> None:
    assert platform_tests(ast.parse(line))


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) not in TOP])
def test_only_the_command_line_prints(module: str) -> None:
    calls = [n for n in ast.walk(parse(MODULES[module])) if isinstance(n, ast.Call)]
    assert not [n.lineno for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]


@pytest.mark.parametrize("path", sorted(p for p in PACKAGE.rglob("*") if p.suffix == ".py"), ids=lambda p: p.name)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    length = len(path.read_text("utf-8").splitlines())
    assert length <= LONGEST, f"{path.relative_to(ROOT)} has {length} lines: split it"


def project_files() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in NOT_OURS and (f == ".ci" or f[0] != ".") and f[-9:] != ".egg-info"]
        yield from (Path(folder) / name for name in files)


def test_the_project_stands_on_its_own() -> None:
    """No file leans on a folder beside the project."""
    beside = b"/".join((b"..", b"shared")), b"/".join((b"", b"work", b"shared"))
    leaning = [str(p.relative_to(ROOT)) for p in project_files() if any(text in p.read_bytes() for text in beside)]
    assert not leaning
