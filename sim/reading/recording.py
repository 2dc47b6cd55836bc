"""Recorded arrivals: a CSV or Parquet file read into seconds, and every cell that is no time or no demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sim.reading.distribution import MOST_SECONDS
from sim.reading.errors import HostsimError
from sim.terms.records import Array

UNITS: Final = {"s": Fraction(1), "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
"""Units of a column of numbers, in s."""
LOGS: Final = "%d/%b/%Y:%H:%M:%S %z"
"""The time of nginx's and Apache's logs, `10/Oct/2024:13:55:36 +0200`."""
_NAMED: Final = {"nginx": LOGS, "apache": LOGS}
_MOST: Final = 5  # bad cells that are told one by one
_EPOCHS: Final = (("ms", 1e11, 1e14), ("us", 1e14, 1e17), ("ns", 1e17, 1e20))  # since 1970, from 1973 to 5138


class RecordingError(HostsimError, ValueError):
    """A recording that cannot be read: which file, which row, what is there."""


@dataclass(frozen=True)
class Recording:
    """Arrivals in order: `times` f8[n], s after the first one; `demands` f8[n], core-s, NaN where none was recorded.

    `first`: when the first one was, exactly, in s; since 1970 where `dated`, else by the recording's own clock.
    `looks_like`: the unit of times that must be since 1970 in another unit than the one they were read in.
    """

    times: Array
    demands: Array | None
    first: Fraction
    dated: bool
    looks_like: str = ""


def read_recording(
    file: str | Path, time: str, demand: str | None, unit: str = "s", form: str | None = None
) -> Recording:
    """Read the columns `time` and `demand` (None: none) of a CSV with a header, or a Parquet file.

    Times are numbers in `unit`, ISO 8601 timestamps, or texts in the format `form` (strptime's, or nginx, apache); rows
    are put in order. An empty demand is drawn later. Raises RecordingError with every bad cell up to a few, OSError.
    """
    path = Path(file)
    status = path.stat()
    return _read(path, time, demand, unit, form, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)  # every platform and replication of a scenario reads the same recording
def _read(path: Path, time: str, demand: str | None, unit: str, form: str | None, changed: int, size: int) -> Recording:
    table = _table(path, [time] if demand is None else [time, demand])
    moments, dated, guess = _moments(table.column(time), path, time, UNITS[unit], form)
    demands = None if demand is None else _demands(table.column(demand), path, demand)
    order = np.argsort(moments, kind="stable") if np.any(moments[1:] < moments[:-1]) else None
    if order is not None:
        moments, demands = moments[order], None if demands is None else demands[order]
    scale = Fraction(1, 10**9) if dated else UNITS[unit]
    first = Fraction(moments[0].item()) * scale if moments.size else Fraction(0)
    times = np.asarray(moments - moments[:1], dtype=np.float64) / float(1 / scale)
    for column in (times, demands):
        if column is not None:
            column.setflags(write=False)  # shared by all readers
    return Recording(times, demands, first, dated, guess if unit == "s" else "")


def _table(path: Path, columns: Sequence[str]) -> Any:
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path, columns=list(columns))
        else:
            kept = csv.ConvertOptions(include_columns=list(columns), strings_can_be_null=True)
            table = csv.read_csv(path, convert_options=kept)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise RecordingError(f"{path}: {error}") from error
    for name in columns:
        if name not in table.column_names:
            raise RecordingError(f"{path}: no column {name!r}")
    return table


def _moments(column: Any, path: Path, name: str, unit: Fraction, form: str | None) -> tuple[Any, bool, str]:
    """Times as ascending-comparable numbers: ns since 1970 where they are dates, else as they stand; and a guess."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and form is None:
        _refuse(path, name, column, np.asarray(column.is_null()), "is empty")
        stamps = column.cast(pa.timestamp("ns", tz=kind.tz)).to_numpy().astype("datetime64[ns]")
        return stamps.astype(np.int64), True, ""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or form is not None:
        return _parsed(column, path, name, form)
    if pa.types.is_integer(kind) and not column.null_count:
        numbers: Any = column.cast(pa.int64()).to_numpy()
    else:
        numbers = _numbers(column, path, name)
        _refuse(path, name, column, np.isnan(numbers), "is empty")
        _refuse(path, name, column, ~np.isfinite(numbers), "is not finite")
    _refuse(path, name, column, numbers < 0, "is negative")
    least = float(numbers.min()) if numbers.size else 0.0
    guess = next((word for word, low, high in _EPOCHS if low <= least < high), "") if unit == 1 else ""
    return numbers, False, guess


def _parsed(column: Any, path: Path, name: str, form: str | None) -> tuple[Any, bool, str]:
    """Texts as dates by a format of strptime's; without one, those of web servers' logs and ISO 8601 are tried."""
    texts = [None if cell is None else str(cell).strip("[] ") for cell in column.to_pylist()]
    wanted = LOGS if form is None else _NAMED.get(form, form)
    found = np.zeros(len(texts), dtype=np.int64)
    bad = np.zeros(len(texts), dtype=bool)
    for row, text in enumerate(texts):
        moment = None if text is None else _moment(text, wanted, iso=form is None)
        bad[row] = moment is None
        found[row] = moment or 0
    what = "is no time" if form is None else f"is not of the format {form}"
    if bad.all() and len(texts) and form is None:
        what = "holds text, not numbers or times that are known (a `format:` may help)"
    _refuse(path, name, column, bad, what)
    return found, True, ""


def _moment(text: str, form: str, *, iso: bool) -> int | None:
    """Nanoseconds since 1970 (UTC where no zone is given)."""
    moment = None
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        if iso:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                return None
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86400 + past.seconds) * 10**9 + past.microseconds * 1000


def _demands(column: Any, path: Path, name: str) -> Array:
    found = _numbers(column, path, name)
    _refuse(path, name, column, found < 0.0, "is negative")
    _refuse(path, name, column, found > MOST_SECONDS, f"is more than {MOST_SECONDS:g} s")
    return found


def _numbers(column: Any, path: Path, name: str) -> Array:
    """A numeric column as f8[n], NaN where it is empty; a text in it is refused with its row."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    values = np.full(len(column), np.nan)
    bad = np.zeros(len(column), dtype=bool)
    for row, cell in enumerate(column.to_pylist()):
        try:
            values[row] = np.nan if cell in (None, "") else float(cell)
        except (TypeError, ValueError):
            bad[row] = True
    _refuse(path, name, column, bad, "holds text, not numbers")
    return values


def _refuse(path: Path, name: str, column: Any, bad: NDArray[np.bool_], what: str) -> None:
    """Raise for the rows that are bad; the header is line 1 of a CSV."""
    rows = np.flatnonzero(bad)
    if rows.size == 0:
        return
    first = 2 if path.suffix == ".csv" else 1
    cells = [f"{path.name}:{row + first}: column {name!r} {what}: {column[int(row)].as_py()!r}" for row in rows[:_MOST]]
    more = [f"and {rows.size - _MOST:,} more"] if rows.size > _MOST else []
    raise RecordingError("; ".join([*cells, *more]))
