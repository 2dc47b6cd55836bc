"""The study behind `compare`: finished results side by side, as a table and plots in a folder of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from sim.experiment.study import folder_for, write_table
from sim.report.folder.place import held, whole
from sim.report.joined import Joined

TABLE = "comparison.csv"
"""The file by which a folder is known as one that this study wrote."""


def comparison_folder(joined: Joined, out: str | Path | None) -> Path:
    """Where to write. Raises ResultsError when something else is there."""
    names = dict.fromkeys(each.folder.resolve().name for each in joined.parts)
    return folder_for(out, f"compare-{'-'.join(names)}"[:120], TABLE, "comparison")


def save_comparison(joined: Joined, folder: Path, *, plots: bool = True, overwrite: bool = False) -> None:
    """Write comparison.csv and the plots; `overwrite`: those of an earlier comparison go."""
    with held(folder), whole(folder) as work:
        if not overwrite and (folder / "plots").is_dir():
            shutil.copytree(folder / "plots", work / "plots")
        _write(joined, work, plots)


def _write(joined: Joined, folder: Path, plots: bool) -> None:
    comparison = joined.comparison
    rows = []
    for line in comparison.lines:
        for name, value in line.values.items():
            apart = line.differences.get(name)
            rows.append({
                "service": line.service,
                "metric": line.metric.name,
                "unit": line.metric.unit,
                "platform": name,
                "mean": value.mean,
                "half_width_95": value.half,
                "replications": value.count,
                "difference": apart and apart.mean,
                "difference_half_width_95": apart and apart.half,
                "ratio": line.ratios.get(name),
                "paired": comparison.paired,
            })  # fmt: skip
    write_table(folder / TABLE, rows)
    if plots:
        from sim.report.figures.difference import save_differences
        from sim.report.figures.result import save_plots

        save_plots(joined, folder / "plots")
        save_differences(comparison, folder / "plots" / "differences.png")
