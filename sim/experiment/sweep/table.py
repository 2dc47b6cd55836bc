"""The consolidated table of a sweep: one row a (point, platform, replication, service, metric), in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.experiment.sweep.plan import Planned
from sim.scenario import numeric

LEADING = ("point", "platform", "replication", "service", "metric", "unit", "value", "error", "run")
"""Columns of the table besides one for each axis, which stand after `point`."""


def build_table(parts: Any, points: Sequence[Mapping[str, Any]], planned: Sequence[Planned]) -> Any:
    """Sort the rows of `parts` (a pyarrow Table) into the order of `planned`, and add where each run stands.

    Columns: `point`, one per axis (numbers in SI when every value of the axis is one, else text), `platform`,
    `replication`, `service`, `metric`, `unit`, `value`, `error` (null unless the run failed), `run`. Runs that were
    not planned are left out, and a run stored twice counts once.
    """
    import pyarrow as pa

    parts = parts.unify_dictionaries()
    source, position = _places(parts, planned)
    rows = parts.take(pa.array(source))
    point = np.array([run.point for run in planned], dtype=np.int32)[position]
    columns: dict[str, Any] = {"point": point}
    for name, values in axis_columns(points).items():
        columns[name] = values.take(pa.array(point))
    columns["platform"] = _texts([run.platform for run in planned], position)
    columns["replication"] = np.array([run.replication for run in planned], dtype=np.int32)[position]
    for name in ("service", "metric", "unit"):
        columns[name] = rows[name].cast(pa.string())
    columns["value"] = rows["value"]
    columns["error"] = rows["error"]
    columns["run"] = rows["run"].cast(pa.string())
    return pa.table(columns)


def _places(parts: Any, planned: Sequence[Planned]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """For each row of the table: its row in `parts` and its run's index in `planned`, sorted by (run, row)."""
    run = parts["run"].combine_chunks()
    if not len(run):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    codes = run.indices.to_numpy()
    code_of = {name: code for code, name in enumerate(run.dictionary.to_pylist())}
    unique = _first_of_each(codes, parts)
    ends = np.searchsorted(codes[unique], np.arange(len(code_of) + 1))
    sources, positions = [], []
    for index, wanted in enumerate(planned):
        code = code_of.get(wanted.id)
        if code is not None:
            taken = unique[ends[code] : ends[code + 1]]
            sources.append(taken)
            positions.append(np.full(taken.size, index, np.int64))
    if not sources:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(sources), np.concatenate(positions)


def _first_of_each(codes: np.ndarray[Any, Any], parts: Any) -> np.ndarray[Any, Any]:
    """Rows of `parts` sorted by (run, row), the first of those that share both: a good one before a failure."""
    row = parts["row"].to_numpy()
    errors = parts["error"].to_pylist()
    known = {text: rank for rank, text in enumerate(sorted({text for text in errors if text is not None}))}
    rank = np.array([-1 if text is None else known[text] for text in errors], dtype=np.int64)
    order = np.lexsort((rank, row, codes))
    same = (np.diff(codes[order]) == 0) & (np.diff(row[order]) == 0)
    unique: np.ndarray[Any, Any] = order[np.concatenate(([True], ~same))]
    return unique


def _texts(values: Sequence[str], position: np.ndarray[Any, Any]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string()).take(pa.array(position))


def axis_columns(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A pyarrow array (points,) per dotted path: float64 in SI if every value is a quantity, else text."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for path in dict.fromkeys(path for point in points for path in point):
        name = path if path not in LEADING else f"axis.{path}"
        raw = [point.get(path) for point in points]
        numbers = [numeric(value) for value in raw]
        if all(number is not None for number in numbers):
            columns[name] = pa.array(numbers, pa.float64())
        else:
            columns[name] = pa.array([None if value is None else str(value) for value in raw], pa.string())
    return columns
