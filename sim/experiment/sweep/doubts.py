"""What can be doubted about a sweep without a run: at its base, and where its axes are at their ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sim.experiment.foresight import foresee
from sim.experiment.replications.runner import platforms_of
from sim.reading.errors import ScenarioError
from sim.scenario import Scenario, Sweep, points
from sim.scenario.design import numeric
from sim.terms.doubts import Doubt, in_order

MOST: Final = 32
"""Points that are looked at, at most."""


def foresee_sweep(sweep: Sweep) -> list[Doubt]:
    """Doubts about the base and the extreme points, each once, with the first point that has it. Raises ValueError.

    Those of the base are told without a point; a point may be right where the base alone is no scenario.
    """
    found: dict[tuple[str, str, str], tuple[Doubt, list[str]]] = {}
    listed = extremes(points(sweep))
    for label, scenario in _scenarios(sweep, listed):
        for each in foresee(scenario, platforms_of(scenario)):
            _, where = found.setdefault((each.code, each.platform, each.service), (each, []))
            where.append(label)
    return in_order([_placed(each, where, len(listed)) for each, where in found.values()])


def _scenarios(sweep: Sweep, listed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Scenario]]:
    with contextlib.suppress(ScenarioError):
        yield "", sweep.scenario({})
    for point in listed:
        yield ", ".join(f"{path.rpartition('.')[2]}={value}" for path, value in point.items()), sweep.scenario(point)


def _placed(each: Doubt, where: Sequence[str], looked: int) -> Doubt:
    """A doubt with the first point that has it, and at how many of those looked at."""
    if where[0] == "":
        return each
    text = f"{each.text} (at {where[0]}; at {len(where)} of the {looked} extreme points)"
    return replace(each, text=text, numbers={**each.numbers, "points": list(where)})


def extremes(listed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Points at which every axis is at an end; of a sample, those at which one is."""
    ends = {path: _ends([point[path] for point in listed]) for path in (listed[0] if listed else ())}
    corners = [point for point in listed if all(point[path] in own for path, own in ends.items())]
    if len(corners) <= 2:
        corners += [point for point in listed if any(point[path] in own for path, own in ends.items())]
    unique = {repr(point): point for point in corners}
    return list(unique.values())[:MOST]


def _ends(values: Sequence[Any]) -> list[Any]:
    """The least and the greatest of quantities; the first and the last of anything else."""
    numbers = [numeric(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(values):
        return [values[0], values[-1]]
    return [values[numbers.index(min(known))], values[numbers.index(max(known))]]
