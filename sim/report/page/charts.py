"""Vega-Lite for people who make figures of results: encodings that all of them share, and data made small."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sim.report.figures import style
from sim.report.page.palette import Tone
from sim.terms.metrics import Better

told = partial(style.told, others="at the top of the page")
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""Names the grammar; nothing is fetched from there."""
BETTER: Mapping[Better, str] = {"lower": " (less is better)", "higher": " (more is better)", None: ""}
"""Behind the label of a metric: which way is better."""
_DIGITS = 5


def by_platform(tones: Sequence[Tone], *, key: bool = True) -> dict[str, Any]:
    """Colour of a mark by its platform, with a `key`; CSS variables: in the dark and on paper they are others."""
    return _of(tones, [f"var({tone.var})" for tone in tones], key)


def shape_of(tones: Sequence[Tone], *, key: bool = True) -> dict[str, Any]:
    """Shape of a point by its platform; `key` as for the colour beside it."""
    return _of(tones, [tone.shape for tone in tones], key)


def dash_of(tones: Sequence[Tone], *, key: bool = True) -> dict[str, Any]:
    """Dashes of a line by its platform; `key` as for the colour beside it."""
    return _of(tones, [list(tone.dash) for tone in tones], key)


def _of(tones: Sequence[Tone], looks: list[Any], key: bool) -> dict[str, Any]:
    scale = {"domain": [tone.platform for tone in tones], "range": looks}
    legend = (
        {"orient": "top", "symbolStrokeWidth": 2.5, "symbolSize": 160, "symbolOpacity": 1}
        if key and len(tones) > 1
        else None
    )
    return {"field": "platform", "type": "nominal", "title": None, "scale": scale, "legend": legend}


def number(field: str, title: str | None, **more: Any) -> dict[str, Any]:
    """A quantitative channel."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def tips(*fields: tuple[str, str], spoken: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Tooltip of (field, title); those in `spoken` are text, the others numbers."""
    text = set(spoken)
    return [
        {"field": field, "title": title, "type": "nominal" if field in text else "quantitative"}
        | ({} if field in text else {"format": ",.4~r"})
        for field, title in fields
    ]


def columns_of(frame: Any, names: Mapping[str, str] | Sequence[str]) -> dict[str, list[Any]]:
    """Columns of a frame as lists that JSON can have: numbers to five digits, None where there is none.

    `names`: those to take, or column → name in the data.
    """
    pairs = names.items() if isinstance(names, Mapping) else [(name, name) for name in names]
    return {new: [plain(each) for each in frame[old].tolist()] for old, new in pairs}


def columns_named(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Rows, whose values have these names, as columns that JSON can have."""
    found = [[plain(each) for each in row] for row in rows]
    return {name: [row[place] for row in found] for place, name in enumerate(names)}


def plain(value: Any) -> Any:
    """A value as JSON can have it."""
    if isinstance(value, bool | str | int) or value is None:
        return value
    found = float(value)
    if not math.isfinite(found):
        return None
    shown = float(f"{found:.{_DIGITS}g}")
    return int(shown) if shown == int(shown) and abs(shown) < 1e15 else shown


def spec(**parts: Any) -> dict[str, Any]:
    """A whole specification; the page gives it its width."""
    return {"$schema": SCHEMA, **parts}


def decades(low: float, high: float, most: int = 7) -> list[float]:
    """Ticks of a log axis: 1, 2 and 5 of each decade, or the decades alone where those are more than `most`."""
    if not 0.0 < low < high:
        return []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]
    whole = [10.0**power for power in powers if low <= 10.0**power <= high]
    return [plain(each) for each in (fine if len(fine) <= most or not whole else whole)]


def said(value: float | None, format_: str = ",.4g") -> str:
    """A number of a table behind a figure; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else format(value, format_)


SECONDS = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1 ? format(datum.value, ',.4~r') + ' s' : abs(datum.value) >= 0.001 "
    "? format(1000 * datum.value, ',.4~r') + ' ms' : format(1000000 * datum.value, ',.4~r') + ' µs'"
)
_BYTES = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1073741824 ? format(datum.value / 1073741824, ',.4~r') + ' GiB' : "
    "abs(datum.value) >= 1048576 ? format(datum.value / 1048576, ',.4~r') + ' MiB' : "
    "format(datum.value / 1024, ',.4~r') + ' KiB'"
)
SHARE = "format(100 * datum.value, ',.4~r') + ' %'"


def in_unit(unit: str) -> dict[str, Any]:
    """An axis that is labelled in the unit of a metric."""
    if unit in ("s", "B", "ratio"):
        return {"labelExpr": {"s": SECONDS, "B": _BYTES, "ratio": SHARE}[unit]}
    behind = {"1": "", "0/1": ""}.get(unit, f" {unit.replace('1/', '/')}")
    return {"labelExpr": f"format(datum.value, ',.4~r') + {behind!r}"} if behind else {"format": ",.4~r"}


def round_in(unit: str, values: Sequence[float]) -> tuple[float, dict[str, Any]]:
    """By what to divide values of a unit so that ticks are round in the unit they are told in, and such an axis."""
    if unit != "B":
        return 1.0, in_unit(unit)
    most = max((abs(each) for each in values if math.isfinite(each)), default=0.0)
    names = {2.0**30: "GiB", 2.0**20: "MiB", 2.0**10: "KiB"}
    size = next((size for size in names if most >= size), 1.0)
    return size, {"labelExpr": f"format(datum.value, ',.4~r') + ' {names.get(size, 'B')}'"}
