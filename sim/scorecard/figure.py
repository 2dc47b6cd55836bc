"""The scorecard's figure: predicted against known, on logarithmic axes, a panel a unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.report.figures.style import ALARM, FAINT, INK, Look, headline, new_figure, save, styled, unit_ticks
from sim.scorecard.scoring import CALIBRATES, NEAR, SCORED, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.scorecard.card import Scorecard

LOOKS: Final = {
    "theory, oracle, SimGrid": Look("#555555", "X"),
    "our own measurements": Look("#0072B2", "s"),
    "published": Look("#D55E00", "o"),
    "users' questions": Look("#CC79A7", "D"),
    "calibrates (not scored)": Look("#BBBBBB", "o", hollow=True),
}
"""Okabe and Ito's colours, as in every figure; each kind has a marker of its own too."""
_KINDS: Final = {"published": "published", "measured": "our own measurements", "question": "users' questions"}
PANELS: Final = (("s", "Times"), ("B", "Memory"), ("", "Ratios, rates and counts"))


def save_scorecard(found: Scorecard, path: Path) -> Path:
    """Save the figure: predicted (with its interval) over known (with the source's uncertainty)."""
    shown = [each for each in found.scores if _can_be_drawn(each)]
    with styled():
        figure = new_figure(11.0, 4.2)
        for ax, (unit, title) in zip(figure.subplots(1, 3), PANELS, strict=True):
            others = {name for name, _ in PANELS if name}
            rows = [each for each in shown if each.unit == unit or (not unit and each.unit not in others)]
            panel(rows, ax, unit, title)
        key = {name: look for name, look in LOOKS.items() if any(kind_of(each) == name for each in shown)}
        told = f"line: predicted = known; band: ±{NEAR:.0%}; bars: the prediction's interval, the source's uncertainty"
        headline(figure, "What hostsim predicts, against what is known", key=key, explained=[told], gaps=(0.33, 0.3),
                 margins=(0.85, 0.25, 0.95))  # fmt: skip
        return save(figure, path)


def _can_be_drawn(each: Score) -> bool:
    if each.verdict not in (*SCORED, CALIBRATES) or each.bound:
        return False
    return bool(each.predicted and each.known and each.predicted > 0 and each.known > 0)


def kind_of(each: Score) -> str:
    """The kind under which a case is drawn."""
    if each.verdict == CALIBRATES:
        return "calibrates (not scored)"
    return _KINDS.get(each.kind, "theory, oracle, SimGrid")


def panel(rows: Sequence[Score], ax: Axes, unit: str, title: str) -> Axes:
    """One panel: all cases of one unit."""
    from matplotlib.ticker import LogLocator

    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_title(title)
    ax.set_xlabel("known")
    ax.set_ylabel("predicted")
    if not rows:
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", color=FAINT)
        return ax
    for name, look in LOOKS.items():
        _dots([each for each in rows if kind_of(each) == name], ax, look, behind=name.startswith("calibrates"))
    values = [value for each in rows for value in (each.predicted, each.known) if value]
    ends = [min(values) / 1.6, max(values) * 1.6]
    ax.plot(ends, ends, color=INK, lw=1, zorder=1)
    ax.fill_between(ends, [x * (1 - NEAR) for x in ends], [x * (1 + NEAR) for x in ends], color=FAINT, alpha=0.18, lw=0)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    if unit:
        unit_ticks(ax.yaxis, unit)
        unit_ticks(ax.xaxis, unit)
        base = 4.0 if unit == "B" else 10.0  # 16 MiB, 64 MiB, …
        ax.xaxis.set_major_locator(LogLocator(base, numticks=8))
        if unit == "B":
            ax.yaxis.set_major_locator(LogLocator(base, numticks=10))
        ax.tick_params(axis="x", labelrotation=30)
    _name_the_worst(rows, ax)
    return ax


def _dots(rows: Sequence[Score], ax: Axes, look: Look, *, behind: bool) -> None:
    for each in rows:
        assert each.predicted is not None
        assert each.known is not None
        below, above = each.predicted - (each.low or 0.0), (each.high or 0.0) - each.predicted
        own = (each.uncertainty or 0.0) * each.known
        style: dict[str, Any] = {**look.dots, "ms": 4.5, "mew": 0.8}
        ax.errorbar(
            [each.known], [each.predicted], xerr=[[min(own, 0.95 * each.known)], [own]],
            yerr=[[max(0.0, min(below, 0.95 * each.predicted))], [max(0.0, above)]],
            color=look.colour, lw=0.8, alpha=0.55 if behind else 0.85, zorder=2 if behind else 3, **style,
        )  # fmt: skip


def _name_the_worst(rows: Sequence[Score], ax: Axes, most: int = 3) -> None:
    """Name what misses by most: a figure that hides them would flatter."""
    missed = [each for each in rows if each.verdict == "misses" and each.error is not None]
    worst: list[Score] = []
    for each in sorted(missed, key=lambda each: -_distance(each)):
        if len(worst) < most and all(_apart(each, other, ax) for other in worst):
            worst.append(each)
    for each in worst:
        name = each.case if len(each.case) <= 22 else f"{each.case[:21]}…"
        x, y = each.known or 1.0, each.predicted or 1.0
        low, high = ax.get_xlim()
        share = math.log(x / low) / math.log(high / low)
        left = share > (0.4 if y > x else 0.6)  # away from the other dots, which lie along the line
        ax.annotate(
            name, (x, y), xytext=(-5 if left else 5, 0), textcoords="offset points", fontsize=6.5, color=ALARM,
            ha="right" if left else "left", va="center", annotation_clip=False,
        )  # fmt: skip


def _apart(one: Score, other: Score, ax: Axes) -> bool:
    """Whether there is room for the names of both, a line one below the other."""
    low, high = ax.get_ylim()
    return abs(math.log((one.predicted or 1.0) / (other.predicted or 1.0))) > 0.04 * math.log(high / low)


def _distance(each: Score) -> float:
    return abs(math.log(each.predicted / each.known)) if each.predicted and each.known else 0.0
