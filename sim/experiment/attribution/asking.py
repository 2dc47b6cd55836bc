"""What an attribution asks, where nobody says it: which metric, and of which two platforms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sim.experiment.attribution.game import SERVED, Asked
from sim.report.answers.doubts.traffic import ALIKE
from sim.report.folder.tables import RunTables
from sim.scenario import Scenario
from sim.terms.doubts import DOUBTS, touches

_USUAL = (SERVED, "response.p99", "startup.p99", "density.max", "memory.allocated")
"""Tried in this order: the first in which the platforms differ."""
_WORTH_ASKING = 0.01
"""Relative difference of two means from which on they differ."""

Values = Mapping[str, Mapping[int, tuple[float, float]]]
"""Platform → replication → metric and share served."""


def values_of(runs: Sequence[RunTables], asked: Asked) -> Values:
    """The metric in finished runs."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for run in runs:
        found.setdefault(run.platform, {})[run.replication] = asked.find(run.rows)
    return found


def means(values: Values) -> dict[str, float]:
    """Platform → mean over its replications; NaN where one has no value."""
    return {name: math.fsum(each[0] for each in own.values()) / len(own) for name, own in values.items()}


def usual(scenario: Scenario, runs: Sequence[RunTables]) -> Asked:
    """The metric to ask for: the first of the scenario's focus that has a better side, or of `_USUAL`, that differs.

    Where the focus counts completed requests, their share; a metric of those that got through is not asked for where
    the platforms served different shares.
    """
    focus = [Asked.of(entry) for entry in scenario.focus]
    wanted = [Asked(SERVED, x.service) if x.metric == "requests.completed" else x for x in focus]
    wanted += [Asked(name) for name in _USUAL]
    for asked in wanted:
        if asked.described.better is None:
            continue
        values = values_of(runs, asked)
        found = means(values)
        if any(map(math.isnan, found.values())) or survivors(
            asked, [each for own in values.values() for each in own.values()]
        ):
            continue
        if max(found.values()) - min(found.values()) > _WORTH_ASKING * max(map(abs, found.values())):
            return asked
    return next(asked for asked in wanted if asked.described.better is not None)


def survivors(asked: Asked, found: Sequence[tuple[float, float]]) -> bool:
    """Whether the metric is of the requests that got through, and runs served different shares."""
    served = [each[1] for each in found if not math.isnan(each[1])]
    if not served or not touches(DOUBTS["survivors"].touches, asked.metric):
        return False
    return max(served) - min(served) > ALIKE


def farthest(scenario: Scenario, values: Values) -> tuple[str, str]:
    """The two platforms whose means are farthest apart, in the order of the scenario."""
    found = {name: mean for name, mean in means(values).items() if not math.isnan(mean)}
    names = [name for name in scenario.platforms if name in found]
    least, most = min(names, key=lambda name: found[name]), max(names, key=lambda name: found[name])
    first, second = sorted({least, most} if least != most else set(names[:2]), key=names.index)
    return first, second
