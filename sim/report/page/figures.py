"""The interactive figures of a run, its focus first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sim.report.answers.comparison import focus_lines
from sim.report.metrics.numbers import spread
from sim.report.page import charts
from sim.report.page.charts import by_platform, columns_named, number, shape_of, spec, tips, told
from sim.report.page.document import Chart, Grid
from sim.report.page.overtime import over_time
from sim.report.page.palette import Tone
from sim.report.page.starts import waterfall
from sim.report.page.tail import tail, where_the_time_goes
from sim.report.results import Results

_USUAL = ("requests.completed", "response.p99", "startup.p50", "memory.allocated")


def charts_of(results: Results, tones: Sequence[Tone]) -> list[Chart]:
    """Every figure that the result has data for."""
    return [found for make in FIGURES for found in (make(results, tones),) if found is not None]


def focus(results: Results, tones: Sequence[Tone]) -> Chart | None:
    """What the scenario is about: each replication as a point, the mean as a line."""
    comparison = results.comparison
    lines = [each.line for each in focus_lines(comparison)]
    lines = lines or [line for name in _USUAL if (line := comparison.line(name)) is not None]
    panels: list[Mapping[str, Any]] = []
    data: dict[str, dict[str, list[Any]]] = {}
    rows = []
    for place, line in enumerate(lines[:6]):
        factor, unit = comparison.shown_in(line.metric)
        size, axis = charts.round_in(unit, [each.mean * factor for each in line.values.values()])
        points = [
            (name, number_ + 1, value * factor / size)
            for name, own in line.found.items()
            for number_, value in own.items()
        ]
        means = [(name, each.mean * factor / size) for name, each in line.values.items()]
        data[f"p{place}"] = columns_named(("platform", "replication", "value"), points)
        data[f"m{place}"] = columns_named(("platform", "mean"), means)
        panels.append(_strip(place, line.metric.label.strip() + charts.BETTER[line.metric.better], unit, axis, tones))
        rows += [
            [line.metric.label.strip(), name, spread(each.scaled(factor), unit)] for name, each in line.values.items()
        ]
    if not panels:
        return None
    return Chart(
        "focus", "The answer in a picture", "A point is a replication, the long tick their mean.",
        spec(concat=panels, usermeta={"across": 2, "pad": 130}, spacing={"row": 26, "column": 30}), data,
        Grid("Means, with half of the 95 % interval where there is one", ("metric", "platform", "mean"), rows, (2,)),
        told(results.doubts, [line.metric.name for line in lines]),
    )  # fmt: skip


def _strip(place: int, title: str, unit: str, labels: Mapping[str, Any], tones: Sequence[Tone]) -> dict[str, Any]:
    names = [tone.platform for tone in tones]
    across = {"field": "platform", "type": "nominal", "title": None, "sort": names, "axis": {"labelLimit": 110}}
    axis = {**labels, "tickCount": 5, "labelOverlap": True}
    scale = {"zero": unit != "s", "nice": True}
    colour = by_platform(tones, key=False)
    return {
        "title": {"text": title}, "height": {"step": 24},
        "layer": [
            {"data": {"name": f"m{place}"}, "mark": {"type": "tick", "thickness": 3, "size": 18},
             "encoding": {"y": across, "x": number("mean", None, axis=axis, scale=scale), "color": colour,
                          "tooltip": tips(("platform", "platform"), ("mean", "mean"), spoken=["platform"])}},
            {"data": {"name": f"p{place}"}, "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.75},
             "encoding": {"y": across, "x": number("value", None), "color": colour, "shape": shape_of(tones, key=False),
                          "tooltip": tips(("platform", "platform"), ("replication", "replication"), ("value", title),
                                          spoken=["platform"])}},
        ],
    }  # fmt: skip


FIGURES: Sequence[Callable[[Results, Sequence[Tone]], Chart | None]] = (
    focus, over_time, waterfall, tail, where_the_time_goes,
)  # fmt: skip
