"""`requests.parquet`: written in parts while runs go on, then joined without holding it in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.report.folder.columnar import integers, named, numbers
from sim.terms.columns import COUNT, NAME, NUMBER, REQUESTS, STATUSES

ROWS_PER_GROUP = 1_000_000
_NAMES = [name for name, kind in REQUESTS.items() if kind == NAME]
_OPTIONS = {"compression": "zstd", "use_dictionary": _NAMES}  # times hardly repeat: a dictionary of them only costs
SORTED_UP_TO = 5_000_000  # rows of a part; sorting holds a part in memory, about 70 B a row


def _schema() -> Any:
    import pyarrow as pa

    kinds = {NAME: pa.dictionary(pa.int32(), pa.string()), COUNT: pa.int64(), NUMBER: pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in REQUESTS.items()])


class RequestPartWriter(AbstractContextManager["RequestPartWriter"]):
    """Writes the requests of one run to one Parquet file, chunk by chunk, from the process that runs it.

    Use as a context manager, or call `close`; a part that was not closed cannot be read.
    """

    def __init__(self, path: Path, platform: str, replication: int) -> None:
        """Open a part. Raises OSError when `path` cannot be written."""
        import pyarrow.parquet as pq

        self.path = Path(path)
        self.rows = 0
        self._platform = platform
        self._replication = replication
        self._writer = pq.ParquetWriter(self.path, _schema(), **_OPTIONS)

    def append(
        self,
        columns: Mapping[str, NDArray[Any]],
        *,
        services: Sequence[str],
        guests: Sequence[str],
    ) -> None:
        """Append requests.

        `columns`, all of shape (n,): `service`, `guest`, `status` (codes into the name tables; guest -1 =
        none), `request` (number within its service), `arrival`, `start`, `finish` (s; NaN = never), `demand`
        (core-s). Name tables may grow from call to call but not change. Raises KeyError for a missing column.
        """
        import pyarrow as pa

        length = len(columns["request"])
        if length == 0:
            return
        names = {"platform": [self._platform], "service": services, "guest": guests, "status": STATUSES}
        key = {"platform": np.zeros(length, np.int32), "replication": np.full(length, self._replication)}
        found = {**columns, **key}
        make = {COUNT: integers, NUMBER: numbers}
        arrays = [
            named(found[name], names[name]) if kind == NAME else make[kind](found[name])
            for name, kind in REQUESTS.items()
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=_schema()), row_group_size=ROWS_PER_GROUP)
        self.rows += length

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def __exit__(self, *failure: object) -> None:
        """Close; a part of a run that failed is removed."""
        self.close()
        if failure[0] is not None:
            self.path.unlink(missing_ok=True)


def merge_parts(parts: Sequence[Path], out: Path) -> int:
    """Join parts into one file, in the given order, a row group at a time; returns the number of rows.

    A part of up to 5 million rows is sorted by service (in the order of its name table) and request; a longer
    one stays in the order in which it was written. Raises OSError or pyarrow's ArrowInvalid for a part that
    is not whole.
    """
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(out, _schema(), **_OPTIONS) as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                rows += file.metadata.num_rows
                if file.metadata.num_rows <= SORTED_UP_TO:
                    writer.write_table(_sorted(file.read()), row_group_size=ROWS_PER_GROUP)
                else:
                    for group in range(file.num_row_groups):
                        writer.write_table(file.read_row_group(group), row_group_size=ROWS_PER_GROUP)
    return rows


def _sorted(table: Any) -> Any:
    whole = table.unify_dictionaries().combine_chunks()
    if whole.num_rows == 0:
        return whole
    service = whole.column("service").chunk(0).indices.to_numpy()
    request = whole.column("request").chunk(0).to_numpy()
    order = np.lexsort((request, service))
    in_order = bool(np.all(order[1:] > order[:-1]))
    return whole if in_order else whole.take(order)
