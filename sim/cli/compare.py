"""`compare`: finished results side by side."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from . import DONE, UserError
from .run import RESULTS, shown

if TYPE_CHECKING:
    from sim.report.joined import Joined

MARK = "comparison.csv"
"""The file by which a folder is known as one that `compare` wrote."""


def command(options: Namespace) -> int:
    """Compare finished results; write the table and the plots."""
    from sim.report.answers.plain import comparison_dict
    from sim.report.answers.verdict import conclude
    from sim.report.joined import Joined
    from sim.report.results import load_results
    from sim.report.text.terminal import ComparisonView, make_console

    joined = Joined([load_results(folder) for folder in options.folders], options.platforms)
    comparison = joined.comparison
    names = [Path(folder).resolve().name for folder in options.folders]
    folder = Path(options.out) if options.out else RESULTS / f"compare-{'-'.join(dict.fromkeys(names))}"[:120]
    _check(folder, options.overwrite)
    _write(joined, folder, plots=not options.no_plots)
    if options.format == "json":
        told = comparison_dict(comparison, conclude(comparison))
        print(json.dumps({**told, "results": str(folder)}, indent=2, ensure_ascii=False, allow_nan=False))
        return DONE
    console = make_console(sys.stdout)
    console.print(ComparisonView(comparison))
    console.print("")
    if len(options.folders) > 1:
        why = joined.unpaired_because
        console.print(f"Not paired: {why}." if why else "Replications are paired: the traffic was the same.")
    counts = f"{len(options.folders)} results, {len(comparison.platforms)} columns"
    console.print(f"{counts}; {shown(folder)}", soft_wrap=True)
    return DONE


def _check(folder: Path, overwrite: bool) -> None:
    """Refuse to write into a folder that another command, or another program, has filled."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file")
    if any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UserError(f"{folder}: exists and is not a comparison; give another --out")
    if overwrite:
        shutil.rmtree(folder / "plots", ignore_errors=True)


def _write(joined: Joined, folder: Path, plots: bool) -> None:
    import csv

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("service", "metric", "unit", "platform", "mean", "half_width_95", "replications",
                         "difference", "difference_half_width_95", "ratio", "paired"))  # fmt: skip
        for line in joined.comparison.lines:
            for name, value in line.values.items():
                apart = line.differences.get(name)
                row = (line.service, line.metric.name, line.metric.unit, name, value.mean, value.half, value.count,
                       apart and apart.mean, apart and apart.half, line.ratios.get(name),
                       joined.comparison.paired)  # fmt: skip
                writer.writerow("" if cell is None else cell for cell in row)
    if plots:
        from sim.report.figures.difference import save_differences
        from sim.report.figures.result import save_plots

        save_plots(joined, folder / "plots")
        save_differences(joined.comparison, folder / "plots" / "differences.png")
