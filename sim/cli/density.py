"""`density`: the most of something that the host carries while every SLO holds."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DONE, UserError, progress
from .run import RESULTS, check_is_file, shown, try_values, warm_up

if TYPE_CHECKING:
    from sim.experiment.density.search import Density

CURVE = "density.csv"
"""The file by which a folder is known as one that `density` wrote."""


def command(options: Namespace) -> int:
    """Search, print the answer of each platform and the curve that was walked."""
    from sim.experiment.density import search as room
    from sim.platforms.checks import CHECKS
    from sim.scenario import Base

    check_is_file(options.file)
    given: dict[str, Any] = {"platforms": options.platforms, "replications": options.replications, "seed": options.seed}
    base = Base.load(options.file, overrides=options.overrides, checks=CHECKS, **given)
    scenario = base.scenario
    vary = options.vary or room.default_path(scenario)
    try:
        grid = room.Grid(options.first, options.step, options.last)
    except ValueError as error:
        raise UserError(f"--from, --to, --step: {error}") from None
    try_values(base, vary, options.unit, options.first)
    folder = Path(options.out) if options.out else RESULTS / f"density-{scenario.name}"
    _check(folder, options.overwrite)
    started = time.perf_counter()
    found = _search(options, base.along(vary, options.unit), tuple(scenario.platforms), grid)
    _write(found, folder, vary, options)
    _print(found, folder, vary, options, time.perf_counter() - started)
    return DONE


def _search(
    options: Namespace, scenario_at: Callable[[Any], Any], platforms: Sequence[str], grid: Any
) -> list[Density]:
    from sim.experiment.density import search as room
    from sim.experiment.workers.choice import executor_for

    warm_up(options.quiet)
    executor = executor_for(options.workers, options.scheduler)
    with executor, progress.make("density", options.quiet) as bar:
        return room.density(
            scenario_at,
            platforms,
            grid,
            replications=options.replications,
            executor=executor,
            progress=lambda runs, words: bar(runs, None, words),
        )


def _check(folder: Path, overwrite: bool) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / CURVE).is_file():
        raise UserError(f"{folder}: exists and is not a result of density; give another --out")


def _write(found: Sequence[Density], folder: Path, vary: str, options: Namespace) -> None:
    import csv

    from sim.experiment.density.search import curve_rows

    rows = curve_rows(found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "density.json").write_text(json.dumps(_as_dict(found, vary), indent=2) + "\n", encoding="utf-8")
    with (folder / CURVE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if not options.no_plots:
        from sim.report.figures.density import save_density

        most = {each.platform: each.most for each in found}
        broke = {each.platform: f"{each.broke.cause}: {each.broke.text}" for each in found if each.broke}
        save_density(rows, most, broke, folder / "density.png", vary, options.unit, Path(options.file).stem)


def _print(found: Sequence[Density], folder: Path, vary: str, options: Namespace, seconds: float) -> None:
    if options.format == "json":
        print(json.dumps({**_as_dict(found, vary), "results": str(folder), "wall_s": round(seconds, 3)}, indent=2))
        return
    from rich.table import Table

    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    unit = options.unit
    console.print(f"Most of {vary} while every objective holds with 95 % confidence,", style="bold")
    console.print("no start is refused and nothing is killed for memory\n", style="bold")
    table = Table(box=None, pad_edge=False)
    table.add_column("platform", no_wrap=True)
    table.add_column("most", justify="right", no_wrap=True)
    table.add_column("what broke first above it")
    for each in found:
        most = f"{'' if each.broke else '≥ '}{each.most:g}{unit}" if each.most is not None else "none"
        broke = f"{each.broke.cause}: {each.broke.text}" if each.broke else "nothing, up to the greatest value tried"
        table.add_row(each.platform, most, broke)
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
    runs = sum(each.runs for each in found)
    console.print(f"{len(found)} platforms, {runs} runs, {seconds:.1f} s; {shown(folder)}", soft_wrap=True)


def _as_dict(found: Sequence[Density], vary: str) -> dict[str, Any]:
    return {
        "vary": vary,
        "platforms": [
            {
                "platform": each.platform,
                "most": each.most,
                "broke": dataclasses.asdict(each.broke) if each.broke else None,
                "runs": each.runs,
                "monotone": each.monotone,
                "curve": [
                    {
                        "value": load.value,
                        "holds": load.verdict.holds,
                        "replications": load.verdict.replications,
                        "objectives": [
                            {"service": service, "objective": name, **_finite(numbers)}
                            for (service, name), numbers in load.verdict.objectives.items()
                        ],
                    }
                    for load in each.curve
                ],
            }
            for each in found
        ],
    }


def _finite(numbers: tuple[float, float, float]) -> dict[str, float | None]:
    """JSON has no infinity: None stands for it (nothing was completed)."""
    names = ("mean", "bound", "limit")
    return {name: value if math.isfinite(value) else None for name, value in zip(names, numbers, strict=True)}
