"""Where the time goes: the mean response by platform, as stacked bars of what requests wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.report.figures.starts import TINTS
from sim.report.figures.style import headline, new_figure, told
from sim.report.results import Results
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS: Mapping[str, tuple[str, str, str]] = {
    # part: what the legend calls it, its colour (none is a platform's), its hatch
    "waiting": ("waiting for a place", TINTS[8], ""),
    "cpu": ("CPU", TINTS[0], ""),
    "contention": ("contention", TINTS[1], "////"),
    "wait": ("wait steps", TINTS[2], ""),
    "disk": ("disk", TINTS[6], "xxxx"),
    "network": ("network", TINTS[4], "////"),
    "calls": ("calls", TINTS[3], ""),
}


def spent_by(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Service (and `all`, where users ask more than one) → platform → part → mean seconds of a response."""
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
    if means.get(ALL) in [parts for service, parts in means.items() if service != ALL]:
        del means[ALL]  # users ask one service only
    return means


def where_the_time_goes(results: Results) -> Figure | None:
    """One panel a service, one bar a platform; None where no request has several steps."""
    means = spent_by(results)
    if not means:
        return None
    columns = min(len(means), 3)
    rows = -(-len(means) // columns)
    figure = new_figure(1.6 + 3.7 * columns, 1.0 + (1.0 + 0.35 * len(results.platforms)) * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel, (service, platforms) in zip(panels, means.items(), strict=False):
        stacked_bars(panel, platforms, results.platforms)
        panel.set_title(service)
    for panel in panels[len(means) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower left", ncols=4 if columns > 1 else 3, fontsize=8.5)
    return headline(
        figure, f"{results.name}: where the mean response of completed requests goes",
        told(results.doubts, ["response.mean"]), gaps=(0.15, 0.75), margins=(1.2, 0.3, 1.15),
    )  # fmt: skip


def stacked_bars(ax: Axes, platforms: Mapping[str, Mapping[str, float]], order: Sequence[str]) -> Axes:
    """A bar a platform, milliseconds, made of the parts; the first platform on top."""
    names = [name for name in order if name in platforms]
    left = [0.0] * len(names)
    for part, (label, colour, hatch) in PARTS.items():
        widths = [1e3 * platforms[name].get(part, 0.0) for name in names]
        ax.barh(names, widths, left=left, color=colour, hatch=hatch, edgecolor="white", label=label, height=0.65)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_xlabel("ms")
    ax.grid(visible=False, axis="y")
    ax.set_ylim(len(names) - 0.5, -0.5)
    return ax
