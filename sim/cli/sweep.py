"""`sweep`: a batch of scenario points, in parallel, resumable."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DONE, FAILED, INTERRUPTED, progress, sensitivity
from .crossover import sentences
from .run import RESULTS, check_is_file, shown, warm_up

if TYPE_CHECKING:
    from sim.experiment.sweep.plan import Plan
    from sim.experiment.sweep.session import Progress, SweepResult
    from sim.scenario import Sweep


def command(options: Namespace) -> int:
    """Make the runs that are missing, then print and plot what the sweep showed."""
    from sim.experiment.sweep.plan import plan_sweep
    from sim.platforms.checks import CHECKS
    from sim.scenario import load_sweep

    check_is_file(options.file)
    sweep = load_sweep(
        options.file,
        overrides=options.overrides,
        platforms=options.platforms,
        replications=options.replications,
        seed=options.seed,
        checks=CHECKS,
    )
    folder = Path(options.out) if options.out else RESULTS / sweep.name
    warm_up(options.quiet)
    try:
        if options.sensitivity:
            return sensitivity.command(sweep, options, _make)
        made = _make(plan_sweep(sweep), folder, options)
    except KeyboardInterrupt:
        print(f"interrupted; what finished is in {shown(folder)}: the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    plots, lines = _conclude(sweep, made, folder, options)
    _print(made, folder, plots, lines, options)
    return FAILED if made.failed else DONE


def _make(plan: Plan, folder: Path, options: Namespace) -> SweepResult:
    from sim.experiment.sweep.session import run_plan
    from sim.experiment.workers.choice import executor_for

    with (
        executor_for(options.workers, options.scheduler, cluster=True) as executor,
        progress.make(plan.name, options.quiet) as bar,
    ):

        def show(where: Progress) -> None:
            words = [f"{where.rate:.3g} runs/s"] if where.rate else []
            words += [f"{where.reused:,} were there"] if where.reused else []
            words += [f"{where.failed:,} failed"] if where.failed else []
            bar(where.done, where.total, ", ".join(words), where.remaining)

        return run_plan(
            plan,
            folder,
            executor=executor,
            progress=show,
            overwrite=options.overwrite,
            retry_failed=options.retry_failed,
        )


def _conclude(sweep: Sweep, made: SweepResult, folder: Path, options: Namespace) -> tuple[list[Path], list[str]]:
    """Plots of the sweep, and where the better platform changes along its axis."""
    import pandas as pd

    from sim.experiment.sensitivity.analysis import tornadoes
    from sim.report.figures.sweep import axes_of, save_sweep_plots

    table = pd.read_parquet(made.table)
    ranges = [each.paths for each in sweep.sample.over] if sweep.sample is not None else []
    axes = axes_of(table, [axis.paths for axis in sweep.axes], ranges)
    plots: list[Path] = []
    if not options.no_plots:
        bars = tornadoes(table, axes.sampled, options.metric) if axes.sampled else {}
        plots = save_sweep_plots(table, axes, options.metric, folder / "plots", sweep.name, bars)
    lines = _crossings(table, axes.factors, options.metric) if not ranges else []
    return plots, lines


def _crossings(table: Any, axes: Sequence[str], metric: str) -> list[str]:
    """Where along the only axis the better platform changes, for the first platform against each other."""
    from sim.experiment.crossover.crossing import CrossoverError, crossover_of

    platforms = list(dict.fromkeys(table["platform"]))
    if len(axes) != 1 or len(platforms) < 2 or not _is_number(table, axes[0]):
        return []
    axis, first = axes[0], platforms[0]
    lines: list[str] = []
    for other in platforms[1:]:
        try:
            found = crossover_of(table, axis, first, other, metric)
        except (CrossoverError, ValueError) as error:
            lines.append(f"{metric}, {first} against {other}: {error}")
            continue
        lines += sentences(found, axis)
    return lines


def _is_number(table: Any, column: str) -> bool:
    return bool(table[column].dtype.kind in "iuf")


def _print(made: SweepResult, folder: Path, plots: Sequence[Path], lines: Sequence[str], options: Namespace) -> None:
    if options.format == "json":
        data = {
            "table": str(made.table),
            "runs": made.total,
            "made": made.made,
            "reused": made.reused,
            "failed": made.failed,
            "wall_s": round(made.seconds, 3),
            "run_s": round(made.run_seconds, 3),
            "run_cpu_s": round(made.run_cpu, 3),
            "plots": [str(path) for path in plots],
            "crossings": list(lines),
        }
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        for line in lines:
            print(line)
        reused = f" ({made.reused:,} were there)" if made.reused else ""
        rate = f", {made.made / made.seconds:.3g} runs/s" if made.made and made.seconds else ""
        print(f"{made.total:,} runs{reused}, {made.failed:,} failed, {made.seconds:.1f} s{rate}; {shown(folder)}")
        print(f'read it with: pandas.read_parquet("{shown(folder)}table.parquet")')
        for path in plots:
            print(f"plot: {shown(path).rstrip('/')}")
    if made.failed:
        print(f"{made.failed:,} runs failed, for instance with {_an_error(made.table)}", file=sys.stderr)
        print("(all in the column `error` of the table; --retry-failed makes them again)", file=sys.stderr)


def _an_error(path: Path) -> str:
    """The commonest error of a sweep's table."""
    import pandas as pd

    return str(pd.read_parquet(path, columns=["error"])["error"].value_counts().index[0])
