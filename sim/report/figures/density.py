"""One question: how much does the host carry on each platform, and what breaks first above that?"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.figures.names import spoken
from sim.report.figures.style import INK, headline, looks, new_figure, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SHARE = 2.0
"""Share of an objective at which the scale of the curve ends; what lies beyond is drawn at the edge."""


def save_density(
    rows: Sequence[Mapping[str, Any]],
    most: Mapping[str, float | None],
    broke: Mapping[str, str],
    path: Path,
    vary: str,
    unit: str,
    title: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Save the answer of a density search, with the values tried, and below it the curve that was walked.

    `rows`: see `sim.experiment.density.search.curve_rows`; `most`: platform → the answer (None: no value holds);
    `broke`: platform → what broke first above it, in words;
    `notes`: doubts, told under the title. The curve is there when the scenario has objectives.
    """
    curve = any(row["objective"] for row in rows)
    height = 0.2 + 0.75 * len(most)
    with styled():
        figure = new_figure(9.0, height + (3.6 if curve else 0.6))
        ratios = [height, 2.6] if curve else [height]
        panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
        answers(rows, most, broke, panels[0], unit)
        if curve:
            used_up(rows, most, panels[1])
        panels[-1].set_xlabel(spoken(vary, unit))
        left = 0.35 + 0.095 * max(len(each.get_text()) for each in panels[0].get_yticklabels())
        headline(
            figure, f"{f'{title}: how' if title else 'How'} much does the host carry?",
            notes, margins=(max(left, 0.9), 0.3, 0.55), gaps=(0.2, 0.35),
        )  # fmt: skip
        return save(figure, path)


def answers(
    rows: Sequence[Mapping[str, Any]], most: Mapping[str, float | None], broke: Mapping[str, str], ax: Axes, unit: str
) -> Axes:
    """A bar a platform up to its answer, the values tried as dots, and what broke above in words."""
    for level, (name, look) in enumerate(looks(list(most)).items()):
        ax.barh(level, most[name] or 0.0, height=0.32, color=look.colour, alpha=0.35, lw=0)
        for value, holds in {row["value"]: row["holds"] for row in rows if row["platform"] == name}.items():
            ax.plot([value], [level], ls="", **look.dots | {"ms": 6, "mfc": look.colour if holds else "white"})
        words = broke.get(name, "")
        told = textwrap.fill(f"above it: {words}" if words else "nothing broke, up to the greatest value tried", 100)
        ax.annotate(
            told, (0.008, level + 0.22), xycoords=("axes fraction", "data"), va="top", fontsize=8, color=INK,
        )  # fmt: skip
    shown = (
        "none" if answer is None else f"{'' if name in broke else '≥ '}{answer:,g}{unit}"
        for name, answer in most.items()
    )
    ax.set_yticks(range(len(most)), [f"{name}: {text}" for name, text in zip(most, shown, strict=True)])
    ax.tick_params(axis="y", labelsize=11)
    ax.set_ylim(len(most) - 0.2, -0.4)
    ax.set_xlim(left=0)
    ax.grid(visible=False, axis="y")
    ax.set_title("The most at which all is well (markers: tried; filled: it holds)")
    return ax


def used_up(rows: Sequence[Mapping[str, Any]], most: Mapping[str, float | None], ax: Axes) -> Axes:
    """The most strained objective of each platform over what was varied: how much of its limit is used up."""
    for name, look in looks(list(most)).items():
        tried: dict[float, tuple[float, Mapping[str, Any]]] = {}
        for row in rows:
            if row["platform"] == name and row["objective"]:
                share = share_used(row)
                if row["value"] not in tried or share > tried[row["value"]][0]:
                    tried[row["value"]] = share, row
        if not tried:
            continue
        where = sorted(tried)
        heights = [min(tried[value][0], MOST_SHARE) for value in where]
        worst = {f"{tried[value][1]['objective']} of {tried[value][1]['service']}" for value in where}
        label = f"{name}: {worst.pop()}" if len(worst) == 1 else name
        ax.plot(where, heights, color=look.colour, lw=1.6, label=label, **look.dots)
        for value, height in zip(where, heights, strict=True):
            holds, beyond = tried[value][1]["holds"], tried[value][0] > MOST_SHARE
            dots = look.dots | {"ms": 6, "mfc": look.colour if holds else "white"}
            ax.plot([value], [height], ls="", clip_on=False, **dots)
            if beyond:
                ax.annotate("↑", (value, height), xytext=(0, -16), textcoords="offset points", ha="center", fontsize=9)
    ax.axhline(1.0, color=INK, lw=1)
    ax.annotate("limit", (0.008, 1.02), xycoords=("axes fraction", "data"), fontsize=8, color=INK)
    ax.set_ylim(0, MOST_SHARE)
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    ax.set_ylabel("95 % bound / limit")
    ax.set_title("How close is the most strained objective to its limit?")
    ax.legend(loc="lower right")  # what is tried above an answer is at the upper edge
    return ax


def share_used(row: Mapping[str, Any]) -> float:
    """How much of an objective is used: bound / limit of a tail, lost / allowed loss of an availability.

    Infinity where there is none, which JSON has as None.
    """
    bound, limit = (math.inf if row[key] is None else float(row[key]) for key in ("bound", "limit"))
    used = (1 - bound) / (1 - limit) if row["objective"] == "availability" and limit < 1 else bound / limit
    return max(used, 0.0) if math.isfinite(used) else math.inf
