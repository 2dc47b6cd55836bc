"""Tables of requests or of counts: CSV and Parquet, their columns told by their names."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sim.imports.traffic.logs import DURATIONS, SERVICES, SIZES, TIMES
from sim.imports.traffic.moments import MOMENT_WORDS, SPAN_WORDS, moment, span
from sim.imports.traffic.rows import Rows
from sim.reading.errors import Problem, ScenarioError

_TIMES: Final = frozenset(
    each.lower() for each in (*TIMES, "t", "epoch", "minute", "second", "hour", "begin", "interval")
)
_ENDS: Final = ("end", "end_time", "end_timestamp", "endtime", "finished")
_DURATIONS: Final = {each.lower(): unit for each, unit in DURATIONS.items()} | {
    "duration": 1.0,
    "rt": 1.0,
    "rt_ms": 1e-3,
}
_COUNTS: Final = frozenset({"count", "counts", "requests", "request_count", "hits", "n", "invocations", "calls"})
_RATES: Final = frozenset({"rps", "rate", "qps", "requests/s", "req/s", "requests_per_second"})
_COUNT_WORDS: Final = "a number of requests, at least 0"
_UNITS: Final = {"minute": 60.0, "hour": 3600.0}


@dataclass
class _Columns:
    """The position of each column that is read; None where there is none."""

    names: list[str]
    time: int
    end: bool = False
    service: int | None = None
    duration: int | None = None
    size: int | None = None
    count: int | None = None
    rate: bool = False


def read_csv(lines: Iterable[str], rows: Rows) -> None:
    """A CSV, its columns told by the header; without one, a single column of times."""
    source = iter(lines)
    head = next(source, "")
    dialect = max(",;\t", key=head.count)
    header = [cell.strip() for cell in next(csv.reader([head.lstrip("\ufeff")], delimiter=dialect), [])]
    table = csv.reader(source, delimiter=dialect)
    if len(header) == 1 and _is_number(header[0]):
        columns, first = _Columns(["time"], 0), [header]
    else:
        columns, first = _found(header, rows.file), []
    cells = ((number + 2 - len(first), each) for number, each in enumerate([*first, *table] if first else table))
    _read(cells, columns, rows)


def read_parquet(path: Path, rows: Rows) -> None:
    """A Parquet file, its columns told by their names. Raises ScenarioError."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        told = " ".join(str(error).split())[:160]
        raise ScenarioError([Problem(str(path), None, None, "", told, "a Parquet file")]) from None
    columns = _found(table.column_names, rows.file)
    lists = [_cells(column) for column in table.columns]
    _read(enumerate(zip(*lists, strict=True), 1), columns, rows)


def _cells(column: Any) -> list[Any]:
    """A column's values; dates as seconds since 1970."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        stamps = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64()).to_pylist()
        return [None if each is None else each / 1e6 for each in stamps]
    return list(column.to_pylist())


def _found(header: Sequence[str], file: str) -> _Columns:
    names = [name.strip().lower() for name in header]

    def of(known: Iterable[str]) -> int | None:
        order = [each.lower() for each in known]
        return min(
            (index for index, name in enumerate(names) if name in order),
            key=lambda i: order.index(names[i]),
            default=None,
        )

    end, time = of(_ENDS), of([*map(str.lower, TIMES), *sorted(_TIMES)])
    if time is None and end is None:
        allowed = f"a header with a column of times, such as {', '.join(TIMES[3:8])}"
        raise ScenarioError([Problem(file, 1, 1, "", f"the columns {', '.join(header)[:200] or 'none'}", allowed)])
    count, rate = of(sorted(_COUNTS)), of(sorted(_RATES))
    found = _Columns(list(header), end if time is None and end is not None else time or 0, time is None)
    found.service, found.duration, found.size = of(SERVICES), of(_DURATIONS), of(SIZES)
    if found.duration is None:
        found.count, found.rate = (rate, True) if count is None else (count, False)
    return found


def _read(cells: Iterable[tuple[int, Sequence[Any]]], columns: _Columns, rows: Rows) -> None:
    name = columns.names[columns.time]
    unit = 1.0 if columns.duration is None else _DURATIONS[columns.names[columns.duration].strip().lower()]
    counts: list[tuple[float, float, str]] = []
    for number, row in cells:
        if not any(cell not in (None, "") for cell in row):
            continue
        if len(row) < len(columns.names):
            rows.bad(
                number,
                "",
                f"nothing in {len(columns.names) - len(row)} of {len(columns.names)} columns",
                "a cell in each",
            )
            continue
        time = _cell(rows, number, name, row[columns.time], moment, MOMENT_WORDS)
        duration = _optional(rows, number, columns, columns.duration, row, lambda cell: span(cell, unit))
        size = _optional(rows, number, columns, columns.size, row, span)
        count = _optional(rows, number, columns, columns.count, row, span)
        service = "" if columns.service is None else str(row[columns.service] or "")
        if time is None:
            continue
        if columns.count is not None:
            counts.append((time, count or 0.0, service))
        else:
            rows.add(time, service, duration, size)
    rows.ends = columns.end
    if counts and not rows.problems:
        _spread(counts, columns, rows)


def _cell(
    rows: Rows, number: int, name: str, cell: Any, parse: Callable[[Any], float | None], allowed: str
) -> float | None:
    try:
        return parse(cell)
    except ValueError:
        rows.bad(number, name, cell, allowed)
        return None


def _optional(rows: Rows, number: int, columns: _Columns, at: int | None, row: Sequence[Any],
              parse: Callable[[Any], float | None]) -> float | None:  # fmt: skip
    if at is None:
        return None
    words = _COUNT_WORDS if at == columns.count else SPAN_WORDS
    return _cell(rows, number, columns.names[at], row[at], parse, words)


def _spread(counts: list[tuple[float, float, str]], columns: _Columns, rows: Rows) -> None:
    """Counts or rates of intervals: each begins at its time and lasts until the next."""
    unit = _UNITS.get(columns.names[columns.time].strip().lower(), 1.0)
    for service in dict.fromkeys(each for _, _, each in counts):
        mine = sorted((time * unit, count) for time, count, each in counts if each == service)
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(mine) if later > earlier]
        length = min(gaps) if gaps else unit if unit > 1.0 else 1.0
        intervals = ((time, length, round(count * (length if columns.rate else 1.0))) for time, count in mine)
        rows.counted(intervals, service)


def is_table(line: str) -> bool:
    """Whether a line without a comma is the head of a table: a number, or the name of a column of times."""
    return _is_number(line) or line.lower() in {*_TIMES, *_ENDS}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
