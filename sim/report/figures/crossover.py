"""One question: where along an axis does the better of two platforms change, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.names import spoken
from sim.report.figures.style import FAINT, INK, Look, curves, few_served, headline, looks, new_figure, save, styled
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def save_crossover(found: Any, path: Path, axis: str, unit: str, title: str, answer: Sequence[str] = ()) -> Path:
    """Save the metric on both platforms over the axis, and below it their difference with its crossings.

    `found`: a `Crossover` of `sim.experiment`; `answer`: its sentences; bands are 95 % intervals, paired for the
    difference.
    """
    key = looks((found.a, found.b))
    with styled():
        figure = new_figure(9.0, 5.6)
        above, below = figure.subplots(2, 1, sharex=True)
        both(found, above)
        difference(found, below)
        below.set_xlabel(spoken(axis, unit))
        told = ["white markers, and per cent: the share served; where they differ, no winner can be named"]
        headline(
            figure, title, key=key, explained=[*answer, *(told if found.unlike else [])], margins=(1.0, 0.3, 0.55),
            gaps=(0.2, 0.28),
        )  # fmt: skip
        return save(figure, path)


def both(found: Any, ax: Axes) -> Axes:
    """The metric on each platform over the axis: means and 95 % bands."""
    metric = describe(found.metric)
    key = {name: look for name, look in looks((found.a, found.b)).items() if name in found.series}
    curves(ax, _long(found, {name: found.series[name] for name in key}), key)
    for name, look in key.items():
        for value, row in zip(found.values, found.series[name], strict=True):
            if value in found.unlike:
                served = found.served[name][found.values.index(value)]
                few_served(ax, value, float(np.mean(row)), float(served), look, name == found.a)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))  # never on a log scale: straight lines must meet at the crossing
    better = {"lower": " (lower is better)", "higher": " (higher is better)", None: ""}[metric.better]
    _dress(found, ax, metric.label.strip(), metric.unit)
    ax.set_title(f"{metric.label.strip()[:1].upper()}{metric.label.strip()[1:]} on each{better}, mean and 95 % band")
    return ax


def difference(found: Any, ax: Axes) -> Axes:
    """The paired difference over the axis, and where it crosses zero."""
    name = f"{found.a} − {found.b}"
    curves(ax, _long(found, {name: found.differences}), {name: Look(INK, "o")})
    ax.axhline(0.0, color=INK, lw=1)
    _dress(found, ax, name, describe(found.metric).unit, sign=True)
    ax.set_title("Difference, pair by pair (shaded: where the crossing may lie, 95 %)")
    return ax


def _long(found: Any, series: dict[str, Any]) -> pd.DataFrame:
    """A row a (platform, value of the axis, replication)."""
    import pandas as pd

    parts = [
        pd.DataFrame({"platform": name, "at": at, "value": np.asarray(row)})
        for name, rows in series.items()
        for at, row in zip(found.values, rows, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _dress(found: Any, ax: Axes, label: str, unit: str, sign: bool = False) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_xlabel("")
    ax.set_ylabel(label)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit, sign=sign) if value else "0"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    first, last = min(found.values), max(found.values)
    for crossing in () if found.unlike else found.crossings:
        ax.axvline(crossing.at, color=FAINT, lw=1.2, ls="--")
        if crossing.low is not None and crossing.high is not None:
            low, high = max(crossing.low, first), min(crossing.high, last)
            if math.isfinite(low) and math.isfinite(high):
                ax.axvspan(low, high, color=FAINT, alpha=0.2, lw=0)
