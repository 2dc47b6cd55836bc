"""The public functions of `import sim`; see each one's docstring."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.results import Results, load_results
from sim.scenario import Scenario

if TYPE_CHECKING:
    from sim.experiment.crossover.crossing import Crossover
    from sim.experiment.density.search import Density
    from sim.report.answers.comparison import Comparison
    from sim.scenario import Base

__all__ = ["RunFailed", "compare", "crossover", "density", "load_results", "load_scenario", "run", "sweep"]


class RunFailed(Exception):
    """Some runs failed; `results` holds those that finished (None: none did), `failures` says why."""

    def __init__(self, text: str, results: Results | None, failures: Sequence[Any]) -> None:
        super().__init__(text)
        self.results = results
        self.failures = tuple(failures)


def load_scenario(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Load a scenario file and check it against the catalogue of platforms.

    `overrides` are texts like "host.cores=4"; `platforms`, `replications` and `seed` replace the file's. All
    quantities of the result are SI: seconds, bytes, cores. Raises sim.scenario.ScenarioError with every mistake and
    its line.
    """
    return _base(path, overrides=overrides, platforms=platforms, replications=replications, seed=seed).scenario


def _base(path: str | Path, **options: Any) -> Base:
    from sim.platforms.checks import CHECKS
    from sim.scenario import Base

    return Base.load(path, checks=CHECKS, **options)


def run(
    scenario: Scenario | str | Path,
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    keep_requests: bool = False,
    plots: bool = False,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Results:
    """Run a scenario on its platforms, and give the result.

    The result has `.table()` and `.verdict` to read, `.summary`, `.guests`, `.timeline`, `.events`, `.response` (and
    `.requests` with `keep_requests`) as pandas DataFrames in SI units, and `.comparison` as data.

    `platforms` and `replications` replace the scenario's. `workers`: processes (None: this one; more need the usual
    `if __name__ == "__main__":` guard in a script). `out`: the result folder to write (None: a temporary one, gone
    with the result). `progress(done, total)` is called after each run.

    Raises RunFailed when a run failed, sim.report.ResultsError when `out` holds something else, ScenarioError for a
    wrong file.
    """
    from sim.experiment.replications.scenario import Progress, run_scenario
    from sim.experiment.workers.choice import executor_for

    chosen = _chosen(scenario, platforms, replications)
    runs = len(chosen.platforms) * (
        chosen.replications if isinstance(chosen.replications, int) else chosen.replications.max
    )

    def show(where: Progress) -> None:
        if progress is not None:
            progress(where.done, where.total)

    with contextlib.ExitStack() as on_the_way, executor_for(workers or 1, runs=runs) as executor:
        if out is None:
            temporary = tempfile.mkdtemp(prefix="hostsim-")
            on_the_way.callback(shutil.rmtree, temporary, ignore_errors=True)
        report = run_scenario(
            chosen,
            Path(temporary) / chosen.name if out is None else Path(out),
            executor=executor,
            keep_requests=keep_requests,
            plots=plots,
            overwrite=overwrite,
            progress=show,
        )
        if report.results is not None:
            remover = on_the_way.pop_all()
            weakref.finalize(report.results, remover.close)
    if report.interrupted:
        raise KeyboardInterrupt
    if report.failures:
        first = report.failures[0]
        text = f"{report.missing} of {runs} runs failed, the first on {first.platform}: {first.error}"
        raise RunFailed(text, report.results, report.failures)
    assert report.results is not None
    return report.results


def _chosen(scenario: Scenario | str | Path, platforms: Sequence[str] | None, replications: int | None) -> Scenario:
    if not isinstance(scenario, Scenario):
        return load_scenario(scenario, platforms=platforms, replications=replications)
    from sim.platforms.checks import CHECKS
    from sim.scenario.loader import check

    update: dict[str, Any] = {}
    if platforms is not None:
        update["platforms"] = {name: dict(scenario.platforms.get(name, {})) for name in platforms}
    if replications is not None:
        if replications < 1:
            raise ValueError(f"replications must be at least 1, not {replications}")
        update["replications"] = replications
    chosen = scenario.model_copy(update=update) if update else scenario
    check(chosen, CHECKS, f"platforms={list(chosen.platforms)}")
    return chosen


def compare(results: Sequence[Results | str | Path], platforms: Sequence[str] | None = None) -> Comparison:
    """Put finished results side by side: every platform of each, the first being what the others are compared with.

    Platforms of several results are named `folder/platform`. Runs with equal seed and replication met the same traffic
    if the results' services and durations are the same; they are compared pair by pair then, and the comparison's
    `.paired` says so. Print it with `sim.report.render`. Raises ResultsError for a folder that is not a result.
    """
    from sim.report.joined import Joined

    opened = [each if isinstance(each, Results) else load_results(each) for each in results]
    return Joined(opened, platforms).comparison


def density(
    path: str | Path,
    vary: str | None = None,
    *,
    start: float = 1,
    stop: float | None = None,
    step: float = 1,
    unit: str = "",
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> list[Density]:
    """Find the most of something that the host carries on each platform while every SLO holds.

    `vary` is the dotted path of what grows (None: the first service's replicas where fixed, else its tenants), tried
    at `start`, `start + step`, … up to `stop`, with `unit` ("/s") behind the number. An answer has `.most`, `.broke`
    (what broke just above it) and `.curve`. `workers`: processes (None: this one). Raises ScenarioError for a wrong
    file or path, ValueError for an empty grid, sim.experiment.density.search.DensityError when a run fails.
    """
    from sim.experiment.density import search as room
    from sim.experiment.workers.choice import executor_for

    base = _base(path, overrides=overrides, platforms=platforms, replications=replications, seed=seed)
    names, grid = tuple(base.scenario.platforms), room.Grid(start, step, stop)
    scenario_at = base.along(vary or room.default_path(base.scenario), unit)
    with executor_for(workers or 1) as executor:
        return room.density(scenario_at, names, grid, executor=executor, progress=progress)


def crossover(
    path: str | Path,
    vary: str,
    start: float,
    stop: float,
    *,
    unit: str = "",
    metric: str = "response.p99",
    service: str = "all",
    whole: bool = False,
    platforms: Sequence[str] | None = None,
    replications: int = 5,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    workers: int | None = None,
) -> Crossover:
    """Find where along one axis the better of two platforms changes, with an interval on the crossing point.

    `vary` is the dotted path of the axis, from `start` to `stop`, with `unit` ("/s") behind the number; `whole`: whole
    numbers only. The answer has `.crossings` (each with `.at`, `.low`, `.high` at 95 %, and who is better `.below` and
    `.above`), or `.better` when nothing crosses, and `.values` and `.differences` to plot. `workers`: processes (None:
    this one). Raises ScenarioError for a wrong file or path, ValueError unless there are two platforms,
    sim.experiment.crossover.crossing.CrossoverError when a run fails or the metric has no better side.
    """
    from sim.experiment.crossover.search import find_crossover
    from sim.experiment.workers.choice import executor_for

    base = _base(path, overrides=overrides, platforms=platforms, seed=seed)
    names = tuple(base.scenario.platforms)
    if len(names) != 2:
        raise ValueError(f"crossover compares two platforms, not {', '.join(names)}")
    with executor_for(workers or 1) as executor:
        return find_crossover(
            base.along(vary, unit), *names, start, stop, metric=metric, service=service,
            replications=replications, whole=whole, executor=executor,
        )  # fmt: skip


def sweep(
    path: str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Any], None] | None = None,
) -> Any:
    """Run a sweep file and give its table: a DataFrame with one row a (point, platform, replication, service, metric).

    Runs that `out` (default: results/NAME) has already are not made again. `workers`: processes of a local Dask
    cluster (None: as many as cores; 1: this process), or `scheduler`: the address of an existing one. Scripts need the
    usual `if __name__ == "__main__":` guard, except with one worker. Raises ScenarioError for a wrong file, and
    sim.experiment.sweep.plan.SweepError when `out` holds something else.
    """
    import pandas as pd

    from sim.experiment.sweep.plan import plan_sweep
    from sim.experiment.sweep.session import run_plan
    from sim.experiment.workers.choice import executor_for
    from sim.platforms.checks import CHECKS
    from sim.scenario import load_sweep

    options: Any = {"platforms": platforms, "replications": replications, "seed": seed}
    loaded = load_sweep(path, overrides=overrides, checks=CHECKS, **options)
    folder = Path(out) if out is not None else Path("results") / loaded.name
    with executor_for(workers, scheduler, cluster=True) as executor:
        made = run_plan(plan_sweep(loaded), folder, executor=executor, progress=progress, overwrite=overwrite)
    return pd.read_parquet(made.table)
