"""`python -m sim FILE`: a scenario on every platform."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from . import DEBUG, DONE, FAILED, INTERRUPTED, MISSED
from .common import at_work, check_is_file, given, judged, shown

if TYPE_CHECKING:
    from sim.experiment.replications.scenario import Report


def command(options: Namespace) -> int:
    """Run a scenario and print what it showed."""
    from sim.experiment.effort import limits
    from sim.experiment.replications.scenario import check_folder, run_scenario
    from sim.experiment.study import RESULTS, most_replications
    from sim.scenario import load_scenario

    check_is_file(options.file)
    scenario = load_scenario(options.file, checks=limits.checks(options.force), **given(options))
    folder = Path(options.out) if options.out else RESULTS / scenario.name
    check_folder(scenario, folder, options.overwrite)
    runs = len(scenario.platforms) * most_replications(scenario)
    with at_work(scenario.name, options, runs=runs) as (executor, show):
        report = run_scenario(
            scenario,
            folder,
            executor=executor,
            keep_requests=options.keep_requests,
            plots=not options.no_plots,
            overwrite=options.overwrite,
            progress=show,
            why=not options.no_why,
            trace=options.trace,
        )
    _print(report, options)
    return INTERRUPTED if report.interrupted else FAILED if report.missing else _judged(report, options)


def _judged(report: Report, options: Namespace) -> int:
    """The exit code of a complete result, by what `--strict` and `--check-slo` ask of it."""
    assert report.results is not None
    missed = any(row.metric == "slo.met" and row.value < 1.0 for row in report.results.rows)
    return judged(options, report.results.doubts) or (MISSED if options.check_slo and missed else DONE)


def _print(report: Report, options: Namespace) -> None:
    for note in report.notes:
        print(f"warning: {note}", file=sys.stderr)
    if report.results is not None:
        if options.format == "json":
            print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            _print_table(report, options.all)
    _print_failures(report)


def _print_table(report: Report, every: bool) -> None:
    from sim.report.text.terminal import ComparisonView, make_console

    assert report.results is not None
    console = make_console(sys.stdout)
    console.print(ComparisonView(report.results.comparison, every))
    if (sheet := report.results.observed) is not None:
        from sim.report.text.beside import SheetView

        console.print("")
        console.print(SheetView(sheet))
    if every:
        console.print("")
    for sentence in report.sentences:
        console.print(sentence)
    console.print(_last_line(report), soft_wrap=True)


def _last_line(report: Report) -> str:
    assert report.results is not None
    platforms = len(report.results.platforms)
    replications = max(report.results.comparison.replications.values())
    return (
        f"{platforms} platform{'' if platforms == 1 else 's'} × "
        f"{replications} replication{'' if replications == 1 else 's'}, "
        f"{report.requests:,} requests, {report.seconds:.1f} s; {shown(report.results.folder)}"
    )


def _print_failures(report: Report) -> None:
    several = len(report.failures) > 3
    for each in report.failures[: 3 if several else None]:
        print(f"failed: {each.platform}, replication {each.replication}: {each.error}", file=sys.stderr)
        if os.environ.get(DEBUG):
            print(each.trace, file=sys.stderr)
    if several:
        print(f"… and {len(report.failures) - 3} more failed", file=sys.stderr)
    if report.failures and not os.environ.get(DEBUG):
        print(f"({DEBUG}=1 shows the tracebacks)", file=sys.stderr)
    if report.complete:
        return
    what = "interrupted" if report.interrupted else "not complete"
    if report.results is None:
        print(f"{what}: no run has finished, nothing was written", file=sys.stderr)
    else:
        lacking = f"{report.missing} run{'' if report.missing == 1 else 's'} missing"
        print(f"{what}: {lacking}; what finished is in {shown(report.results.folder)}", file=sys.stderr)
