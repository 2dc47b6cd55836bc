"""`density`: the most of something that the host carries while every SLO holds."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import DONE
from .common import at_work, check_is_file, given, shown

if TYPE_CHECKING:
    from sim.experiment.density.search import Density
    from sim.experiment.density.study import DensityStudy


def command(options: Namespace) -> int:
    """Search, print the answer of each platform and the curve that was walked."""
    from sim.experiment.density.search import Grid
    from sim.experiment.density.study import DensityStudy

    check_is_file(options.file)
    grid = Grid(options.first, options.step, options.last)
    study = DensityStudy(options.file, options.vary, grid, options.unit, **given(options))
    folder = study.folder(options.out)
    started = time.perf_counter()
    with at_work("density", options, options.scheduler) as (executor, show):
        found = study.run(executor, show)
    study.save(found, folder, plots=not options.no_plots)
    seconds = time.perf_counter() - started
    if options.format == "json":
        print(json.dumps({**study.to_dict(found), "results": str(folder), "wall_s": round(seconds, 3)}, indent=2))
        return DONE
    _print(study, found)
    runs = sum(each.runs for each in found)
    print(f"{len(found)} platforms, {runs} runs, {seconds:.1f} s; {shown(folder)}")
    return DONE


def _print(study: DensityStudy, found: Sequence[Density]) -> None:
    from rich.table import Table

    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    console.print(f"{study.question}\n", style="bold")
    table = Table(box=None, pad_edge=False)
    table.add_column("platform", no_wrap=True)
    table.add_column("most", justify="right", no_wrap=True)
    table.add_column("what broke first above it")
    for row in study.sentences(found):
        table.add_row(*row)
    console.print(table)
    console.print("\nThe curve", style="bold")
    for each in found:
        walked = "  ".join(f"{load.value:g}{'●' if load.verdict.holds else '○'}" for load in each.curve)
        console.print(f"{each.platform}: {walked}   ({each.runs} runs)")
    console.print("● holds  ○ does not\n", style="dim")
    for each in found:
        if not each.monotone:
            told = "a greater value held where a smaller one did not: give more --replications"
            print(f"warning: {each.platform}: {told}", file=sys.stderr)
