"""The figures of a sweep: a metric, to be chosen, over each of its axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from sim.report.figures.names import spoken, value
from sim.report.figures.sweep import MOST_PANELS, SERVED, with_served
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import share, spread
from sim.report.metrics.statistics import mean_interval
from sim.report.page import charts
from sim.report.page.charts import by_platform, dash_of, number, plain, shape_of, spec, tips
from sim.report.page.document import Chart, Columns, Grid
from sim.report.page.palette import Tone
from sim.report.text.terminal import CARRYING
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    import pandas as pd

FIXED = ("point", "platform", "replication", "service", "metric", "unit", "value", "error", "run")
"""Columns of a sweep's table that are no axes."""
STEPS = 12
"""Values of an axis from which on it is one that was sampled: its points are not joined."""
_MOST_ROWS = 400
_MOST_METRICS = 8
_MOST_POINTS = 20_000  # of all figures together, so that a page of a thousand points stays small
_Drawn = tuple[Mapping[str, Any], Mapping[str, Columns]]


def axes_in(table: pd.DataFrame) -> list[str]:
    """Columns of the axes that moved; of several that always rise and fall together, the first."""
    points = table.drop_duplicates("point")
    found: dict[str, list[float]] = {}
    for name in (each for each in table.columns if each not in FIXED):
        column = points[name]
        numeric = column.dtype.kind in "iuf"  # of a sample all values differ: only their order tells axes apart
        places = column.rank(method="dense").tolist() if numeric else column.factorize()[0].tolist()
        if len(set(places)) > 1 and places not in found.values():
            found[name] = places
    return list(found)


def metrics_in(table: pd.DataFrame, first: str) -> list[str]:
    """Metrics to choose among, `first` being the first, if the table has it."""
    there = set(table.loc[table["service"] == ALL, "metric"].dropna().unique())
    return [name for name in dict.fromkeys([first, *CARRYING, "goodput", "guests.peak"]) if name in there]


def charts_of_sweep(table: pd.DataFrame, tones: Sequence[Tone], first: str) -> list[Chart]:
    """A figure an axis; the metric is chosen in the page."""
    axes = axes_in(table)
    drawn_points = max(table["point"].nunique() * len(tones) * len(axes), 1)
    metrics = metrics_in(table, first)[: min(max(_MOST_POINTS // drawn_points, 1), _MOST_METRICS)]
    if not metrics:
        return []
    chosen = {metric: with_served(table, metric) for metric in metrics}
    found = []
    for place, axis in enumerate(axes):
        drawn = [_drawn(chosen[metric], metric, axis, axes, tones) for metric in metrics]
        labels = [describe(metric).label.strip() for metric in metrics]
        others = [spoken(each) for each in axes if each != axis]
        averaged = f"; mean over {', '.join(others[2:])}" if others[2:] else ""
        says = (
            f"Mean and 95 % band over the replications{averaged}. Hollow points: fewer than {100 * SERVED:.0f} % "
            "of the requests were served there, so a time is one of those that got through; no winner is named from it."
        )
        found.append(
            Chart(
                f"axis{place}",
                f"Over {spoken(axis)}",
                says,
                *drawn[0],
                _table(chosen[metrics[0]], metrics[0], axes),
                chosen="Metric",
                choices=[(label, *each) for label, each in zip(labels, drawn, strict=True)],
            )
        )
    return found


def _drawn(chosen: pd.DataFrame, metric: str, axis: str, axes: Sequence[str], tones: Sequence[Tone]) -> _Drawn:
    """A panel for each pair of values of up to two other axes; one where the axis was sampled."""
    steps = chosen[axis].nunique() <= STEPS
    others = [name for name in axes if name != axis and chosen[name].nunique() <= STEPS][: 2 if steps else 0]
    sides = [_values(chosen, name) for name in others]
    nothing: list[dict[str, Any]] = [{}]
    across, down = [*sides, nothing, nothing][:2]
    panels: list[Mapping[str, Any]] = []
    data: dict[str, dict[str, list[Any]]] = {}
    for place, (below, beside) in enumerate(product(down, across)):
        where: dict[str, Any] = {**beside, **below}
        part = chosen
        for name, at in where.items():
            part = part[part[name] == at]
        rows = list(_points(part, axis))
        data[f"d{place}"] = {key: [plain(row[key]) for row in rows] for key in _KEYS}
        few = [row for row in rows if row["served"] < SERVED]
        data[f"f{place}"] = {key: [plain(row[key]) for row in few] for key in _KEYS}
        title = [f"{spoken(name)}: {value(at)}" for name, at in where.items()]
        panels.append(_panel(place, title, axis, metric, chosen, tones, steps))
    meta = {"across": min(len(across), 3), "pad": 92}
    return spec(
        concat=panels,
        usermeta=meta,
        resolve={"scale": {"y": "shared", "x": "shared"}},
        spacing={"row": 22, "column": 16},
    ), data


_KEYS = ("platform", "at", "mean", "low", "high", "served")


def _values(chosen: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    return [{name: found} for found in sorted(chosen[name].dropna().unique())[:MOST_PANELS]]


def _points(part: pd.DataFrame, axis: str) -> Iterator[dict[str, Any]]:
    each = part.groupby(["platform", axis, "replication"], sort=False)[["value", "served"]].mean().reset_index()
    for (name, at), own in each.groupby(["platform", axis], sort=True):
        found = mean_interval(own["value"].dropna())
        if not math.isfinite(found.mean):
            continue
        half = found.half or 0.0
        yield {
            "platform": name,
            "at": at,
            "mean": found.mean,
            "low": found.mean - half,
            "high": found.mean + half,
            "served": float(own["served"].mean()),
        }


def _panel(
    place: int, title: Sequence[str], axis: str, metric: str, chosen: pd.DataFrame, tones: Sequence[Tone], steps: bool
) -> dict[str, Any]:
    known = describe(metric, str(chosen["unit"].iloc[0]))
    numeric = chosen[axis].dtype.kind in "iuf"
    values = [plain(each) for each in sorted(chosen[axis].dropna().unique())] if numeric and steps else None
    ticks = {"axis": {"format": ",.6~r", **({"values": values} if values and len(values) <= 6 else {})}}
    x = (
        number("at", spoken(axis), scale={"zero": False}, **ticks)
        if numeric
        else {"field": "at", "type": "nominal", "title": spoken(axis)}
    )
    y = number("mean", known.label.strip(), axis=charts.in_unit(known.unit))
    colour, shape = by_platform(tones), shape_of(tones)
    told = tips(
        ("platform", "platform"),
        ("at", spoken(axis)),
        ("mean", known.label.strip()),
        ("low", "low 95 %"),
        ("high", "high 95 %"),
        ("served", "share served"),
        spoken=["platform"] if numeric else ["platform", "at"],
    )
    points = {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": told}
    layers: list[dict[str, Any]] = []
    if numeric and steps:
        layers += [
            {
                "data": {"name": f"d{place}"},
                "mark": {"type": "area", "opacity": 0.18},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            },
            {
                "data": {"name": f"d{place}"},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash_of(tones)},
            },
        ]
    layers += [
        {"data": {"name": f"d{place}"}, "mark": {"type": "point", "filled": True, "size": 60}, "encoding": points},
        {
            "data": {"name": f"f{place}"},
            "mark": {"type": "point", "filled": True, "size": 26},
            "encoding": {"x": x, "y": y, "shape": shape, "color": {"value": "var(--ground)"}, "tooltip": told},
        },
    ]
    return {"title": {"text": list(title) or " ", "fontSize": 11.5}, "height": 190, "layer": layers}


def _table(chosen: pd.DataFrame, metric: str, axes: Sequence[str]) -> Grid:
    """Means of a metric at every point."""
    known = describe(metric, str(chosen["unit"].iloc[0]))
    names = list(dict.fromkeys(chosen["platform"]))
    rows = []
    for _, own in chosen.groupby("point", sort=True):
        means = [own[own["platform"] == name] for name in names]
        cells = [spread(mean_interval(each["value"]), known.unit) if len(each) else "–" for each in means]
        told = [share(float(each["served"].mean())) if len(each) else "–" for each in means]
        rows.append([*(value(own[axis].iloc[0]) for axis in axes), *cells, *told])
    note = f"The first {_MOST_ROWS} of {len(rows)} points; table.parquet has all." if len(rows) > _MOST_ROWS else ""
    headers = [*(spoken(axis) for axis in axes), *names, *(f"served on {name}" for name in names)]
    return Grid(
        f"{known.label.strip()} at every point, and the share of requests that was served",
        headers,
        rows[:_MOST_ROWS],
        range(len(headers)),
        note,
    )
