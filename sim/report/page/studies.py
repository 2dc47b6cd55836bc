"""The figures of density, crossover and why, from the plain data that their folders have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.figures.density import MOST_SHARE, share_used
from sim.report.figures.names import spoken
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import spread, text
from sim.report.metrics.statistics import Interval
from sim.report.page import charts
from sim.report.page.charts import by_platform, dash_of, number, plain, shape_of, spec, tips
from sim.report.page.document import Chart, Grid
from sim.report.page.palette import Tone


def columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Rows as columns."""
    return {name: [plain(row[name]) for row in rows] for name in names}


def answers_of_density(found: Mapping[str, Any], tones: Sequence[Tone]) -> Chart:
    """A bar a platform up to its answer, and every value that was tried."""
    bars, tried = [], []
    for each in found["platforms"]:
        bars.append({"platform": each["platform"], "most": each["most"] or 0.0})
        tried += [
            {
                "platform": each["platform"],
                "value": load["value"],
                "holds": "holds" if load["holds"] else "does not hold",
            }
            for load in each["curve"]
        ]
    names = [tone.platform for tone in tones]
    across = {"field": "platform", "type": "nominal", "title": None, "sort": names, "axis": {"labelLimit": 140}}
    colour = by_platform(tones, key=False)
    axis = number(
        "value", spoken(found["vary"], _unit(found)), scale={"zero": True}, axis={"format": ",.6~r", "tickCount": 8}
    )
    told = tips(("platform", "platform"), ("value", "tried"), ("holds", ""), spoken=["platform", "holds"])
    layers = [
        {
            "data": {"name": "bars"},
            "mark": {"type": "bar", "opacity": 0.4, "height": {"band": 0.45}},
            "encoding": {"y": across, "x": {**axis, "field": "most"}, "color": colour},
        },
        {
            "data": {"name": "tried"},
            "mark": {"type": "point", "size": 90, "filled": False, "strokeWidth": 2},
            "encoding": {"y": across, "x": axis, "color": colour, "shape": shape_of(tones, key=False), "tooltip": told},
        },
        {
            "data": {"name": "held"},
            "mark": {"type": "point", "size": 90, "filled": True},
            "encoding": {"y": across, "x": axis, "color": colour, "shape": shape_of(tones, key=False), "tooltip": told},
        },
    ]
    rows = [
        [
            each["platform"],
            told_value(load["value"], found),
            "yes" if load["holds"] else "no",
            f"{load['kept']} of {load['replications']}",
        ]
        for each in found["platforms"]
        for load in each["curve"]
    ]
    return Chart(
        "answers",
        "The most at which all is well",
        "Bars: the answer. Points: every value that was tried; filled where it holds with 95 % confidence.",
        alone(layers, {"step": 44}, 140),
        {
            "bars": columns(bars, ("platform", "most")),
            "tried": columns(tried, ("platform", "value", "holds")),
            "held": columns([each for each in tried if each["holds"] == "holds"], ("platform", "value", "holds")),
        },
        Grid("Every value that was tried", ("platform", "value", "holds", "all well in (replications)"), rows, (1, 3)),
    )


def strain(found: Mapping[str, Any], tones: Sequence[Tone]) -> Chart | None:
    """How much of its limit the most strained objective uses, over what was varied."""
    points = []
    for each in found["platforms"]:
        for load in each["curve"]:
            shares = [(share_used(one), one) for one in load["objectives"] if one["objective"]]
            if shares:
                share, worst = max(shares, key=lambda pair: pair[0])
                what = f"{worst['objective']} of {worst['service']}"
                points.append(
                    {
                        "platform": each["platform"],
                        "value": load["value"],
                        "used": min(share, MOST_SHARE),
                        "what": what,
                        "holds": "holds" if load["holds"] else "does not hold",
                        "share": share,
                    }
                )
    if not points:
        return None
    points.sort(key=lambda point: (point["platform"], point["value"]))
    names = ("platform", "value", "used", "what", "holds")
    x = number(
        "value", spoken(found["vary"], _unit(found)), scale={"zero": False}, axis={"format": ",.6~r", "tickCount": 8}
    )
    y = number("used", "95 % bound / limit", axis={"labelExpr": charts.SHARE}, scale={"domain": [0, MOST_SHARE]})
    told = tips(
        ("platform", "platform"),
        ("value", "tried"),
        ("used", "used (at most 2)"),
        ("what", "objective"),
        ("holds", ""),
        spoken=["platform", "what", "holds"],
    )
    colour = by_platform(tones)
    layers = [
        {
            "data": {"values": [{"y": 1}]},
            "mark": {"type": "rule", "color": "var(--bad)", "strokeWidth": 1.5},
            "encoding": {"y": {"field": "y", "type": "quantitative"}},
        },
        {
            "data": {"name": "points"},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash_of(tones)},
        },
        {
            "data": {"name": "points"},
            "mark": {"type": "point", "filled": True, "size": 70},
            "encoding": {"x": x, "y": y, "color": colour, "shape": shape_of(tones), "tooltip": told},
        },
    ]
    rows = [
        [
            point["platform"],
            told_value(point["value"], found),
            point["what"],
            "∞" if math.isinf(point["share"]) else f"{100 * point['share']:.3g} %",
        ]
        for point in points
    ]
    return Chart(
        "strain",
        "How close is the most strained objective to its limit?",
        "The 95 % bound of the objective that is nearest to its limit, as a share of it; what is beyond 200 % is drawn "
        "at the edge. The line is the limit. Other things than objectives may bind first: see the answer.",
        alone(layers, 260, 90),
        {"points": columns(points, names)},
        Grid("The most strained objective", ("platform", "value", "objective", "used"), rows, (1, 3)),
    )


def alone(layers: Sequence[Mapping[str, Any]], height: Any, pad: int) -> dict[str, Any]:
    """The specification of a single panel; `pad`: pixels beside it that its labels need."""
    return spec(vconcat=[{"layer": layers, "height": height}], usermeta={"pad": pad})


def _unit(found: Mapping[str, Any]) -> str:
    return " × the file's" if found.get("factor") else str(found.get("unit", ""))


def told_value(value: float, found: Mapping[str, Any]) -> str:
    """A value of what was varied, as people say it."""
    return f"{value:,g}{_unit(found)}"


def crossing_charts(
    found: Mapping[str, Any], means: Sequence[Mapping[str, Any]], tones: Sequence[Tone], doubts: Sequence[str]
) -> list[Chart]:
    """The metric on both platforms over the axis, and their difference; `means`: rows of crossover.csv, as numbers."""
    a, b = found["platforms"]
    metric = describe(found["metric"])
    axis = spoken(found["vary"], str(found.get("unit", "")))
    x = number("value", axis, scale={"zero": False}, axis={"format": ",.6~r", "tickCount": 8})
    sides = [{"platform": name, "value": row["value"], "mean": row[name]} for row in means for name in (a, b)]
    apart = [
        {
            "value": row["value"],
            "mean": row["difference"],
            "low": row["difference"] - half,
            "high": row["difference"] + half,
        }
        for row in means
        for half in (row["difference_half_width_95"] or 0.0,)
    ]
    crossed = [
        {
            "at": each["at"],
            "low": max(_or(each["low_95"], -math.inf), means[0]["value"]),
            "high": min(_or(each["high_95"], math.inf), means[-1]["value"]),
        }
        for each in found["crossings"]
    ]
    label = charts.in_unit(metric.unit)
    named = f"{a} − {b}"
    both = [
        {
            "data": {"name": "sides"},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {
                "x": x,
                "y": number("mean", metric.label.strip(), axis=label),
                "color": by_platform(tones),
                "strokeDash": dash_of(tones),
            },
        },
        {
            "data": {"name": "sides"},
            "mark": {"type": "point", "filled": True, "size": 70},
            "encoding": {
                "x": x,
                "y": number("mean", None),
                "color": by_platform(tones),
                "shape": shape_of(tones),
                "tooltip": tips(("platform", "platform"), ("value", "value"), ("mean", "mean"), spoken=["platform"]),
            },
        },
    ]
    below = [
        {
            "data": {"name": "crossed"},
            "mark": {"type": "rect", "color": "var(--faint)", "opacity": 0.3},
            "encoding": {"x": number("low", axis), "x2": {"field": "high"}},
        },
        {
            "data": {"name": "apart"},
            "mark": {"type": "area", "opacity": 0.25, "color": "var(--ink)"},
            "encoding": {"x": x, "y": number("low", named, axis=label), "y2": {"field": "high"}},
        },
        {
            "data": {"name": "apart"},
            "mark": {"type": "line", "color": "var(--ink)", "point": {"color": "var(--ink)"}},
            "encoding": {
                "x": x,
                "y": number("mean", None),
                "tooltip": tips(("value", "value"), ("mean", named), ("low", "low 95 %"), ("high", "high 95 %")),
            },
        },
        {
            "data": {"values": [{"y": 0}]},
            "mark": {"type": "rule", "color": "var(--bad)"},
            "encoding": {"y": {"field": "y", "type": "quantitative"}},
        },
        {
            "data": {"name": "crossed"},
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--ink)"},
            "encoding": {"x": number("at", None)},
        },
    ]
    rows = [
        [
            f"{row['value']:,g}{found.get('unit', '')}",
            *(text(row[name], metric.unit) for name in (a, b)),
            spread(
                Interval(row["difference"], row["difference_half_width_95"], int(row["replications"])),
                metric.unit,
                sign=True,
            ),
        ]
        for row in means
    ]
    return [
        Chart(
            "crossover",
            f"{metric.label.strip()} over {axis}{charts.BETTER[metric.better]}",
            "Above: the mean on each platform. Below: the difference, pair by pair, with its 95 % interval; dashed: "
            "where it crosses zero, shaded: where that may lie (95 %).",
            spec(vconcat=[{"layer": both, "height": 220}, {"layer": below, "height": 200}], usermeta={"pad": 100}),
            {
                "sides": columns(sides, ("platform", "value", "mean")),
                "apart": columns(apart, ("value", "mean", "low", "high")),
                "crossed": columns(crossed, ("at", "low", "high")),
            },
            Grid("Values that were run", ("value", a, b, named), rows, range(4)),
            doubts,
        )
    ]


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def parts_chart(found: Mapping[str, Any]) -> Chart | None:
    """What each group of mechanisms makes of the difference, with its interval."""
    if not found["parts"]:
        return None
    unit, (a, b) = found["unit"], found["platforms"]
    parts = sorted(found["parts"], key=lambda part: -abs(part["mean"]))
    data = [
        {"group": part["group"], "mean": part["mean"], "low": part["mean"] - half, "high": part["mean"] + half}
        for part in parts
        for half in (part["half_width_95"] or 0.0,)
    ]
    y = {
        "field": "group",
        "type": "nominal",
        "title": None,
        "sort": [part["group"] for part in parts],
        "axis": {"labelLimit": 200},
    }
    layers = [
        {
            "data": {"name": "parts"},
            "mark": {"type": "bar", "color": "var(--link)", "opacity": 0.6},
            "encoding": {
                "y": y,
                "x": number("mean", f"part of {b} − {a}", axis=charts.in_unit(unit)),
                "tooltip": tips(
                    ("group", "group"), ("mean", "part"), ("low", "low 95 %"), ("high", "high 95 %"), spoken=["group"]
                ),
            },
        },
        {
            "data": {"name": "parts"},
            "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.5},
            "encoding": {"y": y, "x": number("low", None), "x2": {"field": "high"}},
        },
    ]
    rows = [
        [part["group"], *(spread(_interval(each), unit, sign=True) for each in (part, part["alone"], part["last"]))]
        for part in parts
    ]
    whole = spread(_interval(found["difference"]), unit, sign=True)
    return Chart(
        "parts",
        f"What makes the difference of {b} and {a} in {found['metric']}",
        f"Shapley's shares add up to the difference, {whole}; lines are their 95 % intervals.",
        alone(layers, {"step": 30}, 190),
        {"parts": columns(data, ("group", "mean", "low", "high"))},
        Grid("Parts of the difference", ("group", "part", "alone", "last"), rows, (1, 2, 3)),
    )


def _interval(each: Mapping[str, Any]) -> Interval:
    return Interval(each["mean"], each["half_width_95"], int(each.get("replications", 0)))
