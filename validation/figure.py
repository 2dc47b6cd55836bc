"""The figure: predicted over measured, every repetition of every group a point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from validation.compare import Line
from validation.predict import RULES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

COLOURS = {
    "no limit": "#777777", "quota": "#0072b2", "neighbours": "#009e73",
    "weights, 1 CPU": "#e69f00", "weights, 2 CPUs": "#d55e00",
}  # fmt: skip  # Okabe and Ito
MARKERS = "osD^v"


def draw(folders: Sequence[tuple[str, Sequence[Line]]], path: Path) -> None:
    """Draw mean and p99 side by side, each against what was measured, and save the picture."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, axes = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    for ax, what in zip(axes, ("mean", "p99"), strict=True):
        _panel(ax, folders, what)
        ax.set_xlabel(f"measured {what} of the response time [ms]")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.set_yticks([0.5, 0.7, 0.9, 1, 1.1, 1.5, 2, 3], labels=["−50 %", "−30 %", "", "0", "", "+50 %", "× 2", "× 3"])
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("predicted / measured")
    figure.legend(handles=_key([name for name, _ in folders]), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("hostsim beside a real kernel: same arrivals, same demands; the band is ±10 %")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _panel(ax: Axes, folders: Sequence[tuple[str, Sequence[Line]]], what: str) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.axhspan(0.9, 1.1, color="#dddddd", zorder=0)
    ax.axhline(1, color="#888888", linewidth=1, zorder=1)
    for (_, lines), marker in zip(folders, MARKERS, strict=False):
        for kind, colour in COLOURS.items():
            chosen = [line for line in lines if _kind(line) == kind]
            for rule in RULES if any(line.group.limit is not None for line in chosen) else RULES[:1]:
                points = [
                    (pair.measured.statistics[what] * 1e3, 1 + pair.error(what, rule))
                    for line in chosen
                    if line.group.limit is not None or rule == RULES[0]
                    for pair in line.pairs
                ]
                if points:
                    _scatter(ax, np.array(points), marker, colour, hollow=rule != RULES[0])


def _kind(line: Line) -> str:
    cpus = line.case.cpus
    return f"weights, {cpus} CPU{'s' * (cpus > 1)}" if line.case.kind == "weights" else line.case.kind


def _key(names: Sequence[str]) -> list[Line2D]:
    """A colour is what was measured, a marker the measurement, an empty one the limit taken as a fluid cap."""
    from matplotlib.lines import Line2D

    def entry(label: str, marker: str, colour: str, *, hollow: bool = False) -> Line2D:
        face = "none" if hollow else colour
        return Line2D([], [], linestyle="", marker=marker, color=colour, markerfacecolor=face, label=label)

    entries = [entry(kind, "o", colour) for kind, colour in COLOURS.items()]
    entries += [entry(name, marker, "black") for name, marker in zip(names, MARKERS, strict=False)]
    return [*entries, entry("empty: the limit as a fluid cap", "o", "black", hollow=True)]


def _scatter(ax: Axes, points: np.ndarray, marker: str, colour: str, *, hollow: bool) -> None:
    face = "none" if hollow else colour
    ax.scatter(
        points[:, 0],
        points[:, 1],
        s=28,
        marker=marker,
        facecolors=face,
        edgecolors=colour,
        alpha=0.75,
        linewidths=1,
    )
