"""Starts of guests: how long they take, where the time goes, and a storm of them one by one.

Each function takes the guests frame of `Results` and an `ax`, draws into it, and returns the `ax`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.figures.style import INK, Look
from sim.report.figures.timeline import present
from sim.report.metrics.numbers import text
from sim.terms.columns import PHASE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STORM = 20
"""Guests asked for within a second, from which on they are a storm."""
_SHOWN = 200  # starts of a storm that are drawn: the others lie between them
_LABELLED_FROM = 0.075  # share of a bar below which a phase has no room for its name
TINTS = (
    "#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#C3B1E1", "#BBCC33", "#AAAA00", "#DDDDDD",
)  # fmt: skip
"""Tol 2021, "light": black can be read on each, and none is a platform's."""
_PLACES = (
    "pull", "clone", "launch", "attach", "firmware", "kernel", "userland", "services", "app",
    "read", "create", "netns", "network", "run", "install", "vm", "boot", "vmm",
    "daemon", "sentry", "kvm", "load", "fault",
)  # fmt: skip
"""Phases of the catalogue, so that those of a VM differ by colour, and the others from them by hatching."""


def phase_looks(phases: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Phase → colour and hatch, the same in every figure; a phase of somebody's own has one by its name."""
    found = {}
    for phase in phases:
        name = phase.removeprefix(PHASE)
        place = _PLACES.index(name) if name in _PLACES else zlib.crc32(name.encode()) % 27
        found[phase] = {"facecolor": TINTS[place % 9], "hatch": ("", "////", "xxxx")[place // 9], "edgecolor": "white"}
    return found


def startup_times(guests: pd.DataFrame, ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """The share of starts that were ready within a time (log scale of seconds); the median in the key."""
    import seaborn as sns

    started = guests[guests["ready"] >= guests["requested"]]
    seconds = (started["ready"] - started["requested"]).clip(lower=1e-3)
    names = present(started, key)
    sns.ecdfplot(
        started.assign(seconds=seconds), x="seconds", hue="platform", hue_order=names, log_scale=True, ax=ax,
        palette={name: key[name].colour for name in names}, legend=False, lw=1.8,
    )  # fmt: skip
    for number, name in enumerate(names, 1):
        own, at = seconds[started["platform"] == name], number / (len(names) + 1)  # apart, where curves are equal
        words = f"{name}: half within {text(float(own.median()), 's')}, the last {text(float(own.max()), 's')}"
        ax.plot([float(own.quantile(at))], [at], ls="", color=key[name].colour, label=words, **key[name].dots)
    ax.set_xlim(float(seconds.min()) / 1.5, float(seconds.max()) * 1.5)
    plain_seconds(ax)
    ax.set_ylim(0, 1.03)
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    ax.set_ylabel("share of starts that are ready")
    ax.set_xlabel("requested → ready (log scale)")
    ax.set_title("How long does a start take?")
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, 0), borderaxespad=3.6, fontsize=8.5, labelspacing=0.25)
    return ax


def startup_phases(guests: pd.DataFrame, ax: Axes, *, key: Mapping[str, Look]) -> Axes:
    """Where the time of a start goes: mean seconds of each phase as its share of the mean start (guests frame).

    Shares, because a VM may take fifty times as long as a container: at one scale in seconds its phases
    would be all that can be seen. Means, because they add up to the whole bar; a guest that skipped a phase
    counts as 0.
    """
    phases = [column for column in guests.columns if column.startswith(PHASE)]
    drawn = phase_looks(phases)
    started = guests[guests["ready"].notna()]
    means = started.fillna(dict.fromkeys(phases, 0.0)).groupby("platform", sort=False)[phases].mean()
    spent = {str(name): [float(each) for each in own] for name, own in zip(means.index, means.to_numpy(), strict=True)}
    rows = [name for name in key if sum(spent.get(name, ())) > 0]
    for row, name in enumerate(rows):
        total, left = sum(spent[name]), 0.0
        for phase, seconds in zip(phases, spent[name], strict=True):
            part = seconds / total
            ax.barh(row, part, left=left, height=0.62, lw=0.8, **drawn[phase])
            if part >= _LABELLED_FROM:
                words = f"{phase.removeprefix(PHASE)}\n{text(seconds, 's')}"
                ax.text(left + part / 2, row, words, ha="center", va="center", fontsize=8, color="black",
                        bbox={"fc": drawn[phase]["facecolor"], "ec": "none", "pad": 0.5})  # fmt: skip
            left += part
        ax.text(1.01, row, f"= {text(total, 's')}", va="center", fontsize=9, color=INK)
    seen = [phase for place, phase in enumerate(phases) if any(spent[name][place] > 0.0 for name in rows)]
    phase_key(ax, seen)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    ax.set_xlabel("share of the mean start")
    ax.set_title("Where does the time of a start go?")
    return ax


def phase_key(ax: Axes, phases: Sequence[str], across: int = 7) -> None:
    """The key of the phases under a panel."""
    from matplotlib.patches import Patch

    handles = [Patch(label=name.removeprefix(PHASE), **look) for name, look in phase_looks(phases).items()]
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=3.6, ncols=across,
        fontsize=8.5, handlelength=1.6, columnspacing=1.0, labelspacing=0.3,
    )  # fmt: skip


def storms(guests: pd.DataFrame, key: Mapping[str, Look]) -> dict[str, pd.DataFrame]:
    """Platform → the first storm of its first replication, a row a guest that came up; empty without one."""
    found = {}
    for name in present(guests, key):
        own = guests[guests["platform"] == name]
        own = own[own["replication"] == own["replication"].min()]
        seconds = own["requested"].floordiv(1.0)
        many = seconds.value_counts().loc[lambda count: count >= STORM]
        if len(many):
            found[name] = own[(seconds == many.index.min()) & own["ready"].notna()]
    return {name: storm for name, storm in found.items() if len(storm)}


def evenly(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many rows of a frame, evenly chosen: the first, the last, and between them."""
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(len(frame), most)).astype(int))]


def waterfall(storm: pd.DataFrame, ax: Axes, *, name: str) -> Axes:
    """Every start of a storm as a line from its request to its end, a colour a phase, the quickest on top."""
    from matplotlib.collections import PolyCollection

    phases = [column for column in storm.columns if column.startswith(PHASE)]
    begin = float(storm["requested"].min())
    storm = storm.sort_values(["ready", "requested"], kind="stable")
    kept = evenly(storm, _SHOWN)
    left = kept["requested"].to_numpy() - begin
    top = np.linspace(0, len(storm), len(kept) + 1)
    for phase, look in phase_looks(phases).items():
        right = left + kept[phase].fillna(0.0).to_numpy()
        corners = np.stack(
            [np.stack([left, top[:-1]], 1), np.stack([right, top[:-1]], 1), np.stack([right, top[1:]], 1),
             np.stack([left, top[1:]], 1)], axis=1,
        )  # fmt: skip
        some = right > left
        if some.any():
            ax.add_collection(PolyCollection(list(corners[some]), lw=0.0, **{**look, "edgecolor": "#666666"}))
        left = right
    half, last = (float(storm["ready"].quantile(part) - begin) for part in (0.5, 1.0))
    ax.axvline(half, color=INK, lw=1.2, ls="--")
    ax.set_xlim(0, last * 1.02)
    ax.set_ylim(len(storm), 0)
    ax.set_ylabel("starts")
    ax.grid(visible=False, axis="y")
    ax.set_title(f"{name}: {len(storm)} at once, half ready after {text(half, 's')} (dashed), all {text(last, 's')}")
    return ax


def plain_seconds(ax: Axes) -> None:
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
