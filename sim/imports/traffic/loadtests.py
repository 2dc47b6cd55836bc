"""Results of load tests: k6 (CSV and JSON lines), locust (history, statistics), and counts of Azure Functions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from sim.imports.traffic.moments import MOMENT_WORDS, SPAN_WORDS, moment, span
from sim.imports.traffic.rows import Rows
from sim.reading.errors import Problem, ScenarioError

_CLOSED: Final = ("a load test's users wait for their answers; replayed, its requests come when they came there, "
                  "whatever happens here (constant-vus has users that wait)")  # fmt: skip
K6: Final = ("metric_name", "timestamp", "metric_value")
HISTORY: Final = ("Timestamp", "User Count", "Total Request Count")
STATS: Final = ("Type", "Name", "Request Count", "Requests/s")
AZURE: Final = ("HashOwner", "HashApp", "HashFunction")
_WHOLE: Final = "a whole number of requests, at least 0"


def read_k6_csv(lines: Iterable[str], rows: Rows) -> None:
    """`k6 run --out csv=FILE`: a row a sample; those of http_req_duration are requests, stamped when they end."""
    for number, row in _table(lines, K6, rows):
        if row.get("metric_name") == "http_req_duration":
            _k6(number, row.get("timestamp"), row.get("metric_value"), rows)
    _of_a_test(rows)


def read_k6_json(lines: Iterable[str], rows: Rows) -> None:
    """`k6 run --out json=FILE`: an object a line, {type: Point, metric, data: {time, value}}."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            point = found["data"] if found["type"] == "Point" and found["metric"] == "http_req_duration" else None
        except (ValueError, KeyError, TypeError, RecursionError):
            rows.bad(number, "", line.rstrip("\n")[:80], "a line of k6's JSON: {metric, type, data}")
            continue
        if point is not None:
            given = point if isinstance(point, dict) else {}
            _k6(number, given.get("time"), given.get("value"), rows)
    _of_a_test(rows)


def _k6(number: int, time: Any, value: Any, rows: Rows) -> None:
    try:
        end = moment(time)
    except ValueError:
        rows.bad(number, "timestamp", time, MOMENT_WORDS)
        return
    try:
        rows.add(end, duration=span(value, 1e-3))
    except ValueError:
        rows.bad(number, "metric_value", value, SPAN_WORDS)


def _of_a_test(rows: Rows) -> None:
    rows.ends = True
    rows.notes.append(_CLOSED)


def read_history(lines: Iterable[str], rows: Rows) -> None:
    """locust's `_stats_history.csv`: totals by second; of all requests (`Aggregated`) the growth from row to row."""
    before: tuple[float, int] | None = None
    intervals = []
    for number, row in _table(lines, HISTORY, rows):
        if row.get("Name") != "Aggregated":
            continue
        try:
            time = moment(row["Timestamp"])
            total = int(str(row["Total Request Count"]))
        except ValueError:
            rows.bad(number, "Total Request Count", row["Total Request Count"], _WHOLE)
            continue
        if before is None:
            before = time - 1.0, 0
        if total > before[1] and time > before[0]:
            intervals.append((before[0], time - before[0], total - before[1]))
        if total < before[1]:
            rows.bad(number, "Total Request Count", total, f"at least the {before[1]} before")
        before = time, total
    if not rows.problems:
        rows.counted(intervals)
    _of_a_test(rows)


def read_stats(lines: Iterable[str], rows: Rows) -> tuple[float, float | None]:
    """locust's `_stats.csv`: (requests a second, mean bytes of an answer) of the row `Aggregated`."""
    for number, row in _table(lines, STATS, rows):
        if row.get("Name") == "Aggregated":
            try:
                rate, size = span(row["Requests/s"]), span(row.get("Average Content Size"))
            except ValueError:
                rows.bad(number, "Requests/s", row["Requests/s"], "a rate, at least 0")
                continue
            told = [f"{name} {row[name]} ms" for name in ("50%", "95%", "99%") if row.get(name)]
            rows.notes.append(f"{rows.file}: {rate:.4g} requests a second on average, of {row['Request Count']}")
            if told:
                rows.notes.append(f"its durations, to hold what is predicted against: {', '.join(told)}")
            rows.notes.append("it has means alone, no times: a constant rate (the history has more)")
            return rate or 0.0, size
    raise ScenarioError(
        rows.problems or [Problem(rows.file, None, None, "", "no row Aggregated", "locust's _stats.csv")]
    )


def read_azure(path: Path, rows: Rows, pick: str) -> None:
    """Azure Functions' trace of 2019: a row a function, its invocations in each of 1440 minutes; `pick`: of a hash.

    Layout: https://github.com/Azure/AzurePublicDataset/blob/master/AzureFunctionsDataset2019.md.
    """
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow import csv as arrow

    try:
        table = arrow.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        told = " ".join(str(error).split())[:160]
        raise ScenarioError([Problem(rows.file, None, None, "", told, "a CSV of 1440 minutes")]) from None
    names = table.column_names
    minutes = sorted({int(name) for name in names if name.isdecimal()})
    if not minutes or len(set(names)) < len(names) or not set(AZURE) & set(names):
        found = "two columns of one name" if len(set(names)) < len(names) else "no columns of hashes and minutes"
        raise ScenarioError(
            [Problem(rows.file, 1, 1, "", found, "HashOwner, HashApp, HashFunction, Trigger, 1 … 1440")]
        )
    numbers = np.arange(table.num_rows) + 2
    if pick:
        masks = [compute.starts_with(table.column(name).cast(pa.string()), pick) for name in AZURE if name in names]
        chosen = np.any([mask.to_numpy() for mask in masks], axis=0)
        table, numbers = table.filter(pa.array(chosen)), numbers[chosen]
        if not table.num_rows:
            found, allowed = f"no row with {pick!r}", "the begin of a hash in it"
            raise ScenarioError([Problem(rows.file, None, None, "", found, allowed)])
    counts = [_minute(table.column(str(minute)), minute, numbers, rows) for minute in minutes]
    rows.notes.append(f"{table.num_rows:,} functions together, of {len(minutes)} minutes")
    if not rows.problems:
        rows.counted((60.0 * (minute - 1), 60.0, count) for minute, count in zip(minutes, counts, strict=True))


def _minute(column: Any, minute: int, numbers: Any, rows: Rows) -> int:
    import pyarrow as pa

    values = column.to_pylist() if not pa.types.is_integer(column.type) else None
    if values is not None:
        for index, each in enumerate(values):
            if not (isinstance(each, int) or (isinstance(each, float) and each.is_integer())) or each < 0:
                rows.bad(int(numbers[index]), str(minute), each, _WHOLE)
        return 0 if rows.problems else int(sum(values))
    counts = np.asarray(column.fill_null(-1).to_numpy())
    for below in np.flatnonzero(counts < 0):
        rows.bad(int(numbers[below]), str(minute), int(counts[below]), _WHOLE)
    return int(np.sum(counts))


def _table(lines: Iterable[str], needed: Sequence[str], rows: Rows) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV by column; refuses a header without those that are needed."""
    source = iter(lines)
    header = next(csv.reader([next(source, "").lstrip("\ufeff")]), [])
    missing = [name for name in needed if name not in header]
    if missing:
        found = f"no column {', '.join(missing)}"
        raise ScenarioError([Problem(rows.file, 1, 1, "", found, f"the header of {rows.form}")])
    for number, row in enumerate(csv.reader(source), 2):
        if row and len(row) < max(header.index(name) for name in needed) + 1:
            rows.bad(number, "", f"nothing in {len(header) - len(row)} of {len(header)} columns", "a cell in each")
        elif row:
            yield number, dict(zip(header, row, strict=False))
