"""How every figure looks: its style, the colours of the platforms, and how it is saved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.metrics.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#bbbbbb",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "figure.titlesize": 12,
}
# Okabe and Ito 2008, "Color universal design": told apart with every common form of colour blindness
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
USUAL = ("vm", "microvm", "container", "container-in-vm", "kata", "gvisor", "native")  # in the order of the colours
INK, FAINT = "#333333", "#999999"
GIB = 2.0**30


def palette(platforms: Sequence[str]) -> dict[str, str]:
    """Give each platform a colour: those of the catalogue the same in every result, the others what is left."""
    own = {name: number for number, name in enumerate(USUAL) if name in platforms}
    spare = [number for number in range(len(OKABE_ITO)) if number not in own.values()] or [*range(len(OKABE_ITO))]
    others = [name for name in platforms if name not in own]
    own |= {name: spare[number % len(spare)] for number, name in enumerate(others)}
    return {name: OKABE_ITO[own[name]] for name in platforms}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style; matplotlib's global state is as before afterwards."""
    from matplotlib import rc_context, style

    with rc_context(), style.context(["seaborn-v0_8-whitegrid", STYLE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that no display knows."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def band(
    ax: Axes, where: Sequence[Any], each: Sequence[Interval], colour: str, name: str, floor: float = -math.inf
) -> None:
    """Means with the band of their intervals, where all have one; the band does not go below `floor`."""
    ax.plot(where, [one.mean for one in each], "o-", color=colour, lw=1.6, ms=4, label=name)
    if all(one.half is not None for one in each):
        low = [max(one.low, floor) for one in each]
        ax.fill_between(where, low, [one.high for one in each], color=colour, alpha=0.2, lw=0)


def save(figure: Figure, path: Path) -> Path:
    """Save a figure as PNG. `Figure.savefig` draws everything twice, once to see what there is: half the time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]  # matplotlib has no types for it
    return path


def prepare() -> None:
    """Import in the background what figures and tables need: a second or two that a run can take along."""
    import threading

    threading.Thread(target=_imports, daemon=True).start()


def _imports() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure
    import matplotlib.style
    import pandas as pd
    import scipy.special

    del matplotlib, pd, scipy
