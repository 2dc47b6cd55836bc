"""What a sweep is made of: its points, and every run by the hash of what it computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.reading.errors import HostsimError
from sim.scenario import Sweep, points


class SweepError(HostsimError):
    """A sweep cannot start or go on; what is on the disk stays as it is."""


@dataclass(frozen=True)
class Plan:
    """What a sweep is made of. `scenario_at(i)` resolves point i, whose axis values are `points[i]`."""

    name: str
    points: Sequence[Mapping[str, Any]]
    scenario_at: Callable[[int], Any]
    platforms: Sequence[str]
    replications: int
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """One run of a sweep: the id says what it computes, the rest where it stands in the table."""

    id: str
    point: int
    platform: str
    replication: int


def plan_sweep(sweep: Sweep) -> Plan:
    """The plan of a loaded sweep file. Raises SweepError when its replications are `until`: a sweep needs a number."""
    listed = points(sweep)
    first = sweep.scenario(listed[0])
    if not isinstance(first.replications, int):
        raise SweepError("a sweep needs a number of replications, not `until`: set replications in the sweep file")
    about = {"description": sweep.description, "first_point": first.to_dict()}
    return Plan(
        sweep.name,
        listed,
        lambda index: sweep.scenario(listed[index]),
        tuple(first.platforms),
        first.replications,
        about,
    )


def planned_runs(plan: Plan) -> list[Planned]:
    """Every run of a plan, in the order of the table: point, platform, replication."""
    runs: list[Planned] = []
    for point in range(len(plan.points)):
        digest = scenario_digest(plan.scenario_at(point))
        for platform in plan.platforms:
            for replication in range(plan.replications):
                runs.append(Planned(run_id(digest, platform, replication), point, platform, replication))
    return runs


def scenario_digest(scenario: Any) -> str:
    """SHA-256 (hex) of a resolved scenario without what no run depends on: its title and number of replications."""
    resolved = dict(scenario.to_dict())
    for key in ("name", "description", "replications"):
        resolved.pop(key, None)
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def run_id(digest: str, platform: str, replication: int) -> str:
    """Id of a run: 32 hex digits of the hash of (resolved scenario, platform, replication)."""
    return hashlib.sha256(f"{digest}\n{platform}\n{replication}".encode()).hexdigest()[:32]
