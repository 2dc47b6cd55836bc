"""`scorecard`: predicted against known, case by case."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING

from . import DONE, FAILED
from .common import at_work, shown

if TYPE_CHECKING:
    from rich.console import Console

    from sim.scorecard.card import Scorecard
    from sim.scorecard.scoring import Score


def command(options: Namespace) -> int:
    """Run the cases, print the headline and every line, write the folder."""
    from sim.scorecard.study import ScorecardStudy

    study = ScorecardStudy(options.cases, options.only, quick=options.quick, check=options.check)
    folder = study.folder(options.out)
    started = time.perf_counter()
    with at_work("scorecard", options) as (executor, show):
        found = study.run(executor, show)
    study.save(found, folder)
    worse = study.worse(found)
    seconds = time.perf_counter() - started
    if options.format == "json":
        told = {**found.to_dict(), "worse": worse, "results": str(folder), "wall_s": round(seconds, 3)}
        print(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(found, options.all)
        if better := study.better(found):
            print(f"{better} better than expected: expected.json has them")
        print(f"{len(found.scores)} cases, {found.runs} runs, {seconds:.1f} s; {shown(folder)}")
    for line in worse:
        print(f"worse: {line}", file=sys.stderr)
    return FAILED if worse else DONE


def _print(found: Scorecard, everything: bool) -> None:
    from sim.report.text.terminal import make_console
    from sim.scorecard.page import by_topic, sentences

    console = make_console(sys.stdout)
    for line in sentences(found):
        console.print(line, style="bold" if line.startswith("Published") else "", soft_wrap=True)
    for kind in dict.fromkeys(each.kind for each in found.scores):
        rows = [each for each in found.scores if each.kind == kind]
        exact = kind in ("theory", "oracle", "simgrid") and not everything
        rows = [each for each in rows if not exact or each.verdict not in ("agrees", "not run")]
        for topic, some in by_topic(rows).items():
            console.print(f"\n{kind}{f', {topic}' if topic else ''}", style="bold")
            _table(console, some)
    if not everything:
        console.print("\nExact cases that agree are left out; --all prints them.", style="dim")


def _table(console: Console, rows: list[Score]) -> None:
    from rich.table import Table

    from sim.scorecard.page import interval, known, percent

    table = Table(box=None, pad_edge=False, padding=(0, 1), show_edge=False, header_style="dim")
    for name, justify in (("case", "left"), ("on", "left"), ("predicted", "right"), ("known", "right"),
                          ("error", "right"), ("its own", "right"), ("verdict", "left")):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # a literal, rich says
    for each in rows:
        style = {"misses": "red", "failed": "red", "not expressible": "yellow", "calibrates": "dim"}.get(each.verdict)
        why = f": {each.reason}" if each.reason and each.verdict != "near" else ""
        table.add_row(each.case, each.platform, interval(each), known(each), percent(each.error, sign=True),
                      percent(each.uncertainty), f"{each.verdict}{why}", style=style)  # fmt: skip
    console.print(table)
