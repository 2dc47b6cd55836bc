"""`why`: the difference of two platforms in a metric, split over groups of mechanisms."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING

from . import DONE, progress, signals
from .common import at_work, check_is_file, given, judged, shown

if TYPE_CHECKING:
    from sim.experiment.attribution.answer import Why
    from sim.experiment.attribution.study import WhyStudy
    from sim.experiment.workers.executor import Executor


_NOTES_TOLD = 2


def command(options: Namespace) -> int:
    """Make the runs, print how much of the difference each group makes, and draw it."""
    from sim.experiment.attribution.study import WhyStudy
    from sim.experiment.effort import limits
    from sim.report.folder.place import held
    from sim.scenario import load_scenario

    check_is_file(options.file)
    scenario = load_scenario(options.file, checks=limits.checks(options.force), **given(options))
    study = WhyStudy(scenario, options.metric, options.replications, force=options.force)
    folder = study.folder(options.out)
    started = time.perf_counter()
    signals.keep()
    with held(None if options.dry_run else folder):
        with at_work("why", options, options.scheduler) as (executor, show):
            if options.dry_run:
                return _dry_run(study, executor)
            found = study.run(executor, show, budget=options.budget)
        study.save(found, folder, plots=not options.no_plots)
    seconds = time.perf_counter() - started
    if options.format == "json":
        told = {**found.to_dict(), "results": str(folder), "wall_s": round(seconds, 3)}
        print(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(found)
        print(f"{len(found.worth)} platforms between, {found.runs} runs, {seconds:.1f} s; {shown(folder)}")
    return judged(options, found.doubts)


def _dry_run(study: WhyStudy, executor: Executor) -> int:
    """Say what would be run, and for how long; nothing is written."""
    plan = study.plan(executor)
    names = [each.name for each in plan.cast.players]
    print(f"{plan.cast.b.name} − {plan.cast.a.name} in {plan.asked.name}, split over {', '.join(names) or 'nothing'}")
    for each in plan.cast.players:
        more = f" and {len(each.differs) - 6} more" if len(each.differs) > 6 else ""
        print(f"{each.name}: {', '.join(each.differs[:6])}{more}")
    for name, why in plan.cast.left_out.items():
        print(f"left out: {name}: {why}")
    for sentence in plan.cast.together:
        print(sentence)
    print(f"{plan.runs} runs ({study.replications} replications), about {progress.duration(plan.seconds)}; "
          "nothing was written")  # fmt: skip
    return DONE


def _print(found: Why) -> None:
    from rich.table import Table

    from sim.report.metrics.numbers import spread
    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    for doubt in found.doubts:
        if doubt.severity != "note":
            console.print(doubt.line, style="bold red" if doubt.severity == "wrong" else "yellow")
    for number, sentence in enumerate(found.sentences):
        console.print(sentence, style="bold" if number < 2 else "")
    for told in found.notes:
        console.print(told)
    if not found.complete:
        console.print(f"Time was over: {found.replications} of {found.wanted} replications.")
    console.print("")
    table = Table(box=None, pad_edge=False)
    for name in ("of the difference", "part", "", "alone", "last"):
        table.add_column(name, justify="left" if name == "of the difference" else "right", no_wrap=True)
    whole = found.difference.mean
    for part in found.parts:
        percent = f"{round(100 * part.share.mean / whole)} %" if whole else ""
        numbers = [spread(each, found.unit, sign=True) for each in (part.share, part.alone, part.last)]
        table.add_row(part.name, numbers[0], percent, *numbers[1:])
    table.add_row(f"{found.b} − {found.a}", spread(found.difference, found.unit, sign=True), "100 %" if whole else "")
    console.print(table)
    console.print(
        f"part: the mean over all orders (Shapley), they add up; alone: {found.b}'s, all else {found.a}'s; "
        f"last: {found.b}'s, all else being {found.b}'s already",
        style="dim",
    )
    notes = [doubt for doubt in found.doubts if doubt.severity == "note"]
    for note in notes[:_NOTES_TOLD]:
        console.print(note.line, style="dim")
    if len(notes) > _NOTES_TOLD:
        console.print(f"({len(notes) - _NOTES_TOLD} more notes: why.json)", style="dim")
    console.print("")
