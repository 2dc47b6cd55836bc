"""One question: what of the difference between two platforms does each group of mechanisms make?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.figures.style import FAINT, INK, headline, looks, new_figure, save, styled, unit_ticks
from sim.report.metrics.numbers import spread, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UP, _DOWN, _NONE = "#4477AA", "#CC6677", "#999999"
"""Parts that add and that take away (Tol 2021), and those whose interval holds 0."""


def save_waterfall(found: Any, path: Path) -> Path:
    """Save a waterfall of an attribution (`Why` of `sim.experiment`): from A's mean, part by part, to B's."""
    doubts = [each.line for each in found.doubts if each.severity != "note"][:2]
    explained = [
        "parts: Shapley's shares, the greatest first; lines: their 95 % intervals; grey: the interval holds 0"
        if found.replications > 2 else "parts: Shapley's shares, the greatest first; too few replications for intervals"
    ]  # fmt: skip
    with styled():
        figure = new_figure(9.0, 0.9 + 0.42 * (len(found.parts) + 2))
        waterfall(found, figure.subplots())
        names = [found.a, found.b, *(part.name for part in found.parts)]
        title = f"{found.scenario}: why {found.b} and {found.a} differ in {found.asked.label}"
        headline(
            figure, title, doubts, explained=explained, margins=(0.45 + 0.078 * max(map(len, names)), 1.9, 0.55)
        )  # fmt: skip
        return save(figure, path)


def waterfall(found: Any, ax: Axes) -> Axes:
    """Draw a waterfall: a bar for each platform's mean, and between them the parts, each where the last one ended."""
    key = looks((found.a, found.b))
    unit = found.unit
    first, second = (found.values[name] for name in (found.a, found.b))
    parts = sorted(found.parts, key=lambda part: -abs(part.share.mean))
    ends = [first.mean]
    for part in parts:
        ends.append(ends[-1] + part.share.mean)
    low, high = min([*ends, second.mean]), max([*ends, second.mean])
    room = (high - low) or abs(high) or 1.0
    left = 0.0 if low < 2.0 * room and low >= 0 else low - 0.25 * room
    rows = len(parts) + 2
    for row, (name, value) in ((0, (found.a, first)), (rows - 1, (found.b, second))):
        ax.barh(row, value.mean - left, left=left, color=key[name].colour, height=0.62, lw=0)
        _beside(ax, row, spread(value, unit), INK)
    for row, (part, start) in enumerate(zip(parts, ends, strict=False), start=1):
        share = part.share
        sure = share.half is None or share.excludes_zero
        colour = _NONE if not sure else _UP if share.mean > 0 else _DOWN
        ax.barh(row, share.mean, left=start, color=colour, height=0.62, lw=0)
        if share.half:
            ax.plot([start + share.low, start + share.high], [row, row], color=INK, lw=1.2, zorder=4)
        _beside(ax, row, spread(share, unit, sign=True), INK if sure else FAINT)
    for row, end in enumerate(ends):
        ax.plot([end, end], [row - 0.31, row + 1.31], color=FAINT, lw=0.8, ls=":", zorder=1)
    ax.set_yticks(range(rows), [found.a, *(part.name for part in parts), found.b])
    ax.set_ylim(rows - 0.5, -0.5)
    ax.set_xlim(left, high + 0.08 * room)
    if left > 0:
        ax.set_xlabel(f"{found.asked.label} (axis begins at {text(left, unit)})")
    else:
        ax.set_xlabel(found.asked.label)
    ax.locator_params(axis="x", nbins=6)
    unit_ticks(ax.xaxis, unit)
    ax.grid(visible=False, axis="y")
    return ax


def _beside(ax: Axes, row: int, words: str, colour: str) -> None:
    ax.annotate(
        words, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=colour,
        annotation_clip=False,
    )  # fmt: skip
