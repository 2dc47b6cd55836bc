"""`sweep FILE --sensitivity METHOD`: which assumption moves the answer most."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DONE, FAILED, UserError
from .run import RESULTS, shown

if TYPE_CHECKING:
    from sim.experiment.sensitivity.analysis import Design, Sensitivity
    from sim.experiment.sweep.plan import Plan
    from sim.experiment.sweep.session import SweepResult
    from sim.scenario import Sweep

SIZES = {"sobol": 32, "morris": 8}
"""Size of a design unless --size says: × (ranges + 2) points for Sobol', × (ranges + 1) for Morris."""


def command(sweep: Sweep, options: Namespace, make: Callable[[Plan, Path, Namespace], SweepResult]) -> int:
    """Draw a design over the ranges of the sweep file, run it, and print and plot what moves the metric."""
    from sim.experiment.sensitivity.analysis import design, plan_design

    if sweep.sample is None:
        raise UserError(f"{options.file}: --sensitivity needs ranges (sample: {{over: …}}), and it has none")
    method = options.sensitivity
    try:
        drawn = design(method, sweep.sample.over, options.size or SIZES[method], seed=sweep.sample.seed)
    except ValueError as error:
        raise UserError(f"--size: {error}") from None
    plan = plan_design(sweep, drawn)
    folder = Path(options.out) if options.out else RESULTS / plan.name
    made = make(plan, folder, options)
    if made.failed:
        print(f"{made.failed:,} runs failed: the column `error` of {made.table} says why", file=sys.stderr)
    found = _analyse(drawn, made, plan, options.metric)
    plots = _plot(found, folder, plan.name, options)
    _print(found, made, folder, plots, options)
    return FAILED if made.failed else DONE


def _analyse(drawn: Design, made: SweepResult, plan: Plan, metric: str) -> dict[str, Sensitivity]:
    """Effects on the metric of each platform, and on the difference of each to the first."""
    import pandas as pd

    from sim.experiment.sensitivity.analysis import analyse, response

    table = pd.read_parquet(made.table)
    first, *others = plan.platforms
    try:
        found = {name: analyse(drawn, response(table, metric, name)) for name in plan.platforms}
        for name in others:
            found[f"{name} − {first}"] = analyse(drawn, response(table, metric, name, minus=first))
    except ValueError as error:
        raise UserError(str(error), FAILED) from None
    return found


def _plot(found: Mapping[str, Sensitivity], folder: Path, title: str, options: Namespace) -> list[Path]:
    if options.no_plots:
        return []
    from sim.experiment.sensitivity.analysis import tornado
    from sim.report.figures.sweep import save_tornado

    rows = {name: tornado(each) for name, each in found.items()}
    return [save_tornado(rows, options.metric, folder / "plots", title, options.sensitivity)]


def _print(
    found: Mapping[str, Sensitivity], made: SweepResult, folder: Path, plots: list[Path], options: Namespace
) -> None:
    if options.format == "json":
        data: dict[str, Any] = {
            "table": str(made.table),
            "method": options.sensitivity,
            "metric": options.metric,
            "runs": made.total,
            "made": made.made,
            "failed": made.failed,
            "plots": [str(path) for path in plots],
            "effects": {name: [vars(effect) for effect in each.effects] for name, each in found.items()},
        }
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    from sim.report.figures.sweep import strength_of
    from sim.report.metrics.known import describe
    from sim.report.metrics.numbers import text
    from sim.report.text.terminal import make_console

    unit = describe(options.metric).unit
    console = make_console(sys.stdout)
    for name, each in found.items():
        console.print(f"What moves {options.metric} of {name} most?", style="bold")
        table = Table(box=None, pad_edge=False)
        table.add_column("assumption")
        for column in (_STRENGTH[options.sensitivity], "low quarter", "high quarter"):
            table.add_column(column, justify="right", no_wrap=True)
        for effect in each.effects:
            ends = (text(end, unit, sign="−" in name) for end in (effect.low, effect.high))
            table.add_row(effect.parameter, strength_of(effect, unit, options.sensitivity), *ends)
        console.print(table)
        console.print("")
    console.print(f"{made.total:,} runs, {made.failed:,} failed, {made.seconds:.1f} s; {shown(folder)}", soft_wrap=True)
    for path in plots:
        console.print(f"plot: {shown(path).rstrip('/')}", soft_wrap=True)


_STRENGTH = {"sobol": "share of the variance", "morris": "mean effect"}
