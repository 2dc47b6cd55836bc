"""Kubernetes' quantities to SI: `100m`, `1.5Gi`, `128974848`, `12e6`."""

from __future__ import annotations

import math
import re
from typing import Any, Final

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?")
_SUFFIX: Final = {
    **{name: 10.0**power for name, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)},
    **{f"{name}i": 1024.0**power for power, name in enumerate("KMGTPE", 1)},
}
WORDS: Final = "a quantity of Kubernetes, at least 0, such as 250m, 1.5, 512Mi or 2Gi"


def quantity(value: Any) -> float:
    """A quantity in cores or bytes. Raises ValueError for what Kubernetes would refuse, and for less than 0."""
    text = value.strip() if isinstance(value, str) else repr(value) if _is_number(value) else ""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(WORDS)
    number = float(found[1] + (found[2] or "")) * _SUFFIX.get(found[3] or "", 1.0)
    if not (math.isfinite(number) and number >= 0.0):
        raise ValueError(WORDS)
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
