"""The figure of a run of the benchmarks: speed on W, growth with guests and requests, memory, answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS, REFERENCE
from benchmarks.summary import Line

COLOURS = {
    "hostsim": "#c1272d",
    "simpy": "#0b6fa4",
    "salabim": "#e08e0b",
    "ciw": "#5a8f29",
    "simgrid": "#6b4c9a",
}
MARKERS = {
    "api": "o",
    "command": "v",
    "resource": "s",
    "sharing": "^",
    "server": "D",
    "nodes": "s",
    "vm": "s",
}


def draw(lines: list[Line], path: Path, caption: str) -> None:
    """Write the figure as PNG: requests/s on W, the answers, and growth with guests and with requests."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    grown = [purpose for purpose in ("guests", "requests") if any(x.cell.purpose == purpose for x in lines)]
    rows = 1 + len(grown)
    figure, axes = plt.subplots(rows, 2, figsize=(13, 0.6 + 4.3 * rows), squeeze=False, layout="constrained")
    speed_panel(axes[0][0], lines)
    answer_panel(axes[0][1], lines)
    for row, purpose in zip(axes[1:], grown, strict=True):
        growth_panel(row[0], lines, purpose, lambda line: line.rate, "requests/s")
        growth_panel(row[1], lines, purpose, lambda line: line.memory / 1e6, "peak memory, MB")
        row[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.suptitle(caption, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _main(lines: list[Line]) -> list[Line]:
    return sorted((line for line in lines if line.cell.purpose == "main"), key=lambda line: line.rate)


def speed_panel(ax: Any, lines: list[Line]) -> Any:
    """Requests/s on W, logarithmic, each bar with its rate and hostsim's ratio to it."""
    main = _main(lines)
    labels = [line.cell.peer.label for line in main]
    rates = [line.rate for line in main]
    spread = [[x.rate - x.rate_low for x in main], [x.rate_high - x.rate for x in main]]
    colours = [COLOURS[line.cell.peer.name] for line in main]
    ax.barh(labels, rates, xerr=spread, color=colours, ecolor="#333333")
    for position, line in enumerate(main):
        known = line.ratio is not None and line.cell.peer.label != REFERENCE
        ratio = f"   hostsim ×{line.ratio:,.1f}" if known else ""
        ax.annotate(
            f"{line.rate:,.0f}/s{ratio}", (line.rate_high, position), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    ax.set_xscale("log")
    if rates:
        ax.set_xlim(min(rates) / 3, max(rates) * 40)
    ax.set_xlabel("simulated requests per second of one core (log scale)")
    ax.set_title("Speed on the same work W", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def answer_panel(ax: Any, lines: list[Line]) -> Any:
    """Mean response of each peer over its own theory, with 95 % intervals."""
    main = _main(lines)
    for position, line in enumerate(main):
        ax.errorbar(
            100 * line.deviation, position, xerr=196 * line.error / line.theory, fmt="o",
            color=COLOURS[line.cell.peer.name], capsize=3,
        )  # fmt: skip
    ax.axvline(0, color="#333333", linewidth=1)
    ax.set_yticks(range(len(main)), [f"{x.cell.peer.label}  ({x.theory * 1e3:.2f} ms)" for x in main])
    ax.set_ylim(-0.6, len(main) - 0.4)
    ax.set_xlabel("mean response against its theory (in brackets), % with 95 % interval")
    ax.set_title("Are the answers right?", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def growth_panel(ax: Any, lines: list[Line], purpose: str, value: Callable[[Line], float], label: str) -> Any:
    """A line a peer of `value` by guests or by requests, both axes logarithmic; white dot: scaled down."""
    from matplotlib.ticker import LogLocator

    for peer in PEERS:
        own = [x for x in lines if x.cell.peer == peer and x.cell.purpose in ("main", purpose)]
        if not own or (purpose == "guests" and peer.model == "pooled"):
            continue
        own.sort(key=lambda x: _abscissa(x, purpose))
        style = "-" if peer.model == "shared" else ":"
        look = {"color": COLOURS[peer.name], "label": peer.label, "ms": 5, "lw": 1.4}
        xs, ys = [_abscissa(x, purpose) for x in own], [value(x) for x in own]
        ax.plot(xs, ys, style, marker=MARKERS.get(peer.variant, "o"), **look)
        scaled = [k for k, x in enumerate(own) if x.cell.scaled]
        ax.plot([xs[k] for k in scaled], [ys[k] for k in scaled], "o", color="white", ms=1.8, zorder=3)
    ax.set_xscale("log")
    ax.set_yscale("log")
    if "MB" in label:  # less than two decades: label 1, 2 and 5
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
    ax.yaxis.set_minor_formatter(lambda number, _: "")
    ax.set_xlabel("guests" if purpose == "guests" else "requests in one run")
    ax.set_ylabel(label)
    what = label.split(",")[0].capitalize()
    ax.set_title(f"{what} as {purpose} grow (solid: guests share the host; white dot: scaled)", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _abscissa(line: Line, purpose: str) -> int:
    return line.cell.guests if purpose == "guests" else line.requests
