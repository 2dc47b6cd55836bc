"""`crossover`: where along one axis the better of two platforms changes."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING

from . import DONE, signals
from .common import at_work, check_is_file, given, shown

if TYPE_CHECKING:
    from sim.experiment.crossover.crossing import Crossover


def command(options: Namespace) -> int:
    """Search, print where the better platform changes, and plot it."""
    from sim.experiment.crossover.study import CrossoverStudy
    from sim.report.folder.place import held

    check_is_file(options.file)
    study = CrossoverStudy(options.file, options.vary, options.first, options.last, options.unit, **given(options))
    folder = study.folder(options.out)
    started = time.perf_counter()
    signals.keep()
    with held(folder):
        with at_work("crossover", options, options.scheduler) as (executor, show):
            found = study.run(
                executor,
                metric=options.metric,
                service=options.service,
                points=options.points,
                whole=options.whole,
                progress=show,
            )
        study.save(found, folder, plots=not options.no_plots)
    if options.format == "json":
        print(json.dumps({**study.to_dict(found), "results": str(folder)}, indent=2, ensure_ascii=False))
        return DONE
    _print(found, options.vary, options.unit)
    print(f"{len(found.values)} values, {found.runs} runs, {time.perf_counter() - started:.1f} s; {shown(folder)}")
    return DONE


def _print(found: Crossover, axis: str, unit: str) -> None:
    from rich.table import Table

    from sim.report.metrics.known import describe
    from sim.report.metrics.numbers import spread
    from sim.report.metrics.statistics import mean_interval
    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    for line in found.sentences(axis, unit):
        console.print(line, style="bold", soft_wrap=True)
    console.print("")
    kind = describe(found.metric).unit
    table = Table(box=None, pad_edge=False)
    for name in ("value", found.a, found.b, f"{found.a} − {found.b}"):
        table.add_column(name, justify="right", no_wrap=True)
    for index, value in enumerate(found.values):
        sides = [spread(mean_interval(found.series[name][index]), kind) for name in (found.a, found.b)]
        table.add_row(f"{value:g}{unit}", *sides, spread(mean_interval(found.differences[index]), kind, sign=True))
    console.print(table)
    console.print("")
