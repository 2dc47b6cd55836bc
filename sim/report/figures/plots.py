"""One plot a function: each takes a frame and an `ax`, draws into it, and returns the `ax`.

Frames are those of `Results` (see docs/results.md). `colours` maps platforms to colours; see `style.palette`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.style import FAINT, GIB, INK
from sim.report.metrics.numbers import share, text
from sim.terms.columns import KEY, PHASE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TAIL_FROM = 0.9  # share of slower requests from which on the tail is drawn: the quickest tenth is not what is asked
_IN_HOURS = 7200.0  # s that an axis of time is long, from which it is labelled in hours
_FAR_BELOW = 0.4  # peak / capacity below which the scale ends at the peak
_LABELLED_FROM = 0.09  # share of a bar below which a phase has no room for its name


# ---------------------------------------------------------------- over time


def traffic(timeline: pd.DataFrame, ax: Axes, *, colours: Mapping[str, str]) -> Axes:
    """Arrivals and completions a second over time (timeline frame); arrivals are the same for all platforms."""
    for number, (name, frame) in enumerate(over_time(timeline, colours)):
        step = _steps(frame["time"].to_numpy())
        if number == 0:
            ax.plot(frame["time"], frame["arrivals"] / step, color=FAINT, lw=2.6, label="arrivals")
        ax.plot(frame["time"], frame["completed"] / step, color=colours[name], lw=1.2, label=f"{name} completed")
    ax.set_ylabel("requests / s")
    ax.set_title("What arrives, and what is served?")
    ax.set_ylim(bottom=0)
    return _legend(ax)


def ready_guests(timeline: pd.DataFrame, ax: Axes, *, colours: Mapping[str, str]) -> Axes:
    """Guests that can serve, and (dotted) all guests on the host, over time (timeline frame)."""
    for name, frame in over_time(timeline, colours):
        ax.plot(frame["time"], frame["guests"], color=colours[name], lw=1.2, ls=":", label=f"{name} on the host")
        ax.plot(frame["time"], frame["ready"], color=colours[name], lw=1.6, label=f"{name} ready")
    ax.set_ylabel("guests")
    ax.set_title("How soon are there enough guests?")
    ax.set_ylim(bottom=0)
    return _legend(ax)


def resource(timeline: pd.DataFrame, ax: Axes, *, colours: Mapping[str, str], kind: str) -> Axes:
    """Used (line) and allocated (dashed) over time against capacity; `kind` is `cpu` (cores) or `memory` (GiB)."""
    scale, unit, title = {
        "cpu": (1.0, "cores", "How much CPU is allocated, how much is used?"),
        "memory": (GIB, "GiB", "How much memory is allocated, how much is used?"),
    }[kind]
    series = over_time(timeline, colours)
    for number, (name, frame) in enumerate(series, 1):
        allocated, used = frame[f"{kind}_allocated"] / scale, frame[f"{kind}_used"] / scale
        width = 1.4 + 1.2 * (len(series) - number)  # equal curves lie on one another: the first is the widest
        ax.plot(frame["time"], allocated, color=colours[name], lw=width, ls="--", label=f"{name} allocated")
        ax.plot(frame["time"], used, color=colours[name], lw=width, label=f"{name} used")
    peak = float(timeline[[f"{kind}_allocated", f"{kind}_used"]].max().max()) / scale
    _mark_capacity(ax, float(timeline[f"{kind}_capacity"].max()) / scale, peak, unit)
    ax.set_ylabel(unit)
    ax.set_title(title)
    return _legend(ax)


def transient(ax: Axes, warmup: float) -> Axes:
    """Shade the part from 0 to `warmup` (s) that is not measured."""
    if warmup > 0:
        ax.axvspan(0, warmup, color=FAINT, alpha=0.18, lw=0)
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


# ---------------------------------------------------------------- start-up


def startup_times(guests: pd.DataFrame, ax: Axes, *, colours: Mapping[str, str]) -> Axes:
    """Every start as a dot on a log scale of seconds, the median as a bar (guests frame)."""
    rng = np.random.default_rng(0)  # only spreads the dots over the height of the row
    rows = _platforms(guests, colours)
    for row, name in enumerate(rows):
        own = guests[guests["platform"] == name]
        seconds = (own["ready"] - own["requested"]).dropna().to_numpy()
        seconds = np.maximum(seconds, 1e-3)
        if len(seconds) == 0:
            continue
        ax.plot(seconds, row + rng.uniform(-0.22, 0.22, len(seconds)), ".", ms=7, alpha=0.5, color=colours[name], mew=0)
        median = float(np.median(seconds))
        ax.plot([median, median], [row - 0.34, row + 0.34], color=INK, lw=2)
        ax.annotate(text(median, "s"), (median, row - 0.36), ha="center", va="bottom", fontsize=9, color=INK)
    ax.set_xscale("log")
    _plain_seconds(ax)
    _rows(ax, rows)
    ax.set_xlabel("requested → ready (log scale; the bar is the median)")
    ax.set_title("How long does a start take?")
    return ax


def startup_phases(guests: pd.DataFrame, ax: Axes) -> Axes:
    """Where the time of a start goes: mean seconds of each phase as its share of the mean start (guests frame).

    Shares, because a VM may take fifty times as long as a container: at one scale in seconds its phases
    would be all that can be seen. Means, because they add up to the whole bar; a guest that skipped a phase
    counts as 0.
    """
    phases = [column for column in guests.columns if column.startswith(PHASE)]
    shades = dict(zip(phases, _shades(len(phases)), strict=True))
    started = guests[guests["ready"].notna()]
    means = started.fillna(dict.fromkeys(phases, 0.0)).groupby("platform", sort=False)[phases].mean()
    rows = [name for name in means.index if means.loc[name].sum() > 0]
    for row, name in enumerate(rows):
        own = means.loc[name]
        total, left = float(own.sum()), 0.0
        for phase in phases:
            part = float(own[phase]) / total
            ax.barh(row, part, left=left, color=shades[phase], edgecolor="white", height=0.62)
            if part >= _LABELLED_FROM:
                words = f"{phase.removeprefix(PHASE)}\n{text(float(own[phase]), 's')}"
                ax.text(left + part / 2, row, words, ha="center", va="center", fontsize=8, color=_ink(shades[phase]))
            left += part
        ax.text(1.01, row, f"= {text(total, 's')}", va="center", fontsize=9, color=INK)
    unnamed = [
        phase for phase in phases if any(0 < means.loc[n, phase] / means.loc[n].sum() < _LABELLED_FROM for n in rows)
    ]
    for phase in unnamed:
        ax.barh(0, 0, color=shades[phase], label=phase.removeprefix(PHASE))
    if unnamed:
        ax.legend(loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=5.5, ncols=6, frameon=False, fontsize=8)
    _rows(ax, rows)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(_percent_format())
    ax.set_xlabel("share of the mean start")
    ax.set_title("Where does the time of a start go?")
    return ax


# ---------------------------------------------------------------- response


def response_tail(
    response: pd.DataFrame,
    ax: Axes,
    *,
    colours: Mapping[str, str],
    service: str = "all",
    completed: Mapping[str, float] | None = None,
) -> Axes:
    """Share of completed requests slower than a given time, log-log (response frame).

    `completed`: completed / arrived by platform, told in the legend, since a platform that turns requests away
    looks better on those that are left. A line is the mean over replications at equal probability, its band their
    range; it ends where the shortest replication ends.
    """
    own = response[response["service"] == service]
    for name in _platforms(own, colours):
        frame = own[own["platform"] == name]
        wide = frame.pivot_table(index="probability", columns="replication", values="seconds").dropna()
        seconds = np.maximum(wide.to_numpy(), 1e-6)
        told = f" ({share(completed[name])} completed)" if completed and name in completed else ""
        ax.plot(seconds.mean(axis=1), wide.index, color=colours[name], lw=1.8, label=f"{name}{told}")
        if seconds.shape[1] > 1:
            ax.fill_betweenx(wide.index, seconds.min(axis=1), seconds.max(axis=1), color=colours[name], alpha=0.2, lw=0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    slow = own[own["probability"] <= _TAIL_FROM]["seconds"]
    if len(slow) and slow.min() > 0.0:
        ax.set_xlim(left=slow.min() / 1.5)
    _plain_seconds(ax)
    ax.set_ylim(top=1.0)
    ax.yaxis.set_major_formatter(_percent_format(digits=6))
    ax.yaxis.minorticks_off()
    for quantile, tail in (("p50", 0.5), ("p99", 0.01), ("p99.9", 0.001)):
        ax.axhline(tail, color=FAINT, lw=0.8, ls=":")
        ax.annotate(
            quantile, (1.0, tail), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, color=FAINT,
        )  # fmt: skip
    ax.set_xlabel("response time (log scale)")
    ax.set_ylabel("share of completed requests that took longer")
    ax.set_title("How long do the slowest wait?")
    ax.legend(loc="lower left", frameon=True, fontsize=9)
    return ax


# ---------------------------------------------------------------- allocated and used


def allocated_and_used(
    summary: pd.DataFrame, ax: Axes, *, colours: Mapping[str, str], kind: str, capacity: float
) -> Axes:
    """Time means of what is allocated (outline) and what is used (filled), a bar a platform (summary frame).

    `kind` is `cpu` (cores; overhead hatched) or `memory` (GiB); `capacity` is the host's, in cores or GiB.
    """
    unit = {"cpu": "cores", "memory": "GiB"}[kind]
    parts = {"cpu": ("cpu.utilization", "cpu.overhead"), "memory": ("memory.used",)}[kind]
    own = summary[summary["service"] == "all"]
    means = own.pivot_table(index="platform", columns="metric", values="value", aggfunc="mean") * capacity
    rows = [name for name in colours if name in means.index]
    peak = 0.0
    for row, name in enumerate(rows):
        allocated = _value(means, name, f"{kind}.allocated")
        ax.bar(row, allocated, width=0.7, facecolor="none", edgecolor=colours[name], lw=1.6, ls="--")
        bottom = 0.0
        for number, part in enumerate(parts):
            height = _value(means, name, part)
            ax.bar(
                row, height, width=0.5, bottom=bottom, color=colours[name], alpha=1.0 if number == 0 else 0.45,
                hatch="" if number == 0 else "///", edgecolor="white", lw=0,
            )  # fmt: skip
            bottom += height
        words = f"{bottom:.3g} used\n{allocated:.3g} allocated"
        ax.annotate(words, (row, max(allocated, bottom)), xytext=(0, 3), textcoords="offset points",
                    ha="center", va="bottom", fontsize=8, color=INK)  # fmt: skip
        peak = max(peak, allocated, bottom)
    _mark_capacity(ax, capacity, peak * 1.12, unit)
    ax.set_xticks(range(len(rows)), rows)
    ax.set_ylabel(unit)
    ax.set_title({"cpu": "CPU: allocated and used", "memory": "Memory: allocated and used"}[kind])
    ax.grid(axis="x", visible=False)
    return ax


# ---------------------------------------------------------------- helpers


def _platforms(frame: pd.DataFrame, colours: Mapping[str, str]) -> list[str]:
    present = set(frame["platform"].unique())
    return [name for name in colours if name in present]


def over_time(timeline: pd.DataFrame, colours: Mapping[str, str]) -> list[tuple[str, pd.DataFrame]]:
    """Means over the replications at equal times, by platform."""
    columns = [column for column in timeline.columns if column not in (*KEY, "time")]
    return [
        (name, timeline[timeline["platform"] == name].groupby("time", as_index=False)[columns].mean())
        for name in _platforms(timeline, colours)
    ]


def _steps(time: Any) -> Any:
    """Seconds that each sample looks back on."""
    if len(time) < 2:
        return np.ones(len(time))
    steps = np.diff(time)
    return np.concatenate((steps[:1], steps))


def _value(means: pd.DataFrame, platform: str, metric: str) -> float:
    found = float(means.loc[platform, metric]) if metric in means.columns else 0.0  # type: ignore[arg-type]
    return found if np.isfinite(found) else 0.0


def _mark_capacity(ax: Axes, capacity: float, peak: float, unit: str) -> None:
    """Draw the host's capacity, or say that it lies beyond the scale if the bars would vanish beside it."""
    near = peak > _FAR_BELOW * capacity
    top = max(capacity, peak) * 1.1 if near else max(peak, 0.01 * capacity) * 1.2
    ax.set_ylim(0, top)
    if near:
        ax.axhline(capacity, color=INK, lw=1.0)
    ax.annotate(
        f"capacity {capacity:,.4g} {unit}{'' if near else ' ↑ off this scale'}",
        (0.0, capacity if near else top), xycoords=("axes fraction", "data"),
        xytext=(4, 2 if near else -2), textcoords="offset points",
        va="bottom" if near else "top", fontsize=8, color=INK,
    )  # fmt: skip


def _legend(ax: Axes) -> Axes:
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    return ax


def _rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


def _shades(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["cividis"](value) for value in np.linspace(0.05, 0.95, max(count, 1))[:count]]


def _ink(shade: Any) -> str:
    """Black or white, whichever can be read on a shade (relative luminance, WCAG 2 weights)."""
    return "black" if 0.2126 * shade[0] + 0.7152 * shade[1] + 0.0722 * shade[2] > 0.45 else "white"


def _plain_seconds(ax: Axes) -> None:
    """Label a log axis of seconds with 1 ms, 10 ms, 1 s …; also 2 and 5 of each decade when there are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = ax.get_xlim()
    few = high / low < 10**2.5
    ax.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=20))
    ax.xaxis.set_major_formatter(FuncFormatter(_round_seconds))
    ax.xaxis.set_minor_locator(NullLocator())


def _round_seconds(value: float, _: int | None = None) -> str:
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if value >= 0.9999 * scale:
            return f"{value / scale:,.4g} {unit}"
    return f"{value / 1e-6:,.4g} µs"


def _percent_format(digits: int = 3) -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{100 * value:.{digits}g} %")
