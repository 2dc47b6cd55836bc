"""`compare`: finished results side by side."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from .common import judged, shown


def command(options: Namespace) -> int:
    """Compare finished results; write the table and the plots."""
    from sim.experiment.comparison import comparison_folder, save_comparison
    from sim.report.answers.plain import comparison_dict
    from sim.report.answers.verdict import conclude
    from sim.report.joined import Joined
    from sim.report.results import load_results
    from sim.report.text.terminal import ComparisonView, make_console

    joined = Joined([load_results(folder) for folder in options.folders], options.platforms)
    comparison = joined.comparison
    folder = comparison_folder(joined, options.out)
    save_comparison(joined, folder, plots=not options.no_plots, overwrite=options.overwrite)
    if options.format == "json":
        told = comparison_dict(comparison, conclude(comparison))
        print(json.dumps({**told, "results": str(folder)}, indent=2, ensure_ascii=False, allow_nan=False))
        return judged(options, joined.doubts)
    console = make_console(sys.stdout)
    console.print(ComparisonView(comparison, options.all))
    console.print("")
    if len(options.folders) > 1:
        why = joined.unpaired_because
        console.print(f"Not paired: {why}." if why else "Replications are paired: the traffic was the same.")
    counts = f"{len(options.folders)} results, {len(comparison.platforms)} columns"
    console.print(f"{counts}; {shown(folder)}", soft_wrap=True)
    return judged(options, joined.doubts)
