"""The figures of a result: panels put together, and saved as PNG under `plots/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures import bars, focus, starts, tail, timeline
from sim.report.figures.spent import where_the_time_goes
from sim.report.figures.style import GIB, headline, looks, new_figure, save, styled, told
from sim.report.results import Results
from sim.terms.columns import PHASE
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SERVICES = 6
"""Services up to which each has a panel of its own; of more, only all together are drawn."""


def save_plots(results: Results, folder: Path | None = None) -> list[Path]:
    """Draw every figure that the result has data for, and save it in `folder` (default: the result's `plots/`).

    Returns the files. No display and no global state of matplotlib is used.
    """
    target = folder or results.folder / "plots"
    target.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    with styled():
        for name, draw in FIGURES.items():
            figure = draw(results)
            if figure is not None:
                made.append(save(figure, target / f"{name}.png"))
    return made


def over_time(results: Results) -> Figure | None:
    """Traffic, guests, CPU and memory under one another over the same time, with what happened when."""
    frame = results.timeline
    if frame.empty:
        return None
    key = looks(results.platforms)
    served = bool(frame["arrivals"].any())
    columns = ["ready", "guests", "cpu_used", "cpu_allocated", "memory_used", "memory_allocated"]
    whole = float(frame["time"].max())
    end = timeline.until(frame, columns) if not served else whole
    series = timeline.over_time(frame[frame["time"] <= end], key)
    services = results.manifest["scenario"].get("services", {})
    asked = timeline.asked_by_file(services, whole) if len(services) > 1 else {}
    parts = [timeline.traffic] * served + [timeline.ready_guests]
    figure = new_figure(10.5, 2.25 * (len(parts) + 2 + bool(asked)))
    panels = list(figure.subplots(len(parts) + 2 + bool(asked), 1, sharex=True))
    if asked:
        timeline.rates(asked, panels[0])
    for part, panel in zip(parts, panels[bool(asked) :], strict=False):
        part(series, panel, key=key)
    for kind, panel in zip(("cpu", "memory"), panels[-2:], strict=True):
        timeline.resource(series, panel, key=key, kind=kind)
    warmup = warmup_of(results)
    timeline.marks(results.events, panels, panels[-3], end, key)
    for panel in panels:
        timeline.transient(panel, min(warmup, end))
        panel.set_xlim(0, end)
    note = "; shaded: transient, not measured" if warmup > 0 else ""
    note += "" if end == whole else f"; nothing moves from here until {whole:,.0f} s"
    timeline.simulated_time(panels[-1], note)
    wrong = [each.line for each in results.doubts if each.severity == "wrong"][:2]
    title = f"{results.name}: the run over time{_mean_of(frame)}"
    return headline(figure, title, wrong, key, margins=(0.85, 1.05, 0.5), gaps=(0.2, 0.3))


def startup(results: Results) -> Figure | None:
    """How long starts take, and which phases they spend it in."""
    guests = results.guests
    if not (guests["ready"] > guests["requested"]).any():
        return None
    key = looks(results.platforms)
    figure = new_figure(12.5, max(0.9 + 0.62 * len(key), 2.2) + 1.25)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    starts.startup_times(guests, left, key=key)
    starts.startup_phases(guests, right, key=key)
    return headline(
        figure, f"{results.name}: every start of every replication, also in the transient",
        told(results.doubts, ["startup.p50"]), margins=(0.8, 0.85, 0.9 + 0.17 * len(key)), gaps=(0.3, 0.3),
    )  # fmt: skip


def storm(results: Results) -> Figure | None:
    """Many starts at the same moment, one by one: what the first wait for, and what the last."""
    key = looks(results.platforms)
    found = starts.storms(results.guests, key)
    if not found:
        return None
    figure = new_figure(10.5, 2.1 * len(found) + 0.8)
    panels = np.atleast_1d(figure.subplots(len(found), 1))
    for panel, (name, own) in zip(panels, found.items(), strict=True):
        starts.waterfall(own, panel, name=name)
    panels[-1].set_xlabel("seconds since the first was asked for (a scale a panel)")
    phases = [name for name in results.guests.columns if name.startswith(PHASE)]
    seen = [name for name in phases if any((own[name] > 0).any() for own in found.values())]
    starts.phase_key(panels[-1], seen, across=9)
    return headline(
        figure, f"{results.name}: starts at the same moment, one by one (first replication)",
        told(results.doubts, ["startup.p50"]), margins=(0.8, 0.3, 1.1), gaps=(0.2, 0.42),
    )  # fmt: skip


def response(results: Results) -> Figure | None:
    """The tail of the response time: of all services, and of each where they are few."""
    frame = results.response
    if frame.empty:
        return None
    key = looks(results.platforms)
    served = served_by(results)
    single = [name for name in served if name != ALL]
    shown = [ALL, *single] if 1 < len(single) <= MOST_SERVICES else [ALL]
    across = min(len(shown), 3 if len(shown) not in (2, 4) else 2)
    down = -(-len(shown) // across)
    figure = new_figure(8.5 if across == 1 else 4.9 * across, 4.6 if across == 1 else 3.6 * down)
    panels = list(np.atleast_1d(figure.subplots(down, across)).ravel())
    for panel, service in zip(panels, shown, strict=False):
        tail.response_tail(frame, panel, key=key, service=service, served=served[service])
        if service == ALL and len(shown) > 1:
            panel.set_title("all services")
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel in panels[::across]:
        panel.set_ylabel("share of requests\nwithout an answer by then")
    percentiles = ["response.p50", "response.p95", "response.p99", "response.p999"]
    return headline(
        figure, f"{results.name}: response time{_mean_of(frame)}", told(results.doubts, percentiles),
        margins=(1.05, 0.5, 0.55), gaps=(0.26, 0.45),
        explained=["of all requests; a curve that ends flat (dotted) ends on the share that was never answered"],
    )  # fmt: skip


def allocation(results: Results) -> Figure | None:
    """CPU and memory: promised against used."""
    host = results.manifest["scenario"].get("host", {})
    if not {"cores", "memory"} <= set(host):
        return None
    key = looks(results.platforms)
    figure = new_figure(max(9.0, 3.4 + 2.1 * len(key)), 3.6)
    left, right = figure.subplots(1, 2)
    above = bars.allocated_and_used(results.summary, left, key=key, kind="cpu", capacity=float(host["cores"]))
    memory = float(host["memory"]) / GIB
    above += bars.allocated_and_used(results.summary, right, key=key, kind="memory", capacity=memory)
    notes = ["dashed: allocated; filled: used (CPU: hatched is overhead); time means over the measured span"]
    if above:
        notes.append(
            f"{', '.join(dict.fromkeys(above))}: more is used than allocated, because what counts as allocated is the "
            "request, and a guest may use more, up to its limit (none: up to the host's)"
        )
    doubts = told(results.doubts, ["cpu.allocated", "memory.allocated"])
    return headline(
        figure, f"{results.name}: how much of what is promised is used?", doubts, margins=(0.75, 1.0, 0.85),
        gaps=(0.42, 0.3), explained=notes,
    )  # fmt: skip


FIGURES: dict[str, Callable[[Results], Figure | None]] = {
    "focus": focus.draw,
    "timeline": over_time,
    "startup-phases": startup,
    "startup-storm": storm,
    "response-tail": response,
    "where-the-time-goes": where_the_time_goes,
    "allocated-vs-used": allocation,
}


def figure_of(results: Results, name: str) -> Figure:
    """The figure of that name, or with that in its name. Raises ValueError for none, or an empty one."""
    named = [name] if name in FIGURES else [each for each in FIGURES if name in each]
    if len(named) != 1:
        raise ValueError(f"{name!r} is no figure; there are {', '.join(FIGURES)}")
    figure = FIGURES[named[0]](results)
    if figure is None:
        raise ValueError(f"{results.name} has nothing to show in {named[0]}")
    return figure


def warmup_of(results: Results) -> float:
    """Start of the measured span as the manifest tells it, s; 0 when it does not."""
    for place in (results.manifest, results.manifest["scenario"]):
        if isinstance(place.get("warmup"), int | float):
            return float(place["warmup"])
    return 0.0


def served_by(results: Results) -> dict[str, dict[str, float]]:
    """Service → platform → completed / arrived, over all replications; services that nothing asks are left out."""
    totals: dict[tuple[str, str, str], float] = {}
    for row in results.rows:
        if row.metric in ("requests.arrived", "requests.completed"):
            at = row.service, row.platform, row.metric
            totals[at] = totals.get(at, 0.0) + row.value
    found: dict[str, dict[str, float]] = {}
    for (service, name, metric), arrived in totals.items():
        if metric == "requests.arrived" and arrived > 0:
            done = totals.get((service, name, "requests.completed"), 0.0)
            found.setdefault(service, {})[name] = done / arrived
    return found


def _mean_of(frame: Any) -> str:
    count = frame["replication"].nunique()
    return f" (mean of {count} replications)" if count > 1 else ""
