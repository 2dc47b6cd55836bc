"""The one figure of a scenario with a `focus`: a panel a metric, drawn as what the metric is.

- a column of the timeline (`memory_used`): the curve over simulated time;
- a metric with such a column, where replicas are added one after the other: the curve over the number of guests;
- any other metric: its mean a platform, with its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.answers.comparison import focus_lines
from sim.report.figures import bars, timeline
from sim.report.figures.style import GIB, Look, headline, looks, new_figure, told
from sim.report.metrics.known import describe
from sim.terms.columns import STATE_UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.report.results import Results

_CURVES = {"memory.used": "memory_used", "memory.allocated": "memory_allocated", "cpu.allocated": "cpu_allocated"}
_ACROSS = 3  # panels side by side


def draw(results: Results) -> Figure | None:
    """Draw every entry of the scenario's focus; None when there is nothing to draw."""
    panels = _panels(results)
    if not panels:
        return None
    curves = any(kind != "bars" for kind, _ in panels)
    across = min(len(panels), 2 if curves or len(panels) == 4 else _ACROSS)
    down = -(-len(panels) // across)
    key = looks(results.platforms)
    figure = new_figure(max(4.2, 1.2 + 1.05 * len(key)) * across, 2.9 * down + 0.35 * (down - 1))
    axes = list(np.atleast_1d(figure.subplots(down, across)).ravel())
    for ax, (kind, what) in zip(axes, panels, strict=False):
        if kind == "bars":
            bars.of_metric(what, ax, key=key)
        elif kind == "guests":
            over_guests(results, what, ax, key=key)
        else:
            over_time(results, what, ax, key=key)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    about = results.manifest["scenario"].get("description", "")
    return headline(
        figure, f"{results.name}: {about}" if about else results.name,
        told(results.doubts, results.comparison.focus), key if curves else None,
        margins=(0.95, 0.95 if curves else 0.3, 0.55), gaps=(0.34, 0.4),
    )  # fmt: skip


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


def over_time(results: Results, column: str, ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """One column of the timeline over simulated time; memory and CPU against what is allocated and there."""
    series = timeline.over_time(results.timeline, key)
    if column in ("cpu_used", "memory_used"):
        kind = column.removesuffix("_used")
        ax = timeline.resource(series, ax, key=key, kind=kind)
        ax.set_title(f"{timeline.RESOURCES[kind][2].split(':')[0]}: allocated (dashed), used (solid)")
        return timeline.simulated_time(ax)
    scale, unit = _scale(column)
    for number, (name, own) in enumerate(series):
        timeline.draw(ax, own["time"], own[column] / scale, key[name], (number, len(series)))
    ax.set_ylabel(column.replace("_", " ") if unit == "1" else unit)
    ax.set_title(column.replace("_", " "))
    ax.set_ylim(bottom=0)
    return timeline.simulated_time(ax)


def over_guests(results: Results, column: str, ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """One column of the timeline by the number of guests, at the samples at which none is starting or stopping."""
    scale, unit = _scale(column)
    series = timeline.over_time(results.timeline, key)
    for number, (name, frame) in enumerate(series):
        settled = frame[frame["ready"] == frame["guests"]]
        own = (settled if settled["ready"].nunique() > 2 else frame).groupby("ready")[column].last() / scale
        timeline.draw(ax, own.index, own, key[name], (number, len(series)))
        words = f"{name}: {own.iloc[-1]:.4g} {unit} at {own.index[-1]:,.0f}"
        ax.plot([], [], color=key[name].colour, label=words, **key[name].dots)
    ax.set_xlabel("guests that are ready")
    ax.set_ylabel(unit)
    ax.set_title(f"{describe(column.replace('_', '.', 1)).label} by the number of guests")
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.4 * ax.get_ylim()[1])  # room for the key
    ax.legend(loc="upper left", fontsize=8.5)
    return ax


def _scale(column: str) -> tuple[float, str]:
    """What a column of the timeline is divided by, and the unit that it then has."""
    return (GIB, "GiB") if STATE_UNITS[column] == "B" else (1.0, STATE_UNITS[column])
