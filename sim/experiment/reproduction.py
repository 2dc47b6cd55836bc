"""Runs once more what a result's manifest says, and holds the new summary.csv against the old one, byte for byte."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.experiment.replications.scenario import platform_data, run_scenario
from sim.experiment.study import Progress, StudyError
from sim.experiment.workers.executor import Executor
from sim.reading.errors import Problem, ScenarioError
from sim.report.folder.writer import ResultsError, versions
from sim.report.results import Results
from sim.scenario import Scenario
from sim.scenario.loader import of_manifest


@dataclass(frozen=True)
class Reproduction:
    """What became of it: `same` bytes or not; where not, the `differences` line by line, first ones first.

    `versions`: library → (then, now), of those that are others. `numbers`: "platform: path" → (then, now) of the
    catalogue's numbers that are others. `rows`: lines compared. `failed`: runs that failed now.
    """

    folder: Path
    same: bool
    rows: int
    differences: list[str] = field(default_factory=list)
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: dict[str, tuple[str, str]] = field(default_factory=dict)
    incomplete: bool = False
    failed: int = 0

    def __bool__(self) -> bool:
        """Whether the bytes are the same."""
        return self.same


@dataclass(frozen=True)
class Original:
    """A result that is to be reproduced: its folder, its scenario, what its manifest says beside."""

    folder: Path
    scenario: Scenario
    manifest: Mapping[str, Any]


def original(folder: str | Path, recordings: str | Path = ".") -> Original:
    """Open a result of a run. `recordings`: the folder that paths of recorded traffic are relative to.

    Raises ResultsError where there is none, ScenarioError where its scenario cannot be run here (a recording that is
    not there, or another one; a platform or a plug-in that is not known).
    """
    path = Path(folder)
    for name in ("density.json", "crossover.json", "why.json", "table.parquet", "comparison.csv"):
        if (path / name).is_file() and not (path / "summary.csv").is_file():
            raise ResultsError(f"{path}: not a run's result (it has {name}); reproduce is of what `run` wrote")
    manifest = Results(path).manifest
    if not (path / "summary.csv").is_file():
        raise ResultsError(f"{path}: no summary.csv to be compared with")
    from sim.platforms.checks import CHECKS

    scenario = of_manifest(path / "manifest.json", CHECKS, recordings=recordings)
    if manifest.get("digest") != scenario.digest:
        found = f"a scenario of digest {scenario.digest[:16]}…"
        allowed = (
            f"the one of digest {str(manifest.get('digest'))[:16]}…: it was changed, or written by another version"
        )
        raise ScenarioError([Problem(str(path / "manifest.json"), None, None, "scenario", found, allowed)])
    return Original(path, scenario, manifest)


def reproduce(
    of: Original, executor: Executor, progress: Callable[[Progress], None] | None = None, *, most: int = 5
) -> Reproduction:
    """Make its runs again, in a temporary folder, on an entered `executor`; `most` differences are told."""
    old = (of.folder / "summary.csv").read_bytes()
    with tempfile.TemporaryDirectory(prefix="hostsim-") as temporary:
        report = run_scenario(of.scenario, Path(temporary) / "again", executor=executor, plots=False, progress=progress)
        if report.interrupted:
            raise KeyboardInterrupt
        if report.results is None:
            raise StudyError(f"no run could be made: {report.failures[0].error if report.failures else 'unknown'}")
        new = (report.results.folder / "summary.csv").read_bytes()
    incomplete = of.manifest.get("state", "complete") != "complete"
    if incomplete:
        new = _of_runs(new, of.manifest)
    numbers = dict(_numbers(of.manifest.get("platforms", {}), json.loads(json.dumps(platform_data(of.scenario)))))
    return Reproduction(
        of.folder, old == new, old.count(b"\n"), list(itertools.islice(_apart(old, new), most)),
        dict(_versions(of.manifest.get("versions", {}))), numbers, incomplete, len(report.failures),
    )  # fmt: skip


def _of_runs(summary: bytes, manifest: Mapping[str, Any]) -> bytes:
    """The header, and the lines of the runs that an incomplete result has."""
    made = {(str(each["platform"]), str(each["replication"])) for each in manifest.get("runs", ())}
    header, *lines = summary.splitlines(keepends=True)
    return b"".join([header, *(line for line in lines if tuple(line.decode().split(",")[1:3]) in made)])


def _apart(old: bytes, new: bytes) -> Iterator[str]:
    """The lines that differ: of which run and metric, what it was and what it is."""
    then, now = (text.decode("utf-8", "replace").splitlines() for text in (old, new))
    for number, (was, is_now) in enumerate(itertools.zip_longest(then, now), 1):
        if was == is_now:
            continue
        if was is None or is_now is None:
            yield f"line {number}: {'only now' if was is None else 'no more'}: {is_now if was is None else was}"
        elif was.rpartition(",")[0] == is_now.rpartition(",")[0]:
            what, _, before = was.rpartition(",")
            yield f"line {number}: {', '.join(what.split(',')[1:5])}: was {before}, is {is_now.rpartition(',')[2]}"
        else:
            yield f"line {number}: was {was}, is {is_now}"
    if then == now and old != new:
        yield "the ends of the lines"


def _versions(then: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    now = versions()
    for name in dict.fromkeys([*then, *now]):
        before, after = str(then.get(name, "none")), now.get(name, "none")
        if before != after:
            yield name, (before, after)


def _numbers(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """The catalogue's numbers that are others."""
    for name in dict.fromkeys([*then, *now]):
        before, after = then.get(name, {}), now.get(name, {})
        for path in dict.fromkeys([*before, *after]):
            was, is_now = (str(each.get(path, {}).get("text", "none")) for each in (before, after))
            if was != is_now or before.get(path, {}).get("si") != after.get(path, {}).get("si"):
                yield f"{name}: {path}", (was, is_now)
