"""How every figure looks: its style, the looks of the platforms, its head with the doubts, and how it is saved.

Nothing is told by colour alone: platforms differ in their markers too, so that a print without colour can be read.
"""

from __future__ import annotations

import textwrap
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.report.metrics.numbers import text
from sim.report.metrics.statistics import mean_interval
from sim.terms.doubts import Doubt, thin, touched
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "grid.color": "#e2e2e2",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.linewidth": 0.6,
    "text.color": "#222222",
}
INK, FAINT, ALARM = "#222222", "#808080", "#8B1A00"
GIB = 2.0**30
_USUAL: Mapping[str, tuple[str, str]] = {
    "vm": ("#0072B2", "o"),
    "microvm": ("#D55E00", "^"),
    "container": ("#009E73", "s"),
    "container-in-vm": ("#CC79A7", "D"),
    "kata": ("#E69F00", "v"),
    "gvisor": ("#56B4E9", "P"),
    "native": ("#555555", "X"),
}
"""Those of the catalogue. Okabe and Ito 2008, "Color universal design": for every common colour blindness."""
_OTHERS = (
    ("#332288", "<"), ("#AA4499", ">"), ("#8C564B", "p"), ("#CC6677", "h"), ("#777700", "d"), ("#661100", "*"),
)  # fmt: skip
"""For platforms of a scenario's own (after Tol 2021, "Colour schemes"); none is near a colour of the catalogue's."""
_PER_INCH = 16  # letters of the small print
_DOUBTS_TOLD = 2


class Look(NamedTuple):
    """How a platform is drawn, everywhere; `hollow` markers tell a second result's from the first's."""

    colour: str
    marker: str
    hollow: bool = False

    @property
    def dots(self) -> dict[str, Any]:
        """Its marker, as arguments of a plot."""
        return {"marker": self.marker, "mfc": "white" if self.hollow else self.colour, "mec": self.colour, "ms": 5}


def looks(platforms: Sequence[str]) -> dict[str, Look]:
    """Give each platform its look: always the same for a name, be it of the catalogue or a scenario's own.

    `burst/vm` and `burst-64/vm`, of several results, are both a vm: the later ones darker, then lighter.
    """
    found: dict[str, Look] = {}
    seen: dict[str, int] = {}
    taken: dict[int, str] = {}
    for name in platforms:
        plain = name.rpartition("/")[2]
        colour, marker = _USUAL[plain] if plain in _USUAL else _own(plain, taken)
        times = seen[plain] = seen.get(plain, -1) + 1
        found[name] = Look(_toned(colour, times), marker, times > 0)
    return found


def _own(name: str, taken: dict[int, str]) -> tuple[str, str]:
    place = zlib.crc32(name.encode()) % len(_OTHERS)
    for _ in _OTHERS:
        if taken.setdefault(place, name) == name:
            break
        place = (place + 1) % len(_OTHERS)
    return _OTHERS[place]


def _toned(colour: str, times: int) -> str:
    from matplotlib.colors import to_hex, to_rgb

    other, part = ((0.0, 0.0), (0.0, 0.45), (1.0, 0.45))[times % 3]
    red, green, blue = ((1 - part) * each + part * other for each in to_rgb(colour))
    return to_hex((red, green, blue)).upper()


def palette(platforms: Sequence[str]) -> dict[str, str]:
    """Platform → colour, as seaborn's `palette` takes it; see `looks`."""
    return {name: look.colour for name, look in looks(platforms).items()}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style; matplotlib's global state is as before afterwards."""
    import seaborn as sns
    from matplotlib import rc_context

    with rc_context(), sns.axes_style("whitegrid"), rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that no display knows; `height` is without the head (`headline`)."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def headline(
    figure: Figure,
    title: str,
    notes: Sequence[str] = (),
    key: Mapping[str, Look] | None = None,
    *,
    margins: tuple[float, float, float] = (0.9, 0.2, 0.6),
    gaps: tuple[float, float] = (0.25, 0.4),
    explained: Sequence[str] = (),
) -> Figure:
    """Put the title over a figure, and under it `notes` (doubts), what is `explained`, and the key; makes room for it.

    `margins`: left, right and bottom, inches; `gaps`: beside and between panels, in panels. (A layout engine would
    find them, and costs more than drawing.)
    """
    width = figure.get_figwidth()
    names = textwrap.wrap(title, int(width * 9.5))
    lines = [
        (line, ALARM if note.startswith("wrong") else "#555555")
        for note in (*notes, *explained)
        for line in textwrap.wrap(note, int(width * _PER_INCH), max_lines=2)
    ]
    rows, across = _key_shape(key, width)
    head = 0.12 + 0.24 * len(names) + 0.18 * len(lines) + 0.24 * rows + 0.38
    height = figure.get_figheight() + head
    figure.set_figheight(height)
    left, right, bottom = margins
    figure.subplots_adjust(
        left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - head / height,
        wspace=gaps[0], hspace=gaps[1],
    )  # fmt: skip
    at = 0.1
    for line in names:
        figure.text(0.12 / width, 1 - at / height, line, va="top", fontsize=12.5, weight="bold")
        at += 0.24
    for line, colour in lines:
        figure.text(0.12 / width, 1 - at / height, line, va="top", fontsize=8.5, color=colour)
        at += 0.18
    if key:
        figure.legend(
            handles=_handles(key), loc="upper left", bbox_to_anchor=(0.04 / width, 1 - (at - 0.04) / height),
            ncols=across, handlelength=2.2, columnspacing=1.4, borderpad=0.2,
        )  # fmt: skip
    return figure


def _key_shape(key: Mapping[str, Look] | None, width: float) -> tuple[int, int]:
    if not key:
        return 0, 1
    across = max(1, min(len(key), int(width * 11 / (max(map(len, key)) + 7))))
    return -(-len(key) // across), across


def _handles(key: Mapping[str, Look]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=look.colour, lw=2, label=name, **look.dots) for name, look in key.items()]


def told(doubts: Sequence[Doubt], metrics: Sequence[str], others: str = "see `doubts` in manifest.json") -> list[str]:
    """The worst doubts about what a figure shows, a line each: those that touch its `metrics` (or service/metric).

    `others`: where the rest of them can be read.
    """
    asked = [(metric, service or ALL) for service, _, metric in (entry.rpartition("/") for entry in metrics)]
    found = [
        each for each in doubts
        if any(each in touched([each], *one) or thin([each], *one) for one in asked)
    ]  # fmt: skip
    lines = list(dict.fromkeys(each.line for each in found))
    more = len(lines) - _DOUBTS_TOLD
    rest = [f"… and {more} more ({others})"] if more > 0 else []
    return lines[:_DOUBTS_TOLD] + rest


def curves(ax: Axes, frame: pd.DataFrame, key: Mapping[str, Look], x: str = "at", hue: str = "platform") -> Axes:
    """Means of the column `value` over `x`, a line a platform with the band of its 95 % interval where there is one."""
    import seaborn as sns

    names = [name for name in key if name in set(frame[hue])]
    sns.lineplot(
        frame, x=x, y="value", hue=hue, hue_order=names, palette={name: key[name].colour for name in names},
        style=hue, style_order=names, markers={name: key[name].marker for name in names}, dashes=False,
        errorbar=_interval, err_kws={"alpha": 0.18, "lw": 0}, lw=1.7, ms=6, legend=False, ax=ax,
    )  # fmt: skip
    return ax


def few_served(ax: Axes, x: Any, y: float, served: float, look: Look, above: bool = True) -> None:
    """Make a point of a curve white, and write the share served beside it: its percentile is of survivors."""
    ax.plot([x], [y], ls="", zorder=5, **look.dots | {"mfc": "white", "ms": 6})
    ax.annotate(
        f"{100 * served:.0f} %", (x, y), xytext=(0, 5 if above else -5), textcoords="offset points", fontsize=7.5,
        color=look.colour, ha="center", va="bottom" if above else "top", annotation_clip=False,
    )  # fmt: skip


def _interval(values: Any) -> tuple[float, float]:
    found = mean_interval(values)
    return (found.mean, found.mean) if found.half is None else (found.low, found.high)


def unit_ticks(axis: Any, unit: str) -> None:
    """Label an axis in a metric's unit: `200 ms`, `1 s`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # the decades alone may be one tick, or none
    axis.set_major_formatter(FuncFormatter(lambda found, _: text(found, unit) if found else "0"))
    axis.set_minor_formatter(NullFormatter())


_KEPT: ContextVar[list[Figure] | None] = ContextVar("kept", default=None)


@contextmanager
def unsaved() -> Iterator[list[Figure]]:
    """Within it, figures are not saved, but put into the list that it gives."""
    figures: list[Figure] = []
    token = _KEPT.set(figures)
    try:
        yield figures
    finally:
        _KEPT.reset(token)


def save(figure: Figure, path: Path) -> Path:
    """Save a figure as PNG. `Figure.savefig` draws everything twice, once to see what there is: half the time.

    Within `unsaved` it is kept instead.
    """
    if (kept := _KEPT.get()) is not None:
        kept.append(figure)
        return path
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
    import pandas as pd
    import seaborn as sns

    del matplotlib, pd, sns
