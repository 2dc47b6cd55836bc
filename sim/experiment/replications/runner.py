"""One run: a scenario on one platform, one replication. Everything above this module repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sim.platforms import Platform
    from sim.report.metrics.measures import SummaryRow
    from sim.scenario import Scenario
    from sim.terms.records import RunRecords

Evaluate: TypeAlias = Callable[[Any, str, int], Sequence[Any]]
"""(scenario, platform, replication) -> metric rows with `service`, `metric`, `unit`, `value`; picklable."""
LONGEST_TRANSIENT = 0.5
"""Share of a run that is discarded when MSER-5 finds no end of the transient: the most that it may cut."""


def run_one(scenario: Scenario, platform: str, replication: int, *, requests: Path | None = None) -> RunRecords:
    """Simulate one replication of `scenario` on `platform`.

    `requests`: write every request to this Parquet part (see `RequestPartWriter`). With `warmup: auto` the
    transient is found first, from pilot runs (`measured`). Raises PlatformError and OSError.
    """
    from sim.model.run import simulate

    scenario = measured(scenario)
    chosen = platform_of(scenario, platform)
    if requests is None:
        return simulate(scenario, chosen, replication)
    from sim.report.folder.parts import RequestPartWriter

    with RequestPartWriter(requests, platform, replication) as writer:

        def sink(columns: Mapping[str, NDArray[Any]], services: Sequence[str], guests: Sequence[str]) -> None:
            writer.append(columns, services=services, guests=guests)

        return simulate(scenario, chosen, replication, sink=sink)


def summarise(records: RunRecords, scenario: Scenario) -> list[SummaryRow]:
    """Metric rows of a run, as they stand in `summary.csv`."""

    from sim.report.metrics.measures import measure

    return list(measure(records, scenario))


def evaluate_run(scenario: Scenario, platform: str, replication: int) -> Sequence[SummaryRow]:
    """Run one replication on one platform and compute its metrics: the default `Evaluate`."""
    return summarise(run_one(scenario, platform, replication), scenario)


def platform_of(scenario: Scenario, name: str) -> Platform:
    """The platform `name` with the scenario's overrides, on its node. Raises PlatformError."""
    from sim.platforms import load_platform

    node = scenario.node
    return load_platform(name, scenario.platforms.get(name, {})).on_node(node is not None and node.kubelet)


def platforms_of(scenario: Scenario) -> dict[str, Platform]:
    """The platforms of a scenario with its overrides, by name and in order. Raises PlatformError."""
    return {name: platform_of(scenario, name) for name in scenario.platforms}


# ---------------------------------------------------------------- the transient, with `warmup: auto`


def transient(scenario: Scenario, platform: str) -> float | None:
    """End of the transient (s) of replication 0 on `platform` by MSER-5; None when it does not settle.

    The series is the number of requests in flight, sampled over the whole run: it shows filling queues and starting
    guests, also where nothing is answered yet.
    """
    from sim.experiment.replications.transient import transient_end
    from sim.model.run import simulate

    pilot = simulate(scenario.model_copy(update={"warmup": 0.0}), platform_of(scenario, platform), 0)
    return transient_end(pilot.timeline["time"], pilot.timeline["in_flight"])


def settle(scenario: Scenario, ends: Sequence[float | None]) -> float:
    """The warm-up (s) that covers the transients of all platforms; half the run for one that does not settle."""
    latest: float = LONGEST_TRANSIENT * scenario.duration
    return min(latest, max((latest if end is None else end for end in ends), default=0.0))


def measured(scenario: Scenario) -> Scenario:
    """The scenario with a number as its warm-up: itself, or with `auto` what pilot runs on all its platforms say.

    All platforms are cut at the latest end, so that they are measured over the same requests. The pilots of a scenario
    are made once in a process.
    """
    if scenario.warmup != "auto":
        return scenario
    return scenario.model_copy(update={"warmup": _settled(_ByDigest(scenario))})


class _ByDigest:
    """A scenario as a key of a cache: scenarios hold dicts, which have no hash."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._digest = scenario.digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByDigest) and other._digest == self._digest


@cache
def _settled(key: _ByDigest) -> float:
    return settle(key.scenario, [transient(key.scenario, name) for name in key.scenario.platforms])
