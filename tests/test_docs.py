"""The documentation does what it says: every command and every Python example in it runs, and the reference is whole.

A block in a fence of `sh` or `python` is run as it stands, those of a page one after the other in one folder that has
the scenarios; a block of `console` has its commands behind `$ `, and each line below one is a line of what it prints. A
block with a title is a file of that name. `<!-- not run: why -->` above a fence excuses it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

import sim
from sim.platforms import describe, names
from sim.report.metrics.known import known
from sim.scenario import load_sweep, points

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(
    r"^(?:<!-- not run: ([^\n]+) -->\n)?^```(\w+)(?: title=\"([^\n]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
RUN = ("sh", "console", "python")


@dataclass(frozen=True)
class Block:
    excuse: str | None
    language: str
    title: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*each) for each in FENCE.findall(page.read_text("utf-8"))]


def steps(block: Block) -> list[tuple[str, list[str]]]:
    """(command, lines of its output that the page shows) of a block."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "sh":
        return [(line, []) for line in lines if line and not line.startswith("#")]
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def run(command: str | list[str], folder: Path) -> str:
    words = shlex.split(command, comments=True) if isinstance(command, str) else command
    assert words[0] == "python", f"{command}: is that a command that users have?"
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


PAGES = sorted(
    path for path in DOCS.rglob("*.md") if any(b.language in ("sh", "console", "python") for b in blocks(path))
)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_what_a_page_tells_to_type_works(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text, "utf-8")
        elif block.excuse:
            continue
        elif block.language == "python":
            run(["python", "-c", block.text], tmp_path)
        elif block.language in ("sh", "console"):
            for command, shown in steps(block):
                printed = run(command, tmp_path)
                assert not [line for line in shown if line not in printed], printed


def test_commands_are_in_fences() -> None:
    """One that is merely indented would not be run."""
    for page in DOCS.rglob("*.md"):
        assert not re.findall(r"^    (?:\$ |python -m sim ).*$", page.read_text("utf-8"), re.MULTILINE), page


def test_examples_of_sweeps_load(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    shutil.copy(ROOT / "scenarios" / "burst.yaml", tmp_path)
    examples = [block.text for block in blocks(DOCS / "how-to" / "sweeps.md") if block.language == "yaml"]
    assert examples
    for text in examples:
        (tmp_path / "sweeps" / "example.yaml").write_text(text, "utf-8")
        assert len(points(load_sweep(tmp_path / "sweeps" / "example.yaml"))) == 3 * 64


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "scripts" / "docs_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_key_metric_number_option_and_name(reference: ModuleType) -> None:
    pages = reference.pages()
    schema = json.loads(reference.printed("schema"))
    for each in (schema, *schema["$defs"].values()):
        assert all(f"| `{key}` |" in pages["scenario.md"] for key in each.get("properties", {}))
    assert all(f"| `{metric.name}` |" in pages["metrics.md"] for metric in known().values())
    for name in names():
        section = pages["platforms.md"].split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert all(f"| `{row.path}` |" in section for row in describe(name))
    assert all(f"\n## {name}\n" in pages["commands.md"] for name in ("run", "sweep", "fit", "crossover", "schema"))
    assert "--keep-requests" in pages["commands.md"]
    assert all(f"\n## {name}\n" in pages["python.md"] for name in sim.__all__)
    assert all(f"`{name}`" in pages["plugins.md"] for name in ("hpa", "pull", "host-patch", "mmpp", "goodput", "vm"))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/$defs/Host"}, "[Host](#host)"),
        ({"type": "array", "items": {"type": "integer"}}, "list of whole number"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number or nothing"),
        ({"pattern": "^[a-z]+$", "type": "string"}, "text"),
    ],
)
def test_a_schema_is_said_in_words(reference: ModuleType, schema: dict, said: str) -> None:
    assert reference.kind(schema) == said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("duration", "duration"),
        ("cpu_overcommit", "ratio"),
        ("warmup", "duration or `auto`"),
        ("services", "[Service]"),
    ],
)
def test_quantities_are_named(reference: ModuleType, key: str, said: str) -> None:
    properties = json.loads(reference.printed("schema"))["properties"]
    assert said in reference.kind(properties[key])


def resolves(dotted: str) -> bool:
    """Whether `sim.some.name` is there, as a module or in one."""
    try:
        pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError):
        return False
    return True


def prose() -> dict[str, str]:
    told = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (*DOCS.rglob("*.md"), *ROOT.glob("*.md"))
    }
    del told["CHANGELOG.md"]  # it tells of what was, too
    return told | {f"sim.{name}": getattr(sim, name).__doc__ for name in sim.__all__}


@pytest.mark.parametrize("where", prose())
def test_code_that_is_named_is_there(where: str) -> None:
    text = prose()[where]
    named = set(re.findall(r"(?<![\w./-])sim(?:\.[A-Za-z_]\w*)+", text))
    assert not [each for each in named if not resolves(each)]
    paths = re.findall(r"(?<![\w./-])((?:sim|tests|scripts|docs|scenarios|benchmarks|notebooks)/[\w./-]*\w)", text)
    assert not [each for each in paths if not any(ROOT.glob(f"{each}*"))]


def test_every_page_has_its_place_in_the_site() -> None:
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8"))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert pages <= set(listed)
    config = YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert config["theme"]["font"] is False, "fonts of others would be fetched by everyone who reads the site"
