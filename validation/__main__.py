"""`python -m validation`: measure real processes beside the simulator, and report."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from sim.calibration.recordings import DATA
from sim.calibration.recordings import folders as measured

PROMETHEUS = DATA / "prometheus"
PAGE = Path(__file__).parents[1] / "docs" / "validation.md"


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m validation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="say what is missing for a measurement here; status 1 if something is")
    measure = commands.add_parser(
        "measure", help="measure (about 13 minutes; needs root, control groups, a C compiler)"
    )
    measure.add_argument("--name", default="quiet", help="the folder is DATE-NAME (default: quiet)")
    measure.add_argument("--data", type=Path, default=DATA, help="where the folder is made")
    measure.add_argument("--repetitions", type=int, default=3, metavar="N", help="of each case (default: 3)")
    measure.add_argument("--window", type=float, metavar="S", help="length of one in s (default: the scenario's, 12)")
    measure.add_argument("--only", metavar="TEXT", default="", help="cases whose kind or name has this in it")
    recorded = commands.add_parser("prometheus", help="record a real server with a real Prometheus (about 90 s)")
    recorded.add_argument("--out", type=Path, default=PROMETHEUS, help="the folder")
    report = commands.add_parser("report", help="write the page and the figure from all that was measured")
    report.add_argument("--data", type=Path, default=DATA, help="where the folders are")
    report.add_argument("--out", type=Path, default=PAGE, help="the page; the figure goes beside it")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Run a command; return its exit status: 0, also where nothing can be measured, or 2 for a wrong wish."""
    options = arguments(given)
    if options.command == "check":
        return check()
    if options.command == "prometheus":
        return prometheus(options)
    return measure(options) if options.command == "measure" else report(options)


def prometheus(options: argparse.Namespace) -> int:
    """Record a server under load into a folder."""
    from validation.prometheus.record import missing, record

    if what := missing():
        print(f"missing: {what}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    print(record(options.out))
    return 0


def check() -> int:
    """Say what is missing here."""
    from sim.calibration.servers import missing

    what = missing()
    print(f"missing: {what}" if what else "nothing is missing: `python -m validation measure` can measure here")
    return 1 if what else 0


def measure(options: argparse.Namespace) -> int:
    """Measure into a new folder."""
    from sim.calibration.servers import missing
    from validation.cases import POINTS
    from validation.measure import measure as run

    points = [point for point in POINTS if options.only in f"{point.kind}: {point.name}"]
    folder = options.data / f"{datetime.now(UTC):%Y-%m-%d}-{options.name}"
    wrong = [f"--only {options.only}: no such case, only {', '.join(f'{p.kind}: {p.name}' for p in POINTS)}"] * (
        not points
    )
    wrong += [f"--repetitions {options.repetitions}: at least 1"] * (options.repetitions < 1)
    wrong += [f"--window {options.window}: at least 1 s"] * (options.window is not None and options.window < 1)
    wrong += [f"--name {options.name}: {folder} is there already"] * folder.exists()
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 2
    what = missing()
    if what:
        print(f"not measured, something is missing: {what}")
        return 0
    left_out = run(
        points, folder, repetitions=options.repetitions, window=options.window, say=lambda line: print(line, flush=True)
    )
    print("\n".join([*(f"left out: {each}" for each in left_out), f"written: {folder}"]))
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the page."""
    from validation.report import write

    folders = measured(options.data)
    if not folders:
        print(f"--data {options.data}: no measurements there", file=sys.stderr)
        return 2
    print("written: " + ", ".join(str(path) for path in write(options.out, folders)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
