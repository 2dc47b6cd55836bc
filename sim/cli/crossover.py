"""`crossover`: where along one axis the better of two platforms changes."""

from __future__ import annotations

import json
import math
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DONE, UserError, progress
from .run import RESULTS, check_is_file, shown, try_values, warm_up

if TYPE_CHECKING:
    from sim.experiment.crossover.crossing import Crossing, Crossover
    from sim.scenario import Base

CURVE = "crossover.csv"
"""The file by which a folder is known as one that `crossover` wrote."""
FEWEST = 5
"""Replications unless the scenario asks for more: an interval of three is wide."""


def command(options: Namespace) -> int:
    """Search, print where the better platform changes, and plot it."""
    check_is_file(options.file)
    base = _base(options)
    if not options.first < options.last:
        raise UserError(f"--from {options.first:g} is not below --to {options.last:g}")
    folder = Path(options.out) if options.out else RESULTS / f"crossover-{base.scenario.name}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / CURVE).is_file():
        raise UserError(f"{folder}: exists and is not a result of crossover; give another --out")
    started = time.perf_counter()
    found = _search(options, base)
    lines = sentences(found, options.vary, options.unit)
    _write(found, folder, lines, options)
    if options.format == "json":
        print(json.dumps({**as_dict(found, options.vary), "results": str(folder)}, indent=2, ensure_ascii=False))
        return DONE
    _print(found, lines, options.unit)
    print(f"{len(found.values)} values, {found.runs} runs, {time.perf_counter() - started:.1f} s; {shown(folder)}")
    return DONE


def _base(options: Namespace) -> Base:
    """The scenario of two platforms, with both ends of the axis tried on it."""
    from sim.platforms.checks import CHECKS
    from sim.scenario import Base

    given: dict[str, Any] = {"platforms": options.platforms, "seed": options.seed}
    base = Base.load(options.file, overrides=options.overrides, checks=CHECKS, **given)
    if len(base.scenario.platforms) != 2:
        names = ",".join(base.scenario.platforms)
        raise UserError(f"crossover compares two platforms, here are {names}: choose with --platforms A,B")
    try_values(base, options.vary, options.unit, options.first, options.last)
    return base


def _search(options: Namespace, base: Base) -> Crossover:
    from sim.experiment.crossover.search import find_crossover
    from sim.experiment.workers.choice import executor_for

    scenario = base.scenario
    a, b = scenario.platforms
    asked = scenario.replications if isinstance(scenario.replications, int) else scenario.replications.max
    warm_up(options.quiet)
    executor = executor_for(options.workers, options.scheduler)
    with executor, progress.make("crossover", options.quiet) as bar:
        return find_crossover(
            base.along(options.vary, options.unit),
            *(a, b, options.first, options.last),
            metric=options.metric,
            service=options.service,
            replications=options.replications or max(asked, FEWEST),
            points=options.points,
            whole=options.whole,
            executor=executor,
            progress=lambda runs, words: bar(runs, None, words),
        )


def sentences(found: Crossover, axis: str, unit: str = "") -> list[str]:
    """Who is better where, a sentence a crossing."""
    if found.better is not None:
        return [f"{found.metric}: {found.better} is better at every value of {axis}"]
    if not found.crossings:
        return [f"{found.metric}: {found.a} and {found.b} are equal at every value of {axis}"]
    return [
        f"{found.metric}: below {axis} = {each.at:.4g}{unit} {each.below} is better, above it {each.above}"
        f"{_interval(each, unit)}"
        for each in found.crossings
    ]


def _interval(each: Crossing, unit: str) -> str:
    if each.low is None or each.high is None:
        return " (too few replications for an interval)"
    low = f"{each.low:.4g}{unit}" if math.isfinite(each.low) else "below the least value"
    high = f"{each.high:.4g}{unit}" if math.isfinite(each.high) else "above the greatest value"
    return f" (95 %: {low} to {high})"


def _print(found: Crossover, lines: list[str], unit: str) -> None:
    from rich.table import Table

    from sim.report.metrics.known import describe
    from sim.report.metrics.numbers import spread
    from sim.report.metrics.statistics import mean_interval
    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    for line in lines:
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


def _write(found: Crossover, folder: Path, lines: list[str], options: Namespace) -> None:
    import csv

    from sim.report.metrics.statistics import mean_interval

    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_dict(found, options.vary), indent=2, ensure_ascii=False)
    (folder / "crossover.json").write_text(text + "\n", encoding="utf-8")
    with (folder / CURVE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("value", found.a, found.b, "difference", "difference_half_width_95", "replications"))
        for index, value in enumerate(found.values):
            apart = mean_interval(found.differences[index])
            sides = [mean_interval(found.series[name][index]).mean for name in (found.a, found.b)]
            writer.writerow((value, *sides, apart.mean, "" if apart.half is None else apart.half, apart.count))
    if not options.no_plots:
        from sim.report.figures.crossover import save_crossover

        title = f"{Path(options.file).stem}, {lines[0]}" + (f" (and {len(lines) - 1} more)" if lines[1:] else "")
        save_crossover(found, folder / "crossover.png", options.vary, options.unit, title.replace(" (95 %", "\n(95 %"))


def as_dict(found: Crossover, axis: str) -> dict[str, Any]:
    """The answer as plain data; JSON has no infinity: None stands for an end that the axis does not reach."""

    def end(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return {
        "vary": axis,
        "metric": found.metric,
        "platforms": [found.a, found.b],
        "better": found.better,
        "crossings": [
            {"at": each.at, "low_95": end(each.low), "high_95": end(each.high), "below": each.below,
             "above": each.above}
            for each in found.crossings
        ],
        "values": list(found.values),
        "differences": found.differences.tolist(),
        "runs": found.runs,
    }  # fmt: skip
