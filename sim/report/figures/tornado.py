"""One question: which assumption moves the answer most?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.figures.names import spoken
from sim.report.figures.style import INK, headline, looks, new_figure, save, styled, unit_ticks
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import spread
from sim.report.metrics.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRENGTHS = {
    "samples": "share: of the variance, each alone (first order)",
    "sobol": "share: of the variance, with what it does together with others (total index)",
    "morris": "number: mean effect of going through the whole range (µ*)",
}
"""What the number beside a bar is, by method."""


def save_tornado(
    rows: Mapping[str, pd.DataFrame], metric: str, folder: Path, title: str, method: str = "samples"
) -> Path:
    """Save a tornado of a sensitivity analysis; see `tornado`."""
    folder.mkdir(parents=True, exist_ok=True)
    with styled():
        return save(tornado(rows, describe(metric).unit, metric, title, method), folder / f"{metric}-tornado.png")


def tornado(rows: Mapping[str, pd.DataFrame], unit: str, metric: str, title: str, method: str = "samples") -> Figure:
    """Which assumption moves the answer most: a bar from the lowest to the highest quarter of each range.

    `rows`: platform → frame `parameter strength half_width low high middle`, strongest first; `method`: a key of
    `STRENGTHS`.
    """
    most = max(len(own) for own in rows.values())
    figure = new_figure(1.2 + 4.6 * len(rows), 0.7 + 0.45 * most)
    panels = figure.subplots(1, len(rows), squeeze=False)[0]
    key = looks([name for name in rows if " − " not in name])
    names = [spoken(name) for own in rows.values() for name in own["parameter"]]
    for panel, (name, own) in zip(panels, rows.items(), strict=True):
        _bars(panel, own, unit, key[name].colour if name in key else "#888888", method)
        panel.set_title(name)
        panel.locator_params(axis="x", nbins=5)
        unit_ticks(panel.xaxis, unit)
    left = 0.3 + 0.075 * max(map(len, names))
    return headline(
        figure, f"{title}: what moves {describe(metric).label.strip()} most?",
        explained=[f"bar: mean in the lowest (○) → highest quarter of a range; line: mean of all; {STRENGTHS[method]}"],
        margins=(left, 1.0, 0.4), gaps=((left + 1.1) / 2.6, 0.3),
    )  # fmt: skip


def _bars(ax: Axes, rows: pd.DataFrame, unit: str, colour: str, method: str) -> None:
    for number, row in enumerate(rows.itertuples()):
        low, high = float(row.low), float(row.high)  # type: ignore[arg-type]
        ax.barh(number, high - low, left=low, color=colour, alpha=0.75, height=0.6, lw=0)
        ax.plot([low], [number], "o", color="white", mec=colour, ms=6, clip_on=False, zorder=3)
        ax.annotate(
            strength_of(row, unit, method), (1.03, number), xycoords=("axes fraction", "data"), va="center",
            fontsize=8, color=INK, annotation_clip=False,
        )  # fmt: skip
    ax.axvline(float(rows["middle"].iloc[0]), color=INK, lw=1)
    ax.margins(x=0.06)
    ax.set_yticks(range(len(rows)), [spoken(name) for name in rows["parameter"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)


def strength_of(effect: Any, unit: str, method: str) -> str:
    """Strength of an effect with its interval: `61 ± 8 %` of the variance, or in the metric's unit (morris)."""
    strength, half = float(effect.strength), float(effect.half_width)
    if method == "morris":
        return spread(Interval(strength, half, 0), unit)
    return f"{100 * max(strength, 0.0):.0f} ± {100 * half:.0f} %"
