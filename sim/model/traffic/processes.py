"""Point processes: where the arrivals of one traffic source lie in time.

A process hands out its arrival times in ascending order, n at a time. What it hands out does not depend on
how it is asked: twice n gives what 2 n gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sim.model.traffic.rates import Floats, Rate


@dataclass(slots=True)
class Block:
    """Arrivals of a source or service: ``time`` f8[n] [s], ascending; ``demand`` f8[n] [core-s] if recorded.

    NaN in ``demand`` stands for a demand that is still to be drawn.
    """

    time: Floats
    demand: Floats | None = None

    def __getitem__(self, part: slice) -> Block:
        """Return a part of the block, as views."""
        return Block(self.time[part], None if self.demand is None else self.demand[part])


class Process(Protocol):
    """The arrivals of one source."""

    def take(self, n: int) -> Block:
        """Return the next n arrivals; fewer mean that there are no more after them."""
        ...


class PoissonProcess:
    """A Poisson process: sums of unit exponentials, through the inverse of the rate's mass."""

    def __init__(self, rate: Rate, stream: np.random.Generator) -> None:
        """Take the rate and the stream ``arrivals/<service>/<source>``."""
        self._rate = rate
        self._stream = stream
        self._mass = 0.0

    def take(self, n: int) -> Block:
        """Return the next n arrivals."""
        mass = self._stream.standard_exponential(n)
        if n:
            mass[0] += self._mass  # accumulate adds from the left, so that blocks round as one sum would
            np.add.accumulate(mass, out=mass)
            self._mass = float(mass[-1])
        return Block(self._rate.invert(mass))


class EvenProcess:
    """Arrivals where the mass of the rate reaches ``first``, ``first`` + 1, …, without chance, as k6 does.

    k6 starts a constant-arrival-rate at time 0 (first = 0) and then every 1 / rate; a ramping-arrival-rate
    where the integral of the rate reaches 1, 2, … (first = 1): lib/executor/constant_arrival_rate.go,
    ramping_arrival_rate.go.
    """

    def __init__(self, rate: Rate, first: int) -> None:
        """Take the rate and the mass of the first arrival."""
        self._rate = rate
        self._next = first

    def take(self, n: int) -> Block:
        """Return the next n arrivals."""
        mass = np.arange(self._next, self._next + n, dtype=np.float64)
        self._next += n
        return Block(self._rate.invert(mass))


class TraceProcess:
    """Recorded arrivals."""

    def __init__(self, recorded: Block) -> None:
        """Take the whole recording, ascending."""
        self._recorded = recorded
        self._next = 0

    def take(self, n: int) -> Block:
        """Return the next n arrivals."""
        self._next += n
        return self._recorded[self._next - n : self._next]


def read_trace(file: str | Path, time: str = "time", demand: str | None = None) -> Block:
    """Read recorded arrivals from a CSV file with a header, or a Parquet file (``.parquet``).

    The column ``time`` holds seconds or timestamps (ISO 8601); rows are put in order if they are not, and
    times count from the first one. The column ``demand`` holds core-seconds a request; an empty cell is drawn
    instead. Raises ``ValueError`` for a file that is no such table or a column that is not there or does not
    hold such values; ``OSError`` if the file cannot be opened.
    """
    path = Path(file)
    status = path.stat()
    return _read_trace(path, time, demand, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)  # every platform and replication of a scenario reads the same recording
def _read_trace(path: Path, time: str, demand: str | None, changed: int, size: int) -> Block:
    import pyarrow as pa
    from pyarrow import csv, parquet

    columns = [time] if demand is None else [time, demand]
    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path, columns=columns)
        else:
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=columns))
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ValueError(f"{path}: {error}") from error
    for name in columns:
        if name not in table.column_names:
            raise ValueError(f"{path}: no column {name!r}")
    times = _seconds(table.column(time), f"{path}: column {time!r}")
    demands = None if demand is None else _numbers(table.column(demand), f"{path}: column {demand!r}")
    if demands is not None and np.any(demands < 0.0):
        raise ValueError(f"{path}:{int(np.argmax(demands < 0.0)) + 2}: column {demand!r} is negative")
    if np.any(times[1:] < times[:-1]):
        order = np.argsort(times, kind="stable")
        times, demands = times[order] - times[order[0]], None if demands is None else demands[order]
    for column in (times, demands):
        if column is not None:
            column.setflags(write=False)  # shared by all readers
    return Block(times, demands)


def _numbers(column: Any, where: str) -> Floats:
    """Return a numeric column as f8[n], NaN where it is empty."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise ValueError(f"{where} holds {kind}, not numbers")
    return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _seconds(column: Any, where: str) -> Floats:
    """Return a column of seconds or timestamps as f8[n] seconds after its first row."""
    import pyarrow as pa

    if column.null_count:
        raise ValueError(f"{where} has empty cells")
    if pa.types.is_timestamp(column.type):
        stamps = column.cast(pa.timestamp("ns", tz=column.type.tz)).to_numpy().astype("datetime64[ns]")
        # subtract as integers: nanoseconds since 1970 do not fit a double
        return np.asarray((stamps - stamps[:1]).astype(np.int64) / 1e9, dtype=np.float64)
    times = _numbers(column, where)
    if not np.all(np.isfinite(times)):
        raise ValueError(f"{where} has values that are not finite")
    return times - times[:1]
