"""The public functions of `import sim`; see each one's docstring."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.reading.errors import HostsimError
from sim.report.results import Results
from sim.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.experiment.attribution.answer import Why
    from sim.experiment.crossover.crossing import Crossover
    from sim.experiment.density.answer import Capacity
    from sim.experiment.replications.scenario import Failure
    from sim.experiment.sensitivity.analysis import Method
    from sim.experiment.sensitivity.study import SensitivityResult
    from sim.experiment.study import Progress
    from sim.experiment.sweep.session import SweepResult
    from sim.report.answers.comparison import Comparison
    from sim.scenario.loader import Given


class Result(Results):
    """A finished result, which can be asked why, drawn, and written as a page."""

    def report(self, out: str | Path | None = None) -> Path:
        """Write it as one HTML page, whole in itself; see `sim.page`."""
        from sim.tools import page

        return page(self, out)

    def why(self, metric: str | None = None, **how: Any) -> Why:
        """Why two of its platforms differ: see `sim.why`, whose options it takes."""
        return why(self, metric, **how)

    def plot(self, name: str = "focus") -> Figure:
        """One of the figures of a result folder, by the name of its file or a part of it ("tail", "timeline").

        Raises ValueError for a name that is none, with those there are, and where this result has no such figure.
        """
        from sim.report.figures.result import figure_of

        return figure_of(self, name)


def load_results(folder: str | Path) -> Result:
    """Open a finished result folder: tables as data frames, the comparison, the verdict, and `.why()`.

    Raises ResultsError when it is not there, not whole or of another format.
    """
    return Result(Path(folder))


class RunFailed(HostsimError):
    """Some runs failed; `results` holds those that finished (None: none did), `failures` says why."""

    def __init__(self, text: str, results: Results | None, failures: Sequence[Failure]) -> None:
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
    quantities of the result are SI: seconds, bytes, cores. Raises sim.reading.errors.ScenarioError with every mistake
    and its line.
    """
    from sim.platforms.checks import CHECKS
    from sim.scenario import load_scenario

    return load_scenario(
        path, overrides=overrides, platforms=platforms, replications=replications, seed=seed, checks=CHECKS
    )


def run(
    scenario: Scenario | str | Path | Mapping[str, Any],
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    keep_requests: bool = False,
    plots: bool = False,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    force: bool = False,
) -> Result:
    """Run a scenario on its platforms, and give the result.

    It is a file, what `load_scenario` gave, or a dictionary that says what a file would: `{"duration": "10min", …}`.

    The result has `.table()` and `.verdict` to read, `.summary`, `.guests`, `.timeline`, `.events`, `.response` (and
    `.requests` with `keep_requests`) as pandas DataFrames in SI units, and `.comparison` as data.

    `platforms` and `replications` replace the scenario's. `workers`: processes (None: this one; more need the usual
    `if __name__ == "__main__":` guard in a script). `out`: the result folder to write (None: a temporary one, gone
    with the result). `progress(done, total)` is called after each run. `force`: also what is estimated to take
    more than 10 min of CPU a run, 1 h in all, or 2 GB.

    Raises RunFailed when a run failed, sim.report.ResultsError when `out` holds something else, ScenarioError for what
    is wrong in the scenario, a file or not.
    """
    from sim.experiment.chosen import chosen_scenario
    from sim.experiment.replications.scenario import run_scenario
    from sim.experiment.study import most_replications
    from sim.experiment.workers.choice import executor_for

    chosen = chosen_scenario(scenario, platforms, replications, force)
    runs = len(chosen.platforms) * most_replications(chosen)
    result: Result | None = None

    def show(where: Progress) -> None:
        if progress is not None:
            progress(where.done, where.total or runs)

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
            result = Result(report.results.folder)
            weakref.finalize(result, on_the_way.pop_all().close)
    if report.interrupted:
        raise KeyboardInterrupt
    if report.failures:
        first = report.failures[0]
        text = f"{report.missing} of {runs} runs failed, the first on {first.platform}: {first.error}"
        raise RunFailed(text, result, report.failures)
    assert result is not None
    return result


def compare(
    results: Sequence[Results | str | Path],
    platforms: Sequence[str] | None = None,
    out: str | Path | None = None,
    plots: bool = False,
) -> Comparison:
    """Put finished results side by side: every platform of each, the first being what the others are compared with.

    Platforms of several results are named `folder/platform`. Runs with equal seed and replication met the same traffic
    if the results' services and durations are the same; they are compared pair by pair then, and the comparison's
    `.paired` says so. Print it with `sim.report.render`. `out`: a folder to write comparison.csv (and plots) to.
    Raises ResultsError for a folder that is not a result, or an `out` that holds something else.
    """
    from sim.experiment.comparison import comparison_folder, save_comparison
    from sim.report.joined import Joined

    joined = Joined([each if isinstance(each, Results) else load_results(each) for each in results], platforms)
    if out is not None:
        save_comparison(joined, comparison_folder(joined, out), plots=plots)
    return joined.comparison


def density(
    path: Given,
    vary: str | None = None,
    *,
    start: float | None = None,
    stop: float | None = None,
    step: float | None = None,
    unit: str = "",
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    out: str | Path | None = None,
    plots: bool = False,
    progress: Callable[[Progress], None] | None = None,
    budget: float | None = None,
    reboot: bool = False,
    want: float | None = None,
    force: bool = False,
) -> Capacity:
    """Find the most of something that the host carries on each platform while every SLO holds.

    `path`: a file, a dictionary that says what one would, or a scenario that was read from either. `vary` is what
    grows: a dotted path, several with commas between, "traffic" for all open traffic as a factor, or
    None for what the scenario suggests (a stack's tenants, tenants, traffic). It is tried at `start`, `start + step`, …
    up to `stop` (None: 1 and 1, for traffic 0.05 and 0.05; no end), with `unit` ("/s") behind the number. The answer of
    a platform, `found["vm"]`, has `.most`, `.safe` (what holds in 95 % of the replications, each by itself), `.high`,
    `.broke` (what broke just above it), `.curve`, and with `reboot` the `.recovery` of a host that reboots at the
    answer. `found.doubts` says what makes it doubtful. `replications`: at most as many a value (None: 10, or what the
    scenario asks for). `budget`: s of real time after which it ends with what it knows. `want`: its sentences and
    `to_dict()` say how many such hosts that many take. `workers`: processes (None: this one), or `scheduler`: the
    address of Dask's. `out`: a folder to write density.csv and density.json (and a plot) to. Raises ScenarioError
    for a wrong scenario or path, ValueError for an empty grid, ResultsError when `out` holds something else,
    sim.experiment.density.search.DensityError when a run fails.
    """
    from sim.experiment.density.questions import Grid
    from sim.experiment.density.study import DensityStudy
    from sim.experiment.workers.choice import executor_for
    from sim.report.folder.place import held

    own = (start, stop, step) != (None, None, None)
    grid = Grid(1 if start is None else start, 1 if step is None else step, stop) if own else None
    study = DensityStudy(
        path, vary, grid, unit,
        overrides=overrides, platforms=platforms, replications=replications, seed=seed, force=force,
    )  # fmt: skip
    folder = None if out is None else study.folder(out)
    with held(folder), executor_for(workers or 1, scheduler) as executor:
        found = study.run(executor, progress, budget=budget, reboot=reboot, want=want)
        if folder is not None:
            study.save(found, folder, plots)
    return found


def crossover(
    path: Given,
    vary: str,
    start: float,
    stop: float,
    *,
    unit: str = "",
    metric: str = "response.p99",
    service: str = "all",
    whole: bool = False,
    points: int = 5,
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    out: str | Path | None = None,
    plots: bool = False,
    progress: Callable[[Progress], None] | None = None,
    force: bool = False,
) -> Crossover:
    """Find where along one axis the better of two platforms changes, with an interval on the crossing point.

    `path`: as that of `density`. `vary` is the dotted path of the axis, from `start` to `stop`, with `unit` ("/s")
    behind the number; `points` values to begin with; `whole`: whole numbers only. The answer has `.crossings` (each
    with `.at`, `.low`, `.high` at 95 %, and who is better `.below` and `.above`), or `.better` when nothing
    crosses, and `.values` and `.differences` to plot. `replications`: None means 5, or what the scenario asks for.
    `workers`: processes (None: this one), or `scheduler`: the address of Dask's. `out`: a folder to write
    crossover.csv and crossover.json (and a plot) to.
    Raises ScenarioError for a wrong file or path, ValueError unless there are two platforms, ResultsError when `out`
    holds something else, sim.experiment.crossover.crossing.CrossoverError when a run fails or no side of the metric is
    better.
    """
    from sim.experiment.crossover.study import CrossoverStudy
    from sim.experiment.workers.choice import executor_for
    from sim.report.folder.place import held

    study = CrossoverStudy(
        path, vary, start, stop, unit,
        overrides=overrides, platforms=platforms, replications=replications, seed=seed, force=force,
    )  # fmt: skip
    folder = None if out is None else study.folder(out)
    with held(folder), executor_for(workers or 1, scheduler) as executor:
        found = study.run(executor, metric=metric, service=service, points=points, whole=whole, progress=progress)
        if folder is not None:
            study.save(found, folder, plots)
    return found


def why(
    scenario: Results | Scenario | str | Path,
    metric: str | None = None,
    *,
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    out: str | Path | None = None,
    plots: bool = False,
    progress: Callable[[Progress], None] | None = None,
    budget: float | None = None,
    force: bool = False,
) -> Why:
    """Split the difference of two platforms in a metric over groups of mechanisms (promise, start-up, memory …).

    `scenario`: also a result, whose scenario it is. `metric`: "response.p99", "shop/goodput", or "served", the share of
    requests completed (None: from the scenario's focus). Of more than two platforms those are taken that are farthest
    apart. The answer has `.parts`, each with its `.share` (they add up to `.difference`), what it adds `.alone` and
    `.last`; `.sentences`, `.doubts`, `.worth`. `replications`: None means 5, or what the scenario asks for. `workers`:
    processes (None: this one), or `scheduler`: the address of Dask's. `out`: a folder for why.json and why.csv (and a
    plot). `budget`: s of real time after which it ends with the replications that it has. Raises ScenarioError for
    a wrong file, ValueError for one platform or an unknown metric, ResultsError when `out` holds something else,
    sim.experiment.attribution.game.WhyError when a run fails or the metric is missing in one.
    """
    from sim.experiment.attribution.study import WhyStudy
    from sim.experiment.chosen import chosen_scenario
    from sim.experiment.workers.choice import executor_for
    from sim.report.folder.place import held

    asked = scenario.folder / "manifest.json" if isinstance(scenario, Results) else scenario
    study = WhyStudy(chosen_scenario(asked, platforms, None, force), metric, replications, force=force)
    folder = None if out is None else study.folder(out)
    with held(folder), executor_for(workers or 1, scheduler) as executor:
        found = study.run(executor, progress, budget=budget)
        if folder is not None:
            study.save(found, folder, plots)
    return found


def sweep(
    path: str | Path,
    *,
    metric: str = "response.p99",
    out: str | Path | None = None,
    plots: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] | None = None,
    force: bool = False,
) -> SweepResult:
    """Run a sweep file; the result has `.table`, one row a (point, platform, replication, service, metric), and more.

    `.folder` is `out` (default: results/NAME), and runs that it has already are not made again; `.sentences` say where
    the better platform by `metric` changes along a single axis; `.plots` are drawn with `plots`. `workers`: processes
    of this machine (None: as many as cores; 1: this one), or `scheduler`: the address of an existing one of Dask.
    Scripts need the usual `if __name__ == "__main__":` guard, except with one worker. Raises ScenarioError for a wrong
    file, and sim.experiment.sweep.plan.SweepError when `out` holds something else.
    """
    from sim.experiment.sweep.study import SweepStudy
    from sim.experiment.workers.choice import executor_for

    study = SweepStudy(
        path, metric, overrides=overrides, platforms=platforms, replications=replications, seed=seed, force=force
    )
    with executor_for(workers, scheduler) as executor:
        return study.run(
            study.folder(out), executor, plots=plots, overwrite=overwrite, retry_failed=retry_failed, progress=progress
        )


def sensitivity(
    path: str | Path,
    method: Method = "sobol",
    *,
    size: int | None = None,
    metric: str = "response.p99",
    out: str | Path | None = None,
    plots: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    retry_failed: bool = False,
    progress: Callable[[Progress], None] | None = None,
    force: bool = False,
) -> SensitivityResult:
    """Find which assumption moves `metric` most: a design by `method` ("sobol" or "morris") over a sweep file's ranges.

    The result is that of `sweep`, with `.effects`: by platform (and by difference to the first, as `container − vm`)
    each parameter's strength, strongest first. `size` is that of the design (None: 32 for sobol, 8 for morris). Raises
    ScenarioError for a wrong file, ValueError for one without ranges or a wrong size, and SweepError as `sweep` does.
    """
    from sim.experiment.sensitivity.study import SensitivityStudy
    from sim.experiment.workers.choice import executor_for

    study = SensitivityStudy(
        path, method, size, metric,
        overrides=overrides, platforms=platforms, replications=replications, seed=seed, force=force,
    )  # fmt: skip
    with executor_for(workers, scheduler) as executor:
        return study.run(
            study.folder(out), executor, plots=plots, overwrite=overwrite, retry_failed=retry_failed, progress=progress
        )
