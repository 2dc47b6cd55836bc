"""Quantities in the words of Docker and Kubernetes, to SI. Each raises ValueError for what is none."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kmgtp])?i?b?)", re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_SPANS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_KUBE: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BYTES_WORDS: Final = "bytes such as 512m or 2g (units of 1024, as Docker has them)"
SPAN_WORDS: Final = "a duration such as 1m30s"
KUBE_WORDS: Final = "a quantity such as 250m, 0.5, 128Mi or 1Gi, at least 0"


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


def kube_quantity(value: Any) -> float:
    """Kubernetes' resource.Quantity: decimal and binary suffixes, or an exponent
    (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
    """
    text = str(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    found = _KUBE.fullmatch(text.strip())
    if found is None:
        raise ValueError(KUBE_WORDS)
    suffix = found[2] or ""
    if suffix.endswith("i"):
        number = float(found[1]) * 1024.0 ** ("KMGTPE".index(suffix[0]) + 1)
    elif suffix in _DECIMAL:
        number = float(f"{found[1]}e{_DECIMAL[suffix]}")
    else:
        number = float(f"{found[1]}{suffix}")
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(KUBE_WORDS)
    return number
