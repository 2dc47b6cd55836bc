"""Run until precise: more replications until an interval is narrow enough, or a limit is reached.

How many replications follow is decided from the values alone, never from how many workers there are, so that the
same scenario and seed always use the same replications.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from sim.report.metrics.statistics import LEVEL, mean_interval, t_quantile
from sim.scenario import Until

FIRST_DECISION = 5
"""Replications before a first decision: fewer make the variance too uncertain, and stopping too early likely
(Law, Simulation Modeling and Analysis, 5th ed., section 9.4.1)."""


@dataclass(frozen=True)
class Decision:
    """What to do after `replications`: run `more` (0: stop, because of `reason`).

    `achieved` is the widest relative half width of all series (ratio), None while there is no interval.
    """

    replications: int
    more: int
    precise: bool
    achieved: float | None
    reason: str


def decide(rule: Until, series: Mapping[Hashable, Sequence[float]], replications: int) -> Decision:
    """Decide after `replications` whether to stop: when the interval of the metric is within ± `within` of its mean.

    `series` holds the metric of each (platform, service), a value a replication.

    Every series must be precise. Replications that lack the metric are missing from its series; a series of fewer
    than three values is not precise.
    """
    first = min(FIRST_DECISION, rule.max)
    if replications < first:
        return Decision(replications, first - replications, False, None, "too few replications for an interval")
    widths = [_relative_width(values) for values in series.values()]
    achieved = max(widths) if widths else math.inf
    known = achieved if math.isfinite(achieved) else None
    wanted = f"{rule.metric} within {rule.within:.3g} of its mean"
    if achieved <= rule.within:
        return Decision(replications, 0, True, known, f"{wanted} after {replications} replications")
    if replications >= rule.max:
        reached = f"{known:.3g}" if known is not None else "no interval"
        return Decision(replications, 0, False, known, f"{rule.max} replications, the most allowed: {reached}")
    needed = max((_needed(values, rule) for values in series.values()), default=replications + 1)
    more = min(max(needed - replications, 1), replications, rule.max - replications)
    return Decision(replications, more, False, known, f"not yet {wanted}: {achieved:.3g}")


def _relative_width(values: Sequence[float]) -> float:
    return mean_interval(values).relative if values else math.inf


def _needed(values: Sequence[float], rule: Until) -> int:
    """Replications that would do, were the variance as it looks now (Law, 5th ed., eq. 9.4): a guess, rounded down.

    Rounded down to three quarters, because an overshoot costs whole runs and one more decision costs nothing.
    """
    count, width = len(values), _relative_width(values)
    if not math.isfinite(width):
        return count + 1
    error = width / t_quantile((1 + LEVEL) / 2, count - 1) * math.sqrt(count)
    normal = t_quantile((1 + LEVEL) / 2, 1e6)
    return int(min(0.75 * (normal * error / rule.within) ** 2, rule.max))
