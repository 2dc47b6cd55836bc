"""The one figure of a scenario with a `focus`: a panel a metric, drawn as what the metric is.

- a column of the timeline (`memory_used`): the curve over simulated time;
- a metric with such a column, where replicas are added one after the other: the curve over the number of guests;
- any other metric: its mean a platform, with its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.answers.comparison import Line, focus_lines
from sim.report.figures import plots
from sim.report.figures.style import GIB, INK, palette
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import spread, text
from sim.terms.columns import STATE_UNITS
from sim.terms.metrics import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.report.results import Results

_APART = 30.0  # greatest / least mean from which bars on one linear scale hide the small ones
_CURVES = {"memory.used": "memory_used", "memory.allocated": "memory_allocated", "cpu.allocated": "cpu_allocated"}
_WIDE = 14  # letters over a bar from which it would touch the next one's
_ACROSS = 3  # panels side by side


def draw(results: Results, figure: Any) -> Figure | None:
    """Draw every entry of the scenario's focus into `figure`; None when there is nothing to draw."""
    panels = _panels(results)
    if not panels:
        return None
    wide = any(kind != "bars" for kind, _ in panels)
    across = min(len(panels), 2 if wide or len(panels) == 4 else _ACROSS)
    down = -(-len(panels) // across)
    figure.set_size_inches(9.0 if across == 1 else 4.6 * across + 0.8, 0.7 + 3.9 * down)
    axes = list(np.atleast_1d(figure.subplots(down, across)).ravel())
    colours = palette(results.platforms)
    for ax, (kind, what) in zip(axes, panels, strict=False):
        if kind == "bars":
            bars(what, ax, colours=colours)
        elif kind == "guests":
            over_guests(results, what, ax, colours=colours)
        else:
            over_time(results, what, ax, colours=colours)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    figure.suptitle(f"{results.name}: {results.manifest['scenario'].get('description', '')}", wrap=True)
    return figure  # type: ignore[no-any-return]


def _panels(results: Results) -> list[tuple[str, Any]]:
    scenario = results.manifest["scenario"]
    ramp = any(isinstance(s.get("replicas"), dict) for s in scenario.get("services", {}).values())
    lines = {line.asked: line for line in focus_lines(results.comparison)}
    panels: list[tuple[str, Any]] = []
    for entry in results.comparison.focus:
        if entry in STATE_UNITS:
            panels.append(("time", entry))
        elif ramp and entry in _CURVES:
            panels.append(("guests", _CURVES[entry]))
        elif entry in lines:
            panels.append(("bars", lines[entry].line))
    return panels


def bars(line: Line, ax: Axes, *, colours: Mapping[str, str]) -> Axes:
    """The means of one metric, a bar a platform; dots on a log scale where bars could not be compared.

    Whiskers are the 95 % intervals of the means, where there are three replications or more.
    """
    names = [name for name in colours if name in line.values]
    places = [number for number, name in enumerate(colours) if name in line.values]
    means = np.array([line.values[name].mean for name in names])
    halves = np.array([line.values[name].half or 0.0 for name in names])
    low, high = np.minimum(halves, means), halves
    apart = len(means) > 0 and means.min() > 0 and means.max() / means.min() >= _APART
    if apart:
        for place, mean, name in zip(places, means, names, strict=True):
            ax.plot(place, mean, "o", ms=11, color=colours[name])
        ax.set_yscale("log")
        ax.set_ylim(means.min() / 2.5, means.max() * 3.5)
    else:
        ax.bar(places, means, color=[colours[name] for name in names], width=0.62)
        ax.set_ylim(0.0, max(float((means + high).max(initial=0.0)) * 1.18, 1e-12))
    if halves.any():
        ax.errorbar(places, means, yerr=(low, high), fmt="none", capsize=4, ecolor=INK)
    for place, name, top in zip(places, names, means + high, strict=True):
        words = spread(line.values[name], line.metric.unit)
        if len(words) > _WIDE and len(colours) > 2:
            words = words.replace(" ±", "\n±")
        at = (place, top)
        ax.annotate(words, at, xytext=(0, 8 if apart else 3), textcoords="offset points", ha="center", fontsize=9)
    ax.set_title(_title(line.metric) + (" (log scale)" if apart else ""))
    ax.set_xticks(range(len(colours)), [name if name in names else f"{name}\n(none)" for name in colours])
    ax.set_xlim(-0.6, len(colours) - 0.4)
    _quantities(ax, line.metric.unit)
    ax.grid(axis="x", visible=False)
    return ax


def over_time(results: Results, column: str, ax: Axes, *, colours: Mapping[str, str]) -> Axes:
    """One column of the timeline over simulated time; memory and CPU against what is allocated and there."""
    frame = results.timeline
    if column in ("cpu_used", "memory_used"):
        kind = column.removesuffix("_used")
        return plots.simulated_time(plots.resource(frame, ax, colours=colours, kind=kind))
    scale, unit = _scale(column)
    for name, own in plots.over_time(frame, colours):
        ax.plot(own["time"], own[column] / scale, color=colours[name], lw=1.6, label=name)
    ax.set_ylabel(column.replace("_", " ") if unit == "1" else unit)
    ax.set_title(column.replace("_", " "))
    ax.set_ylim(bottom=0)
    plots.simulated_time(ax)
    ax.legend(loc="best", frameon=False, fontsize=9)
    return ax


def over_guests(results: Results, column: str, ax: Axes, *, colours: Mapping[str, str]) -> Axes:
    """One column of the timeline by the number of guests, at the samples at which none is starting or stopping."""
    scale, unit = _scale(column)
    for name, frame in plots.over_time(results.timeline, colours):
        settled = frame[frame["ready"] == frame["guests"]]
        own = (settled if len(settled) > 1 else frame).groupby("ready")[column].last() / scale
        ax.plot(own.index, own, color=colours[name], lw=1.8, marker=".", ms=4)
        words = f"{name}: {own.iloc[-1]:.4g} {unit} at {own.index[-1]:,.0f}"
        ax.annotate(words, (own.index[-1], own.iloc[-1]), xytext=(-4, 5), textcoords="offset points", ha="right",
                    va="bottom", fontsize=9, color=colours[name])  # fmt: skip
    ax.set_xlabel("guests that are ready")
    ax.set_ylabel(unit)
    ax.set_title(f"{describe(column.replace('_', '.', 1)).label} by the number of guests")
    ax.set_xlim(left=0)
    ax.set_ylim(0, ax.get_ylim()[1] * 1.06)
    return ax


def _scale(column: str) -> tuple[float, str]:
    """What a column of the timeline is divided by, and the unit that it then has."""
    return (GIB, "GiB") if STATE_UNITS[column] == "B" else (1.0, STATE_UNITS[column])


def _title(metric: Metric) -> str:
    """A metric's label, with the noun that it has from its block in a table."""
    label, parts = metric.label.strip(), metric.name.split(".")
    if parts[0] == "requests" and label == parts[1].replace("_", " "):
        return f"requests {label}"
    return f"start-up phase {label}" if parts[0] == "startup" and len(parts) == 3 else label


def _quantities(ax: Axes, unit: str) -> None:
    """Label the value axis: one unit for all of a linear axis, so that its labels can be compared."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    top = ax.get_ylim()[1]
    if unit == "B" and ax.get_yscale() == "log":
        ax.yaxis.set_major_locator(LogLocator(base=2, numticks=7))
    elif unit == "B":
        power = 2.0 ** (10 * int(np.log2(max(top, 1.0)) // 10))
        ticks = np.asarray(MaxNLocator(6).tick_values(0.0, top / power)) * power
        ax.set_yticks(ticks[ticks <= top])

    def label(value: float, _: object) -> str:
        if value == 0.0:
            return "0"
        if unit == "s":
            scale, name = (1e-3, "ms") if (value if ax.get_yscale() == "log" else top) < 0.9999 else (1.0, "s")
            return f"{value / scale:,.6g} {name}"
        if unit == "ratio":
            return f"{100.0 * value:.6g} %"
        return f"{value:,.6g}{' /s' if unit == '1/s' else ''}" if unit in ("1", "1/s") else text(value, unit)

    ax.yaxis.set_major_formatter(FuncFormatter(label))
    ax.yaxis.set_minor_locator(NullLocator())
