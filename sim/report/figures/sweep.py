"""Figures of a sweep: each answers one question about the scenario's knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.style import INK, band, new_figure, palette, save, styled
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import spread, text
from sim.report.metrics.statistics import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    """Save what fits the sweep: lines over one axis, a heat map over two, a tornado of a sample. Returns the files.

    `tornadoes`: see `tornado`; empty when nothing was sampled.
    """
    chosen = table[(table["metric"] == metric) & (table["service"] == "all")]
    if chosen.empty:
        return []
    made: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    with styled():
        figures: dict[str, Figure | None] = {}
        if axes.factors:
            for name in axes.factors:
                figures[f"lines-{_short(name)}"] = lines(chosen, name, axes, metric, title)
        if len(axes.factors) >= 2:
            figures["heat-map"] = heat_map(chosen, axes.factors, metric, title)
        if tornadoes:
            figures["tornado"] = tornado(tornadoes, str(chosen["unit"].iloc[0]), metric, title)
        for name, figure in figures.items():
            if figure is not None:
                made.append(save(figure, folder / f"{metric}-{name}.png"))
    return made


def lines(chosen: pd.DataFrame, axis: str, axes: SweepAxes, metric: str, title: str) -> Figure:
    """The metric over one axis, a line a platform with its 95 % band; a panel for each value of the next axis."""
    others = [name for name in axes.factors if name != axis]
    split = others[0] if others else None
    values: list[Any] = sorted(chosen[split].unique())[:4] if split else [None]
    figure = new_figure(3.4 + 3.6 * len(values), 4.4)
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    colours = palette(list(dict.fromkeys(chosen["platform"])))
    for panel, value in zip(panels, values, strict=True):
        part = chosen if split is None else chosen[chosen[split] == value]
        for name, own in part.groupby("platform", sort=False):
            _band(panel, own, axis, colours[str(name)], str(name))
        panel.set_xlabel(axis if len(axis) < 30 else _short(axis))
        if split is not None:
            panel.set_title(f"{_short(split)} = {_value(value)}")
    _metric_axis(panels[0], chosen, metric)
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    rest = f", mean over {', '.join(_short(name) for name in others[1:])}" if others[1:] else ""
    figure.suptitle(f"{title}: {describe(metric).label.strip()} over {_short(axis)} (mean, 95 % band{rest})")
    return figure


def _band(ax: Axes, own: pd.DataFrame, axis: str, colour: str, name: str) -> None:
    """Mean over replications at each value, with the band of its interval where there are enough."""
    parts = [(value, part.groupby("replication")["value"].mean()) for value, part in own.groupby(axis)]
    band(ax, [value for value, _ in parts], [mean_interval(part) for _, part in parts], colour, name, floor=0.0)


def heat_map(chosen: pd.DataFrame, factors: Sequence[str], metric: str, title: str) -> Figure:
    """The metric over the first two axes, a panel a platform on one colour scale, numbers in the cells."""
    rows, columns, *others = factors
    platforms = list(dict.fromkeys(chosen["platform"]))
    grids = [
        chosen[chosen["platform"] == name].pivot_table(index=rows, columns=columns, values="value", aggfunc="mean")
        for name in platforms
    ]
    shape = grids[0].shape
    figure = new_figure(2.2 + len(platforms) * (1.2 + 0.85 * shape[1]), 2.0 + 0.6 * shape[0])
    panels = figure.subplots(1, len(platforms), squeeze=False)[0]
    known = np.concatenate([grid.to_numpy().ravel() for grid in grids])
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    wide = low > 0 and high / low > 20
    image = None
    for panel, name, grid in zip(panels, platforms, grids, strict=True):
        image = _heat(panel, grid, low, high, wide, describe(metric, str(chosen["unit"].iloc[0])).unit)
        panel.set_title(name)
        panel.set_xlabel(_short(columns))
    panels[0].set_ylabel(_short(rows))
    better = {"lower": ", dark is better", "higher": ", bright is better", None: ""}[describe(metric).better]
    if image is not None:
        bar = figure.colorbar(image, ax=list(panels), shrink=0.85)
        _unit_ticks(bar.ax.yaxis, describe(metric, str(chosen["unit"].iloc[0])).unit)
    rest = f" (mean over {', '.join(_short(name) for name in others)})" if others else ""
    figure.suptitle(f"{title}: {describe(metric).label.strip()}{better}{rest}")
    return figure


def _heat(ax: Axes, grid: pd.DataFrame, low: float, high: float, wide: bool, unit: str) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    norm = LogNorm(low, high) if wide else Normalize(low, high if high > low else low + 1)
    values = grid.to_numpy()
    image = ax.imshow(values, cmap="cividis", norm=norm, aspect="auto", origin="lower")
    for row, column in np.ndindex(*values.shape):
        value = float(values[row, column])
        if np.isfinite(value):
            ink = "white" if norm(value) < 0.55 else "black"
            ax.text(column, row, text(value, unit), ha="center", va="center", fontsize=8, color=ink)
    ax.set_xticks(range(values.shape[1]), [_value(each) for each in grid.columns])
    ax.set_yticks(range(values.shape[0]), [_value(each) for each in grid.index])
    ax.grid(visible=False)
    return image


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
    platforms = list(rows)
    figure = new_figure(2.5 + 4.6 * len(platforms), 1.9 + 0.45 * len(next(iter(rows.values()))))
    panels = figure.subplots(1, len(platforms), squeeze=False)[0]
    colours = palette(platforms)
    for panel, name in zip(panels, platforms, strict=True):
        _bars(panel, rows[name], unit, colours[name], method)
        panel.set_title(name)
        panel.locator_params(axis="x", nbins=5)
        _unit_ticks(panel.xaxis, unit)
    figure.suptitle(
        f"{title}: what moves {describe(metric).label.strip()} most?\n"
        f"bar: mean in the lowest → highest quarter of each range; {STRENGTHS[method]}"
    )
    return figure


def _bars(ax: Axes, rows: pd.DataFrame, unit: str, colour: str, method: str) -> None:
    for number, row in enumerate(rows.itertuples()):
        low, high = float(row.low), float(row.high)  # type: ignore[arg-type]
        ax.barh(number, high - low, left=low, color=colour, alpha=0.75, height=0.6)
        ax.plot([low], [number], "o", color="white", mec=colour, ms=6, clip_on=False, zorder=3)
        ax.annotate(
            strength_of(row, unit, method), (1.01, number), xycoords=("axes fraction", "data"), va="center",
            fontsize=8, color=INK, annotation_clip=False,
        )  # fmt: skip
    ax.axvline(float(rows["middle"].iloc[0]), color=INK, lw=1)
    ax.set_yticks(range(len(rows)), [_short(name) for name in rows["parameter"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("○ low end of the range; line: mean of all points")


def strength_of(effect: Any, unit: str, method: str) -> str:
    """Strength of an effect with its interval: `61 ± 8 %` of the variance, or in the metric's unit (morris)."""
    strength, half = float(effect.strength), float(effect.half_width)
    if method == "morris":
        return spread(Interval(strength, half, 0), unit)
    return f"{100 * max(strength, 0.0):.0f} ± {100 * half:.0f} %"


def _metric_axis(ax: Axes, chosen: pd.DataFrame, metric: str) -> None:
    unit = str(chosen["unit"].iloc[0])
    means = chosen.groupby(["platform", "point"])["value"].mean()
    if means.min() > 0 and means.max() / means.min() > 20:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    ax.set_ylabel(describe(metric).label)
    _unit_ticks(ax.yaxis, unit)


def _unit_ticks(axis: Any, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # the decades alone may be one tick, or none
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit)))
    axis.set_minor_formatter(NullFormatter())


def _value(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, int | float | np.number) else str(value)


def _short(path: str) -> str:
    """The end of a dotted path that says what it is."""
    first = path.split(",")[0].strip()
    if len(first) <= 28:
        return first
    steps = first.split(".")
    kept = 2
    while kept < len(steps) and (steps[-kept].isdigit() or len(".".join(steps[-kept - 1 :])) <= 28):
        kept += 1  # `1.target` says nothing, `stages.1.target` does
    return ".".join(steps[-kept:])
