"""The table of the class, and that no word in it means anything to Markdown, HTML or LaTeX."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from page.conftest import EVIL, QUOTES
from sim.cli import main
from sim.report.results import Results
from sim.report.text.class_table import FORMATS, Told, class_table, headers, markdown_text, tex_text

SPECIAL = r"50 % & 3_x #1 {a} \cmd ~ ^ $x$ | `c` *b* [l](u) <i>"


@pytest.fixture(scope="module")
def told(small: Path) -> list[Told]:
    comparison = replace(Results(small).comparison, focus=("goodput", "memory.allocated"))
    return [Told(comparison, 3), Told(replace(comparison, description=SPECIAL, focus=()), 4)]


def test_every_row_has_its_numbers_with_units_and_the_caption_says_seed_and_replications(told: list[Told]) -> None:
    assert headers(told) == ["question", "measured", "vm", "container", "×", "better"]
    goodput, memory = told[0].rows
    assert goodput[0] == "goodput"
    assert all(cell.endswith(" /s") for cell in goodput[1:3])
    assert all(cell.endswith(("GiB", "MiB")) for cell in memory[1:3])
    assert len(told[1].rows) == 3
    for kind in FORMATS:
        text = class_table(told, kind, "1.2")
        assert re.search(r"small 3 \(seed 3\), small 3 \(seed 4\)", text.replace("\\", ""))
        assert "hostsim 1.2" in text.replace("\\", "")


def test_markdown_has_one_cell_a_column(told: list[Told]) -> None:
    lines = class_table(told, "md", "1").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 2 + 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {7}
    assert markdown_text(SPECIAL) == (r"50 % \& 3\_x \#1 \{a\} \\cmd \~ ^ \$x\$ \| \`c\` \*b\* \[l\](u) \<i\>")
    assert "\n" not in markdown_text("a\n| b")


def test_html_has_only_its_own_elements(told: list[Told]) -> None:
    hostile = [replace(each, comparison=replace(each.comparison, description=EVIL + QUOTES)) for each in told]
    seen: list[str] = []
    words: list[str] = []

    class Seen(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(tag)

        def handle_data(self, data: str) -> None:
            words.append(data)

    Seen().feed(class_table(hostile, "html", "1"))
    assert set(seen) <= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "ul", "li"}
    assert seen.count("td") >= 5 * 5
    assert EVIL + QUOTES in words


def test_latex_balances_and_leaves_no_command_to_a_name(told: list[Told]) -> None:
    text = class_table(told, "tex", "1")
    body = text[text.index("\\begin{tabular}") : text.index("\\end{tabular}")]
    rows = [line for line in body.splitlines() if line.endswith("\\\\")]
    assert len(rows) == 1 + 2 + 3
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
    bare = re.sub(r"\\[{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert tex_text(SPECIAL) == (
        r"50 \% \& 3\_x \#1 \{a\} \textbackslash{}cmd \textasciitilde{} \textasciicircum{} \$x\$ \textbar{} `c` *b* "
        r"[l](u) \textless{}i\textgreater{}"
    )
    assert not [each for each in text if ord(each) > 127]


def test_what_is_wrong_travels_along(told: list[Told]) -> None:
    first = told[0].comparison
    worse = replace(first, doubts=[replace(first.doubts[0], severity="wrong", text="it | was & bad")])
    for kind in FORMATS:
        text = class_table([Told(worse, 1)], kind, "1")
        assert "bad" in text
        assert "small: wrong: " in text.replace("\\", "")
        assert "bad" not in class_table([told[0]], kind, "1").replace("bad-ground", "")


def test_columns_must_be_common(told: list[Told]) -> None:
    other = replace(told[0].comparison, platforms=["vm"])
    with pytest.raises(ValueError, match="different platforms"):
        class_table([told[0], Told(other, 1)], "md", "1")


def test_the_command_takes_results_and_scenarios_and_the_format_of_the_file(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["table", str(small), "-o", "t.tex"]) == 0
    printed = capsys.readouterr()
    assert printed.out == (tmp_path / "t.tex").read_text("utf-8")
    assert printed.out.startswith("%")
    assert main(["table"]) == 2  # no rows in this folder
    assert "scenario files" in capsys.readouterr().err
    assert main(["table", str(small), "--format", "html", "--platforms", "container"]) == 0
    assert "<td>" in capsys.readouterr().out
    assert sorted(each.name for each in tmp_path.iterdir()) == ["t.tex"]
