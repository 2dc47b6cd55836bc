"""Where the time goes: the mean response by platform, as stacked bars of what requests wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.report.figures.style import OKABE_ITO, new_figure
from sim.report.results import Results
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS: Mapping[str, tuple[str, str]] = {
    # part: what the legend calls it, its colour
    "waiting": ("waiting for a place", OKABE_ITO[6]),
    "cpu": ("CPU", OKABE_ITO[0]),
    "contention": ("contention", OKABE_ITO[1]),
    "wait": ("wait steps", OKABE_ITO[4]),
    "disk": ("disk", OKABE_ITO[2]),
    "network": ("network", OKABE_ITO[5]),
    "calls": ("calls", OKABE_ITO[3]),
}


def spent_by(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Service (and `all`, where it is more than one) → platform → part → mean seconds of a response."""
    sums: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in results.rows:
        what, _, part = row.metric.partition(".")
        if what == "request" and part in PARTS:
            sums.setdefault(row.service, {}).setdefault(row.platform, {}).setdefault(part, []).append(row.value)
    means = {
        service: {
            platform: {part: sum(values) / len(values) for part, values in parts.items()}
            for platform, parts in platforms.items()
        }
        for service, platforms in sums.items()
    }
    if len(means) == 2 and ALL in means:
        del means[ALL]
    return means


def where_the_time_goes(results: Results) -> Figure | None:
    """One panel a service, one bar a platform; None where no request has several steps."""
    means = spent_by(results)
    if not means:
        return None
    columns = min(len(means), 3)
    rows = -(-len(means) // columns)
    figure = new_figure(3.2 + 3.4 * columns, 0.8 + (1.3 + 0.35 * len(results.platforms)) * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel, (service, platforms) in zip(panels, means.items(), strict=False):
        stacked_bars(panel, platforms, results.platforms)
        panel.set_title(service)
    for panel in panels[len(means) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    figure.suptitle(f"{results.name}: where the mean response of completed requests goes")
    return figure


def stacked_bars(ax: Axes, platforms: Mapping[str, Mapping[str, float]], order: Sequence[str]) -> Axes:
    """A bar a platform, milliseconds, made of the parts; the first platform on top."""
    names = [name for name in order if name in platforms]
    left = [0.0] * len(names)
    for part, (label, colour) in PARTS.items():
        widths = [1e3 * platforms[name].get(part, 0.0) for name in names]
        ax.barh(names, widths, left=left, color=colour, label=label, height=0.65)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_xlabel("ms")
    ax.grid(visible=False, axis="y")
    ax.set_ylim(len(names) - 0.5, -0.5)
    return ax
