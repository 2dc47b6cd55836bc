"""One question: by how much does each differ from the first, metric by metric, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sim.report.answers.comparison import Comparison, Line
from sim.report.figures.style import FAINT, INK, OKABE_ITO, new_figure, save, styled
from sim.report.metrics.numbers import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FURTHEST = 250.0
"""Per cent at which the scale ends; what lies beyond is drawn at the edge, with an arrow."""


def save_differences(comparison: Comparison, path: Path) -> Path | None:
    """Save a panel for each platform but the first; None when there is nothing to draw."""
    first, *others = comparison.platforms
    lines = [line for line in comparison.of("all") if _drawable(line, first)]
    others = [name for name in others if any(name in line.differences for line in lines)]
    if not lines or not others:
        return None
    with styled():
        figure = new_figure(3.2 + 5.2 * len(others), 1.8 + 0.3 * len(lines))
        panels = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
        for panel, name in zip(panels, others, strict=True):
            differences(comparison, lines, name, panel)
        sure = any(line.differences[name].half is not None for line in lines for name in line.differences)
        words = "bars: 95 % interval; grey: it holds 0" if sure else "too few replications for intervals"
        figure.suptitle(f"{comparison.scenario}: differences from {first} — {words}")
        return save(figure, path)


def differences(comparison: Comparison, lines: Sequence[Line], name: str, ax: Axes) -> Axes:
    """Difference of `name` from the first platform in per cent of the first's mean, a row a metric."""
    first = comparison.platforms[0]
    for row, line in enumerate(lines):
        difference = line.differences.get(name)
        if difference is None:
            continue
        scale = 100 / abs(line.values[first].mean)
        at, half = difference.mean * scale, (difference.half or 0.0) * scale
        colour = _colour(line, difference.mean, difference.half)
        inside = max(-FURTHEST, min(at, FURTHEST))
        if abs(at) > FURTHEST:
            ax.plot([inside], [row], ">" if at > 0 else "<", color=colour, ms=7, clip_on=False)
        else:
            ax.errorbar([at], [row], xerr=[half], fmt="o", color=colour, ms=5, capsize=3, lw=1.5)
        unit = "1" if line.metric.unit == "0/1" else line.metric.unit
        ax.annotate(
            f"{spread(difference, unit, sign=True)}  ({_percent(at)})", (1.01, row), xycoords=("axes fraction", "data"),
            va="center", fontsize=8, color=INK, annotation_clip=False,
        )  # fmt: skip
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(lines)), [_label(line) for line in lines])
    ax.set_ylim(len(lines) - 0.4, -0.6)
    low, high = ax.get_xlim()
    ax.set_xlim(max(min(low, -10.0), -FURTHEST), min(max(high, 10.0), FURTHEST))
    ax.set_xlabel(f"% of {first}'s mean (blue: better, orange: worse)")
    ax.set_title(name)
    return ax


def _percent(value: float) -> str:
    shown = f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.3g}"
    return f"{shown} %".replace("-", "−")


def _drawable(line: Line, first: str) -> bool:
    value = line.values.get(first)
    return (
        line.metric.shown
        and value is not None
        and value.mean != 0.0
        and any(each.mean or each.half for each in line.differences.values())
    )


def _label(line: Line) -> str:
    return line.metric.label.strip() if line.metric.name.count(".") < 2 else f"phase {line.metric.label.strip()}"


def _colour(line: Line, mean: float, half: float | None) -> str:
    if half is not None and abs(mean) <= half:
        return FAINT
    if line.metric.better is None:
        return INK
    return OKABE_ITO[0] if (mean < 0) == (line.metric.better == "lower") else OKABE_ITO[1]
