"""The rooms of the house: imports run one way, and what a platform is stays data.

    terms -> reading -> registry -> scenario -> platforms -> model (on engine) -> report -> experiment -> calibration
    -> scorecard -> cli

and inside `model/` and `report/` from one sub-room to the next, so that no file of `sim` can reach itself.

Imports are read from the source, also those inside functions, relative ones, those for type checkers only, and
`import_module("sim…")`.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from imports import MODULES, PACKAGE, ROOT, circles, graph, imports, parse, room
from sim.platforms import names as platform_names

GROUND = {"terms", "reading", "registry"}
ROOMS: dict[str, set[str]] = {
    "terms": set(),
    "reading": {"terms"},
    "registry": {"terms", "reading"},
    "imports": {"terms", "reading"},
    "engine": set(),
    "scenario": {*GROUND},
    "platforms": {*GROUND, "scenario"},
    "model": {*GROUND, "scenario", "platforms", "engine"},
    "report": {*GROUND, "scenario"},
    "experiment": {*GROUND, "scenario", "platforms", "model", "report"},
    "calibration": {*GROUND, "scenario", "platforms", "experiment"},
    "scorecard": {*GROUND, "scenario", "platforms", "report", "experiment", "calibration"},
}
TOP = {"__init__", "__main__", "api", "cli", "tools"}  # above all rooms: the public names and the command line
# the sub-rooms and files of a room; each may import those before it
ORDERS = {
    "sim.report": ("metrics", "folder", "answers", "text", "results", "joined", "trace", "figures", "page"),
    "sim.model": ("signals", "chance", "world", "traffic", "host", "guests", "control", "record", "run", "compiled"),
}
# what a room must not know, as far as an import shows it
STRANGERS: dict[str, set[str]] = {
    "terms": {"simpy", "numba", "scipy", "pandas", "pyarrow", "pydantic", "matplotlib", "rich", "dask"},
    "reading": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "registry": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "imports": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "scenario": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "platforms": {"simpy", "numba", "pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "engine": {"pandas", "pyarrow", "pydantic", "ruamel", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "model": {"pandas", "matplotlib", "seaborn", "rich", "dask", "distributed"},
    "report": {"simpy", "numba", "dask", "distributed"},
    "experiment": {"rich"},
    "scorecard": {"rich", "simpy", "numba", "dask", "distributed"},
}
# named policies of a platform, one of whose values is also a platform's name
POLICIES = {"panic_scope"}
LONGEST = 400  # lines of a file
NOT_OURS = {"__pycache__", "build", "dist", "results", "venv"}


def backward(module: str, path: Path, tree: ast.AST) -> list[str]:
    """The arrows of a module that run back or out of its room's reach."""
    here = room(module)
    if here not in ROOMS:
        return []
    found = []
    for name, line in imports(module, path, tree):
        where = f"{module}:{line} imports {name}"
        if name.split(".")[0] != "sim":
            if name.split(".")[0] in STRANGERS.get(here, ()):
                found.append(f"{where}, which {here} must not know")
        elif room(name) != here and room(name) not in ROOMS[here]:
            found.append(f"{where}, from {here} back to {room(name)}")
    return found


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
        ("sim.reading.units", "import sim.model"),
        ("sim.platforms.schema", "from sim.engine import kernel"),
        ("sim.engine.plane", "from sim import model"),
        ("sim.model.host", "from ..report import store"),
        ("sim.model.host", "from .. import experiment"),
        ("sim.report.results", "def f():\n    from sim.experiment.replications.runner import run"),
        ("sim.experiment.replications.runner", "import sim.cli"),
        ("sim.experiment.replications.runner", "from sim import run"),
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
        ("sim.experiment.replications.runner", "from sim.model import run as model_run"),
        ("sim.cli", "import sim.experiment.replications.runner"),
    ],
)
def test_an_arrow_along_the_path_is_not_held_against_it(module: str, line: str) -> None:
    assert not backward(module, PACKAGE / "room" / "module.py", ast.parse(line))


def step(module: str) -> tuple[str, int]:
    """The room in `ORDERS` that a module lies in, and its step there; ("", 0) outside, -1 for a file without a step."""
    for home, order in ORDERS.items():
        if module.startswith(f"{home}."):
            part = module.removeprefix(f"{home}.").split(".")[0]
            return home, order.index(part) if part in order else -1
    return "", 0


def upward(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """Arrows inside a room of `ORDERS` that do not lead to an earlier step, or lead to the door of the room itself."""
    found = []
    for module, others in arrows.items():
        home, here = step(module)
        for other in others:
            if home and here >= 0 and (other == home or (step(other)[0] == home and step(other)[1] > here)):
                found.append(f"{module} imports {other}")
    return sorted(found)


def test_no_arrow_leads_up_inside_a_room() -> None:
    assert not upward(graph())


def test_every_file_of_an_ordered_room_has_its_step() -> None:
    without = [name for name in MODULES if step(name)[1] < 0]
    assert not without, "give it its place in ORDERS"


def test_no_file_reaches_itself() -> None:
    """Circles of files, whichever way: at the top of a file, inside a function, or for the type checker only."""
    assert not [sorted(circle) for circle in circles(graph())]


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["a"]}, [{"a"}]),
        ({"a": ["b", "d"], "b": ["c"], "c": ["a"], "d": ["b", "e"], "e": []}, [{"a", "b", "c", "d"}]),
        ({"a": ["b"], "b": ["a"], "c": ["a", "d"], "d": ["c"]}, [{"a", "b"}, {"c", "d"}]),
    ],
)
def test_a_circle_is_seen(arrows: dict[str, list[str]], expected: list[set[str]]) -> None:
    assert sorted(circles(arrows), key=sorted) == expected


@pytest.mark.parametrize(
    ("module", "other", "is_upward"),
    [
        ("sim.report.metrics.samples", "sim.report.folder.tables", True),
        ("sim.report.text.terminal", "sim.report.results", True),
        ("sim.report.answers.plain", "sim.report", True),
        ("sim.model.host.machine", "sim.model.guests.guest", True),
        ("sim.report.figures.focus", "sim.report.metrics.samples", False),
        ("sim.report.metrics.samples", "sim.terms.records", False),
        ("sim.model.run", "sim.model.record.totals", False),
    ],
)
def test_an_arrow_that_leads_up_is_seen(module: str, other: str, is_upward: bool) -> None:
    assert bool(upward({module: [other]})) == is_upward


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("def f():\n    from .samples import merge", "sim.report.metrics.samples"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import samples",
            "sim.report.metrics.samples",
        ),
        ("from .. import figures", "sim.report.figures"),
        ("from sim.report.metrics import samples", "sim.report.metrics.samples"),
        ("from sim.report import Results", "sim.report"),
    ],
)
def test_an_import_names_the_file_that_it_means(line: str, other: str) -> None:
    named = {name for name, _ in imports("sim.report.metrics.numbers", PACKAGE / "module.py", ast.parse(line))}
    assert other in named


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
