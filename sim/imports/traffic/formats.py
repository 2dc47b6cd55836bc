"""A file's format, named or found from its head, and the file read by it."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

from sim.imports.draft import Load
from sim.imports.traffic import loadtests, logs, tables
from sim.imports.traffic.rows import Rows
from sim.reading.document import other_than_a_file
from sim.reading.errors import Problem, ScenarioError, nearest

FORMATS: Final = {
    "combined": "nginx's and Apache's access log with referrer and agent",
    "common": "the common log format",
    "json": "JSON lines (nginx, Caddy, Traefik, and others)",
    "csv": "a CSV of times, or of times and counts",
    "parquet": "the same as Parquet",
    "k6-csv": "k6 --out csv=FILE",
    "k6-json": "k6 --out json=FILE",
    "locust-history": "locust's _stats_history.csv",
    "locust-stats": "locust's _stats.csv",
    "azure": "Azure Functions' counts a minute (azure:HASH: of one owner, app or function)",
}
_TEXT: Final[dict[str, Callable[[Iterable[str], Rows], None]]] = {
    "combined": logs.read_lines, "common": logs.read_lines, "json": logs.read_json, "csv": tables.read_csv,
    "k6-csv": loadtests.read_k6_csv, "k6-json": loadtests.read_k6_json, "locust-history": loadtests.read_history,
}  # fmt: skip
_HEAD: Final = 200_000


def read_traffic(given: str, window: float | None = None) -> Load:
    """`FILE`, `FILE:FORMAT` or `FILE:azure:HASH` to a recording; of a `window` in s, the busiest.

    Raises ScenarioError for an unknown format, a file that cannot be read, and every bad row up to a few.
    """
    name, form, pick = _parted(given)
    path = Path(name)
    head = _head(path)
    found = form or _sniffed(path, head)
    rows = Rows(name, found, window)
    if not form:
        rows.notes.append(f"taken for {found} ({FORMATS[found]}), from its head")
    try:
        return _loaded(path, found, pick, rows)
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise _problem(name, f"a file that cannot be read ({told})", FORMATS[found]) from None


def _loaded(path: Path, form: str, pick: str, rows: Rows) -> Load:
    if form == "parquet":
        tables.read_parquet(path, rows)
    elif form == "azure":
        loadtests.read_azure(path, rows, pick)
    else:
        with _opened(path) as lines:
            if form == "locust-stats":
                rate, size = loadtests.read_stats(lines, rows)
                return Load(90.0, 0, rows.notes, {}, rate=rate, answer_bytes=size)
            _TEXT[form](lines, rows)
    return rows.load()


def _parted(given: str) -> tuple[str, str, str]:
    """(file, format or nothing, what to pick)."""
    words = given.split(":")
    for count in (1, 2):
        if len(words) > count and words[-count] in FORMATS and (count == 1 or words[-2] == "azure"):
            return ":".join(words[:-count]), words[-count], words[-1] if count == 2 else ""
    last = words[-1]
    if len(words) > 1 and not Path(given).exists() and last.replace("-", "").isalnum():
        near = nearest(last, FORMATS)
        raise _problem("--traffic", f"the format {last!r}", f"one of {', '.join(FORMATS)}, or FILE alone", near)
    return given, "", ""


def _head(path: Path) -> bytes:
    """The first bytes of a regular file, unpacked. Raises ScenarioError."""
    try:
        if kind := other_than_a_file(path.stat().st_mode):
            raise _problem(str(path), kind, "a recording of requests")
        with gzip.open(path) if _packed(path) else path.open("rb") as file:
            return file.read(_HEAD)
    except FileNotFoundError:
        raise _problem(str(path), "no such file", "a recording of requests") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise _problem(str(path), f"a file that cannot be read ({told})", "a recording of requests") from None


def _opened(path: Path) -> IO[str]:
    if _packed(path):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open("r", encoding="utf-8-sig", errors="replace", newline="")


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _sniffed(path: Path, head: bytes) -> str:
    """The format that a file's head shows. Raises ScenarioError for none that is known."""
    if head[:4] == b"PAR1":
        return "parquet"
    text = head.decode("utf-8-sig", "replace")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")[:20_000]
    if first.startswith("{"):
        return "k6-json" if '"metric"' in first and '"type"' in first and '"data"' in first else "json"
    if found := logs.LINE.match(first):
        return "combined" if first[found.end() :].strip().startswith('"') else "common"
    cells = [cell.strip() for cell in next(csv.reader([first]), [])]
    for form, needed in (
        ("k6-csv", loadtests.K6),
        ("locust-history", loadtests.HISTORY),
        ("locust-stats", loadtests.STATS),
    ):
        if set(needed) <= set(cells):
            return form
    if set(loadtests.AZURE) & set(cells) and "1" in cells:
        return "azure"
    if len(first) > 0 and "\x00" not in first and (any(mark in first for mark in ",;\t") or tables.is_table(first)):
        return "csv"
    found_text = repr(first[:60]) if first else "an empty file"
    raise _problem(str(path), found_text, f"a known format ({', '.join(FORMATS)}), or FILE:FORMAT")


def _problem(file: str, found: str, allowed: str, near: str | None = None) -> ScenarioError:
    return ScenarioError([Problem(file, None, None, "", found, allowed, near)])
