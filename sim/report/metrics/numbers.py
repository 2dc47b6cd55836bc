"""Numbers as a person reads them: ms, s, GiB, %, three significant digits, thousands apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sim.report.metrics.statistics import Interval

_TIMES = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"))
_BYTES = ((1.0, "B"), (2.0**10, "KiB"), (2.0**20, "MiB"), (2.0**30, "GiB"), (2.0**40, "TiB"))
_MINUTES_FROM, _HOURS_FROM = 600.0, 36000.0  # below these, seconds and minutes are easier to compare


def text(value: float, unit: str, *, sign: bool = False) -> str:
    """Write one value of a metric, whose unit is `s`, `B`, `ratio`, `1`, `1/s` or `0/1`: `31.2 s`."""
    return spread(Interval(value, None, 1), unit, sign=sign)


def spread(value: Interval, unit: str, *, sign: bool = False) -> str:
    """Write a mean and the half-width of its interval, if there is one: `31.2 ± 0.4 s`."""
    if unit == "0/1" and not sign:
        return _yes_no(value.mean)
    factor, name = _scale(max(abs(value.mean), value.half or 0.0), unit)
    mean = value.mean / factor
    half = None if value.half is None else value.half / factor
    places = _places(mean, half, whole=unit in ("1", "0/1", "B"))
    shown = f"{mean:{'+' if sign else ''},.{places}f}"
    if float(shown.replace(",", "")) == 0.0:
        shown = "0"
    if half:
        shown += f" ± {_half(half, places)}"
    if sign and unit == "ratio":
        name = "pp"  # a difference of percentages is in percentage points
    return shown.replace("-", "−") + (f" {name}" if name else "")


def listed(names: Iterable[str]) -> str:
    """Write names as one does: `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def times(ratio: float) -> str:
    """Write a ratio of two means, for instance `×34` or `×0.029`."""
    if ratio == 0.0 or not math.isfinite(ratio):
        return "×0" if ratio == 0.0 else "×∞"
    return f"×{ratio:,.{max(0, 1 - math.floor(math.log10(abs(ratio))))}f}"


def share(part: float) -> str:
    """Write a share in per cent; never rounded up to 100 %, nor down to 0 %."""
    if part <= 0.0:
        return "0 %"
    if part < 0.0005:
        return "under 0.1 %"
    for places in (1, 2, 3, 4):
        shown = f"{100 * part:.{places}f}"
        if float(shown) < 100.0:
            return f"{shown} %"
    return "100 %" if part >= 1.0 else "over 99.9999 %"


def _yes_no(part: float) -> str:
    """A 0/1 metric: its mean over replications is the share in which it held."""
    if part in (0.0, 1.0):
        return "yes" if part else "no"
    return f"in {part * 100:.0f} %"


def _scale(size: float, unit: str) -> tuple[float, str]:
    if unit == "ratio":
        return 0.01, "%"
    if unit == "s":
        if size < 1.0:
            return max(
                (scale for scale in _TIMES[:2] if size >= scale[0]),
                default=_TIMES[1] if size == 0 else _TIMES[0],
            )
        return _TIMES[2] if size < _MINUTES_FROM else _TIMES[3] if size < _HOURS_FROM else _TIMES[4]
    if unit == "B":
        return max((scale for scale in _BYTES if size >= scale[0]), default=_BYTES[0])
    return 1.0, "" if unit in ("1", "0/1") else unit.replace("1/", "/")


def _places(mean: float, half: float | None, *, whole: bool) -> int:
    """Decimal places: the half-width to two digits but the mean to four at most; a bare mean to three."""
    if whole and mean == int(mean) and not half:
        return 0
    sizes = ((abs(mean), 4 if half else 3), (half or 0.0, 2))
    places = [digits - 1 - math.floor(math.log10(size)) for size, digits in sizes if size > 0.0]
    return min(6, max(0, min(places, default=0)))


def _half(half: float, places: int) -> str:
    """A half-width; one too small to show at these places is said to be below the last digit."""
    least = 10.0**-places
    return f"{half:,.{places}f}" if half >= least / 2 else f"<{least:.{places}f}"
