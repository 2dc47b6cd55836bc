"""One scenario from start to result: every platform × every replication, into one result folder.

What has finished is kept whatever happens to the rest: a failed run, a killed worker or an interruption leaves a
result that says in its manifest what is missing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.experiment.replications import precision, runner
from sim.experiment.study import Progress
from sim.experiment.workers.executor import Executor
from sim.report.answers.doubts.observed import differences
from sim.report.figures.style import prepare
from sim.report.folder.writer import ResultsError, RunWriter
from sim.report.results import Results
from sim.scenario import Scenario, Until

if TYPE_CHECKING:
    from sim.report.folder.tables import RunTables
    from sim.terms.doubts import Doubt


class RunTask(NamedTuple):
    """A run to be made, and the part on disk that takes its requests (None: not kept)."""

    platform: str
    replication: int
    requests: Path | None


@dataclass(frozen=True)
class Failure:
    """A run that did not finish: the error in one line, and its traceback where there is one."""

    platform: str
    replication: int
    error: str
    trace: str = ""


@dataclass(frozen=True)
class Report:
    """What became of a scenario. `results` is None when no run has finished; nothing was written then.

    `seconds` is real time; `sentences` say what was decided on the way, `notes` what to beware of.
    """

    results: Results | None
    failures: tuple[Failure, ...]
    missing: int
    interrupted: bool
    seconds: float
    requests: int
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every run has finished."""
        return not self.missing and not self.interrupted

    def to_dict(self) -> dict[str, Any]:
        """The comparison, and what became of the runs, as plain data; only with results."""
        from sim.report.answers.plain import comparison_dict

        assert self.results is not None
        return {
            **comparison_dict(self.results.comparison, self.results.verdict),
            "observed": None if self.results.observed is None else self.results.observed.as_dict(),
            "results": str(self.results.folder),
            "complete": self.complete,
            "failed": self.results.manifest.get("failed", []),
            "requests": self.requests,
            "wall_s": round(self.seconds, 3),
        }


def run_scenario(
    scenario: Scenario,
    folder: Path,
    *,
    executor: Executor,
    keep_requests: bool = False,
    plots: bool = True,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    why: bool = False,
    trace: bool = False,
) -> Report:
    """Make every run of `scenario` on an entered `executor` and write the result to `folder`.

    `why`: a few runs more tell mainly because of what the platforms differ (`attribution.brief`). `trace`: write
    trace.json, too.

    A result of the same scenario is replaced by a complete one (an incomplete one goes beside it, into
    `<folder>-partial`); anything else only with `overwrite`, and what is not a result never. Raises ResultsError,
    before any run, when `folder` cannot be written to. A KeyboardInterrupt is caught, and told in the report.
    """
    check_folder(scenario, folder, overwrite)
    if plots and executor.slots > 1:  # the runs are made elsewhere: this process has nothing else to do
        prepare()
    with RunWriter(folder, scenario, overwrite=True) as writer:
        check_folder(scenario, folder, overwrite)  # another process may have put its result there
        session = _Replications(scenario, writer, executor, keep_requests, progress, why)
        try:
            session.run()
        except KeyboardInterrupt:
            session.interrupted = True
        return session.finish(plots, trace)


def check_folder(scenario: Scenario, folder: Path, overwrite: bool) -> None:
    """Refuse (ResultsError) a folder that holds something else than a result of this very scenario."""
    path = folder / "manifest.json"
    if not folder.is_dir() or not path.exists():
        return  # free, or refused by RunWriter
    try:
        old = Results(folder).manifest
    except ResultsError as error:
        raise ResultsError(f"{folder}: holds something else than a result ({error}); give another --out") from error
    if overwrite or old.get("digest") == scenario.digest:
        return
    changes = differences(old.get("scenario", {}), json.loads(json.dumps(scenario.to_dict())))
    told = "; ".join(changes[:3]) + ("; …" if len(changes) > 3 else "")
    raise ResultsError(
        f"{folder}: holds a result of other settings ({told}); --overwrite replaces it, --out DIR writes elsewhere"
    )


class _Replications:
    """The runs of one scenario: what is to be made, what has finished, what failed."""

    def __init__(
        self,
        scenario: Scenario,
        writer: RunWriter,
        executor: Executor,
        keep_requests: bool,
        progress: Callable[[Progress], None] | None,
        why: bool,
    ) -> None:
        self.scenario, self.writer, self.executor = scenario, writer, executor
        self.keep_requests, self.progress, self.why = keep_requests, progress, why
        self.interrupted = False
        self.failures: list[Failure] = []
        self.planned = 0
        self.done = 0
        self.replications = 0
        self.reason = ""
        self.requests = 0.0
        self.measured = scenario
        self.notes: list[str] = []
        self._series: dict[Hashable, dict[int, float]] = {}
        self._started = time.perf_counter()

    def run(self) -> None:
        """Find the transient if asked, then make the replications: a number of them, or until they are precise."""
        if self.scenario.warmup == "auto":
            self._settle()
        asked = self.scenario.replications
        if isinstance(asked, int):
            self._make(range(asked))
            return
        self._make_until(asked)

    def _make_until(self, asked: Until) -> None:
        decision = precision.decide(asked, {}, 0)
        while decision.more:
            self._make(range(decision.replications, decision.replications + decision.more))
            series = {key: list(values.values()) for key, values in self._series.items()}
            decision = precision.decide(asked, series, decision.replications + decision.more)
        self.reason = decision.reason

    def _settle(self) -> None:
        names = list(self.scenario.platforms)
        ends: dict[str, float | None] = {}
        find = functools.partial(runner.transient, self.scenario)
        for outcome in self.executor.unordered(find, names):
            if outcome is None:
                continue
            if outcome.error is not None:
                raise outcome.error
            ends[outcome.task] = outcome.result
        warmup = runner.settle(self.scenario, [ends[name] for name in names])
        self.measured = self.scenario.model_copy(update={"warmup": warmup})
        restless = [name for name in names if ends[name] is None]
        if restless:
            self.notes.append(
                f"warmup: auto found no end of the transient on {', '.join(restless)}: half the run is discarded "
                "(a longer duration, or a warmup of your own, would be better)"
            )

    def _make(self, replications: Sequence[int]) -> None:
        names = list(self.scenario.platforms)
        tasks = [
            RunTask(name, number, self.writer.part(name, number) if self.keep_requests else None)
            for number in replications
            for name in names
        ]
        self.planned += len(tasks)
        self.replications = max(self.replications, *(number + 1 for number in replications))
        self._report()
        work = functools.partial(run_task, scenario=self.measured)
        with contextlib.closing(self.executor.unordered(work, tasks)) as outcomes:
            for outcome in outcomes:
                if outcome is None:
                    continue
                self.done += 1
                if outcome.result is not None:
                    self._take(outcome.result)
                else:
                    self._fail(outcome.task, outcome.error)
                self._report()

    def _take(self, run: RunTables) -> None:
        self.writer.add(run)
        self.requests += sum(row.value for row in run.rows if (row.service, row.metric) == ("all", "requests.arrived"))
        until = self.scenario.replications
        if isinstance(until, Until):
            for row in run.rows:
                if row.metric == until.metric:
                    self._series.setdefault((run.platform, row.service), {})[run.replication] = row.value

    def _fail(self, task: RunTask, error: Exception | None) -> None:
        import traceback

        words = f"{type(error).__name__}: {' '.join(str(error).split())}"
        trace = "" if error is None else "".join(traceback.format_exception(error))
        self.failures.append(Failure(task.platform, task.replication, words, trace))

    def _report(self) -> None:
        if self.progress is None:
            return
        spent = time.perf_counter() - self._started
        remaining = spent / self.done * (self.planned - self.done) if self.done else None
        self.progress(Progress(self.done, self.planned, len(self.failures), remaining=remaining))

    def finish(self, plots: bool, trace: bool = False) -> Report:
        """Write what has finished, put it in its place, and tell what became of the rest."""
        made = self.done - len(self.failures)
        missing = self.planned - made
        results = None
        if made:
            self._place(missing > 0 or self.interrupted)
            results = self._write(missing, plots, trace)
        self.failures.sort(key=lambda each: (each.replication, list(self.scenario.platforms).index(each.platform)))
        return Report(
            results=results,
            failures=tuple(self.failures),
            missing=missing,
            interrupted=self.interrupted,
            seconds=time.perf_counter() - self._started,
            requests=round(self.requests),
            sentences=tuple(self._sentences()),
            notes=tuple(self.notes),
        )

    def _sentences(self) -> Iterator[str]:
        if self.reason:
            yield f"Stopped because: {self.reason}."
        if self.scenario.warmup == "auto":
            cut = 0.0 if self.measured.warmup == "auto" else self.measured.warmup
            yield f"Transient (MSER-5): the first {cut:.4g} s of {self.scenario.duration:.4g} s do not count."

    def _place(self, incomplete: bool) -> None:
        """Choose where the result goes: an incomplete one never takes the place of another."""
        folder = self.writer.folder
        if incomplete and folder.exists() and any(folder.iterdir()):
            self.writer.folder = folder.with_name(f"{folder.name}-partial")
            check_is_result(self.writer.folder)

    def _write(self, missing: int, plots: bool, trace: bool) -> Results:
        from sim.report.figures.result import save_plots

        doubts = self._doubts()
        notes = self._manifest_notes(missing) | {"doubts": [each.as_dict() for each in doubts]}
        if self.why and not missing and not self.interrupted and (told := self._because(doubts)) is not None:
            notes["because"] = told
        self.writer.write(platforms=platform_data(self.scenario), notes=notes)
        if plots:
            try:
                save_plots(Results(self.writer.work))
            except Exception as error:  # numbers are never lost for want of a picture
                self.notes.append(f"the plots could not be drawn ({type(error).__name__}: {error})")
        if trace:
            from sim.report.trace import TRACE, save_trace

            save_trace(Results(self.writer.work), self.writer.work / TRACE)
        return Results(self.writer.finish())

    def _because(self, doubts: Sequence[Doubt]) -> Mapping[str, Any] | None:
        """Mainly because of what the platforms differ; the result is whole without it, so that ctrl-C leaves it out."""
        from sim.experiment.attribution.brief import because

        with contextlib.suppress(KeyboardInterrupt):
            return because(self.measured, self.writer.runs, doubts, self.executor)
        return None

    def _doubts(self) -> list[Doubt]:
        from sim.experiment.assumptions import assumed, used_by
        from sim.experiment.foresight import foresee
        from sim.report.answers.doubts.evidence import Evidence
        from sim.report.answers.doubts.observed import observe

        scenario = self.measured
        warmup = scenario.warmup if isinstance(scenario.warmup, float) else 0.0
        platforms = runner.platforms_of(scenario)
        foreseen = foresee(scenario, platforms)
        evidence = Evidence(scenario, self.writer.runs, warmup)
        ran = {name: platforms[name] for name in evidence.platforms}
        foreseen += assumed(scenario, ran, {name: used_by(evidence, name) for name in ran})
        return observe(evidence, foreseen)

    def _manifest_notes(self, missing: int) -> dict[str, Any]:
        notes: dict[str, Any] = {"state": "complete" if not missing and not self.interrupted else "incomplete"}
        if self.scenario.warmup == "auto":
            notes["warmup"] = self.measured.warmup
        if self.reason:
            notes["replications"] = {"made": self.replications, "reason": self.reason}
        if missing:
            notes["missing"] = missing
        if self.interrupted:
            notes["interrupted"] = True
        if self.failures:
            notes["failed"] = [
                {"platform": each.platform, "replication": each.replication, "error": each.error}
                for each in self.failures
            ]
        return notes


def check_is_result(folder: Path) -> None:
    """Refuse (ResultsError) to replace a folder that is there and is not a result."""
    if folder.exists() and any(folder.iterdir()):
        Results(folder)


def run_task(task: RunTask, scenario: Scenario) -> RunTables:
    """On a worker: one run, as the tables that are kept of it."""
    from sim.report.folder.tables import run_tables

    records = runner.run_one(scenario, task.platform, task.replication, requests=task.requests)
    return run_tables(records, scenario, task.requests)


def platform_data(scenario: Scenario) -> dict[str, Any]:
    """The catalogue's numbers as they were used, by platform: path → text, SI value, unit, source, trust."""
    from sim.platforms import PlatformError, describe

    data: dict[str, Any] = {}
    for name, overrides in scenario.platforms.items():
        try:
            rows = describe(name, overrides)
        except PlatformError:
            continue
        data[name] = _rows(rows)
    return data


def _rows(rows: Iterable[Any]) -> Mapping[str, Any]:
    return {
        row.path: {"text": row.text, "si": row.si, "unit": row.unit, "source": row.source, "trust": row.trust}
        | ({"range": row.range} if row.range else {})
        for row in rows
    }
