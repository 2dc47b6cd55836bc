"""Text is read by libyaml where it is plainly good: with the same tree, places and mistakes as by ruamel.yaml."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.reading import parsing
from sim.reading.document import _at
from sim.reading.errors import ScenarioError
from sim.reading.parsing import Parsed

ROOT = Path(__file__).parents[2]
FILES = sorted(path for part in ("scenarios", "sim", "tests") for path in (ROOT / part).rglob("*.yaml"))
PLAIN = """
a: [on, yes, No, true, 1:30, 0o17, 017, 0x1F, 1_000, .5, 1e3, 1., -.inf, ~, null, Null, "", '', "7", =, 2020-01-01]
b: {c: d, "e": 'f', ? [g, h] : i, j: }
k: |
  text
    more
l: >-
  folded
  text
r:
- s
- t: u
  v:
w: "é 😀 \\u00e9" # a remark
"""
UNUSUAL = ["%YAML 1.1\n---\na: on", "a: 1\n---\nb: 2", "a: *b", "[" * 500, "a\t: b", "x: @", "a: &x 1", "a: !t b", "5"]
WORDS = (
    "a|b1|5|0.5|on|~|:|-|[|]|{|}|,|#|'|&x|*x|!!int|!t|>|?|<<:|%|---|...|é|😀|=|:_|,_| #|&x_|*x_|!!int_|!t_|<<:_|-_|?_|_"
)
PIECES = [*WORDS.replace("_", " ").split("|"), "|\n", ">\n", "\n", "\n  ", "\n    ", "\t", '"', "\\"]


def both(text: str) -> tuple[object, object]:
    """What a text is by libyaml ("unusual" where it is left to ruamel.yaml), and by ruamel.yaml."""
    try:
        fast: object = comparable(parsing._build(parsing._composed(text)))
    except parsing._Unusual:
        fast = "unusual"
    try:
        return fast, comparable(parsing._parse_slowly(text, "a file"))
    except ScenarioError as error:
        return fast, str(error)


def comparable(parsed: Parsed) -> tuple[str, object, object]:
    """Tree (as text: a NaN equals nothing), places, and mistakes.

    A value that is not written stands behind its colon for the one parser, and at what follows for the other.
    """
    places = {loc: place[2:] if _at(parsed.tree, loc) is None else place for loc, place in parsed.places.items()}
    return repr(parsed.tree), places, parsed.findings


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_file_of_the_project_is_read_alike(file: Path) -> None:
    text = file.read_text("utf-8")
    fast, slow = both(text)
    assert fast == ("unusual" if re.search("[:-] [&*]", text) else slow)


def test_what_yaml_can_write_is_read_alike() -> None:
    fast, slow = both(PLAIN)
    assert fast == slow
    assert parsing.parse(PLAIN, "a file").tree["a"][:7] == ["on", "yes", "No", True, "1:30", 15, 17]


@pytest.mark.parametrize("text", UNUSUAL)
def test_what_is_not_plainly_good_is_left_to_ruamel(text: str) -> None:
    assert both(text)[0] == "unusual"


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text_is_read_alike_or_left_to_ruamel(text: str) -> None:
    fast, slow = both(text)
    if fast != "unusual" and "more indented follow up line" not in str(slow):  # of blank lines before a block's text
        assert fast == slow


def test_without_libyaml_it_is_slower_and_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml.cyaml", None)
    text = (ROOT / "scenarios" / "burst.yaml").read_text("utf-8")
    assert both(text)[0] == "unusual"
    assert parsing.parse(text, "a file") == parsing._parse_slowly(text, "a file")
