"""What a person reads (tables, a plot) and what is kept (a dated JSON and CSV)."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Skip
from benchmarks.peers import PEERS, REFERENCE
from benchmarks.summary import Line


def print_main(console: Console, lines: list[Line]) -> None:
    """The table of W: speed, memory and the answer of every peer."""
    table = Table(title="Work W: 16 cores, 64 guests, 224 requests/s, load 0.7. One core, interleaved, medians")
    table.add_column("peer", no_wrap=True)
    table.add_column("what it simulates", no_wrap=True)
    right = "requests", "requests/s", "spread", "hostsim ÷", "peak MB", "mean ms", "theory ms", "error"
    for name in (*right, "answer"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in sorted((x for x in lines if x.cell.purpose == "main"), key=lambda x: -x.rate):
        table.add_row(*_main_row(line), style="bold" if line.cell.peer.label == REFERENCE else None)
    console.print(table)


def _main_row(line: Line) -> list[str]:
    spread = max(1 - line.rate_low / line.rate, line.rate_high / line.rate - 1)
    return [
        line.cell.peer.label,
        line.cell.peer.about,
        f"{line.requests:,}" + ("*" if line.cell.scaled else ""),
        f"{line.rate:,.0f}",
        f"±{spread:.0%}",
        "-" if line.ratio is None else f"{line.ratio:,.1f}",
        f"{line.memory / 1e6:,.0f}",
        f"{line.mean * 1e3:.3f} ± {line.error * 1e3:.3f}",
        f"{line.theory * 1e3:.3f} {line.cell.peer.model}",
        f"{line.deviation:+.2%}",
        "agrees" if line.agrees else "[red]differs[/red]",
    ]


def print_growth(console: Console, lines: list[Line], purpose: str) -> None:
    """Cost per request (µs) as requests or guests grow, and memory."""
    which = [x for x in lines if x.cell.purpose in ("main", purpose)]
    sizes = sorted({_size(x, purpose) for x in which})
    if len(sizes) < 2:
        return
    unit = "guests, requests as on W" if purpose == "guests" else "requests, 64 guests"
    table = Table(title=f"Growth with {purpose}: µs per request, peak MB, error of the mean ({unit})")
    table.add_column("peer", no_wrap=True)
    for size in sizes:
        table.add_column(f"{size:,}", justify="right")
    for peer in PEERS:
        own = {_size(x, purpose): x for x in which if x.cell.peer == peer}
        if own:
            table.add_row(peer.label, *(_growth_cell(own.get(size)) for size in sizes))
    console.print(table)


def _size(line: Line, purpose: str) -> int:
    return line.cell.guests if purpose == "guests" else line.cell.asked


def _growth_cell(line: Line | None) -> str:
    if line is None:
        return "-"
    star = f" (in {line.requests:,})" if line.cell.scaled else ""
    verdict = "" if line.agrees else " [red]differs[/red]"
    return f"{1e6 / line.rate:,.2f} µs  {line.memory / 1e6:,.0f} MB  {line.deviation:+.1%}{verdict}{star}"


def print_notes(console: Console, lines: list[Line], skips: list[Skip]) -> None:
    """What was scaled down or left out, and why."""
    if any(line.cell.scaled for line in lines):
        console.print("* fewer requests than asked, so that one run stays within its time limit")
    for skip in skips:
        console.print(f"left out: {skip.label} ({skip.what}): {skip.reason}", highlight=False)


def write(record: dict[str, Any], folder: Path, stem: str) -> list[Path]:
    """Write the record as JSON and its measurements as CSV; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    whole, flat = folder / f"{stem}.json", folder / f"{stem}.csv"
    whole.write_text(json.dumps(record, indent=1) + "\n")
    rows = record["measurements"]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with flat.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return [whole, flat]
