"""Quantities in Docker's words, to SI; its units are not ours (k is 1024, m a minute). Each raises ValueError."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kmgtp])?i?b?)", re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_SPANS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
BYTES_WORDS: Final = "bytes such as 512m or 2g (units of 1024, as Docker has them)"
SPAN_WORDS: Final = "a duration such as 1m30s"


def docker_bytes(value: Any) -> float:
    """`512m`, `2gb`, `1024`: k, m, g, t are powers of 1024, as in Docker's go-units (RAMInBytes)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return float(value)
    found = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(BYTES_WORDS)
    power = " kmgtp".index(found[2].lower()) if found[2] else 0
    return float(found[1]) * 1024.0**power


def cores(value: Any) -> float:
    """A number of cores, or text of one."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError("a number of cores, such as 0.5")
    return number


def span(value: Any) -> float:
    """A duration as Go writes it, `1m30s`, in s."""
    text = value.strip() if isinstance(value, str) else ""
    parts = list(_SPAN.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(SPAN_WORDS)
    return sum(float(part[1]) * _SPANS[part[2]] for part in parts)
