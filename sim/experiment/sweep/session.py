"""Sweeps: many scenario points × platforms × replications, in parallel, resumable, failures kept as rows.

A run is known by the hash of (resolved scenario, platform, replication). Workers only compute; this process alone
writes, whole parts at a time (`store`), so a sweep killed at any moment goes on where it was, and its table
equals byte for byte that of a sweep that nothing disturbed.
"""

from __future__ import annotations

import contextlib
import functools
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from sim.experiment.replications.runner import Evaluate, evaluate_run
from sim.experiment.study import Progress
from sim.experiment.sweep.fingerprint import code_fingerprint
from sim.experiment.sweep.plan import Plan, Planned, SweepError, planned_runs
from sim.experiment.sweep.store import TABLE, Finished, SweepStore, encode
from sim.experiment.sweep.table import build_table
from sim.experiment.workers.executor import Executor, Outcome
from sim.reading.errors import HostsimError
from sim.report.answers.shown import Shown
from sim.terms.doubts import Doubt

if TYPE_CHECKING:
    import pandas as pd

BATCH_SECONDS = 2.0
"""Work handed to a worker at once, s: large against the 25 ms of CPU that a task costs all in all, small against a
wait."""
BATCH_LARGEST = 64
"""Most runs a batch, however short they are: what one message carries."""
FLUSH_SECONDS = 2.0
"""Longest time that a finished run waits in memory for its part, s."""


class How(TypedDict, total=False):
    """How a plan is run; see `run_plan`."""

    overwrite: bool
    retry_failed: bool
    progress: Callable[[Progress], None] | None


@dataclass(frozen=True, repr=False)
class SweepResult(Shown):
    """A sweep that is complete: how many runs it has in all, were made now, taken over, and failed.

    `seconds` is the real time of this session, `run_seconds` that inside the runs. `plots` and `sentences` are there
    when they were asked for.
    """

    folder: Path
    total: int
    made: int
    reused: int
    failed: int
    seconds: float
    run_seconds: float
    run_cpu: float
    """CPU time inside the runs, s: what other processes on the machine take does not count."""
    plots: tuple[Path, ...] = ()
    sentences: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def __repr__(self) -> str:
        """The counts of its runs, and what they showed."""
        failed = f", {self.failed:,} failed" if self.failed else ""
        return "\n".join([f"<{type(self).__name__}: {self.total:,} runs{failed}; {self.path}>", *self.sentences])

    @property
    def path(self) -> Path:
        """The file of the table."""
        return self.folder / TABLE

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a (point, platform, replication, service, metric); see `build_table`."""
        import pandas as pd

        return pd.read_parquet(self.path)

    def to_dict(self) -> dict[str, Any]:
        """The numbers of the session, and where its table and plots are, as plain data."""
        return {
            "table": str(self.path),
            "runs": self.total,
            "made": self.made,
            "reused": self.reused,
            "failed": self.failed,
            "wall_s": round(self.seconds, 3),
            "run_s": round(self.run_seconds, 3),
            "run_cpu_s": round(self.run_cpu, 3),
            "plots": [str(path) for path in self.plots],
            "crossings": list(self.sentences),
        }


@dataclass(frozen=True)
class _Batch:
    """A task for a worker: runs with the scenario of each point they need, each sent once."""

    runs: tuple[Planned, ...]
    scenarios: Mapping[int, Any]
    alone: bool = False


class _Done(NamedTuple):
    """What a worker gives back: all rows of a batch (encoded), real and CPU time inside its runs (s), and failures."""

    encoded: bytes
    seconds: float
    cpu: float
    failed: int


class VersionMismatch(HostsimError):
    """A worker runs other code than the sweep was started with."""


def _work(batch: _Batch, evaluate: Evaluate, fingerprint: Callable[[], str], expected: str) -> _Done:
    """On the worker: make all runs of a batch."""
    if fingerprint() != expected:
        raise VersionMismatch("a worker has another version of hostsim installed, or other plug-ins, than this process")
    started = time.thread_time()
    finished = [_run(run, batch.scenarios[run.point], evaluate) for run in batch.runs]
    cpu = time.thread_time() - started
    failed = sum(run.error is not None for run in finished)
    return _Done(encode(finished), sum(run.seconds for run in finished), cpu, failed)


def _run(run: Planned, scenario: Any, evaluate: Evaluate) -> Finished:
    started = time.perf_counter()
    try:
        rows = evaluate(scenario, run.platform, run.replication)
    except Exception as error:  # a failed run is data
        text = f"{type(error).__name__}: {error}"
        return Finished(run.id, (), time.perf_counter() - started, text, traceback.format_exc())
    return Finished(run.id, rows, time.perf_counter() - started)


def run_plan(
    plan: Plan,
    out: Path,
    *,
    executor: Executor,
    evaluate: Evaluate = evaluate_run,
    fingerprint: Callable[[], str] = code_fingerprint,
    progress: Callable[[Progress], None] | None = None,
    overwrite: bool = False,
    retry_failed: bool = False,
) -> SweepResult:
    """Make the runs of `plan` that `out` lacks on an entered `executor`, and consolidate them into `out`/table.parquet.

    `fingerprint` names the code behind `evaluate`; a worker whose own differs is refused.
    Raises SweepError when `out` holds results of other code, ResultsError when it is being written or cannot be,
    OSError when the disk is full; whatever is raised, every part on the disk stays valid, and calling again goes on.
    """
    store = SweepStore(out)
    with store.locked():
        if overwrite:
            store.clear()
        _check(store, plan, fingerprint())
        session = _Session(plan, store, executor, evaluate, fingerprint, progress, retry_failed)
        store.write_manifest(session.manifest("running"))
        try:
            session.run()
        except BaseException:
            with contextlib.suppress(OSError):  # on a full disk the first error is the one to hear of
                store.write_manifest(session.manifest("interrupted"))
            raise
        session.finish()
        return session.result()


def _check(store: SweepStore, plan: Plan, code: str) -> None:
    """Refuse to mix: the folder must be empty, or hold this sweep made by this code."""
    manifest = store.manifest()
    if manifest is None:
        return
    if manifest.get("sweep") != plan.name:
        raise SweepError(f"{store.root}: holds the results of {manifest.get('sweep')!r}; choose another folder")
    if manifest.get("axes", _axes(plan)) != _axes(plan):
        raise SweepError(
            f"{store.root}: holds a sweep over other axes ({', '.join(manifest['axes'])}); choose another folder, or "
            "replace it (overwrite)"
        )
    if manifest.get("code") != code:
        raise SweepError(
            f"{store.root}: its runs were made by another version of the simulator; make them anew (overwrite)"
        )


def _axes(plan: Plan) -> list[str]:
    return sorted(plan.points[0]) if plan.points else []


class _Session:
    """One call of `run_plan`: what is missing, what is under way, what waits to be written."""

    def __init__(
        self,
        plan: Plan,
        store: SweepStore,
        executor: Executor,
        evaluate: Evaluate,
        fingerprint: Callable[[], str],
        progress: Callable[[Progress], None] | None,
        retry_failed: bool,
    ) -> None:
        self._plan, self._store, self._executor, self._progress = plan, store, executor, progress
        self._code = fingerprint()
        self._work = functools.partial(_work, evaluate=evaluate, fingerprint=fingerprint, expected=self._code)
        self._started = time.time()
        self._clock = time.perf_counter()
        self.planned = planned_runs(plan)
        kept = {
            run: state for run, state in store.finished().items() if not (state.lost or (retry_failed and state.failed))
        }
        self._missing = [run for run in {run.id: run for run in reversed(self.planned)}.values() if run.id not in kept]
        self._missing.reverse()
        wanted = {run.id for run in self.planned}
        self._total = len(wanted)
        self._reused = self._total - len(self._missing)
        self._failed = sum(state.failed for run, state in kept.items() if run in wanted)
        self._made = 0
        self._run_seconds = 0.0
        self._run_cpu = 0.0
        self._suspects: list[Planned] = []
        self._waiting: list[bytes] = []
        self._flushed = time.perf_counter()

    def run(self) -> None:
        """Make what is missing. What has finished is written even when this is left by an exception."""
        self._report()
        try:
            self._consume(self._batches())
            # A run whose worker died may have been a bystander: each suspect alone, so that only the culprit is blamed.
            for run in self._suspects:
                self._consume([self._batch([run], alone=True)])
        finally:
            self._flush()

    def finish(self) -> None:
        """Write the table, then say in the manifest that all is there."""
        self._store.write_table(build_table(self._store.read_parts(), self._plan.points, self.planned))
        self._store.write_manifest(self.manifest("complete"))

    def result(self) -> SweepResult:
        """The numbers of this session."""
        seconds = time.perf_counter() - self._clock
        return SweepResult(
            self._store.root,
            self._total,
            self._made,
            self._reused,
            self._failed,
            seconds,
            self._run_seconds,
            self._run_cpu,
        )

    def _consume(self, batches: Iterable[_Batch]) -> None:
        with contextlib.closing(self._executor.unordered(self._work, batches)) as outcomes:
            for outcome in outcomes:
                if outcome is not None:
                    self._take(outcome)
                if time.perf_counter() - self._flushed > FLUSH_SECONDS:
                    self._flush()
                self._report()

    def _take(self, outcome: Outcome[_Batch, _Done]) -> None:
        batch = outcome.task
        if outcome.result is not None:
            done = outcome.result
        elif outcome.lost and not batch.alone:
            self._suspects.extend(batch.runs)
            return
        elif outcome.lost:
            runs = [Finished(run.id, (), 0.0, f"WorkerDied: {outcome.error}", lost=True) for run in batch.runs]
            done = _Done(encode(runs), 0.0, 0.0, len(runs))
        else:  # not a run's own error (that is data): the code, the wiring, the message
            raise SweepError(f"the workers cannot make the runs: {outcome.error}") from outcome.error
        self._waiting.append(done.encoded)
        self._made += len(batch.runs)
        self._failed += done.failed
        self._run_seconds += done.seconds
        self._run_cpu += done.cpu

    def _flush(self) -> None:
        if self._waiting:
            self._store.append(self._waiting)
            self._waiting = []
        self._flushed = time.perf_counter()

    def _batches(self) -> Iterator[_Batch]:
        """Batches of about `BATCH_SECONDS` each, small at first and at the end, so that workers finish together."""
        at = 0
        while at < len(self._missing):
            fair = (len(self._missing) - at) // (3 * max(self._executor.slots, 1))
            size = max(1, min(fair, BATCH_LARGEST, self._affordable()))
            yield self._batch(self._missing[at : at + size])
            at += size

    def _affordable(self) -> int:
        if not self._made:
            return 1
        return int(min(BATCH_SECONDS * self._made / max(self._run_seconds, 1e-9), BATCH_LARGEST))

    def _batch(self, runs: Sequence[Planned], alone: bool = False) -> _Batch:
        scenarios = {point: self._plan.scenario_at(point) for point in dict.fromkeys(run.point for run in runs)}
        return _Batch(tuple(runs), scenarios, alone)

    def _report(self) -> None:
        if self._progress is None:
            return
        rate = self._made / max(time.perf_counter() - self._clock, 1e-9)
        done = self._reused + self._made
        remaining = (self._total - done) / rate if self._made else None
        self._progress(Progress(done, self._total, self._failed, self._reused, rate, remaining))

    def manifest(self, state: str) -> dict[str, Any]:
        """What the folder is and how far it is."""
        return {
            "sweep": self._plan.name,
            "state": state,
            "code": self._code,
            "platforms": list(self._plan.platforms),
            "replications": self._plan.replications,
            "axes": _axes(self._plan),
            "points": len(self._plan.points),
            "runs": {"planned": self._total, "finished": self._reused + self._made, "failed": self._failed},
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
            "wall_seconds": round(time.perf_counter() - self._clock, 3),
            **self._plan.about,
        }
