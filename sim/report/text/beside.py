"""What is predicted beside what was observed, as a table for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.report.answers.beside import Beside, Sheet
from sim.report.metrics.numbers import text
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


@dataclass(frozen=True)
class SheetView:
    """A sheet that rich can print."""

    sheet: Sheet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A line a quantity: observed, then the prediction of each platform with its error."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        yield Text("Predicted beside observed", style="bold")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("")
        table.add_column("observed", justify="right")
        for name in self.sheet.platforms:
            table.add_column(name, justify="right")
            table.add_column("error", justify="right")
        for line in self.sheet.lines:
            cells = [cell for name in self.sheet.platforms for cell in self._cells(line, name)]
            table.add_row(_label(line), _observed(line), *cells)
        yield table
        yield from (Text(sentence) for sentence in sentences(self.sheet))

    def _cells(self, line: Beside, platform: str) -> tuple[str, str]:
        value, error = line.predicted.get(platform), line.error(platform)
        if value is None or error is None:
            return "·", ""
        if self.sheet.other and line.unit != "1/s":
            return _amount(value, line.unit), ""
        inside = line.bucket is not None and line.bucket[0] < value <= line.bucket[1]
        return _amount(value, line.unit), f"{100 * error:+.0f} %".replace("-", "−") + (" ◦" if inside else "")


def sentences(sheet: Sheet) -> list[str]:
    """What is to be known of the table."""
    if sheet.other:
        told = ", ".join(f"{name} {100 * gap:+.0f} %".replace("-", "−") for name, gap in sheet.other.items())
        return [f"This is other traffic than was observed ({told}): the differences are no errors."]
    found = []
    if any(line.bucket for line in sheet.lines):
        found.append("(a–b): the observed percentile is known to this bucket of the histogram only; ◦ in the same one.")
    return found


def _label(line: Beside) -> str:
    return line.label if line.service == ALL else f"{line.service} · {line.label}"


def _amount(value: float, unit: str) -> str:
    return f"{value:.3g} cores" if unit == "cores" else text(value, unit)


def _observed(line: Beside) -> str:
    shown = _amount(line.observed, line.unit)
    if line.bucket is None:
        return shown
    low, high = (text(each, "s") for each in line.bucket)
    return f"{shown} ({low}–{high})"
