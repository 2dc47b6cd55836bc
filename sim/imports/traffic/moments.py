"""Times and durations as logs and tables write them, to seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from sim.reading.recording import LOGS

_EPOCHS: Final = ((1e17, 1e20, 1e-9), (1e14, 1e17, 1e-6), (1e11, 1e14, 1e-3))  # since 1970, from 1973 to 5138
MOMENT_WORDS: Final = "a time: seconds, since 1970 also in ms, us, ns, or as 2024-10-10T13:55:36Z"
SPAN_WORDS: Final = "a duration, a number of at least 0"
_SPANS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def moment(value: Any) -> float:
    """A time in s, since 1970 where it is a date (UTC where no zone is given). Raises ValueError."""
    if isinstance(value, bool) or value is None:
        raise ValueError(MOMENT_WORDS)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _date(str(value).strip("[] "))
    if not math.isfinite(number) or number < 0.0:
        raise ValueError(MOMENT_WORDS)
    factor = next((scale for low, high, scale in _EPOCHS if low <= number < high), 1.0)
    if factor != 1e-9:
        return number * factor
    micro = int(value) // 1000 if str(value).isdigit() else number / 1e3  # ns have more digits than a float
    return float(micro) * 1e-6


@lru_cache(maxsize=4096)  # a log has many lines of one second
def _date(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        try:
            found = datetime.strptime(text, LOGS)
        except ValueError:
            raise ValueError(MOMENT_WORDS) from None
    if not 1970 <= found.year < 9999:  # others are mistakes, and some have no seconds since 1970
        raise ValueError(MOMENT_WORDS)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def span(value: Any, unit: float = 1.0) -> float | None:
    """A duration in s: a number in `unit` s, or text such as `12.5ms`; None of `-` and nothing. Raises ValueError."""
    if value is None or value in ("", "-"):
        return None
    text = str(value).strip()
    for name, factor in _SPANS.items():
        if text.endswith(name) and not isinstance(value, float | int):
            text, unit = text.removesuffix(name), factor
            break
    try:
        number = float(text.split(",")[0]) if not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0.0):
        raise ValueError(SPAN_WORDS)
    return number * unit
