"""The kinds of quantities in the catalogue; they are parsed as in scenario files (sim.scenario)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from sim.reading.distribution import parse_distribution
from sim.reading.fields import bounded, whole
from sim.reading.units import UnitError


class Quantity(NamedTuple):
    """A kind of quantity: the SI unit of its value, and the parser (raises UnitError or Refused)."""

    unit: str
    parse: Callable[[Any], Any]


_bytes: Final = bounded("size", least=0)


def _bytes_or_image(value: Any) -> Any:
    if value == "image":
        return value
    try:
        return _bytes(value)
    except UnitError as error:
        raise UnitError(error.found, f"image, or {error.allowed}", error.suggestion) from None


KINDS: Final[Mapping[str, Quantity]] = {
    "bytes": Quantity("B", _bytes),
    "bytes-or-image": Quantity("B", _bytes_or_image),
    "bandwidth": Quantity("B/s", bounded("bandwidth", above=0)),
    "cores": Quantity("cores", bounded("cpu", least=0)),
    "duration": Quantity("s", bounded("duration", least=0)),
    "work": Quantity("core-s", bounded("duration", least=0)),
    "distribution": Quantity("s", parse_distribution),
    "ratio": Quantity("1", bounded("ratio", least=0, most=1)),
    "multiple": Quantity("1", bounded("ratio", least=0)),
    "factor": Quantity("1", bounded("number", least=1)),
    "number": Quantity("1", bounded("number", least=0)),
    "count": Quantity("1", lambda value: whole(value, 1)),
}
