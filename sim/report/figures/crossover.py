"""One question: where along an axis does the better of two platforms change, and how sure is that?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.style import FAINT, INK, band, new_figure, palette, save, styled
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import text
from sim.report.metrics.statistics import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def save_crossover(found: Any, path: Path, axis: str, unit: str, title: str) -> Path:
    """Save the metric on both platforms over the axis, and below it their difference with its crossings.

    `found`: a `Crossover` of `sim.experiment`; `title`: the answer in a sentence; bands are 95 % intervals, paired for
    the difference.
    """
    with styled():
        figure = new_figure(9.0, 7.0)
        above, below = figure.subplots(2, 1, sharex=True)
        both(found, above)
        difference(found, below)
        below.set_xlabel(f"{axis}{f' ({unit})' if unit else ''}")
        figure.suptitle(title)
        return save(figure, path)


def both(found: Any, ax: Axes) -> Axes:
    """The metric on each platform over the axis: means and 95 % bands."""
    metric = describe(found.metric)
    for name, colour in palette((found.a, found.b)).items():
        if name in found.series:
            band(ax, found.values, [mean_interval(row) for row in np.asarray(found.series[name])], colour, name)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))  # never on a log scale: straight lines must meet at the crossing
    better = {"lower": "lower is better", "higher": "higher is better", None: ""}[metric.better]
    _dress(found, ax, metric.label.strip(), metric.unit)
    ax.set_title(f"{metric.label.strip()[:1].upper()}{metric.label.strip()[1:]} on each ({better})")
    ax.legend(frameon=False)
    return ax


def difference(found: Any, ax: Axes) -> Axes:
    """The paired difference over the axis, and where it crosses zero."""
    each = [mean_interval(row) for row in np.asarray(found.differences)]
    band(ax, found.values, each, INK, f"{found.a} − {found.b}")
    ax.axhline(0.0, color=INK, lw=1)
    _dress(found, ax, f"{found.a} − {found.b}", describe(found.metric).unit, sign=True)
    ax.set_title("Difference, pair by pair (shaded: where the crossing may lie, 95 %)")
    return ax


def _dress(found: Any, ax: Axes, label: str, unit: str, sign: bool = False) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_ylabel(label)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit, sign=sign) if value else "0"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    first, last = min(found.values), max(found.values)
    for crossing in found.crossings:
        ax.axvline(crossing.at, color=FAINT, lw=1.2, ls="--")
        if crossing.low is not None and crossing.high is not None:
            low, high = max(crossing.low, first), min(crossing.high, last)
            if math.isfinite(low) and math.isfinite(high):
                ax.axvspan(low, high, color=FAINT, alpha=0.25, lw=0)
