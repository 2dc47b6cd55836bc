"""The comparison as a person reads it in a terminal. Nothing here prints: the caller owns the console."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import IO, TYPE_CHECKING, Any

from sim.report.answers.comparison import Comparison, Line, focus_lines
from sim.report.answers.verdict import briefly, conclude
from sim.report.answers.when_to_use import TITLE
from sim.report.answers.when_to_use import sentences as when_to_use
from sim.report.metrics.numbers import spread, text, times
from sim.report.metrics.statistics import FEWEST, Interval
from sim.terms.metrics import ALL, FITS, HOST, QUESTIONS, STARTS, USERS, WEIGHT

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

PLAIN_WIDTH = 100  # columns where nobody says how wide it is
LEAST_WIDTH = 40
CARRYING = (
    "requests.completed", "response.p50", "response.p99", "slo.met", "startup.p50", "scale_out.time", "cpu.utilization",
    "cpu.overhead", "memory.used", "memory.allocated", "guests.mean", "guests.refused", "density.max",
)  # fmt: skip
"""Metrics of the short table."""
_TOLD = {"wrong": 6, "weak": 3, "note": 2}
"""Doubts of a severity that the short form tells."""
_PER_SERVICE = (USERS, STARTS)
_GAP = 2  # between two columns
_NOTHING, _CLEAR, _UNCLEAR, _SAME, _UNLIKE = "·", "●", "–", "=", "≠"


@dataclass(frozen=True)
class _Detail:
    """What a row tells beside the means; the first of `_DETAILS` that fits the width is taken.

    `half`: the intervals, in the metric's unit or (`short`) in per cent of the mean. `apart`: the difference of two.
    `better`: a column of the better ones; without it, a mark behind their numbers.
    """

    half: bool
    ratio: bool
    apart: bool = True
    short: bool = False
    better: bool = True


_DETAILS = (
    _Detail(True, True), _Detail(True, False), _Detail(True, True, False), _Detail(True, False, False),
    _Detail(True, False, False, True), _Detail(True, False, False, True, False), _Detail(False, False, False),
)  # fmt: skip


def make_console(file: IO[str], **options: Any) -> Console:
    """Console for `file`: as wide as `COLUMNS` says, or the terminal that the program was started from; else 100.

    With `NO_COLOR`, in a dumb terminal and in a pipe there are no colours and no bold letters.
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the caller's to judge: rich would end the program, with 1

    if os.environ.get("NO_COLOR"):
        options.setdefault("color_system", None)
    width = _asked_width() or (None if file.isatty() else _terminal_width() or PLAIN_WIDTH)
    return Plain(file=file, width=width, highlight=False, emoji=False, markup=False, **options)


def _asked_width() -> int | None:
    asked = os.environ.get("COLUMNS", "")
    return max(int(asked), LEAST_WIDTH) if asked.isdecimal() and int(asked) else None


def _terminal_width() -> int | None:
    """Columns of the terminal behind standard error or input, where standard output is a pipe."""
    for number in (2, 0):
        try:
            return max(os.get_terminal_size(number).columns, LEAST_WIDTH)
        except (OSError, ValueError):
            continue
    return None


def render(comparison: Comparison, *, width: int = PLAIN_WIDTH, all_rows: bool = False) -> str:
    """Give the comparison as plain text of at most `width` columns: the rows that carry the answer, or all."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(file=out, width=width, highlight=False, emoji=False, color_system=None)
    console.print(ComparisonView(comparison, all_rows))
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines()) + "\n"


@dataclass(frozen=True)
class ComparisonView:
    """A comparison that rich can print at any width: the doubts, the answer, and the rows that carry it, or all."""

    comparison: Comparison
    all_rows: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay it out for the width of the console."""
        from rich.text import Text

        comparison = self.comparison if self.all_rows else _carrying(self.comparison)
        fitting = (detail for detail in _DETAILS if _needed(_widths(comparison, detail)) <= options.max_width)
        detail = next(fitting, _DETAILS[-1])
        widths = _widths(comparison, detail)
        yield Text(title(comparison), style="bold")
        yield from _doubts(comparison, self.all_rows, options.max_width)
        if not self.all_rows:
            yield from _bullets(briefly(self.comparison))
        for service in comparison.services:
            if len(comparison.services) > 1:
                yield Text(f"\n{'all services together' if service == ALL else service}", style="bold reverse")
            yield from _block(comparison, service, detail, widths, self.all_rows)
        if comparison.left_out and self.all_rows:
            yield Text(f"{comparison.left_out} more services fared better: see summary.csv.\n", style="dim")
        legend = "\n".join(_legend(comparison, detail))
        if not self.all_rows:
            yield Text(f"{legend}\n--all shows every row, every doubt, and when to use which", style="dim")
            return
        yield Text(legend, style="dim")
        for heading, told in (("In short", conclude(comparison)), (TITLE, when_to_use(comparison))):
            if told:
                yield Text(f"\n{heading}", style="bold")
                yield from _bullets(told)


@dataclass(frozen=True)
class Block:
    """One service of the table as plain words: `questions` are (question, rows), a row being (words, style) a cell."""

    service: str
    headers: Sequence[str]
    questions: Sequence[tuple[str, Sequence[Sequence[tuple[str, str]]]]]


def blocks(comparison: Comparison, all_rows: bool = False) -> list[Block]:
    """The table's words with every detail, however wide, for those that lay it out themselves."""
    shown, detail = comparison if all_rows else _carrying(comparison), _DETAILS[0]
    return [
        Block(
            service,
            _headers(shown, detail),
            [
                (question, [_cells(shown, line, detail) for line in lines])
                for question, lines in _questions(shown, service)
            ],
        )
        for service in shown.services
    ]


def legend(comparison: Comparison) -> list[str]:
    """What the marks in the words of `blocks` mean."""
    return list(_legend(comparison, _DETAILS[0]))


def _doubts(comparison: Comparison, every: bool, width: int) -> Iterator[Any]:
    """A line each; of notes, and of many alike, only the first unless `every` one is asked for."""
    from rich.text import Text

    left: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for doubt in comparison.doubts:
        told[doubt.severity] += 1
        if not every and told[doubt.severity] > _TOLD[doubt.severity]:
            left[doubt.severity] += 1
            continue
        style = {"wrong": "bold red", "weak": "yellow", "note": "dim"}[doubt.severity]
        yield Text(fill(doubt.line, width, subsequent_indent="  ", break_on_hyphens=False), style=style)
    if left:
        more = ", ".join(
            f"{count} more {severity}{'s' * (severity == 'note' and count > 1)}" for severity, count in left.items()
        )
        yield Text(f"({more}: --all)", style="dim")


def _bullets(sentences: Sequence[str]) -> Iterator[Any]:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    for sentence in sentences:
        grid.add_row(" •", Text(sentence))
    yield grid


def _carrying(comparison: Comparison) -> Comparison:
    """Only the host's lines, and of them those that carry the answer: the focus, and few of every question."""
    focus = {entry for entry in comparison.focus if "/" not in entry}
    kept = [
        line for line in comparison.lines
        if line.service != ALL or line.metric.name in CARRYING or line.metric.name in focus
        or line.metric.question not in (USERS, STARTS, HOST, WEIGHT, FITS)
    ]  # fmt: skip
    return replace(comparison, lines=kept, services=[ALL])


def how_often(comparison: Comparison) -> str:
    """The number of replications, or from how many to how many where platforms have others."""
    counts = sorted(set(comparison.replications.values()))
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"


def title(comparison: Comparison) -> str:
    """What was compared, how often, on which host."""
    number = how_often(comparison)
    parts = [
        f"{comparison.scenario}: {' against '.join(comparison.platforms)}",
        f"{number} replication{'' if number == '1' else 's'}",
    ]
    host = comparison.host
    if "cores" in host and "memory" in host:
        parts.append(f"host: {text(host['cores'], '1')} cores, {text(host['memory'], 'B')}")
    return " · ".join(parts)


def _legend(comparison: Comparison, detail: _Detail) -> Iterator[str]:
    several = len(comparison.platforms) > 1
    sure = all(count >= FEWEST for count in comparison.replications.values())
    if sure and detail.short:
        yield "±  half the 95 % interval of the mean over replications, in per cent of it"
    elif sure and detail.half:
        yield "±  half the 95 % interval of the mean over replications"
    elif sure:
        yield "intervals are left out to fit this width; --format json has them"
    if sure and several and not detail.better:
        yield f"{_CLEAR}  the interval of the difference to the next best excludes 0   {_UNLIKE}  not comparable"
    elif sure and several:
        yield f"{_CLEAR}  that of the difference to the next best excludes 0   {_UNCLEAR}  no clear difference"
    elif several:
        yield "fewer than 3 replications, so no intervals: who is better is read off the mean alone"
    if several and detail.ratio:
        yield f"×  relative to {comparison.platforms[0]}"


def _block(
    comparison: Comparison, service: str, detail: _Detail, widths: Sequence[int], questions: bool
) -> Iterator[Any]:
    """One service: the header, then a table a question, all with the same columns; or one table without `questions`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    headers = _headers(comparison, detail)

    def table(**options: Any) -> Table:
        made = Table(pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), **options)
        for number, (header, width) in enumerate(zip(headers, widths, strict=True)):
            left = number == 0 or header == "better"
            made.add_column(header, justify="left" if left else "right", no_wrap=True, min_width=width)
        return made

    yield Text("")
    yield table(box=box.SIMPLE_HEAD)
    if not questions:
        rows = table(box=box.SIMPLE, show_header=False)
        for line in [line for _, lines in _questions(comparison, service) for line in lines]:
            rows.add_row(*(Text(words, style=style) for words, style in _cells(comparison, line, detail)))
        yield rows
        return
    for question, lines in _questions(comparison, service):
        yield Text(question, style="bold cyan")
        rows = table(box=box.SIMPLE, show_header=False)
        for line in lines:
            rows.add_row(*(Text(words, style=style) for words, style in _cells(comparison, line, detail)))
        yield rows
        yield Text("")


def _questions(comparison: Comparison, service: str) -> Iterator[tuple[str, list[Line]]]:
    focus = focus_lines(comparison)
    if service == ALL and focus:
        yield comparison.description or comparison.scenario, [each.line for each in focus]
    told = {(each.line.service, each.line.metric.name) for each in focus}
    lines = [x for x in comparison.of(service) if _worth_a_row(x) and (service, x.metric.name) not in told]
    further = [line.metric.question for line in lines]
    for question in dict.fromkeys([*QUESTIONS, *further]) if service == ALL else _PER_SERVICE:
        asked = [line for line in lines if line.metric.question == question]
        if asked:
            yield question, asked


def _worth_a_row(line: Line) -> bool:
    nothing = all(value.mean == 0.0 for value in line.values.values())
    return line.metric.shown and not (nothing and line.metric.question != USERS)


def _headers(comparison: Comparison, detail: _Detail) -> list[str]:
    headers = ["", *comparison.platforms]
    if len(comparison.platforms) == 2 and detail.apart:
        headers += [
            f"{comparison.platforms[1]} − {comparison.platforms[0]}",
            *(["×"] if detail.ratio else []),
        ]
    elif len(comparison.platforms) == 2 and detail.ratio:
        headers += ["×"]
    return [*headers, "better"] if len(comparison.platforms) > 1 and detail.better else headers


def _widths(comparison: Comparison, detail: _Detail) -> list[int]:
    """Columns of text that each column of the table needs."""
    widths = [len(header) for header in _headers(comparison, detail)]
    for service in comparison.services:
        for _, lines in _questions(comparison, service):
            for line in lines:
                row = _cells(comparison, line, detail)
                widths = [max(width, len(words)) for width, (words, _) in zip(widths, row, strict=True)]
    return widths


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _cells(comparison: Comparison, line: Line, detail: _Detail) -> list[tuple[str, str]]:
    """Text and style of every cell of a row."""
    factor, unit = comparison.shown_in(line.metric)
    shown = replace(
        line,
        values={name: value.scaled(factor) for name, value in line.values.items()},
        differences={name: value.scaled(factor) for name, value in line.differences.items()},
    )
    pair = len(comparison.platforms) == 2
    cells = [(f"{' ' if detail.better or not line.untold else _UNLIKE}{line.metric.label}", "")]
    for name in comparison.platforms:
        if name not in shown.values:
            cells.append((_NOTHING, "dim"))
            continue
        words = _value(shown.values[name], unit, detail)
        if not detail.better:
            words += _CLEAR if line.clear and name in line.best else " "
        if not pair and detail.ratio and name in shown.ratios:
            same = name in shown.differences and shown.differences[name].mean == 0.0
            words += f" {_SAME if same else times(shown.ratios[name]):>6}"
        cells.append((words, "green" if line.clear and name in line.best else ""))
    if pair:
        cells += _difference(shown, unit, comparison.platforms[1], detail)[0 if detail.apart else 1 :]
    if len(comparison.platforms) > 1 and detail.better:
        cells.append(_better(line))
    return cells


def _value(value: Interval, unit: str, detail: _Detail) -> str:
    if not detail.short or not value.half or unit == "0/1":
        return spread(_reduced(value, detail), unit)
    part = 100 * value.half / abs(value.mean) if value.mean else float("inf")
    return f"{text(value.mean, unit)} ±{part:.0f}%" if part >= 1 else f"{text(value.mean, unit)} ±<1%"


def _reduced(value: Interval, detail: _Detail) -> Interval:
    return value if detail.half else replace(value, half=None)


def _difference(line: Line, unit: str, name: str, detail: _Detail) -> list[tuple[str, str]]:
    words, ratio = "", ""
    if name in line.differences:
        difference = _reduced(line.differences[name], detail)
        same = difference.mean == 0.0 and not line.differences[name].half
        words = _SAME if same else spread(difference, "1" if unit == "0/1" else unit, sign=True)
        ratio = times(line.ratios[name]) if name in line.ratios and not same and unit != "0/1" else ""
    return [(words, "dim" if words == _SAME else ""), *([(ratio, "dim")] if detail.ratio else [])]


def _better(line: Line) -> tuple[str, str]:
    if line.metric.better is None or len(line.values) < 2:
        return "", ""
    if line.untold:
        return "not comparable", "yellow"
    if not line.best:
        return _SAME, "dim"
    others = [name for name in line.values if name not in line.best]
    who = f"all but {others[0]}" if len(line.best) > 2 and len(others) == 1 else ", ".join(line.best)
    if line.clear:
        return f"{who} {_CLEAR}", "green"
    if all(value.count >= FEWEST for value in line.values.values()):
        return _UNCLEAR, "dim"
    return who, ""
