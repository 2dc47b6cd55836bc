"""The tail of the response time: how long the slowest wait, and how many get no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sim.report.figures.starts import plain_seconds
from sim.report.figures.style import FAINT, Look
from sim.report.figures.timeline import present
from sim.report.metrics.numbers import share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_FROM = 0.9  # share of slower requests from which on the tail is drawn: the quickest tenth is not what is asked


def response_tail(
    response: pd.DataFrame,
    ax: Axes,
    *,
    key: Mapping[str, Look],
    service: str = "all",
    served: Mapping[str, float] | None = None,
) -> Axes:
    """Share of all requests that have no answer within a given time, log-log (response frame).

    `served`: completed / arrived by platform (1 where it is missing). What is never answered is longer than any time:
    the curve ends on its share, so that a platform that turns requests away does not look better on those that are
    left. A line is the mean over replications at equal probability, its band their range; it ends where the shortest
    replication ends.
    """
    own = response[response["service"] == service]
    lowest, slowest = 1.0, float(own["seconds"].max()) if len(own) else 1.0
    names = [name for name in key if name in present(own, key) or (served or {}).get(name) == 0.0]
    for number, name in enumerate(names):
        answered = (served or {}).get(name, 1.0)
        words = f"{name}: {share(answered)} served" if served and name in served else name
        wide = own[own["platform"] == name].pivot_table(index="probability", columns="replication", values="seconds")
        wide = wide.dropna()
        if wide.empty:
            ax.plot([], [], color=key[name].colour, label=words, **key[name].dots)
            continue
        seconds = np.maximum(wide.to_numpy(), 1e-6)
        longer = 1 - answered + answered * wide.index.to_numpy()
        step = max(len(longer) // 8, 1)
        ax.plot(
            seconds.mean(axis=1), longer, color=key[name].colour, lw=1.8, label=words,
            markevery=(number * step // len(names), step), **key[name].dots,
        )  # fmt: skip
        if seconds.shape[1] > 1:
            ax.fill_betweenx(longer, seconds.min(axis=1), seconds.max(axis=1), color=key[name].colour, alpha=0.18, lw=0)
        lowest = min(lowest, float(longer.min()))
        if 1 - answered > 2 * answered * float(wide.index.min()):  # the rest is not beyond what was measured
            last = float(seconds.mean(axis=1).max())
            ax.plot([last, 1e4 * last], [1 - answered] * 2, color=key[name].colour, lw=1.6, ls=(0, (1, 1.2)))
    _scales(ax, own, lowest, slowest)
    ax.set_title("How long do the slowest wait?" if service == "all" else service)
    ax.legend(loc="lower left", frameon=True, framealpha=0.85, edgecolor="none")
    return ax


def _scales(ax: Axes, own: pd.DataFrame, lowest: float, slowest: float) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    slow = own[own["probability"] <= _FROM]["seconds"]
    least = float(slow.min()) if len(slow) else 0.0
    ax.set_xlim(max(least, 1e-6) / 1.5 if least > 0.0 else 1e-3, slowest * 2.2)
    ax.set_ylim(min(lowest * 0.7, 0.0009), 1.0)
    plain_seconds(ax)
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    ax.yaxis.minorticks_off()
    for quantile, tail in (("p50", 0.5), ("p99", 0.01), ("p99.9", 0.001)):
        ax.axhline(tail, color=FAINT, lw=0.8, ls=":")
        ax.annotate(
            quantile, (1.0, tail), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=8, color=FAINT,
        )  # fmt: skip
    ax.set_xlabel("response time (log scale)")
