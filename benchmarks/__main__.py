"""`python -m benchmarks`: the same work W through this simulator and its peers, side by side in one run."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import harness, machine, report
from benchmarks.peers import select
from benchmarks.summary import Line, summarise

RESULTS = Path(__file__).parent / "results"
QUICK = harness.Plan((64,), (100_000,), 100_000, rounds=1, limit=2.0, growth_limit=2.0)
USUAL = harness.Plan((64, 1024), (100_000, 1_000_000), 1_000_000, rounds=3, limit=8.0, growth_limit=8.0)
FULL = harness.Plan(
    (64, 1024, 8192), (100_000, 1_000_000, 10_000_000), 1_000_000, rounds=5, limit=20.0, growth_limit=60.0
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="W only, one round of about 2 s each")
    size.add_argument("--full", action="store_true", help="to 1e7 requests and 8192 guests, 60 s each at most")
    parser.add_argument("--only", metavar="A,B", help="peers or peer/variant, e.g. hostsim,simgrid/vm")
    parser.add_argument("--guests", metavar="N,N", type=numbers, help="guests; the first is W's")
    parser.add_argument("--requests", metavar="N,N", type=numbers, help="requests; the first is W's")
    parser.add_argument("--rounds", type=int, help="rounds of W")
    parser.add_argument("--limit", type=float, metavar="S", help="time limit of one run (scaled to fit)")
    parser.add_argument("--core", type=int, help="the core to run on (the last one allowed)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--no-plot", action="store_true")
    parser.add_argument("--theory", action="store_true", help="compute the true answers again and stop")
    parser.add_argument("--growth", action="store_true", help="how this simulator's own cost grows, and stop")
    parser.add_argument("--sweep", action="store_true", help="a sweep by one worker and by two, and stop")
    parser.add_argument("--pairing", action="store_true", help="what common random numbers are worth, and stop")
    return parser.parse_args()


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(float(part)) for part in text.split(","))


def plan_of(options: argparse.Namespace) -> tuple[str, harness.Plan]:
    mode, plan = ("quick", QUICK) if options.quick else ("full", FULL) if options.full else ("usual", USUAL)
    requests = options.requests or plan.requests
    limit = options.limit
    changed = harness.Plan(
        guests=options.guests or plan.guests,
        requests=requests,
        main_requests=requests[0] if options.requests else plan.main_requests,
        rounds=options.rounds or plan.rounds,
        limit=limit or plan.limit,
        growth_limit=limit or plan.growth_limit,
    )
    return mode, changed


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 165)
    if options.theory:
        print_theory(console)
        return 0
    if options.pairing:
        from benchmarks.pairing import print_pairing

        return print_pairing(console, quick=options.quick)
    if options.sweep:
        from benchmarks.sweep_speed import print_sweep_speed

        return print_sweep_speed(console, quick=options.quick)
    harness.pin(options.core)
    if options.growth:
        from benchmarks.growth import print_growth_of_cost

        return print_growth_of_cost(console, quick=options.quick)
    try:
        peers = select(options.only)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    mode, plan = plan_of(options)
    when = datetime.now(UTC)
    cells, skips = harness.plan_cells(peers, plan, harness.progress)
    outcomes, failed = harness.run_cells(cells, harness.progress)
    skips += failed
    lines = summarise(outcomes)
    record = harness.as_record(outcomes, skips, machine.describe(), mode, f"{when:%Y-%m-%dT%H:%MZ}")
    report.print_main(console, lines)
    report.print_growth(console, lines, "requests")
    report.print_growth(console, lines, "guests")
    report.print_notes(console, lines, skips)
    keep(console, options, record, lines, f"{when:%Y-%m-%d}-{mode}")
    return 1 if any(not line.agrees for line in lines) else 0


def keep(console: Console, options: argparse.Namespace, record: dict, lines: list[Line], stem: str) -> None:
    paths = report.write(record, options.out, stem)
    if lines and not options.no_plot:
        from benchmarks.plot import draw

        about = record["machine"]
        path = options.out / f"{stem}.png"
        draw(lines, path, f"One core of {about['cpu']}, {about['python']}, {record['date'][:10]}")
        paths.append(path)
    console.print("written: " + ", ".join(path.name for path in paths), highlight=False)


def print_theory(console: Console) -> None:
    from benchmarks import theory
    from benchmarks.workload import Work

    for guests in sorted(theory.SHARED):
        work = Work(guests=guests)
        console.print(
            f"{guests:>5} guests: isolated {theory.isolated_mean(work) * 1e3:.3f} ms, "
            f"pooled {theory.pooled_mean(work) * 1e3:.3f} ms, shared {theory.shared_mean(work) * 1e3:.4f} ms "
            f"(deeper: {theory.SHARED[guests] * 1e3:.3f} ms)"
        )
    for what, computed, closed in theory.special_cases():
        console.print(f"{what}: {computed * 1e3:.4f} ms, closed form {closed * 1e3:.4f} ms")


if __name__ == "__main__":
    sys.exit(main())
