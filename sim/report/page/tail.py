"""The figures of requests: the tail of their response time, and what a response is spent on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report.figures.result import MOST_SERVICES, served_by
from sim.report.figures.spent import PARTS, spent_by
from sim.report.figures.starts import evenly
from sim.report.metrics.numbers import share, text
from sim.report.page import charts
from sim.report.page.charts import by_platform, columns_named, dash_of, number, spec, tips, told
from sim.report.page.document import Chart, Grid
from sim.report.page.palette import Tone
from sim.report.results import Results
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    import pandas as pd

_POINTS = 120  # of a curve
_PERCENTILES = ("response.p50", "response.p95", "response.p99", "response.p999")


def tail(results: Results, tones: Sequence[Tone]) -> Chart | None:
    """The tail of the response time, of all requests: what was never answered is longer than any time."""
    frame = results.response
    if frame.empty:
        return None
    served = served_by(results)
    single = [name for name in served if name != ALL]
    shown = [ALL, *single] if 1 < len(single) <= MOST_SERVICES else [ALL]
    data: dict[str, dict[str, list[Any]]] = {}
    panels: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    for place, service in enumerate(name for name in shown if name in served):
        own = frame[frame["service"] == service]
        curves, ends = _curves(own, tones, served[service])
        data[f"t{place}"], data[f"n{place}"] = curves, ends
        title = "all requests" if service == ALL else service
        panels.append(_tail_panel(place, title, tones, curves))
        rows += _tail_rows(results, service, served[service])
    across = 1 if len(panels) == 1 else 2
    says = (
        "Share of all requests that have no answer within a time, both axes logarithmic. A request that was turned "
        "away, lost or timed out never has one, so a curve ends flat (dotted) on their share. Mean over replications; "
        "the band is their range."
    )
    return Chart(
        "tail",
        "How long do the slowest wait?",
        says,
        spec(concat=panels, usermeta={"across": across, "pad": 108}, spacing={"row": 24, "column": 30}),
        data,
        Grid(
            "Percentiles of completed requests, and the share that was completed",
            ("service", "platform", "served", "p50", "p95", "p99", "p99.9"),
            rows,
            range(2, 7),
        ),
        told(results.doubts, list(_PERCENTILES)),
    )


def _curves(
    own: pd.DataFrame, tones: Sequence[Tone], served: Mapping[str, float]
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Points of the curves (platform, seconds, low, high, share), and where those end that are never answered."""
    points: list[tuple[Any, ...]] = []
    ends: list[tuple[Any, ...]] = []
    slowest = float(own["seconds"].max()) if len(own) else 1.0
    for tone in tones:
        answered = served.get(tone.platform, 1.0)
        mine = own[own["platform"] == tone.platform]
        wide = mine.pivot_table(index="probability", columns="replication", values="seconds").dropna()
        wide = wide[wide.index <= 0.9].sort_index(ascending=False)
        wide = wide[(wide > 0).all(axis=1)]
        if wide.empty:
            continue
        wide = evenly(wide, _POINTS)
        for probability, row in zip(wide.index, wide.to_numpy(), strict=True):
            left = 1.0 - answered * (1.0 - float(probability))
            points.append((tone.platform, float(row.mean()), float(row.min()), float(row.max()), left))
        if 1.0 - answered > 2 * answered * float(wide.index.min()):
            ends.append((tone.platform, points[-1][1], slowest * 3, 1.0 - answered))
    return (
        columns_named(("platform", "seconds", "low", "high", "left"), points),
        columns_named(("platform", "from", "to", "left"), ends),
    )


def _tail_panel(place: int, title: str, tones: Sequence[Tone], curves: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    colour = by_platform(tones)
    times = charts.decades(min(curves["low"], default=1.0), 3 * max(curves["high"], default=1.0))
    x = {"scale": {"type": "log", "nice": False}, "axis": {"labelExpr": charts.SECONDS, "values": times}}
    parts = charts.decades(min(curves["left"], default=0.1), 1.0, 4)
    y = number(
        "left",
        "share without an answer",
        scale={"type": "log", "domainMax": 1},
        axis={"labelExpr": charts.SHARE, "values": parts, "minExtent": 50},
    )
    seen = tips(
        ("platform", "platform"), ("seconds", "within (s)"), ("left", "share without an answer"), spoken=["platform"]
    )
    return {
        "title": {"text": title},
        "height": 260,
        "layer": [
            {
                "data": {"name": f"t{place}"},
                "mark": {"type": "area", "orient": "horizontal", "opacity": 0.2},
                "encoding": {
                    "x": number("low", "response time", **x),
                    "x2": {"field": "high"},
                    "y": y,
                    "color": colour,
                },
            },
            {
                "data": {"name": f"t{place}"},
                "mark": {"type": "line", "strokeWidth": 2, "interpolate": "linear"},
                "encoding": {
                    "x": number("seconds", None, **x),
                    "y": y,
                    "color": colour,
                    "strokeDash": dash_of(tones),
                    "order": number("seconds", None),
                },
            },
            {
                "data": {"name": f"t{place}"},
                "mark": {"type": "point", "size": 60, "opacity": 0},
                "encoding": {"x": number("seconds", None, **x), "y": y, "color": colour, "tooltip": seen},
            },
            {
                "data": {"name": f"n{place}"},
                "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [1, 3]},
                "encoding": {"x": number("from", None, **x), "x2": {"field": "to"}, "y": y, "color": colour},
            },
        ],
    }


def _tail_rows(results: Results, service: str, served: Mapping[str, float]) -> Iterator[list[str]]:
    lines = {name: results.comparison.line(name, service) for name in _PERCENTILES}
    for name, part in served.items():
        cells = [
            text(line.values[name].mean, "s") if line is not None and name in line.values else "–"
            for line in lines.values()
        ]
        yield ["all" if service == ALL else service, name, share(part), *cells]


def where_the_time_goes(results: Results, tones: Sequence[Tone]) -> Chart | None:
    """The mean response as stacked bars of what requests wait for; of requests of one step, two parts."""
    means = spent_by(results)
    labels = {part: (label, colour) for part, (label, colour, _) in PARTS.items()}
    note = "They add up to the mean response."
    if not means:
        means = _one_step(results)
        note = (
            "Waiting is the mean of all whose service began; the rest is what is left of the mean response of those "
            "completed (shared and throttled CPU included)."
        )
        labels = {"waiting": labels["waiting"], "served": ("being served", labels["cpu"][1])}
    if not any(parts for platforms in means.values() for parts in platforms.values()):
        return None
    keys = ("service", "platform", "part", "seconds", "order")
    found = [
        (service, name, labels[part][0], parts[part], order)
        for service, platforms in means.items()
        for name, parts in platforms.items()
        for order, part in enumerate(labels)
        if part in parts
    ]
    data: dict[str, dict[str, list[Any]]] = {}
    panels = []
    for place, service in enumerate(means):
        own = [row for row in found if row[0] == service]
        data[f"b{place}"] = columns_named(keys, own)
        panels.append(_spent_panel(place, service, tones, labels))
    rows = [[service, name, part, text(seconds, "s")] for service, name, part, seconds, _ in found]
    return Chart(
        "spent",
        "Where the time goes",
        f"The mean response of completed requests, by what it is spent on. {note}",
        spec(concat=panels, usermeta={"across": 2 if len(panels) > 1 else 1, "pad": 130}),
        data,
        Grid("Parts of the mean response", ("service", "platform", "part", "mean"), rows, (3,)),
        told(results.doubts, ["response.mean"]),
    )


def _one_step(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    response, waiting = (results.comparison.line(name) for name in ("response.mean", "waiting.mean"))
    if response is None or waiting is None:
        return {}
    own = {}
    for name, each in response.values.items():
        if name in waiting.values and math.isfinite(each.mean):
            waited = min(waiting.values[name].mean, each.mean)
            own[name] = {"waiting": waited, "served": each.mean - waited}
    return {ALL: own}


def _spent_panel(
    place: int, service: str, tones: Sequence[Tone], labels: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    names = [tone.platform for tone in tones]
    key = {"domain": [label for label, _ in labels.values()], "range": [colour for _, colour in labels.values()]}
    return {
        "title": {"text": "all services" if service == ALL else service},
        "height": {"step": 30},
        "data": {"name": f"b{place}"},
        "mark": {"type": "bar", "stroke": "var(--dim)", "strokeWidth": 0.3},
        "encoding": {
            "y": {"field": "platform", "type": "nominal", "title": None, "sort": names, "axis": {"labelLimit": 110}},
            "x": number(
                "seconds", None, axis={"labelExpr": charts.SECONDS, "tickCount": 6, "labelOverlap": True}, stack="zero"
            ),
            "color": {
                "field": "part",
                "type": "nominal",
                "title": None,
                "scale": key,
                "legend": {"orient": "top", "symbolType": "square"},
            },
            "order": {"field": "order", "type": "quantitative"},
            "tooltip": tips(
                ("platform", "platform"), ("part", "part"), ("seconds", "seconds"), spoken=["platform", "part"]
            ),
        },
    }
