"""Dotted paths of a scenario as a person would say them, on axes."""

from __future__ import annotations

from numbers import Number
from typing import Any

_UNITS = {
    "rate": "1/s", "target": "1/s", "start": "1/s", "mean": "s", "start_cpu": "s", "request_cpu": "s", "timeout": "s",
    "duration": "s", "base": "B", "per_request": "B",
}  # fmt: skip
"""Last step of a path → unit of its values as tables have them."""
_SILENT = (
    "services",
    "platforms",
    "traffic",
    "constant-arrival-rate",
    "ramping-arrival-rate",
    "exponential",
    "lognormal",
    "slo",
)


def spoken(path: str, unit: str | None = None) -> str:
    """`services.shop.traffic.ramping-arrival-rate.stages.1.target` as `shop: stage 2 target (1/s)`.

    `unit` as it was given ("/s"), or None for that of the path. Of joint paths the first, and how many there are more.
    """
    first, *more = (each.strip() for each in path.removeprefix("axis.").split(","))
    steps = first.split(".")
    words: list[str] = []
    for step in steps:
        if step.isdigit() and words:
            words[-1] = f"{words[-1].removesuffix('s')} {int(step) + 1}"
        elif step not in _SILENT or step == steps[-1]:
            words.append(step.replace("_", " ").replace("-", " ").replace("cpu", "CPU"))
    if steps[0] in ("services", "platforms") and len(words) > 1:
        words[:2] = [f"{words[0]}: {words[1]}"]
    shown = _UNITS.get(steps[-1], "") if unit is None else unit.replace("/s", "1/s") if unit.startswith("/") else unit
    more_words = f" (and {len(more)} more with it)" if more else ""
    return " ".join(words) + more_words + (f" ({shown.strip()})" if shown else "")


def short(path: str) -> str:
    """The end of a dotted path that tells it from others, for the name of a file."""
    first = path.split(",")[0].strip()
    if len(first) <= 28:
        return first
    steps = first.split(".")
    kept = 2
    while kept < len(steps) and (steps[-kept].isdigit() or len(".".join(steps[-kept - 1 :])) <= 28):
        kept += 1  # `1.target` says nothing, `stages.1.target` does
    return ".".join(steps[-kept:])


def value(found: Any) -> str:
    """A value of an axis."""
    return f"{found:,.6g}" if isinstance(found, Number) and not isinstance(found, bool) else str(found)
