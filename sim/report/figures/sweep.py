"""Figures of a sweep: each answers one question about the scenario's knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.names import short, spoken, value
from sim.report.figures.style import Look, curves, few_served, headline, looks, new_figure, save, styled, unit_ticks
from sim.report.figures.tornado import tornado
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import share, text
from sim.report.metrics.statistics import mean_interval
from sim.terms.doubts import DOUBTS, touches

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERVED = 0.99
"""Share of requests served below which a percentile is marked as one of survivors."""
MOST_PANELS = 4
"""Panels along each side, a value of another axis each."""
MOST_TICKS = 6
"""Values of an axis up to which each has its tick."""


@dataclass(frozen=True)
class SweepAxes:
    """Columns of a sweep's table that moved: `factors` in steps, `sampled` over ranges (one of several joint paths)."""

    factors: tuple[str, ...]
    sampled: tuple[str, ...]


def axes_of(table: pd.DataFrame, factors: Sequence[Sequence[str]], sampled: Sequence[Sequence[str]]) -> SweepAxes:
    """The columns that stand for the axes and ranges of a sweep file; those that never moved are left out."""

    def columns(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
        found = (paths[0] if paths[0] in table.columns else f"axis.{paths[0]}" for paths in groups)
        return tuple(name for name in found if name in table.columns and table[name].nunique() > 1)

    return SweepAxes(columns(factors), columns(sampled))


def save_sweep_plots(
    table: pd.DataFrame,
    axes: SweepAxes,
    metric: str,
    folder: Path,
    title: str,
    tornadoes: Mapping[str, pd.DataFrame],
) -> list[Path]:
    """Save what fits the sweep: lines over each axis, heat maps over two, a tornado of a sample. Returns the files.

    `tornadoes`: see `tornado`; empty when nothing was sampled.
    """
    chosen = with_served(table, metric)
    if chosen.empty:
        return []
    made: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    with styled():
        figures: dict[str, Figure | None] = {}
        for name in axes.factors:
            figures[f"lines-{short(name)}"] = lines(chosen, name, axes, metric, title)
        if len(axes.factors) >= 2:
            figures["heat-map"] = heat_map(chosen, axes.factors, metric, title)
        if tornadoes:
            figures["tornado"] = tornado(tornadoes, str(chosen["unit"].iloc[0]), metric, title)
        for name, figure in figures.items():
            if figure is not None:
                made.append(save(figure, folder / f"{metric}-{name}.png"))
    return made


def with_served(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rows of `metric` of all services together, with the column `served`: completed / arrived of the same run.

    1 where the metric means the same for survivors.
    """
    own = table[table["service"] == "all"]
    run = ["point", "platform", "replication"]
    chosen = own[own["metric"] == metric].assign(served=1.0)
    if touches(DOUBTS["survivors"].touches, metric):
        counts = own[own["metric"].isin(["requests.arrived", "requests.completed"])]
        wide = counts.pivot_table(index=run, columns="metric", values="value")
        if {"requests.arrived", "requests.completed"} <= set(wide.columns):
            part = (wide["requests.completed"] / wide["requests.arrived"]).rename("found")
            chosen = chosen.join(part, on=run)
            chosen["served"] = chosen.pop("found").fillna(1.0)
    return chosen


def lines(chosen: pd.DataFrame, axis: str, axes: SweepAxes, metric: str, title: str) -> Figure:
    """The metric over one axis, a line a platform with its 95 % band; panels for the values of up to two other axes."""
    others = [name for name in axes.factors if name != axis]
    across, down = ([*_values(chosen, others[place : place + 1])] for place in (0, 1))
    figure = new_figure(1.2 + 3.4 * len(across), 0.5 + 2.3 * len(down))
    grid = figure.subplots(len(down), len(across), sharex=True, sharey=True, squeeze=False)
    key = looks(list(dict.fromkeys(chosen["platform"])))
    low = np.inf
    for (row, below), (column, beside) in product(enumerate(down), enumerate(across)):
        panel = grid[row, column]
        part = _at(chosen, {**below, **beside})
        low = min(low, _one(panel, part, axis, key))
        if row == 0:
            panel.set_title("".join(f"{spoken(name)}: {value(found)}" for name, found in beside.items()))
        if column == len(across) - 1:
            words = "".join(f"{spoken(name)}: {value(found)}" for name, found in below.items())
            panel.annotate(words, (1.02, 0.5), xycoords="axes fraction", rotation=270, va="center", fontsize=9)
        panel.set_xlabel(spoken(axis) if row == len(down) - 1 else "")
        panel.set_ylabel("")
    steps = sorted(chosen[axis].unique())
    if len(steps) <= MOST_TICKS and chosen[axis].dtype.kind in "iuf":
        grid[0, 0].set_xticks(steps, [value(each) for each in steps])
    _metric_axis(grid[0, 0], chosen, metric, low)
    for panel in grid[:, 0]:
        panel.set_ylabel(describe(metric).label.strip())
    rest = f", mean over {', '.join(spoken(name) for name in others[2:])}" if others[2:] else ""
    return headline(
        figure, f"{title}: {describe(metric).label.strip()} over {spoken(axis)}", [], key,
        explained=[f"mean and 95 % band{rest}", *_survivors(chosen)], margins=(0.95, 0.45, 0.55), gaps=(0.08, 0.15),
    )  # fmt: skip


def _values(chosen: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """One `{axis: value}` for each panel along a side; `{}` alone without an axis there."""
    return [{names[0]: found} for found in sorted(chosen[names[0]].unique())[:MOST_PANELS]] if names else [{}]


def _at(chosen: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    for name, found in where.items():
        chosen = chosen[chosen[name] == found]
    return chosen


def _one(ax: Axes, part: pd.DataFrame, axis: str, key: Mapping[str, Look]) -> float:
    """Draw a panel; gives the lowest end of its intervals. White markers, with the share, where few were served."""
    each = part.groupby(["platform", axis, "replication"], sort=False)[["value", "served"]].mean().reset_index()
    curves(ax, each, key, axis)
    low = np.inf
    for (name, at), own in each.groupby(["platform", axis]):
        found = mean_interval(own["value"])
        low = min(low, found.mean if found.half is None else found.low)
        served = float(own["served"].mean())
        if served < SERVED:
            few_served(ax, at, found.mean, served, key[str(name)], list(key).index(str(name)) % 2 == 0)
    return low


def _survivors(chosen: pd.DataFrame) -> list[str]:
    least = float(chosen["served"].min())
    told = "white markers, and per cent: so few were served there, and the time is of those"
    return [f"{told} (down to {share(least)}); no winner can be named there"] if least < SERVED else []


def heat_map(chosen: pd.DataFrame, factors: Sequence[str], metric: str, title: str) -> Figure:
    """The metric over the first two axes, on one colour scale: a column of panels a platform, a row a third value."""
    import seaborn as sns
    from matplotlib.colors import LogNorm, Normalize

    rows, columns, *others = factors
    key = looks(list(dict.fromkeys(chosen["platform"])))
    down = _values(chosen, others[:1])
    unit = describe(metric, str(chosen["unit"].iloc[0])).unit
    shape = chosen[rows].nunique(), chosen[columns].nunique()
    figure = new_figure(2.6 + len(key) * (0.3 + 0.95 * shape[1]), len(down) * (0.55 + 0.5 * shape[0]))
    grid = figure.subplots(len(down), len(key), sharex=True, sharey=True, squeeze=False)
    means = chosen.groupby(["platform", *factors], sort=False)["value"].mean()
    low, high = float(means.min()), float(means.max())
    norm = LogNorm(low, high) if low > 0 and high / low > 20 else Normalize(low, high if high > low else low + 1)
    for (row, where), (column, name) in product(enumerate(down), enumerate(key)):
        panel, part = grid[row, column], _at(chosen, {"platform": name, **where})
        cells, words = _cells(part, rows, columns, unit)
        sns.heatmap(
            cells, annot=words, fmt="", cmap="cividis", norm=norm, cbar=False, ax=panel, lw=1, annot_kws={"size": 8}
        )
        panel.invert_yaxis()
        panel.set_title(", ".join([name, *(f"{spoken(axis)}: {value(found)}" for axis, found in where.items())]))
        panel.set_xlabel(spoken(columns) if row == len(down) - 1 else "")
        panel.set_ylabel(spoken(rows) if column == 0 else "")
        panel.set_xticklabels([value(each) for each in cells.columns], rotation=0)
        panel.set_yticklabels([value(each) for each in cells.index], rotation=0)
    better = {"lower": "dark is better", "higher": "bright is better", None: ""}[describe(metric).better]
    rest = f"mean over {', '.join(spoken(name) for name in others[1:])}" if others[1:] else ""
    few = bool(_survivors(chosen))
    told = "in brackets: the share served, where it is below 99 %; the time is of those, no winner can be named there"
    headline(
        figure, f"{title}: {describe(metric).label.strip()}",
        explained=[", ".join(each for each in (better, rest) if each), *[told] * few],
        margins=(0.9, 1.2, 0.55), gaps=(0.08, 0.35),
    )  # fmt: skip
    _colour_bar(figure, grid, norm, unit)
    return figure


def _cells(part: pd.DataFrame, rows: str, columns: str, unit: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means, and what is written on them."""
    cells = part.pivot_table(index=rows, columns=columns, values="value", aggfunc="mean")
    words = cells.map(lambda found: text(found, unit) if np.isfinite(found) else "")
    served = part.pivot_table(index=rows, columns=columns, values="served", aggfunc="mean")
    few = served.map(lambda found: f"\n[{100 * found:.0f} %]" if found < SERVED else "")
    return cells, words + few.reindex_like(words).fillna("")


def _colour_bar(figure: Figure, grid: Any, norm: Any, unit: str) -> None:
    from matplotlib.cm import ScalarMappable

    last, width = grid[-1, -1].get_position(), figure.get_figwidth()
    top = grid[0, -1].get_position().y1
    beside = figure.add_axes((last.x1 + 0.2 / width, last.y0, 0.18 / width, top - last.y0))
    unit_ticks(figure.colorbar(ScalarMappable(norm, "cividis"), cax=beside).ax.yaxis, unit)


def _metric_axis(ax: Axes, chosen: pd.DataFrame, metric: str, low: float) -> None:
    """A log axis where values are far apart and no interval reaches zero."""
    unit = str(chosen["unit"].iloc[0])
    means = chosen.groupby(["platform", "point"])["value"].mean()
    if low > 0 and means.max() / means.min() > 20:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    unit_ticks(ax.yaxis, describe(metric, unit).unit)
