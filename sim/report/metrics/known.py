"""Which metrics there are, and in what order a reader meets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from sim.terms.metrics import HARM, METRICS, QUESTIONS, Metric, phase_metrics

LAST_OF_STARTS = "startup.max"
"""Behind it come the phases."""


@cache
def known() -> Mapping[str, Metric]:
    """Every metric by name, in the order of `summary.csv`; the phases' names are made up as they occur."""
    return {metric.name: metric for metric in METRICS}


def is_known(name: str) -> bool:
    """Whether a run can have this metric; of a phase nobody knows the name before."""
    return name in known() or _phase(name) is not None


def describe(name: str, unit: str = "1") -> Metric:
    """Find a metric by name; a phase's (`startup.<phase>.p50`) is made up from its name.

    An unknown name gets itself as its label and no better side, so that newer files can still be read.
    """
    return known().get(name) or _phase(name) or Metric(name, unit, name, HARM)


def in_order(sequences: Iterable[Sequence[str]]) -> list[str]:
    """Sort the metrics of several platforms as tables have them: by question.

    Phases come after `startup.max`, in an order that each platform's own agrees with; unknown metrics come
    last.
    """
    return sorted(
        woven(sequences), key=lambda name: _places().get("startup." if _phase(name) else name, len(_places()))
    )


@cache
def _places() -> dict[str, int]:
    """Name → place in tables; `startup.` is that of all phases."""
    names: list[str] = []
    for question in QUESTIONS:
        for metric in [each for each in known().values() if each.question == question]:
            names.insert(names.index(metric.before) if metric.before in names else len(names), metric.name)
    names.insert(names.index(LAST_OF_STARTS) + 1, "startup.")
    return {name: place for place, name in enumerate(names)}


def _phase(name: str) -> Metric | None:
    start, _, phase = name.rpartition(".")[0].partition(".")
    if start != "startup" or not phase:
        return None
    return next((metric for metric in phase_metrics(phase) if metric.name == name), None)


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
