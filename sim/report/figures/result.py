"""The figures of a result: plots put together, and saved as PNG under `plots/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.figures import plots
from sim.report.figures.focus import draw as draw_focus
from sim.report.figures.spent import where_the_time_goes
from sim.report.figures.style import GIB, new_figure, palette, save, styled
from sim.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def timeline(results: Results) -> Figure | None:
    """Traffic, guests, CPU and memory under one another over the same time."""
    frame = results.timeline
    if frame.empty:
        return None
    colours = palette(results.platforms)
    figure = new_figure(10.5, 10.5)
    panels = figure.subplots(4, 1, sharex=True)
    plots.traffic(frame, panels[0], colours=colours)
    plots.ready_guests(frame, panels[1], colours=colours)
    plots.resource(frame, panels[2], colours=colours, kind="cpu")
    plots.resource(frame, panels[3], colours=colours, kind="memory")
    warmup = _warmup(results)
    for panel in panels:
        plots.transient(panel, warmup)
        panel.margins(x=0)
    note = "; shaded: transient, not measured" if warmup > 0 else ""
    plots.simulated_time(panels[3], note)
    figure.suptitle(f"{results.name}: the run over time{_mean_of(frame)}")
    return figure


def startup(results: Results) -> Figure | None:
    """How long starts take, and which phases they spend it in."""
    guests = results.guests
    if not (guests["ready"] > guests["requested"]).any():
        return None
    rows = guests["platform"].nunique()
    figure = new_figure(12.0, 1.9 + 0.85 * rows)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    plots.startup_times(guests, left, colours=palette(results.platforms))
    plots.startup_phases(guests, right)
    figure.suptitle(f"{results.name}: every start of every replication, also in the transient")
    return figure


def response(results: Results) -> Figure | None:
    """The tail of the response time of all services."""
    frame = results.response
    if frame.empty:
        return None
    figure = new_figure(8.5, 5.2)
    colours = palette(results.platforms)
    plots.response_tail(frame, figure.subplots(), colours=colours, completed=_completed(results))
    figure.suptitle(f"{results.name}: response time of completed requests{_mean_of(frame)}")
    return figure


def allocation(results: Results) -> Figure | None:
    """CPU and memory: promised against used."""
    host = results.manifest["scenario"].get("host", {})
    if not {"cores", "memory"} <= set(host):
        return None
    colours = palette(results.platforms)
    figure = new_figure(max(8.5, 4.0 + 1.6 * len(colours)), 4.6)
    left, right = figure.subplots(1, 2)
    summary = results.summary
    plots.allocated_and_used(summary, left, colours=colours, kind="cpu", capacity=float(host["cores"]))
    memory = float(host["memory"]) / GIB
    plots.allocated_and_used(summary, right, colours=colours, kind="memory", capacity=memory)
    words = "dashed: allocated · filled: used (CPU: hatched = overhead)"
    figure.suptitle(f"{results.name}: mean over the measured span — {words}")
    return figure


def focus(results: Results) -> Figure | None:
    """What the scenario is about, where it says so."""
    if not results.comparison.focus:
        return None
    return draw_focus(results, new_figure(9.0, 5.0))


FIGURES: dict[str, Callable[[Results], Figure | None]] = {
    "focus": focus,
    "timeline": timeline,
    "startup-phases": startup,
    "response-tail": response,
    "where-the-time-goes": where_the_time_goes,
    "allocated-vs-used": allocation,
}


def _warmup(results: Results) -> float:
    """Start of the measured span as the manifest tells it, s; 0 when it does not."""
    for place in (results.manifest, results.manifest["scenario"]):
        if isinstance(place.get("warmup"), int | float):
            return float(place["warmup"])
    return 0.0


def _completed(results: Results) -> dict[str, float]:
    """Completed / arrived of all services by platform, over all replications."""
    totals = {"requests.arrived": dict.fromkeys(results.platforms, 0.0)}
    totals["requests.completed"] = dict.fromkeys(results.platforms, 0.0)
    for row in results.rows:
        if row.service == "all" and row.metric in totals:
            totals[row.metric][row.platform] += row.value
    arrived, completed = totals["requests.arrived"], totals["requests.completed"]
    return {name: completed[name] / arrived[name] for name in arrived if arrived[name] > 0}


def _mean_of(frame: Any) -> str:
    count = frame["replication"].nunique()
    return f" (mean of {count} replications)" if count > 1 else ""
