"""The text files of a result: CSV whose bytes can be compared, JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sim.report.metrics.measures import SummaryRow

SUMMARY_HEADER = ("scenario", "platform", "replication", "service", "metric", "unit", "value")


def number(value: float) -> str:
    """Shortest text that reads back to the same float; whole numbers without a fraction."""
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    return repr(float(value))


def write_summary(path: Path, scenario: str, rows: Iterable[SummaryRow]) -> None:
    """Write `summary.csv`: UTF-8, `\\n` line ends, rows as given."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SUMMARY_HEADER)
        for row in rows:
            writer.writerow((scenario, *row[:-1], number(row.value)))


def read_summary(path: Path) -> list[SummaryRow]:
    """Read `summary.csv`; ValueError when its header is another one."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = tuple(next(reader, ()))
        if header != SUMMARY_HEADER:
            raise ValueError(f"{path}: not a summary (header {','.join(header)})")
        return [SummaryRow(line[1], int(line[2]), line[3], line[4], line[5], float(line[6])) for line in reader]


def write_json(path: Path, data: Any) -> None:
    """Write JSON, indented, keys in the given order; ValueError for NaN and infinities (JSON has none)."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def platform_order(rows: Sequence[SummaryRow], known: Sequence[str] = ()) -> list[str]:
    """Platforms in the order of the scenario, then those it does not know in the order of the rows."""
    present = dict.fromkeys(row.platform for row in rows)
    return [name for name in known if name in present] + [name for name in present if name not in known]
