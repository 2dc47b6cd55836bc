"""What common random numbers are worth: width of the unpaired interval of a difference / width of the paired one.

    python -m benchmarks --pairing [--quick]

Above 1 the pairs pay. A factor of 3 is worth nine times the replications, because a width falls with their root.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import progress

SCENARIOS = ("steady", "burst")
METRICS = (
    "requests.arrived", "requests.completed", "goodput", "response.mean", "response.p50", "response.p95",
    "response.p99", "waiting.mean", "cpu.utilization", "cpu.overhead", "memory.used", "guests.mean", "scale_out.time",
)  # fmt: skip
FOLDER = Path(__file__).parents[1] / "scenarios"


def print_pairing(console: Console, quick: bool) -> int:
    """Run the scenarios and print the factors of the difference between their two platforms; returns the exit code."""
    import sim

    replications = 5 if quick else 20
    for name in SCENARIOS:
        progress(f"{name}.yaml, {replications} replications")
        result = sim.run(FOLDER / f"{name}.yaml", replications=replications, workers=2)
        console.print(_factors(name, result, replications))
    return 0


def _factors(name: str, result: object, replications: int) -> Table:
    from sim.report.metrics.statistics import paired_difference, unpaired_difference

    rows = result.summary.query("service == 'all'")
    first, second = result.platforms
    table = Table(title=f"{name}.yaml, {second} − {first}, {replications} replications, 95 % intervals")
    for column in ("metric", "difference", "± paired", "± unpaired", "factor"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for metric in METRICS:
        own = rows[rows.metric == metric]
        sides = [dict(zip(one.replication, one.value, strict=True)) for _, one in own.groupby("platform", sort=False)]
        if len(sides) < 2:
            continue
        paired, unpaired = paired_difference(*sides), unpaired_difference(*(side.values() for side in sides))
        if not paired.half and not unpaired.half:
            continue  # the same in every replication
        factor = f"{unpaired.half / paired.half:,.2f}" if paired.half else "exact"
        table.add_row(metric, f"{paired.mean:+.4g}", f"{paired.half:.3g}", f"{unpaired.half:.3g}", factor)
    return table
