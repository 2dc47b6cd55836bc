"""The table of the class: a question a row, VM beside container, as Markdown, HTML or LaTeX.

Its words are those of the terminal; what differs is how they are escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sim.report.answers.comparison import Comparison
from sim.report.text.terminal import blocks, how_often
from sim.terms.metrics import ALL

FORMATS: Final = ("md", "html", "tex")
_UNFOCUSED = 3
"""Rows of a scenario that says nothing of what it is about."""


@dataclass(frozen=True)
class Told:
    """One finished scenario: what is asked, its numbers, and what they hang on."""

    comparison: Comparison
    seed: int | None = None

    @property
    def question(self) -> str:
        """What it asks."""
        return self.comparison.description or self.comparison.scenario

    @property
    def rows(self) -> list[list[str]]:
        """Words of the rows that answer it: metric, one a platform, the ratio of two, and the better one."""
        own = next(block for block in blocks(self.comparison) if block.service == ALL)
        rows = [[words.strip() for words, _ in row] for row in own.questions[0][1]]
        if not self.comparison.focus:
            rows = rows[:_UNFOCUSED]
        if len(self.comparison.platforms) == 2:  # without the difference: the ratio says it in a narrow table
            rows = [cells[:3] + cells[4:] for cells in rows]
        return rows


def headers(told: Sequence[Told]) -> list[str]:
    """What stands over the columns. Raises ValueError where the scenarios have different platforms."""
    platforms = {tuple(each.comparison.platforms) for each in told}
    if len(platforms) != 1:
        each_has = "; ".join(f"{each.comparison.scenario}: {', '.join(each.comparison.platforms)}" for each in told)
        raise ValueError(f"results of different platforms have no common table ({each_has})")
    names = list(platforms.pop())
    return [
        "question",
        "measured",
        *names,
        *(["×"] if len(names) == 2 else []),
        *(["better"] if len(names) > 1 else []),
    ]


def caption(told: Sequence[Told], version: str) -> str:
    """What a reader must know: the program, what ± and the marks mean, seeds and replications."""
    runs = [f"{each.comparison.scenario} {how_often(each.comparison)} (seed {each.seed})" for each in told]
    names = " against ".join(told[0].comparison.platforms)
    return (
        f"{names} on one host, simulated with hostsim {version}. ± is half the 95 % interval of the mean over the "
        "replications, × is relative to the first; ● marks a difference to the next best whose interval excludes 0. "
        f"Replications: {', '.join(runs)}."
    )


def doubts(told: Sequence[Told]) -> list[str]:
    """What is wrong with a row, a line each: a table that travels alone must say it."""
    return [
        f"{each.comparison.scenario}: {doubt.line}"
        for each in told
        for doubt in each.comparison.doubts
        if doubt.severity == "wrong"
    ]


def class_table(told: Sequence[Told], kind: str, version: str) -> str:
    """The table as text of that kind, one of `FORMATS`. Raises ValueError for scenarios of different platforms."""
    return _KINDS[kind](headers(told), told, caption(told, version), doubts(told))


def _lines(told: Sequence[Told]) -> list[list[str]]:
    """All rows; the question stands in the first of its own."""
    return [[each.question if not place else "", *row] for each in told for place, row in enumerate(each.rows)]


_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


def markdown_text(words: str) -> str:
    """Words in a cell of Markdown: nothing in them means anything."""
    return _MARKDOWN.sub(r"\\\1", " ".join(words.split()))


def _markdown(head: Sequence[str], told: Sequence[Told], about: str, wrong: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    sides = ["---" if name in ("question", "measured", "better") else "---:" for name in head]
    rows = [[markdown_text(cell) for cell in row] for row in _lines(told)]
    lines = [line([markdown_text(name) for name in head]), line(sides), *map(line, rows), "", markdown_text(about)]
    return "\n".join([*lines, *(f"\n- {markdown_text(each)}" for each in wrong)]) + "\n"


def _html(head: Sequence[str], told: Sequence[Told], about: str, wrong: Sequence[str]) -> str:
    lines = ["<table>", f"<caption>{html.escape(about)}</caption>", "<thead>", "<tr>"]
    lines += [f'<th scope="col">{html.escape(name)}</th>' for name in head]
    lines += ["</tr>", "</thead>"]
    for each in told:
        rows = each.rows
        lines.append("<tbody>")
        for place, row in enumerate(rows):
            asked = f'<th scope="rowgroup" rowspan="{len(rows)}">{html.escape(each.question)}</th>' if not place else ""
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            lines.append(f"<tr>{asked}{cells}</tr>")
        lines.append("</tbody>")
    if wrong:
        told_wrong = "".join(f"<li>{html.escape(each)}</li>" for each in wrong)
        lines.append(f'<tfoot><tr><td colspan="{len(head)}"><ul>{told_wrong}</ul></td></tr></tfoot>')
    return "\n".join([*lines, "</table>"]) + "\n"


_TEX: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "±": r"$\pm$", "×": r"$\times$", "−": "$-$", "µ": r"$\mu$",
    "●": r"$\bullet$", "≠": r"$\neq$", "≤": r"$\leq$", "≥": r"$\geq$", "·": r"$\cdot$", "∞": r"$\infty$", "–": "--",
    "…": r"\ldots{}", "→": r"$\rightarrow$", "’": "'", "“": "``", "”": "''",
    **{each: f"\\{each}" for each in "#$%&_{}"},
}  # fmt: skip


def tex_text(words: str) -> str:
    """Words in LaTeX: nothing in them is a command, and no package is needed."""
    return "".join(_TEX.get(each, each) for each in " ".join(words.split()))


def _tex(head: Sequence[str], told: Sequence[Told], about: str, wrong: Sequence[str]) -> str:
    sides = "".join("p{0.27\\linewidth}" if name == "question" else "l" if name in ("measured", "better") else "r"
                    for name in head)  # fmt: skip
    lines = [
        "% needs nothing but LaTeX itself; a wide table: \\usepackage{graphicx} and \\resizebox{\\linewidth}{!}{...}",
        "\\begin{table}", "\\centering", f"\\caption{{{tex_text(about)}}}", f"\\begin{{tabular}}{{{sides}}}", "\\hline",
        f"{' & '.join(tex_text(name) for name in head)} \\\\",
    ]  # fmt: skip
    for row in _lines(told):
        lines += (["\\hline"] if row[0] else []) + [f"{' & '.join(tex_text(cell) for cell in row)} \\\\"]
    lines += ["\\hline", "\\end{tabular}"]
    lines += [f"\\par {tex_text(each)}" for each in wrong]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


_KINDS: Mapping[str, Callable[[Sequence[str], Sequence[Told], str, Sequence[str]], str]] = {
    "md": _markdown, "html": _html, "tex": _tex,
}  # fmt: skip
