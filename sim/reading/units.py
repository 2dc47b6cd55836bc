"""Quantities with units, read from text into SI floats.

Seconds, bytes, cores, 1/s, bytes/s, watts, grams per joule and ratios.
Decimal and binary units differ (1 MB = 10^6 B, 1 MiB = 2^20 B).
The suffixes of CPU and memory are those of Kubernetes' resource quantities
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/) beside the IEC and SI names.
A value is computed exactly and rounded once, so `20ms` is the float nearest to 0.02.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from typing import Final

from sim.reading.errors import HostsimError, short

# Exponents of more than three digits have no use here and would make the exact arithmetic explode.
_NUMBER: Final = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?"
_LONGEST: Final = 400  # characters of a quantity: a float has at most 309 digits before its point
_QUANTITY: Final = re.compile(rf"([-+]?{_NUMBER})\s*(\S.*)?")
_BITS: Final = re.compile(r"([kKMGT]?)(?:b|bps|b/s|bits?|bits/s)")
_PART: Final = re.compile(rf"({_NUMBER})\s*([a-zµμ]+)\s*")


class UnitError(HostsimError, ValueError):
    """A value is not a quantity of the wanted kind: what was `found`, what is `allowed`, the nearest unit."""

    def __init__(self, found: str, allowed: str, suggestion: str | None = None) -> None:
        found = short(found)
        super().__init__(found, allowed, suggestion)
        self.found = found
        self.allowed = allowed
        self.suggestion = suggestion

    def __str__(self) -> str:
        """The mistake in one line."""
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"found {self.found}; allowed: {self.allowed}{hint}"


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity: its units (name → factor to the SI base), the base's name, and examples for messages.

    `bare`: a number without a unit is allowed and is in the base.
    """

    name: str
    units: Mapping[str, Fraction]
    base: str
    allowed: str
    bare: bool = False


def _sizes() -> dict[str, Fraction]:
    units = {"B": Fraction(1)}
    for power, letter in enumerate("kMGTP", start=1):
        decimal, binary = Fraction(1000**power), Fraction(1024**power)
        units[f"{letter}B"] = units[letter] = decimal
        units[f"{letter.upper()}iB"] = units[f"{letter.upper()}i"] = binary
    units["KB"] = units["kB"]
    return units


def _bandwidths() -> dict[str, Fraction]:
    units = {f"{name}/s": factor for name, factor in _sizes().items() if name.endswith("B")}
    for power, prefix in enumerate(["", "k", "M", "G", "T"]):
        units[f"{prefix}bit/s"] = Fraction(1000**power, 8)
    return units


_MINUTE, _HOUR, _DAY = Fraction(60), Fraction(3600), Fraction(86400)
_DURATIONS: Final = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),  # U+00B5, the micro sign
    "μs": Fraction(1, 10**6),  # U+03BC, the Greek letter
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": _MINUTE,
    "h": _HOUR,
    "d": _DAY,
}
_RATES: Final = {
    "/s": Fraction(1), "/ms": Fraction(1000), "/min": 1 / _MINUTE, "/h": 1 / _HOUR, "/d": 1 / _DAY,
}  # fmt: skip
_POWERS: Final = {"W": Fraction(1), "kW": Fraction(1000)}
_KWH: Final = Fraction(3_600_000)  # joules
_CARBON: Final = {
    "g/J": Fraction(1), "g/kWh": 1 / _KWH, "kg/kWh": 1000 / _KWH, "kg/MWh": 1 / _KWH,
}  # fmt: skip

DIMENSIONS: Final[Mapping[str, Dimension]] = {
    kind.name: kind
    for kind in (
        Dimension("duration", _DURATIONS, "s", "a duration with its unit, such as 20ms, 1.5s, 15min, 1h30min"),
        Dimension("size", _sizes(), "B", "a size with its unit, such as 512MiB, 512Mi, 0.5GB, 190MB"),
        Dimension("rate", _RATES, "/s", "a rate with its unit, such as 100/s, 90/min, 0.1/h"),
        Dimension("bandwidth", _bandwidths(), "B/s", "a bandwidth with its unit, such as 10Gbit/s, 1.5GB/s"),
        Dimension("power", _POWERS, "W", "a power with its unit, such as 100W, 0.3kW"),
        Dimension("carbon", _CARBON, "g/J", "a carbon intensity with its unit, such as 400g/kWh"),
        Dimension("cpu", {"m": Fraction(1, 1000)}, "", "cores, such as 2, 0.25 or 250m", bare=True),
        Dimension("ratio", {"%": Fraction(1, 100)}, "", "a ratio, such as 60% or 0.6", bare=True),
        Dimension("number", {}, "", "a number", bare=True),
    )
}


def convert(kind: str, value: object) -> float:
    """Read `value` as a quantity of `kind` (a key of DIMENSIONS) in its SI base. Raises UnitError.

    >>> convert("bandwidth", "10Gbit/s"), convert("duration", "1h30min"), convert("rate", "90/min")
    (1250000000.0, 5400.0, 1.5)
    >>> convert("size", "1MiB"), convert("size", "1MB"), convert("cpu", "250m"), convert("ratio", "60%")
    (1048576.0, 1000000.0, 0.25, 0.6)
    >>> convert("size", "4 gib")
    Traceback (most recent call last):
    sim.reading.units.UnitError: found '4 gib'; allowed: a size with its unit, such as 512MiB, 512Mi, 0.5GB, 190MB; \
did you mean 4GiB?
    """
    wanted = DIMENSIONS[kind]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnitError(_show(value), wanted.allowed)
    if isinstance(value, str):
        return _from_text(value.strip(), kind)
    if not wanted.bare:
        raise UnitError(f"{value}, a number without a unit", wanted.allowed)
    return _finite(value, str(value), wanted)


def guess(value: object) -> tuple[str, float]:
    """Dimension and SI value of a quantity, by its unit; a bare number is a `number`. Raises UnitError.

    >>> guess("250m"), guess("16GiB"), guess(8)
    (('cpu', 0.25), ('size', 17179869184.0), ('number', 8.0))
    """
    for kind in ("number", "duration", "size", "rate", "bandwidth", "cpu", "ratio", "power", "carbon"):
        try:
            return kind, convert(kind, value)
        except UnitError:
            continue
    raise UnitError(_show(value), "a quantity, such as 8, 250m, 16GiB, 20ms, 100/s, 10Gbit/s, 60%")


def render(kind: str, value: float) -> str | int | float:
    """A YAML value that `convert(kind, …)` reads back as exactly `value`.

    >>> render("duration", 0.1), render("cpu", 2.0)
    ('0.1s', 2)
    """
    plain: int | float = int(value) if value == int(value) and abs(value) < 2**53 else float(value)
    return f"{plain!r}{DIMENSIONS[kind].base}" if DIMENSIONS[kind].base else plain


@lru_cache(maxsize=4096)
def _from_text(text: str, name: str) -> float:
    kind = DIMENSIONS[name]
    if kind.name == "duration" and len(text) <= _LONGEST and (compound := _compound(text)) is not None:
        return _finite(compound, text, kind)
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise UnitError(_show(text), kind.allowed)
    digits, unit = match.groups()
    if unit is None and not kind.bare:
        raise UnitError(f"{text}, a number without a unit", kind.allowed)
    if unit is not None and unit not in kind.units:
        near = _nearest_unit(unit, kind)
        raise UnitError(_show(text), kind.allowed, f"{digits}{near}" if near else None)
    return _finite(Fraction(digits) * (kind.units[unit] if unit else 1), text, kind)


def _compound(text: str) -> Fraction | None:
    """Seconds of a duration in several parts, largest first (`1h30min`); None if `text` is no such thing."""
    total, end, last = Fraction(0), 0, _DAY * 2
    while end < len(text):
        part = _PART.match(text, end)
        if part is None or part[2] not in _DURATIONS or _DURATIONS[part[2]] >= last:
            return None
        last = _DURATIONS[part[2]]
        total += Fraction(part[1]) * last
        end = part.end()
    return total if text else None


def _finite(value: Fraction | float, text: str, kind: Dimension) -> float:
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise UnitError(f"{text}, which is not a finite number", kind.allowed)
    return result


def _nearest_unit(unit: str, kind: Dimension) -> str | None:
    """The unit that was probably meant: same letters in another case, a usual alias, or the closest spelling."""
    aliases = {"m": "min", "sec": "s", "hour": "h", "hours": "h", "day": "d", "days": "d", "rps": "/s"}
    if kind.name in ("duration", "rate") and aliases.get(unit.lower()) in kind.units:
        return aliases[unit.lower()]
    bits = _BITS.fullmatch(unit) if kind.name == "bandwidth" else None
    if bits is not None:  # a small b is a bit
        return f"{bits[1].replace('K', 'k')}bit/s"
    folded = {name.casefold(): name for name in kind.units}
    spelt = unit.replace("bps", "bit/s").replace(" ", "").casefold()
    close = get_close_matches(spelt, folded, n=1)
    return folded[close[0]] if close else None


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value) if isinstance(value, str) else str(value).lower()
