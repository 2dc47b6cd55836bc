"""`fit` and `density`: the most of something that the host carries while every SLO holds."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING

from . import DONE, progress, signals
from .common import at_work, check_is_file, given, judged, shown

if TYPE_CHECKING:
    from sim.experiment.density.answer import Capacity
    from sim.experiment.density.study import DensityStudy
    from sim.experiment.workers.executor import Executor


def command(options: Namespace) -> int:
    """Search, print the answer of each platform and the curve that was walked."""
    from sim.experiment.density.questions import Grid
    from sim.experiment.density.study import DensityStudy
    from sim.report.folder.place import held

    check_is_file(options.file)
    grid = None
    if (options.first, options.step, options.last) != (None, None, None):
        grid = Grid(1 if options.first is None else options.first, options.step or 1, options.last)
    study = DensityStudy(options.file, options.vary, grid, options.unit, **given(options))
    folder = study.folder(options.out)
    started = time.perf_counter()
    signals.keep()
    with held(None if options.dry_run else folder):
        with at_work(options.command, options, options.scheduler) as (executor, show):
            if options.dry_run:
                return _dry_run(study, executor)
            reboot = not options.no_reboot
            found = study.run(executor, show, budget=options.budget, reboot=reboot, want=options.want)
        study.save(found, folder, plots=not options.no_plots)
    seconds = time.perf_counter() - started
    if options.format == "json":
        told = {**found.to_dict(), "results": str(folder), "wall_s": round(seconds, 3)}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(found)
        print(f"{len(found)} platforms, {found.runs} runs, {seconds:.1f} s; {shown(folder)}")
    return judged(options, found.doubts)


def _dry_run(study: DensityStudy, executor: Executor) -> int:
    """Say what would be run, and for how long; nothing is written."""
    plan = study.plan(executor)
    axis = study.axis
    why = f" ({axis.why}; --vary PATH for another)" if axis.why else ""
    print(f"{axis.name}{why}: {', '.join(axis.shown(axis.grid.value(index)) for index in range(3))} …")
    for name, end in plan.ends.items():
        told = "no end by promises or offered work" if end is None else f"begins at {axis.shown(end)}, "
        told += "" if end is None else "where promises or offered work alone would let it end"
        print(f"{name}: {told}")
    for each in study.foreseen():
        print(each.line)
    most = f"at most {study.replications} replications a value"
    low, high = (progress.duration(seconds) for seconds in plan.seconds)
    print(f"{plan.runs[0]} to {plan.runs[1]} runs ({most}), about {low} to {high}; nothing was written")
    return DONE


def _print(found: Capacity) -> None:
    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    for doubt in found.doubts:
        if doubt.severity != "note":
            console.print(doubt.line, style="bold red" if doubt.severity == "wrong" else "yellow", soft_wrap=True)
    question = found.question
    console.print(question.sentence, style="bold", soft_wrap=True)
    if question.why:
        console.print(f"Varied: {question.vary}, {question.why}; --vary PATH for another.", soft_wrap=True)
    console.print("")
    for sentence in found.sentences:
        console.print(f"  {sentence}", soft_wrap=True)
    console.print("\nThe curve", style="bold")
    for each in found:
        walked = "  ".join(f"{load.value:g}{'●' if load.verdict.holds else '○'}" for load in each.curve)
        console.print(f"{each.platform}: {walked}   ({each.runs} runs)")
    console.print("● holds with 95 % confidence  ○ does not", style="dim")
    for note in (doubt for doubt in found.doubts if doubt.severity == "note"):
        console.print(note.line, style="dim", soft_wrap=True)
    console.print("")
    for each in found:
        if not each.monotone:
            told = "a greater value held where a smaller one did not: give more --replications"
            print(f"warning: {each.platform}: {told}", file=sys.stderr)
