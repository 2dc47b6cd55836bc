"""The figure of starts: one by one, phase after phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report.figures.starts import evenly, phase_looks
from sim.report.page import charts
from sim.report.page.charts import columns_named, number, said, spec, tips, told
from sim.report.page.document import Chart, Grid
from sim.report.page.palette import Tone, channels
from sim.report.results import Results
from sim.terms.columns import PHASE

if TYPE_CHECKING:
    import pandas as pd

MOST_STARTS = 40
"""Starts of a platform that are shown: the others lie between them."""


def waterfall(results: Results, tones: Sequence[Tone]) -> Chart | None:
    """Starts one by one, phase after phase, of the first replication."""
    guests = results.guests
    own = guests[(guests["replication"] == guests["replication"].min()) & (guests["ready"] > guests["requested"])]
    if own.empty:
        return None
    phases = [column for column in own.columns if column.startswith(PHASE)]
    bars: dict[str, list[tuple[Any, ...]]] = {}
    rows: list[list[str]] = []
    for name in (tone.platform for tone in tones):
        mine = own[own["platform"] == name].sort_values(["requested", "ready"], kind="stable")
        if mine.empty:
            continue
        kept = enumerate((guest for _, guest in evenly(mine, MOST_STARTS).iterrows()), 1)
        bars[name] = [(name, at, str(guest["guest"]), *bar) for at, guest in kept for bar in _bars(guest, phases)]
        rows += _phase_rows(name, mine, phases)
    keys = ("platform", "place", "guest", "phase", "from", "to", "seconds", "asked")
    data = {f"w{place}": columns_named(keys, own) for place, own in enumerate(bars.values())}
    looks = phase_looks(list(dict.fromkeys(phase for own in data.values() for phase in own["phase"])))
    colours = {phase: "var(--faint)" if phase == _REST else _shade(look) for phase, look in looks.items()}
    panels = [
        _waterfall_panel(place, name, len(set(data[f"w{place}"]["place"])), colours) for place, name in enumerate(bars)
    ]
    says = (
        "Every bar is a start of the first replication, from its request to being ready (at most "
        f"{MOST_STARTS} of each platform, evenly chosen, in the order of their requests; one scale for all)."
    )
    return Chart(
        "starts",
        "Start-up, one by one",
        says,
        spec(vconcat=panels, usermeta={"pad": 60}, spacing=14, resolve={"scale": {"x": "shared", "color": "shared"}}),
        data,
        Grid(
            "Starts of the first replication: mean seconds of each phase, over those that had it",
            ("platform", "phase", "starts that had it", "mean (s)", "longest (s)"),
            rows,
            (2, 3, 4),
        ),
        told(results.doubts, ["startup.p50"]),
    )


_REST = "other waiting"
_DARKER = {"": 1.0, "////": 0.72, "xxxx": 0.5}
"""What is hatched in print is darker here."""


def _shade(look: Mapping[str, Any]) -> str:
    """The colour of a phase."""
    return "#" + "".join(f"{round(each * _DARKER[look['hatch']]):02X}" for each in channels(str(look["facecolor"])))


def _bars(guest: Any, phases: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Phase, begin, end, seconds of a start, and when it was asked for; what no phase accounts for comes last."""
    at, asked = 0.0, float(guest["requested"])
    for phase in phases:
        seconds = float(guest[phase])
        if seconds > 0.0:
            yield phase.removeprefix(PHASE), at, at + seconds, seconds, asked
            at += seconds
    rest = float(guest["ready"]) - asked - at
    if rest > 1e-6 * max(at, 1e-3):
        yield _REST, at, at + rest, rest, asked


def _phase_rows(name: str, own: pd.DataFrame, phases: Sequence[str]) -> Iterator[list[str]]:
    for phase in phases:
        had = own[phase].dropna()
        if len(had) and had.max() > 0:
            yield [name, phase.removeprefix(PHASE), str(len(had)), said(float(had.mean())), said(float(had.max()))]
    whole = own["ready"] - own["requested"]
    yield [name, "requested to ready", str(len(own)), said(float(whole.mean())), said(float(whole.max()))]


def _waterfall_panel(place: int, name: str, count: int, colours: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": {"text": name},
        "height": {"step": max(7, min(18, 260 // max(count, 1)))},
        "data": {"name": f"w{place}"},
        "mark": {"type": "bar", "stroke": "var(--dim)", "strokeWidth": 0.3},
        "encoding": {
            "y": {
                "field": "place",
                "type": "ordinal",
                "title": "start",
                "axis": {"labelOverlap": True, "ticks": False},
            },
            "x": number(
                "from",
                "seconds since it was asked for",
                axis={"labelExpr": charts.SECONDS, "tickCount": 8},
                scale={"nice": False},
            ),
            "x2": {"field": "to"},
            "color": {
                "field": "phase",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": {"orient": "top", "symbolType": "square"},
            },
            "tooltip": tips(
                ("guest", "guest"),
                ("phase", "phase"),
                ("seconds", "seconds"),
                ("asked", "asked for at (s)"),
                spoken=["guest", "phase"],
            ),
        },
    }
