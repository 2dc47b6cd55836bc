"""Which metrics there are, and in what order a reader meets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sim import registry
from sim.terms.metrics import HARM, QUESTIONS, Metric, phase_metric

LAST_OF_STARTS = "startup.max"
"""Behind it come the phases."""


def known() -> dict[str, Metric]:
    """Every metric by name, in the order of `summary.csv`; the phases' names are made up as they occur.

    Raises registry.PluginError for one from outside that cannot be used.
    """
    return {name: _checked(name) for name in registry.names("metrics")}


def describe(name: str, unit: str = "1") -> Metric:
    """Find a metric by name; a phase's (`startup.<phase>.p50`) is made up from its name.

    An unknown name gets itself as its label and no better side, so that newer files can still be read.
    """
    try:
        return _checked(name)
    except KeyError:
        return phase_metric(name) or Metric(name, unit, name, HARM)


def places() -> dict[str, int]:
    """Name → place in tables: by question; `startup.` is that of all phases."""
    names: list[str] = []
    metrics = known().values()
    for question in dict.fromkeys([*QUESTIONS, *(metric.question for metric in metrics)]):
        for metric in metrics:
            if metric.question == question:
                names.insert(names.index(metric.before) if metric.before in names else len(names), metric.name)
    names.insert(names.index(LAST_OF_STARTS) + 1, "startup.")
    return {name: place for place, name in enumerate(names)}


def in_order(sequences: Iterable[Sequence[str]], order: Mapping[str, int]) -> list[str]:
    """Sort the metrics of several platforms as tables have them (`order`: see `places`).

    Phases come after `startup.max`, in an order that each platform's own agrees with; unknown metrics come
    last.
    """
    return sorted(woven(sequences), key=lambda name: order.get("startup." if phase_metric(name) else name, len(order)))


def woven(sequences: Iterable[Sequence[str]]) -> list[str]:
    """Join sequences of names into one without repeats; a new name goes right behind the one it follows."""
    joined: list[str] = []
    for names in sequences:
        behind = 0
        for name in names:
            if name not in joined:
                joined.insert(behind, name)
            behind = joined.index(name) + 1
    return joined


def _checked(name: str) -> Metric:
    found: Metric = registry.spec("metrics", name)
    if found.name != name:
        raise registry.PluginError(f"the metric {name!r} calls itself {found.name!r}: it needs one name")
    return found
