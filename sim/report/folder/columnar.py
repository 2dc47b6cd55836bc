"""Arrow columns from numpy arrays, and Parquet files of them.

`pyarrow.array` imports pandas (half a second) to look at what it is given; columns are put together from
their buffers instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.terms.columns import COUNT, NUMBER, TEXT
from sim.terms.records import Columns


def numbers(values: NDArray[Any]) -> Any:
    """A float64 column, shape (n,); NaN becomes null."""
    import pyarrow as pa

    data = np.ascontiguousarray(values, dtype=np.float64)
    return _column(pa.float64(), data, ~np.isnan(data))


def integers(values: NDArray[Any]) -> Any:
    """An int64 column, shape (n,)."""
    import pyarrow as pa

    data = np.ascontiguousarray(values, dtype=np.int64)
    return _column(pa.int64(), data, np.ones(len(data), dtype=bool))


def texts(values: Iterable[Any]) -> Any:
    """A column of text, n entries."""
    import pyarrow as pa

    encoded = [str(value).encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(each) for each in encoded], out=offsets[1:])
    joined = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, pa.py_buffer(offsets), joined])


def named(codes: NDArray[Any], names: Sequence[str]) -> Any:
    """A dictionary column: `codes`, shape (n,), point into `names`; a negative one becomes null."""
    import pyarrow as pa

    data = np.ascontiguousarray(codes, dtype=np.int32)
    return pa.DictionaryArray.from_arrays(_column(pa.int32(), data, data >= 0), texts(names))


def write_parquet(path: Path, columns: Columns, kinds: dict[str, str]) -> None:
    """Write a table as Parquet (zstd); `kinds` names its columns in order: text, number or count."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    make: dict[str, Callable[[NDArray[Any]], Any]] = {TEXT: texts, NUMBER: numbers, COUNT: integers}
    arrays = [make[kind](columns[name]) for name, kind in kinds.items()]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(kinds)), path, compression="zstd")


def _column(kind: Any, data: NDArray[Any], present: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    bitmap = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(kind, len(data), [bitmap, pa.py_buffer(data)])
