"""How fast a sweep is: 1,000 points × 2 platforms × 2 replications by one worker, and by two.

    python -m benchmarks --sweep [--quick]

Both run as a user would type them (`python -m sim sweep FILE --workers N`), in processes of their own, in rounds one
after the other. The bounds are what the project asks of itself; they are shown beside the ratios, never asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import progress

SPEEDUP = 1.7
OVERHEAD = 0.020
"""What is asked: speed with two workers over speed with one, and s beyond the runs themselves a run."""
WORKERS = (1, 2)
ROOT = Path(__file__).parents[1]

BASE = """\
name: small
description: Two replicas of a small service for a simulated minute.
seed: 1
duration: 60s
warmup: 10s
host: {cores: 4, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [vm, container]
services:
  api:
    image: {vm: 1GB, container: 100MB, cached: true}
    memory: {base: 100MiB}
    request_cpu: {exponential: {mean: 10ms}}
    slo: {p99: 1s}
    size: {cpu: 1, memory: 512MiB}
    replicas: 2
    traffic: {constant-arrival-rate: {rate: 20/s}}
"""


@dataclass(frozen=True)
class Measured:
    """One sweep: real time from start to exit, CPU time of all its processes, time inside the runs; s. Its runs."""

    wall: float
    cpu: float
    inside: float
    runs: int
    table: bytes

    @property
    def overhead(self) -> float:
        """CPU time beyond the runs, s a run: it does not grow when others use the machine too."""
        return max(self.cpu - self.inside, 0.0) / self.runs


def sweep_file(points: int) -> str:
    """A sweep of `points` (a multiple of 25) over load and work."""
    rates = ", ".join(f"{20 + step}/s" for step in range(points // 25))
    work = ", ".join(f"{5 + 0.2 * step:.1f}ms" for step in range(25))
    rate = "services.api.traffic.constant-arrival-rate.rate"
    return (
        "base: base.yaml\nname: speed\naxes:\n"
        f"  {rate}: [{rates}]\n  services.api.request_cpu.exponential.mean: [{work}]\nreplications: 2\n"
    )


def measure(folder: Path, workers: int) -> Measured:
    """Make the sweep of `folder` once. Raises RuntimeError when it fails."""
    out = folder / f"out-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "sim", "sweep", str(folder / "sweep.yaml"), "--out", str(out)]
    command += ["--workers", str(workers), "--format", "json", "--no-plots", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before, started = _cpu(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    wall, cpu = time.perf_counter() - started, _cpu() - before
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    told: dict[str, Any] = json.loads(done.stdout)
    return Measured(wall, cpu, told["run_cpu_s"], told["made"], (out / "table.parquet").read_bytes())


def _cpu() -> float:
    """CPU time of every process that this one started and waited for, and theirs, s."""
    times = os.times()
    return times.children_user + times.children_system


def print_sweep_speed(console: Console, quick: bool) -> int:
    """Measure and print; returns the exit code (1 when a sweep failed or the tables differ)."""
    points, rounds = (100, 1) if quick else (1000, 2)
    found: dict[int, list[Measured]] = {workers: [] for workers in WORKERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "base.yaml").write_text(BASE, "utf-8")
        (folder / "sweep.yaml").write_text(sweep_file(points), "utf-8")
        try:
            for number in range(rounds):
                for workers in WORKERS:
                    progress(f"round {number + 1} of {rounds}: {points} points, workers: {workers}")
                    found[workers].append(measure(folder, workers))
        except RuntimeError as reason:
            console.print(f"a sweep failed: {reason}", highlight=False)
            return 1
    _print(console, points, found)
    tables = {each.table for one in found.values() for each in one}
    console.print("the tables are identical" if len(tables) == 1 else "[red]the tables DIFFER[/red]")
    return 0 if len(tables) == 1 else 1


def _print(console: Console, points: int, found: dict[int, list[Measured]]) -> None:
    runs = found[1][0].runs
    table = Table(title=f"{points:,} points × 2 platforms × 2 replications = {runs:,} runs, from start to exit")
    for name in ("workers", "wall s", "runs/s", "CPU s", "CPU inside runs s", "ms a run", "CPU beyond it, ms a run"):
        table.add_column(name, justify="right")
    for workers, rounds in found.items():
        one = sorted(rounds, key=lambda each: each.wall)[(len(rounds) - 1) // 2]
        table.add_row(
            str(workers), f"{one.wall:.1f}", f"{one.runs / one.wall:.1f}", f"{one.cpu:.1f}", f"{one.inside:.1f}",
            f"{1e3 * one.inside / one.runs:.1f}", f"{1e3 * one.overhead:.2f}",
        )  # fmt: skip
    console.print(table)
    ratios = [one.wall / two.wall for one, two in zip(found[1], found[2], strict=True)]
    speedup, overhead = median(ratios), max(each.overhead for one in found.values() for each in one)
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    console.print(f"two workers: {speedup:.2f} × the speed of one ({each}); asked: ≥ {SPEEDUP}", highlight=False)
    console.print(
        f"overhead beyond the runs: {1e3 * overhead:.2f} ms of CPU a run; asked: ≤ {1e3 * OVERHEAD:.0f} ms",
        highlight=False,
    )
