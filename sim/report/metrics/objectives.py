"""Whether a service kept its objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.report.metrics import samples
from sim.terms.metrics import TAILS
from sim.terms.records import RequestTally

if TYPE_CHECKING:
    from sim.scenario import Slo


def met(slo: Slo, tally: RequestTally, span: float, *, ready: bool = True) -> bool | None:
    """Whether every objective held over a span (s); None when no request arrived, though a replica was `ready`.

    An objective is of requests, not of survivors: availability is completed / (arrived − in flight), and a percentile
    counts a request that was rejected, failed or left as one that never came back. So does one in flight for longer
    than the objective: of those in flight, no more than arrive in that time are still undecided. Without a replica,
    and with requests but none completed, every objective is missed.
    """
    if not ready:
        return False
    if tally.arrived == 0:
        return None
    limits = {name: float(limit) for name in TAILS if (limit := getattr(slo, name)) is not None}
    undecided = min(float(tally.in_flight), tally.arrived * max(limits.values(), default=span) / span)
    decided = tally.arrived - undecided
    if tally.completed == 0:
        return False
    if slo.availability is not None and tally.completed < slo.availability * decided:
        return False
    if not limits:
        return True
    beyond = decided / tally.completed  # the percentile of all is one further out among those completed
    asked = [TAILS[name] * beyond for name in limits]
    if max(asked) > 1.0:
        return False
    reached = samples.quantiles(tally.response, asked)
    return all(value <= limit for value, limit in zip(reached, limits.values(), strict=True))
