"""`traffic` as a path of its own: all open sources of requests, times a factor on what the file says."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Final

from sim.reading import units
from sim.reading.errors import Problem, ScenarioError, show

TRAFFIC: Final = "traffic"
"""The path of all open sources of requests."""
RATES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "constant-arrival-rate": (("rate",),),
    "ramping-arrival-rate": (("start",), ("stages", "*", "target")),
    "mmpp": (("states", "*", "rate"),),
    "diurnal": (("mean",), ("peak",)),
}
"""Kind of traffic → paths of its rates."""


def times(tree: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Dotted path → raw value of every service's traffic in a raw scenario, times a factor; users stay."""
    services = tree.get("services")
    given = {name: each["traffic"] for name, each in (services if isinstance(services, Mapping) else {}).items()
             if isinstance(each, Mapping) and each.get("traffic")}  # fmt: skip
    return {f"services.{name}.traffic": _times(traffic, factor) for name, traffic in given.items()}


def spelt_out(tree: Mapping[str, Any], path: str, value: Any, label: str) -> dict[str, Any]:
    """A path and its value; those of all services where the path is `traffic`. Raises ScenarioError for no factor."""
    if path != TRAFFIC:
        return {path: value}
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise ScenarioError(
            [Problem(label, None, None, TRAFFIC, show(value), "a factor on what the file says, as 1.3")]
        )
    try:
        return times(tree, float(value))
    except (units.UnitError, TypeError, AttributeError, ValueError):
        return {}  # the file's own traffic is wrong, which is told where it is read


def _times(traffic: Any, factor: float) -> Any:
    """The raw traffic of a service with its rates times a factor; users of a closed loop stay."""
    traffic = copy.deepcopy(traffic)
    for sources in traffic if isinstance(traffic, list) else [traffic]:
        if "rate" in sources:  # short for a constant arrival rate
            _scale(sources, ("rate",), factor)
        for kind, source in sources.items():
            for path in RATES.get(kind, ()):
                _scale(source, path, factor)
            if kind == "trace":  # replayed faster, and again if it would end too early
                source["scale"] = float(source.get("scale", 1.0)) / factor
                source["repeat"] = bool(source.get("repeat", False)) or factor > 1
    return traffic


def _scale(node: Any, path: tuple[str, ...], factor: float) -> None:
    step, *rest = path
    if step == "*":
        for each in node:
            _scale(each, tuple(rest), factor)
    elif step in node and rest:
        _scale(node[step], tuple(rest), factor)
    elif step in node:
        node[step] = units.render("rate", units.convert("rate", node[step]) * factor)
