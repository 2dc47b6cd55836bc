"""A sweep on disk: a manifest, Parquet parts of finished runs, and the consolidated table.

    results/<sweep>/manifest.json          what was asked for, by which code, and whether it is complete
    results/<sweep>/parts/<name>.parquet   a batch of finished runs each, never changed once it has its name
    results/<sweep>/table.parquet          all of them, sorted, one row a (point, platform, replication, metric)

A file gets its name only when it is whole and on the disk (write aside, fsync, rename, fsync of the folder), so a
process killed at any moment leaves whole files and at most one nameless rest, which the next one removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sim.report.folder.place import ResultsError

MANIFEST = "manifest.json"
TABLE = "table.parquet"
PARTS = "parts"
PART_SUFFIX = ".parquet"
TEMPORARY_SUFFIX = ".tmp"
ROW_GROUP = 1 << 17
"""Rows a row group of the table; fixed, because it shows in the bytes."""


class Fate(NamedTuple):
    """What became of a run; ordered from good to bad. `lost`: its worker died, so it is tried again."""

    failed: bool
    lost: bool


class SweepStore:
    """The folder of one sweep. One process at a time may write to it (see `locked`)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.parts = root / PARTS
        self.table = root / TABLE

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sweep for writing; the system frees it when the process dies.

        Raises ResultsError if it is held, or cannot be.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.root / ".lock")
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            text = "another process is running a sweep there; wait for it, or give another --out"
            raise ResultsError(f"{self.root}: {text}") from None
        except OSError as error:
            raise ResultsError(f"{self.root}: cannot be written ({error.strerror}); give another --out") from error
        try:
            for rest in [*self.root.glob(f"*{TEMPORARY_SUFFIX}"), *self.parts.glob(f"*{TEMPORARY_SUFFIX}")]:
                rest.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def manifest(self) -> dict[str, Any] | None:
        """The manifest as it stands; None when there is none."""
        try:
            content: dict[str, Any] = json.loads((self.root / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Replace the manifest as a whole."""
        text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
        _write_whole(self.root / MANIFEST, lambda file: file.write(text.encode()))

    def append(self, encoded: Sequence[bytes]) -> Path:
        """Write finished runs (as `encode` made them) as one part; it is on the disk when this returns."""
        import pyarrow.parquet as pq

        table = decode(encoded)
        path = self.parts / f"{uuid.uuid4().hex}{PART_SUFFIX}"
        _write_whole(path, lambda file: pq.write_table(table, file, compression="zstd"))
        return path

    def clear(self) -> None:
        """Remove everything that a sweep has written here."""
        for path in [self.table, self.root / MANIFEST, *self.parts.iterdir(), *self.root.glob("plots/*.png")]:
            path.unlink(missing_ok=True)

    def finished(self) -> dict[str, Fate]:
        """Ids of the runs on the disk, with what became of each (the best, if it was tried again).

        An unreadable part (a broken disk: a kill cannot make one) is set aside, and its runs count as missing.
        """
        import pyarrow.compute as pc
        import pyarrow.parquet as pq
        from pyarrow import ArrowException

        found: dict[str, Fate] = {}
        for path in sorted(self.parts.glob(f"*{PART_SUFFIX}")):
            try:
                table = pq.read_table(path, columns=["run", "lost", "error", "row"])
            except (ArrowException, OSError):
                path.rename(path.with_suffix(".unreadable"))
                continue
            first = table.filter(pc.equal(table["row"], 0))  # one row a run
            columns = (first[name].to_pylist() for name in ("run", "error", "lost"))
            for run, error, lost in zip(*columns, strict=True):
                state = Fate(error is not None, lost)
                found[run] = min(found.get(run, state), state)
        return found

    def read_parts(self) -> Any:
        """Rows of every part (a pyarrow Table), in no order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pq.read_table(path) for path in sorted(self.parts.glob(f"*{PART_SUFFIX}"))]
        return pa.concat_tables(tables) if tables else part_schema().empty_table()

    def write_table(self, table: Any) -> Path:
        """Replace the consolidated table as a whole; the same rows give the same bytes."""
        import pyarrow.parquet as pq

        _write_whole(self.table, lambda file: pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP))
        return self.table


def _write_whole(path: Path, write: Any) -> None:
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "nt":
        return  # a folder cannot be opened there, and a rename is on the disk without
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# ---------------------------------------------------------------- the columns of a part


def part_schema() -> Any:
    """Columns of a part: `row` is the place within the run, `seconds` the real time that the run took."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("run", text),
            ("row", pa.int32()),
            ("service", text),
            ("metric", text),
            ("unit", text),
            ("value", pa.float64()),
            ("error", pa.string()),
            ("trace", pa.string()),
            ("lost", pa.bool_()),
            ("seconds", pa.float64()),
        ]
    )


@dataclass(frozen=True)
class Finished:
    """What one run gave: metric rows (with `service`, `metric`, `unit`, `value`), or an error; `seconds` it took."""

    id: str
    rows: Sequence[Any]
    seconds: float
    error: str | None = None
    trace: str | None = None
    lost: bool = False


def encode(runs: Iterable[Finished]) -> bytes:
    """Runs as one Arrow stream: what travels from a worker. A run without rows gets one that only names it."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in part_schema().names}
    for run in runs:
        rows = run.rows or [None]
        count = len(rows)
        columns["row"].extend(range(count))
        for name in ("service", "metric", "unit"):
            columns[name].extend(None if row is None else getattr(row, name) for row in rows)
        columns["value"].extend(None if row is None else float(row.value) for row in rows)
        for name, value in (
            ("run", run.id),
            ("error", run.error),
            ("trace", run.trace),
            ("lost", run.lost),
            ("seconds", run.seconds),
        ):
            columns[name].extend([value] * count)
    table = pa.table(columns, schema=part_schema())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def decode(encoded: Sequence[bytes]) -> Any:
    """The rows (a pyarrow Table) of what `encode` made."""
    import pyarrow as pa

    return pa.concat_tables([pa.ipc.open_stream(chunk).read_all() for chunk in encoded])
