"""`sweep`: a batch of scenario points, in parallel, resumable; with `--sensitivity`, what moves the answer most."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from . import DONE, FAILED, INTERRUPTED
from .common import at_work, check_is_file, given, shown

if TYPE_CHECKING:
    from sim.experiment.sensitivity.study import SensitivityResult, SensitivityStudy
    from sim.experiment.sweep.session import SweepResult
    from sim.experiment.sweep.study import SweepStudy


def command(options: Namespace) -> int:
    """Make the runs that are missing, then print and plot what they showed."""
    check_is_file(options.file)
    study = _study(options)
    folder = study.folder(options.out)
    try:
        with at_work(study.plan.name, options, options.scheduler) as (executor, show):
            found = study.run(
                folder,
                executor,
                plots=not options.no_plots,
                overwrite=options.overwrite,
                retry_failed=options.retry_failed,
                progress=show,
            )
    except KeyboardInterrupt:
        print(f"interrupted; what finished is in {shown(folder)}: the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    if options.format == "json":
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print(found)
    if found.failed:
        commonest = found.table["error"].value_counts().index[0]
        print(f"{found.failed:,} runs failed, for instance with {commonest}", file=sys.stderr)
        print("(all in the column `error` of the table; --retry-failed makes them again)", file=sys.stderr)
    return FAILED if found.failed else DONE


def _study(options: Namespace) -> SweepStudy | SensitivityStudy:
    if options.sensitivity:
        from sim.experiment.sensitivity.study import SensitivityStudy

        return SensitivityStudy(options.file, options.sensitivity, options.size, options.metric, **given(options))
    from sim.experiment.sweep.study import SweepStudy

    return SweepStudy(options.file, options.metric, **given(options))


def _print(found: SweepResult) -> None:
    from sim.experiment.sensitivity.study import SensitivityResult

    if isinstance(found, SensitivityResult):
        _print_effects(found)
    for line in found.sentences:
        print(line)
    reused = f" ({found.reused:,} were there)" if found.reused else ""
    rate = f", {found.made / found.seconds:.3g} runs/s" if found.made and found.seconds else ""
    counts = f"{found.total:,} runs{reused}, {found.failed:,} failed, {found.seconds:.1f} s{rate}"
    print(f"{counts}; {shown(found.folder)}")
    print(f'read it with: pandas.read_parquet("{shown(found.path)}")')
    for path in found.plots:
        print(f"plot: {shown(path)}")


def _print_effects(found: SensitivityResult) -> None:
    from rich.table import Table

    from sim.report.figures.tornado import strength_of
    from sim.report.metrics.known import describe
    from sim.report.metrics.numbers import text
    from sim.report.text.terminal import make_console

    unit = describe(found.metric).unit
    console = make_console(sys.stdout)
    for name, each in found.effects.items():
        console.print(f"What moves {found.metric} of {name} most?", style="bold")
        table = Table(box=None, pad_edge=False)
        table.add_column("assumption")
        for column in (
            "mean effect" if found.method == "morris" else "share of the variance",
            "low quarter",
            "high quarter",
        ):
            table.add_column(column, justify="right", no_wrap=True)
        for effect in each.effects:
            ends = (text(end, unit, sign="−" in name) for end in (effect.low, effect.high))
            table.add_row(effect.parameter, strength_of(effect, unit, found.method), *ends)
        console.print(table)
        console.print("")
