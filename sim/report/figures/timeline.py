"""A run over simulated time: what is asked and served, guests, CPU, memory, and what happened when.

Each function takes frames of `Results` (see docs/results.md) and an `ax`, draws into it, and returns the `ax`. `key`
maps platforms to looks; see `style.looks`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.style import FAINT, GIB, INK, Look
from sim.terms.columns import KEY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RESOURCES = {
    "cpu": (1.0, "cores", "CPU: how much is allocated (dashed), how much is used (solid)?"),
    "memory": (GIB, "GiB", "Memory: how much is allocated (dashed), how much is used (solid)?"),
}
MARKED = {"fault": "", "move": "moves begin", "resized": "resize", "host-up": "host is back", "oom-kill": "OOM kill"}
"""Events with a mark on the axis of time → words (of a fault: its kind)."""
_IN_HOURS = 7200.0  # s that an axis of time is long, from which it is labelled in hours
_FAR_BELOW = 0.4  # peak / capacity below which the scale ends at the peak
_STILL = 0.02  # share of a curve's greatest value within which it does not move
_DOTS = 12  # markers on a curve
_LINES = 6  # events of a kind up to which each is a line through all panels


def over_time(timeline: pd.DataFrame, key: Mapping[str, Look]) -> list[tuple[str, pd.DataFrame]]:
    """Means over the replications at equal times, by platform."""
    columns = [column for column in timeline.columns if column not in (*KEY, "time")]
    return [
        (name, timeline[timeline["platform"] == name].groupby("time", as_index=False)[columns].mean())
        for name in present(timeline, key)
    ]


def present(frame: pd.DataFrame, key: Mapping[str, Look]) -> list[str]:
    """Platforms of a frame, in the order of the key."""
    found = set(frame["platform"].unique())
    return [name for name in key if name in found]


def until(timeline: pd.DataFrame, columns: Sequence[str]) -> float:
    """Time (s) after which nothing moves any more, and a bit; the end where that is in the second half."""
    end = float(timeline["time"].max())
    last = 0.0
    for _, own in timeline.groupby(["platform", "replication"]):
        for column in columns:
            values = own[column].to_numpy()
            moving = np.abs(values - values[-1]) > _STILL * np.abs(values).max(initial=0.0)
            if moving.any():
                last = max(last, float(own["time"].to_numpy()[moving][-1]))
    return 1.4 * last if 0.0 < last < 0.5 * end else end


def draw(ax: Axes, time: Any, values: Any, look: Look, place: tuple[int, int], *, dashed: bool = False) -> None:
    """One curve, number `place` of so many. Equal curves are all seen: markers out of step, the first dashes wide."""
    number, count = place
    if dashed:
        ax.plot(time, values, color=look.colour, lw=1.2 + 1.1 * min(count - number - 1, 3), ls=(0, (4, 2)))
        return
    step = max(len(time) // _DOTS, 1)
    ax.plot(time, values, color=look.colour, lw=1.7, markevery=(number * step // count, step), **look.dots)


def traffic(series: Sequence[tuple[str, pd.DataFrame]], ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """Arrivals (filled) and completions a second over time; arrivals are the same for all platforms."""
    for number, (name, frame) in enumerate(series):
        step = steps_of(frame["time"].to_numpy())
        if number == 0:
            ax.fill_between(frame["time"], frame["arrivals"] / step, color="#cccccc", lw=0)
        draw(ax, frame["time"], frame["completed"] / step, key[name], (number, len(series)))
    ax.set_ylabel("requests / s")
    ax.set_title("What arrives (grey), and what is served?")
    ax.set_ylim(bottom=0)
    return ax


def rates(asked: Mapping[str, tuple[Any, Any]], ax: Axes) -> Axes:
    """What each service is asked by the file, requests/s over time (s): peaks that the sum does not show."""
    for (name, (time, rate)), dashes in zip(asked.items(), ("-", "--", "-.", ":") * len(asked), strict=False):
        ax.plot(time, rate, color=INK, lw=1.5, ls=dashes, label=name)
    ax.set_title("What is each service asked?")
    ax.set_ylabel("requests / s")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def asked_by_file(services: Mapping[str, Any], duration: float) -> dict[str, tuple[Any, Any]]:
    """Service → times (s) and its rate (1/s) there, of services with a daily rhythm."""
    time = np.linspace(0.0, duration, 400)
    found: dict[str, tuple[Any, Any]] = {}
    for name, service in services.items():
        sources = service.get("traffic") or ()
        if sources and all(each.get("kind") == "diurnal" for each in sources):
            found[name] = time, sum(
                each["mean"] + (each["peak"] - each["mean"])
                * np.sin(2 * math.pi * (time + each.get("phase", 0.0)) / each["period"])
                for each in sources
            )  # fmt: skip
    return found


def ready_guests(series: Sequence[tuple[str, pd.DataFrame]], ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """Guests that can serve, and (dashed) all guests on the host, over time."""
    for number, (name, frame) in enumerate(series):
        draw(ax, frame["time"], frame["guests"], key[name], (number, len(series)), dashed=True)
        draw(ax, frame["time"], frame["ready"], key[name], (number, len(series)))
    ax.set_ylabel("guests")
    ax.set_title("Guests: how many are on the host (dashed), how many can serve (solid)?")
    ax.set_ylim(bottom=0)
    return ax


def resource(series: Sequence[tuple[str, pd.DataFrame]], ax: Axes, *, key: Mapping[str, Look], kind: str) -> Axes:
    """Used and allocated (dashed) over time against capacity; `kind` is `cpu` (cores) or `memory` (GiB)."""
    scale, unit, title = RESOURCES[kind]
    peak = 0.0
    capacities: dict[str, float] = {}
    for number, (name, frame) in enumerate(series):
        draw(ax, frame["time"], frame[f"{kind}_allocated"] / scale, key[name], (number, len(series)), dashed=True)
        draw(ax, frame["time"], frame[f"{kind}_used"] / scale, key[name], (number, len(series)))
        capacities[name] = float(frame[f"{kind}_capacity"].max()) / scale
        peak = max(peak, float(frame[[f"{kind}_allocated", f"{kind}_used"]].max().max()) / scale)
    mark_capacity(ax, capacities, peak, unit)
    ax.set_ylabel(unit)
    ax.set_title(title)
    return ax


def mark_capacity(ax: Axes, capacities: Mapping[str, float], peak: float, unit: str) -> None:
    """Draw each capacity of a host and name it beside the panel, or say that it lies beyond the scale."""
    hosts: dict[float, list[str]] = {}
    for name, capacity in capacities.items():
        hosts.setdefault(capacity, []).append(name)
    near = [capacity for capacity in hosts if peak > _FAR_BELOW * capacity]
    top = max([*near, peak]) * 1.08 if near else max(peak, 0.01 * min(hosts, default=1.0)) * 1.15
    ax.set_ylim(0, top)
    beyond = 0.98
    for capacity, names in sorted(hosts.items(), reverse=True):
        who = f"\n({', '.join(dict.fromkeys(each.split('/')[0] for each in names))})" if len(hosts) > 1 else ""
        words = f"capacity\n{rounded(capacity)} {unit}{who}"
        if capacity in near:
            ax.axhline(capacity, color=INK, lw=1.1)
            at = capacity / top
        else:
            words, at, beyond = f"{words}\n(beyond ↑)", beyond, beyond + 0.45
        middle = "center" if capacity in near else "bottom"
        ax.text(1.008, at, words, transform=ax.transAxes, va=middle, fontsize=8, linespacing=1.0)


def marks(events: pd.DataFrame, panels: Sequence[Axes], often: Axes, end: float, key: Mapping[str, Look]) -> None:
    """Lines through all panels where faults struck, moves began, guests were resized; ticks in `often` for many."""
    import seaborn as sns

    found = events[events["event"].isin(list(MARKED)) & (events["time"] <= end)]
    lines: dict[float, dict[str, set[str]]] = {}
    for event, own in found.groupby("event", sort=False):
        places = (own["time"] / (end / 150)).round() * (end / 150)
        if places.nunique() > _LINES:
            sns.rugplot(
                own, x="time", hue="platform", hue_order=list(key), palette={name: key[name].colour for name in key},
                height=0.09, lw=1.0, legend=False, ax=often,
            )  # fmt: skip
            often.set_title(f"{often.get_title(loc='left')} (ticks: {MARKED[str(event)] or 'fault'})", loc="left")
            continue
        for at, there in own.groupby(places):
            words = MARKED[str(event)] or ", ".join(dict.fromkeys(there["detail"]))
            lines.setdefault(float(at), {}).setdefault(words, set()).update(there["platform"])
    if lines:
        panels[0].set_ylim(top=1.35 * panels[0].get_ylim()[1])  # room for the words
    for number, (at, told) in enumerate(sorted(lines.items())):
        whose = set.union(*told.values())
        colour = key[next(iter(whose))].colour if len(whose) == 1 else INK
        for panel in panels:
            panel.axvline(at, color=colour, lw=1.1, ls=":", zorder=1)
        words = ", ".join(
            each if len(names) == len(key) else f"{each} ({', '.join(sorted(names))})" for each, names in told.items()
        )
        right = at > 0.6 * end
        panels[0].annotate(
            words, (at, 0.98 - 0.13 * (number % 2)), xycoords=("data", "axes fraction"), fontsize=8, color=colour,
            xytext=(-3 if right else 3, 0), textcoords="offset points", va="top", ha="right" if right else "left",
            bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.5},
        )  # fmt: skip


def transient(ax: Axes, warmup: float) -> Axes:
    """Shade the part from 0 to `warmup` (s) that is not measured."""
    if warmup > 0:
        ax.axvspan(0, warmup, color=FAINT, alpha=0.14, lw=0)
    return ax


def simulated_time(ax: Axes, note: str = "") -> Axes:
    """Label the axis of simulated time: seconds, or hours from two hours on."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    low, high = ax.get_xlim()
    if high - low < _IN_HOURS:
        ax.set_xlabel(f"simulated time (s){note}")
        return ax
    steps = (1.0, 2.0, 3.0, 4.0, 6.0, 12.0, 24.0, 48.0, 96.0, 168.0)
    step = next((step for step in steps if (high - low) / 3600.0 / step <= 8), steps[-1])
    ax.xaxis.set_major_locator(MultipleLocator(3600.0 * step))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 3600.0:g}"))
    ax.set_xlabel(f"simulated time (h){note}")
    return ax


def rounded(value: float) -> str:
    """A number to three digits with its thousands apart, never as a power of ten."""
    return f"{float(f'{value:.3g}'):,.10g}" if abs(value) < 1000 else f"{value:,.0f}"


def steps_of(time: Any) -> Any:
    """Seconds that each sample looks back on."""
    if len(time) < 2:
        return np.ones(len(time))
    steps = np.diff(time)
    return np.concatenate((steps[:1], steps))
