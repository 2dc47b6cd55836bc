"""Bars: what is promised and what is used of the host, and the mean of one metric by platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sim.report.answers.comparison import Line
from sim.report.figures.style import INK, Look
from sim.report.figures.timeline import mark_capacity, rounded
from sim.report.metrics.numbers import spread, text
from sim.terms.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_APART = 30.0  # greatest / least mean from which bars on one linear scale hide the small ones
_WIDE = 12  # letters over a bar from which it would touch the next one's


def allocated_and_used(
    summary: pd.DataFrame, ax: Axes, *, key: Mapping[str, Look], kind: str, capacity: float
) -> list[str]:
    """Time means of what is allocated (outline) and what is used (filled), a bar a platform (summary frame).

    `kind` is `cpu` (cores; overhead hatched) or `memory` (GiB); `capacity` is the host's, in cores or GiB. The numbers
    stand under the bars, where no line goes through them. Returns the platforms that use more than is allocated.
    """
    unit = {"cpu": "cores", "memory": "GiB"}[kind]
    first, *others = {"cpu": ("cpu.utilization", "cpu.overhead"), "memory": ("memory.used",)}[kind]
    own = summary[summary["service"] == "all"]
    means = own.pivot_table(index="platform", columns="metric", values="value", aggfunc="mean") * capacity
    names = [name for name in key if name in means.index]
    means = means.reindex(index=names, columns=[f"{kind}.allocated", first, *others]).fillna(0.0)
    allocated, used = means.iloc[:, 0].to_numpy(), means.iloc[:, 1:].sum(axis=1).to_numpy()
    colours = [key[name].colour for name in names]
    ax.bar(names, allocated, width=0.72, facecolor="none", edgecolor=colours, lw=1.6, ls="--", zorder=3)
    ax.bar(names, means[first], width=0.5, color=colours, lw=0)
    for part in others:
        ax.bar(
            names, means[part], width=0.5, bottom=used - means[part], color=colours, alpha=0.5, hatch="////",
            edgecolor="white", lw=0,
        )  # fmt: skip
    words = [
        f"{name}\n{rounded(promised)} allocated\n{rounded(real)} used"
        for name, promised, real in zip(names, allocated, used, strict=True)
    ]
    ax.set_xticks(range(len(names)), words)
    ax.set_xlim(-0.6, len(names) - 0.4)
    mark_capacity(ax, {"": capacity}, float(max([*allocated, *used], default=0.0)), unit)
    ax.set_ylabel(unit)
    ax.set_title({"cpu": "CPU: how much of it is used?", "memory": "Memory: how much of it is used?"}[kind])
    ax.grid(axis="x", visible=False)
    return [name for name, promised, real in zip(names, allocated, used, strict=True) if real > 1.005 * promised]


def of_metric(line: Line, ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """The means of one metric, a bar a platform; markers on a log scale where bars could not be compared.

    Whiskers are the 95 % intervals of the means, where there are three replications or more; the scale is linear where
    one of them reaches zero.
    """
    names = [name for name in key if name in line.values]
    places = [number for number, name in enumerate(key) if name in line.values]
    means = np.array([line.values[name].mean for name in names])
    halves = np.array([line.values[name].half or 0.0 for name in names])
    most = 1.0 if line.metric.unit in ("0/1", "ratio") and (means <= 1.0).all() else np.inf
    low, high = np.minimum(halves, means), np.minimum(halves, most - means)
    apart = len(means) > 0 and (means - halves).min() > 0 and means.max() / means.min() >= _APART
    if apart:
        for place, mean, name in zip(places, means, names, strict=True):
            ax.plot(place, mean, color=key[name].colour, **{**key[name].dots, "ms": 10})
        ax.set_yscale("log")
        ax.set_ylim(means.min() / 2.5, means.max() * 3.5)
    else:
        ax.bar(places, means, color=[key[name].colour for name in names], width=0.62, lw=0)
        ax.set_ylim(0.0, max(float((means + high).max(initial=0.0)) * 1.2, 1e-12))
    if halves.any():
        ax.errorbar(places, means, yerr=(np.maximum(low, 0), high), fmt="none", capsize=4, ecolor=INK, lw=1.3)
    for place, name, top in zip(places, names, means + high, strict=True):
        words = spread(line.values[name], line.metric.unit)
        if len(words) > _WIDE and len(key) > 2:
            words = words.replace(" ±", "\n±")
        at = (place, top)
        ax.annotate(words, at, xytext=(0, 8 if apart else 3), textcoords="offset points", ha="center", fontsize=8.5)
    ax.set_title(_title(line.metric))
    ax.set_ylabel("log scale" if apart else "")
    ax.set_xticks(range(len(key)), [name if name in names else f"{name}\n(none)" for name in key])
    ax.set_xlim(-0.6, len(key) - 0.4)
    quantities(ax, line.metric.unit)
    ax.grid(axis="x", visible=False)
    return ax


def _title(metric: Metric) -> str:
    """A metric's label, with the noun that it has from its block in a table."""
    label, parts = metric.label.strip(), metric.name.split(".")
    better = {"lower": " – less is better", "higher": " – more is better", None: ""}[metric.better]
    if parts[0] == "requests" and label == parts[1].replace("_", " "):
        return f"requests {label}{better}"
    return (f"start-up phase {label}" if parts[0] == "startup" and len(parts) == 3 else label) + better


def quantities(ax: Axes, unit: str) -> None:
    """Label the value axis: one unit for all of a linear axis, so that its labels can be compared."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    top = ax.get_ylim()[1]
    if unit == "B" and ax.get_yscale() == "log":
        ax.yaxis.set_major_locator(LogLocator(base=2, numticks=7))
    elif unit == "B":
        power = 2.0 ** (10 * int(np.log2(max(top, 1.0)) // 10))
        ticks = np.asarray(MaxNLocator(6).tick_values(0.0, top / power)) * power
        ax.set_yticks(ticks[ticks <= top])
    elif unit == "0/1":
        ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])

    def label(value: float, _: object) -> str:
        if value == 0.0:
            return "no" if unit == "0/1" else "0"
        if unit == "s":
            scale, name = (1e-3, "ms") if (value if ax.get_yscale() == "log" else top) < 0.9999 else (1.0, "s")
            return f"{value / scale:,.6g} {name}"
        if unit == "ratio":
            return f"{100.0 * value:.6g} %"
        return f"{value:,.6g}{' /s' if unit == '1/s' else ''}" if unit in ("1", "1/s") else text(value, unit)

    ax.yaxis.set_major_formatter(FuncFormatter(label))
    ax.yaxis.set_minor_locator(NullLocator())
