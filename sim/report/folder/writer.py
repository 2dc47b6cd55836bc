"""The result folder: written beside its place and renamed when whole."""

from __future__ import annotations

import importlib.metadata
import os
import platform as machine
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.folder import columnar, summary, tables
from sim.report.folder.parts import merge_parts
from sim.report.folder.place import Held, ResultsError, put
from sim.report.folder.tables import RunTables
from sim.report.metrics.measures import SummaryRow
from sim.terms.columns import TABLES

if TYPE_CHECKING:
    from sim.scenario import Scenario

__all__ = ["FORMAT", "ResultsError", "RunWriter", "versions"]

FORMAT = "hostsim results 1"
VERSIONED = ("hostsim", "simpy", "numpy", "numba", "scipy", "pyarrow", "pandas", "pydantic")


class RunWriter(AbstractContextManager["RunWriter"]):
    """Writes one result folder.

    As a context manager: leaving it without `finish` removes everything that was written, and an older result
    of the same name stays as it was.
    """

    def __init__(self, folder: Path, scenario: Scenario, *, overwrite: bool = False) -> None:
        """Prepare a temporary folder beside `folder`, and hold its place until this is left.

        Raises ResultsError when `folder` exists and `overwrite` is false, when it is not a result folder (which is
        never replaced), or when another process writes to it.
        """
        self.folder = Path(folder).resolve()
        self.scenario = scenario
        self._runs: dict[tuple[str, int], RunTables] = {}
        self._started = datetime.now(UTC)
        self._began = time.perf_counter()  # the clock may be set meanwhile
        self._held = Held(self.folder)
        try:
            self._clear()
            _restore(self.folder)
            _check_free(self.folder, overwrite)
            self.work = self._temporary("partial")
            self.work.mkdir(parents=True)
        except OSError as error:
            self._held.release()
            raise ResultsError(f"{self.folder}: cannot be written ({error.strerror})") from error
        except BaseException:
            self._held.release()
            raise

    def part(self, platform: str, replication: int) -> Path:
        """Where the requests of a run are to be written while it goes on (see `RequestPartWriter`)."""
        folder = self.work / "parts"
        folder.mkdir(exist_ok=True)
        return folder / f"{platform}-{replication}.parquet"

    def add(self, run: RunTables) -> None:
        """Take in one finished run, in any order. Raises ValueError when it is there already."""
        key = (run.platform, run.replication)
        if key in self._runs:
            raise ValueError(f"platform {run.platform}, replication {run.replication}: added twice")
        self._runs[key] = run

    @property
    def rows(self) -> list[SummaryRow]:
        """Rows of `summary.csv`: by platform (order of the scenario), replication, service, metric."""
        return [row for run in self._in_order() for row in run.rows]

    @property
    def runs(self) -> list[RunTables]:
        """The runs taken in so far: by platform (order of the scenario), replication."""
        return self._in_order()

    def write(self, *, platforms: Mapping[str, Any] | None = None, notes: Mapping[str, Any] | None = None) -> Path:
        """Write all files but the plots into the temporary folder, and return it (plots are drawn from it).

        `platforms`: the catalogue's numbers with unit and source, as they were used. `notes`: further entries
        of the manifest (for instance which runs failed, and why).
        """
        runs = self._in_order()
        rows = self.rows
        self.work.mkdir(parents=True, exist_ok=True)  # somebody may have tidied up meanwhile
        summary.write_summary(self.work / "summary.csv", self.scenario.name, rows)
        for name, known in TABLES.items():
            table, kinds = tables.stacked([getattr(run, name) for run in runs], known)
            columnar.write_parquet(self.work / f"{name}.parquet", table, kinds)
        parts = [run.requests for run in runs if run.requests is not None]
        if parts:
            merge_parts(parts, self.work / "requests.parquet")
        shutil.rmtree(self.work / "parts", ignore_errors=True)
        summary.write_json(self.work / "manifest.json", self._manifest(platforms or {}, notes or {}))
        return self.work

    def finish(self) -> Path:
        """Put the folder in its place, by renaming; an older one goes only after that. Returns its path.

        Raises ResultsError when `write` was not called, or the place was taken meanwhile.
        """
        if not (self.work / "manifest.json").exists():
            raise ResultsError(f"{self.folder}: nothing was written")
        try:
            put(self.work, self.folder, self._temporary("old"))
        except OSError as error:
            raise ResultsError(f"{self.folder}: cannot be put in place ({error.strerror})") from error
        return self.folder

    def discard(self) -> None:
        """Remove what was written; does nothing after `finish`."""
        shutil.rmtree(self.work, ignore_errors=True)

    def __exit__(self, *failure: object) -> None:
        """Remove what `finish` did not put in place."""
        self.discard()
        self._held.release()

    def _clear(self) -> None:
        """Remove what killed runs on this machine have left: whoever holds the place is the only one."""
        for left in self.folder.parent.glob(f".{self.folder.name}.partial-{machine.node()}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _temporary(self, what: str) -> Path:
        """A name beside the folder that is free: in containers, a killed run had the same process number often."""
        name = f".{self.folder.name}.{what}-{machine.node()}-{os.getpid()}"
        free = (self.folder.parent / (name + (f"-{number}" if number else "")) for number in count())
        return next(path for path in free if not path.exists())

    def _in_order(self) -> list[RunTables]:
        known = list(self.scenario.platforms)
        names = [*known, *(name for name, _ in self._runs if name not in known)]
        return [self._runs[key] for key in sorted(self._runs, key=lambda key: (names.index(key[0]), key[1]))]

    def _manifest(self, platforms: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
        runs = [
            {"platform": run.platform, "replication": run.replication, "wall_s": round(run.wall, 6)}
            for run in self._in_order()
        ]
        return {
            "format": FORMAT,
            "name": self.scenario.name,
            "digest": self.scenario.digest,
            "seed": self.scenario.seed,
            "started": self._started.isoformat(timespec="seconds"),
            "wall_s": round(time.perf_counter() - self._began, 6),
            "runs": runs,
            "versions": versions(),
            "citation": citation(),
            **notes,
            "scenario": self.scenario.to_dict(),
            "platforms": dict(platforms),
        }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide the numbers; those not installed are left out."""
    found = {"python": machine.python_version()}
    return found | {name: version for name in VERSIONED if (version := _version(name)) is not None}


def citation() -> dict[str, Any]:
    """How to cite the program: what CITATION.cff says (https://citation-file-format.github.io)."""
    import yaml

    text = (Path(__file__).parents[2] / "CITATION.cff").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@cache
def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _check_free(folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ResultsError(f"{folder}: is a file")
    if not any(folder.iterdir()):
        return
    if not (folder / "manifest.json").is_file():
        raise ResultsError(f"{folder}: exists and is not a result folder; give another --out")
    if not overwrite:
        raise ResultsError(f"{folder}: exists; --overwrite replaces it, --out writes elsewhere")


def _restore(folder: Path) -> None:
    """Bring back a result whose replacement was killed between its two renames."""
    if not folder.exists() and folder.parent.is_dir():
        kept = sorted(folder.parent.glob(f".{folder.name}.old-*"))
        if kept:
            kept[-1].rename(folder)
