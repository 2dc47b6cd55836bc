"""One question: by how much does each differ from the first, metric by metric, and how sure is that?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sim.report.answers.comparison import Comparison, Line, focus_lines
from sim.report.figures.style import FAINT, INK, Look, headline, looks, new_figure, save, styled, told
from sim.report.metrics.numbers import spread
from sim.report.text.terminal import CARRYING
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FURTHEST = 150.0
"""Per cent at which the scale ends; what lies beyond is drawn at the edge, with an arrow."""


def save_differences(comparison: Comparison, path: Path) -> Path | None:
    """Save the differences of all platforms from the first; None when there is nothing to draw.

    Drawn are the metrics of the focus and those of the short table; comparison.csv has them all.
    """
    first, *others = comparison.platforms
    asked = [each.line for each in focus_lines(comparison)]
    asked += [line for line in comparison.of(ALL) if line.metric.name in CARRYING and line.metric.shown]
    lines = list({(line.service, line.metric.name): line for line in reversed(asked)}.values())[::-1]
    lines = [line for line in lines if _drawable(line, first)]
    others = [name for name in others if any(name in line.differences for line in lines)]
    if not lines or not others:
        return None
    key = {name: look for name, look in looks(comparison.platforms).items() if name in others}
    with styled():
        figure = new_figure(11.0, 0.7 + (0.14 + 0.2 * len(others)) * len(lines))
        differences(lines, first, key, figure.subplots())
        sure = any(line.differences[name].half is not None for line in lines for name in line.differences)
        words = "bars: 95 % interval; hollow: it holds 0" if sure else "too few replications for intervals"
        headline(
            figure, f"{comparison.scenario}: differences from {first}",
            told(comparison.doubts, [line.metric.name for line in lines]), key, explained=[words],
            margins=(2.1, 3.1, 0.55),
        )  # fmt: skip
        return save(figure, path)


def differences(lines: Sequence[Line], first: str, key: Mapping[str, Look], ax: Axes) -> Axes:
    """Differences from the platform `first` in per cent of its mean: a row a metric, in it a marker a platform."""
    height = 0.76 / len(key)
    for row, line in enumerate(lines):
        for number, (name, look) in enumerate(key.items()):
            if name in line.differences:
                _one(line, name, first, look, row + (number - (len(key) - 1) / 2) * height, ax)
        if row % 2:
            ax.axhspan(row - 0.5, row + 0.5, color="#f3f3f3", lw=0, zorder=0)
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(lines)), [_label(line) for line in lines])
    ax.grid(visible=False, axis="y")
    ax.set_ylim(len(lines) - 0.5, -0.5)
    low, high = ax.get_xlim()
    ax.set_xlim(max(min(low, -10.0), -FURTHEST), min(max(high, 10.0), FURTHEST))
    ax.set_xlabel(f"difference in % of {first}'s mean")
    return ax


def _one(line: Line, name: str, first: str, look: Look, at: float, ax: Axes) -> None:
    difference = line.differences[name]
    scale = 100 / abs(line.values[first].mean)
    per_cent, half = difference.mean * scale, (difference.half or 0.0) * scale
    unsure = difference.half is not None and not difference.excludes_zero
    dots = look.dots | {"ms": 6, "mfc": "white" if unsure else look.colour}
    if abs(per_cent) > FURTHEST:
        arrow = dots | {"marker": ">" if per_cent > 0 else "<"}
        ax.plot([FURTHEST if per_cent > 0 else -FURTHEST], [at], color=look.colour, clip_on=False, **arrow)
    else:
        ax.errorbar([per_cent], [at], xerr=[half], color=look.colour, capsize=2.5, lw=1.4, **dots)
    unit = "1" if line.metric.unit == "0/1" else line.metric.unit
    ax.annotate(
        f"{spread(difference, unit, sign=True)}  ({_percent(per_cent)}){_judged(line, difference.mean, unsure)}",
        (1.01, at), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=FAINT if unsure else INK,
        annotation_clip=False,
    )  # fmt: skip


def _judged(line: Line, mean: float, unsure: bool) -> str:
    if line.untold:
        return " not comparable"
    if unsure or line.metric.better is None or mean == 0.0:
        return ""
    return " better" if (mean < 0) == (line.metric.better == "lower") else " worse"


def _percent(value: float) -> str:
    shown = f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.3g}"
    return f"{shown} %".replace("-", "−")


def _drawable(line: Line, first: str) -> bool:
    value = line.values.get(first)
    return value is not None and value.mean != 0.0 and any(each.mean or each.half for each in line.differences.values())


def _label(line: Line) -> str:
    label = line.metric.label.strip()
    return f"requests {label}" if line.metric.name.startswith("requests.") and ":" not in label else label
