"""How this simulator's own cost grows: pairs of cases in one run, as ratios of cost per request.

The bounds are what the project asks of itself; they are shown beside the ratios, never asserted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.harness import DriverError, progress, run_driver

TIMEOUT = 900.0


@dataclass(frozen=True)
class Side:
    """One case of benchmarks/cases.py at a size."""

    case: str
    guests: int
    requests: int

    def command(self, seed: int) -> list[str]:
        """The driver's command line."""
        sizes = {"guests": self.guests, "requests": self.requests, "seed": seed}
        options = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
        driver = [sys.executable, "-m", "benchmarks.drivers.hostsim_driver", "--variant", "api"]
        return [*driver, "--case", self.case, *options]


@dataclass(frozen=True)
class Pair:
    """A question: the cost per request of `this` over that of `that`, and the bound asked for."""

    question: str
    this: Side
    that: Side
    bound: float
    rounds: int = 3


def pairs(requests: int, many: int) -> list[Pair]:
    """The questions, each at `requests` requests; the last compares `many` requests with a million."""
    return [
        Pair("8192 guests ÷ 64", Side("w", 8192, requests), Side("w", 64, requests), 1.5),
        Pair("100 services ÷ 1", Side("services", 100, requests), Side("w", 100, requests), 2.0),
        Pair("concurrency 32 ÷ 1", Side("concurrency", 64, requests), Side("w", 64, requests), 2.0),
        Pair(
            "least-outstanding ÷ random, 1024 replicas",
            Side("least-outstanding", 1024, requests),
            Side("w", 1024, requests),
            2.0,
        ),
        Pair(f"{many:.0e} requests ÷ 1e6", Side("w", 64, many), Side("w", 64, 1_000_000), 1.2, rounds=1),
    ]


def print_growth_of_cost(console: Console, quick: bool) -> int:
    """Measure and print; returns the exit code (1 when a driver failed)."""
    requests, many = (2_000_000, 10_000_000) if quick else (10_000_000, 100_000_000)
    table = Table(title=f"Cost per request, {requests:,} requests unless said, medians of interleaved rounds")
    for name in ("question", "µs this", "µs that", "ratio", "asked", "", "peak MB"):
        table.add_column(name, justify="left" if name == "question" else "right", no_wrap=True)
    code = 0
    for pair in pairs(requests, many):
        progress(pair.question)
        try:
            table.add_row(*_measure(pair))
        except DriverError as reason:
            table.add_row(pair.question, *["-"] * 4, f"failed: {reason}", "-")
            code = 1
    console.print(table)
    return code | _print_storm(console)


def _measure(pair: Pair) -> list[str]:
    costs: list[tuple[float, float]] = []
    memory = 0
    for seed in range(1, pair.rounds + 1):
        this, that = (run_driver(side.command(seed), TIMEOUT) for side in (pair.this, pair.that))
        costs.append((this["wall_s"] / this["requests"], that["wall_s"] / that["requests"]))
        memory = max(memory, this["peak_rss_bytes"])
    ratio = median(a / b for a, b in costs)
    return [
        pair.question,
        f"{1e6 * median(a for a, _ in costs):.3f}",
        f"{1e6 * median(b for _, b in costs):.3f}",
        f"{ratio:.2f}",
        f"≤ {pair.bound}",
        "within" if ratio <= pair.bound else "[red]over[/red]",
        f"{memory / 1e6:,.0f}",
    ]


def _print_storm(console: Console, guests: int = 8000) -> int:
    progress(f"boot storm of {guests} guests")
    try:
        measured = run_driver(Side("boot-storm", guests, 1000).command(1), TIMEOUT)
    except DriverError as reason:
        console.print(f"boot storm: failed: {reason}", highlight=False)
        return 1
    console.print(
        f"boot storm: {guests} containers asked for at once, {measured['guests_peak'] or 0:.0f} on the host "
        f"at the peak, simulated in {measured['wall_s']:.2f} s (asked: < 5 s), "
        f"{measured['peak_rss_bytes'] / 1e6:,.0f} MB",
        highlight=False,
    )
    return 0
