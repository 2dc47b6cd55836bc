"""The figure of a run over time: traffic, guests, CPU, memory, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sim.report.figures.result import warmup_of
from sim.report.figures.starts import evenly
from sim.report.figures.style import GIB
from sim.report.figures.timeline import MARKED, steps_of
from sim.report.page.charts import by_platform, columns_of, number, said, spec, tips
from sim.report.page.document import Chart, Grid
from sim.report.page.palette import Tone
from sim.report.results import Results

if TYPE_CHECKING:
    import pandas as pd

_MARKS = 40  # events that are marked
_ROWS = 26  # of the table behind it, a platform
_PANELS = (
    # title, unit of the axis, (column, what) solid, dashed, filled
    ("What arrives (filled), and what is served (line)?", "requests / s", "served", "", "arrive"),
    ("Guests: those that can serve (line), and all on the host (dashed)", "guests", "ready", "guests", ""),
    ("CPU: used (line), allocated (dashed)", "cores", "cpu used", "cpu allocated", ""),
    ("Memory: used (line), allocated (dashed)", "GiB", "memory used", "memory allocated", ""),
)


def over_time(results: Results, tones: Sequence[Tone]) -> Chart | None:
    """Traffic, guests, CPU, memory over the same time, with what happened when, and the place of the replay."""
    frame = results.timeline
    if frame.empty:
        return None
    series = series_of(frame, [tone.platform for tone in tones])
    end = float(series["time"].max())
    data = {"line": columns_of(series, list(series.columns)), "marks": marks_of(results.events)}
    served = bool(series["arrive"].any())
    used = [panel for panel in _PANELS if served or panel[1] != "requests / s"]
    marked = bool(data["marks"]["time"])
    panels = [
        _panel(place, panel, tones, warmup_of(results), end, marked, last=place == len(used) - 1)
        for place, panel in enumerate(used)
    ]
    zoom = {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.shiftKey]"}
    params = [
        {"name": "now", "value": -1},
        {"name": "zoom", "select": zoom, "bind": "scales", "views": [f"view{place}" for place in range(len(used))]},
    ]
    count = frame["replication"].nunique()
    says = (
        f"{f'Mean of {count} replications' if count > 1 else 'One replication'}, {series['time'].nunique()} samples. "
        "Shaded: transient, not measured. Dotted: faults, moves, resizes, kills (first replication; point at one to "
        "read it). Shift and wheel zoom, dragging moves, a double click resets. The red line is the time of the replay."
    )
    wrong = [each.line for each in results.doubts if each.severity == "wrong"][:2]
    return Chart(
        "timeline",
        "The run over time",
        says,
        spec(
            vconcat=panels,
            params=params,
            usermeta={"pad": 84},
            spacing=18,
            config={"axisY": {"minExtent": 44, "maxExtent": 44}},
        ),
        data,
        _over_time_table(series),
        wrong,
    )


def series_of(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The time line of each platform, mean over replications: rates a second, cores, GiB."""
    import pandas as pd

    parts = []
    for name in names:
        own = frame[frame["platform"] == name].groupby("time", as_index=False).mean(numeric_only=True)
        if own.empty:
            continue
        steps = steps_of(own["time"].to_numpy())
        parts.append(
            pd.DataFrame(
                {
                    "platform": name,
                    "time": own["time"],
                    "arrive": own["arrivals"] / steps,
                    "served": own["completed"] / steps,
                    "ready": own["ready"],
                    "guests": own["guests"],
                    "cpu used": own["cpu_used"],
                    "cpu allocated": own["cpu_allocated"],
                    "memory used": own["memory_used"] / GIB,
                    "memory allocated": own["memory_allocated"] / GIB,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def marks_of(events: pd.DataFrame) -> dict[str, list[Any]]:
    """Faults, moves, resizes, kills of the first replication: platform, time, what; of many, the first."""
    own = events[events["event"].isin(list(MARKED)) & (events["replication"] == events["replication"].min())]
    own = own.drop_duplicates(["platform", "time", "event"]).head(_MARKS)
    words = [
        " ".join(each for each in (MARKED[event] or event, detail) if each)
        for event, detail in zip(own["event"], own["detail"].fillna(""), strict=True)
    ]
    return {**columns_of(own, ["platform", "time"]), "what": words}


def _panel(
    place: int, panel: tuple[str, ...], tones: Sequence[Tone], warmup: float, end: float, marked: bool, *, last: bool
) -> dict[str, Any]:
    title, unit, solid, dashed, filled = panel
    x = number(
        "time",
        "simulated time (s)" if last else None,
        scale={"domain": [0, end], "nice": False},
        axis={"labels": last, "ticks": last, "format": ",.6~r"},
    )
    colour = by_platform(tones)
    tip = tips(("platform", "platform"), ("time", "time (s)"), (solid, f"{solid} ({unit})"), spoken=["platform"])

    def line(column: str, **mark: Any) -> dict[str, Any]:
        return {
            "data": {"name": "line"},
            "mark": {"type": "line", "clip": True, "strokeWidth": 1.8, **mark},
            "encoding": {"x": x, "y": number(column, unit, axis={"format": ",.6~r", "tickCount": 4}), "color": colour},
        }

    layers: list[dict[str, Any]] = []
    if warmup > 0:
        layers.append(
            {
                "data": {"values": [{"from": 0, "to": min(warmup, end)}]},
                "mark": {"type": "rect", "color": "var(--faint)", "opacity": 0.18, "clip": True},
                "encoding": {"x": number("from", None), "x2": {"field": "to"}},
            }
        )
    if filled:
        only = {"filter": {"field": "platform", "equal": tones[0].platform}}
        area = line(filled, type="area", color="var(--faint)", opacity=0.35)
        del area["encoding"]["color"]
        layers.append({**area, "transform": [only]})
    if dashed:
        layers.append(line(dashed, strokeDash=[5, 3], strokeWidth=1.2, opacity=0.85))
    main = line(solid)
    main["name"] = f"view{place}"
    layers.append(main)
    layers.append(
        {
            **line(solid, type="point", filled=True, size=36, opacity=0.0),
            "encoding": {**main["encoding"], "tooltip": tip},
        }
    )
    if marked:
        layers.append(
            {
                "data": {"name": "marks"},
                "mark": {"type": "rule", "strokeDash": [2, 2], "clip": True, "strokeWidth": 2},
                "encoding": {
                    "x": x,
                    "color": colour,
                    "tooltip": tips(
                        ("platform", "platform"), ("time", "time (s)"), ("what", "what"), spoken=["platform", "what"]
                    ),
                },
            }
        )
    layers.append(
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "color": "var(--bad)", "strokeWidth": 1.5, "clip": True},
            "encoding": {"x": {"datum": {"expr": "now"}, "type": "quantitative"}},
        }
    )
    return {"title": {"text": title}, "height": 120, "layer": layers}


def _over_time_table(series: pd.DataFrame) -> Grid:
    names = [name for name in series.columns if name != "platform"]
    rows = []
    for name, own in series.groupby("platform", sort=False):
        rows += [[str(name), *(said(each) for each in row)] for row in evenly(own, _ROWS)[names].to_numpy()]
    units = {
        "time": "time (s)",
        "arrive": "arrive (/s)",
        "served": "served (/s)",
        "cpu used": "CPU used (cores)",
        "cpu allocated": "CPU allocated (cores)",
        "memory used": "memory used (GiB)",
        "memory allocated": "memory allocated (GiB)",
    }
    note = f"Every {max(len(series) // max(len(rows), 1), 1)}th sample; timeline.parquet has all of them."
    headers = ["platform", *(units.get(name, name) for name in names)]
    return Grid("The run over time, by samples", headers, rows, range(1, len(headers)), note)
