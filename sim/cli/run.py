"""`python -m sim FILE`: a scenario on every platform."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DEBUG, DONE, FAILED, INTERRUPTED, UserError, progress
from .arguments import COMMANDS

if TYPE_CHECKING:
    from sim.experiment.replications.scenario import Report
    from sim.scenario import Base, Scenario

RESULTS = Path("results")
"""Folder of all results, below the one in which the command is typed."""


def command(options: Namespace) -> int:
    """Run a scenario and print what it showed."""
    from sim.experiment.replications.scenario import Progress, check_folder, run_scenario
    from sim.experiment.workers.choice import executor_for
    from sim.platforms.checks import CHECKS
    from sim.scenario import load_scenario

    check_is_file(options.file)
    scenario = load_scenario(
        options.file,
        overrides=options.overrides,
        platforms=options.platforms,
        replications=options.replications,
        seed=options.seed,
        checks=CHECKS,
    )
    folder = Path(options.out) if options.out else RESULTS / scenario.name
    check_folder(scenario, folder, options.overwrite)
    warm_up(options.quiet)
    executor = executor_for(options.workers, runs=_runs(scenario))
    with executor, progress.make(scenario.name, options.quiet) as bar:

        def show(where: Progress) -> None:
            bar(where.done, where.total, f"{where.failed} failed" if where.failed else "", where.remaining)

        report = run_scenario(
            scenario,
            folder,
            executor=executor,
            keep_requests=options.keep_requests,
            plots=not options.no_plots,
            overwrite=options.overwrite,
            progress=show,
        )
    _print(scenario, report, options)
    return INTERRUPTED if report.interrupted else FAILED if report.missing else DONE


def try_values(base: Base, vary: str, unit: str, *values: float) -> None:
    """Try values of an axis before any run. Raises ScenarioError, or UserError where a unit seems to be missing."""
    from sim.reading.errors import ScenarioError

    for value in values:
        try:
            base.along(vary, unit)(value)
        except ScenarioError as error:
            if not unit and any("unit" in each.allowed or "such as" in each.allowed for each in error.problems):
                raise UserError(f"{error}\nis a unit missing? --unit /s makes it {value}/s") from None
            raise


def check_is_file(file: str) -> None:
    """Refuse (UserError) a word that is neither a file nor a command, with the nearest command."""
    from sim.reading.errors import nearest

    near = nearest(file, COMMANDS)
    if not Path(file).exists() and near is not None and Path(file).suffix == "":
        raise UserError(f"{file}: no such file, and no command; did you mean {near}?")


def warm_up(quiet: bool) -> None:
    """Compile the kernel if that was never done on this machine, and say so: it takes a while."""
    from sim.experiment.replications import runner

    if runner.is_warm():
        return
    if not quiet:
        print("compiling the kernel once (10 to 15 s) …", file=sys.stderr, flush=True)
    runner.warm_up()


def shown(folder: Path) -> str:
    """A folder as the user would type it."""
    try:
        return f"{folder.resolve().relative_to(Path.cwd())}/"
    except ValueError:
        return f"{folder}/"


def _runs(scenario: Scenario) -> int:
    asked = scenario.replications
    return len(scenario.platforms) * (asked if isinstance(asked, int) else asked.max)


def _print(scenario: Scenario, report: Report, options: Namespace) -> None:
    for note in report.notes:
        print(f"warning: {note}", file=sys.stderr)
    if report.results is not None:
        if options.format == "json":
            print(json.dumps(_as_dict(report), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            _print_table(scenario, report)
    _print_failures(scenario, report)


def _print_table(scenario: Scenario, report: Report) -> None:
    from sim.report.text.terminal import ComparisonView, make_console

    assert report.results is not None
    console = make_console(sys.stdout)
    console.print(ComparisonView(report.results.comparison))
    console.print("")
    if report.reason:
        console.print(f"Stopped because: {report.reason}.")
    if scenario.warmup == "auto":
        console.print(f"Transient (MSER-5): the first {report.warmup:.4g} s of {scenario.duration:.4g} s do not count.")
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


def _as_dict(report: Report) -> dict[str, Any]:
    from sim.report.answers.plain import comparison_dict

    assert report.results is not None
    return {
        **comparison_dict(report.results.comparison, report.results.verdict),
        "results": str(report.results.folder),
        "complete": report.complete,
        "failed": report.results.manifest.get("failed", []),
        "requests": report.requests,
        "wall_s": round(report.seconds, 3),
    }


def _print_failures(scenario: Scenario, report: Report) -> None:
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
