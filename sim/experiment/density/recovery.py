"""After a reboot of the host, how long until all that ran serves again: at the answer of a capacity question."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from sim.experiment.density.axes import Axis
from sim.experiment.replications import runner
from sim.experiment.workers.executor import Executor
from sim.report.metrics.statistics import Interval, mean_interval
from sim.scenario import Scenario

REPLICATIONS = 3
"""Reboots that are looked at: as few as give an interval."""
_WAITS = (300.0, 1800.0, 7200.0)  # s after the reboot that are simulated, until all are back


def recover(axis: Axis, value: float, platform: str, executor: Executor) -> Interval | None:
    """Seconds from a reboot of the host until all that fell serve again; None if that takes longer than two hours.

    The host reboots once everything has started (at the end of the warm-up, or a quarter of the run); the scenario's
    own faults, moves and resizes are left out.
    """
    scenario = axis.at(value)
    warmup = scenario.warmup if isinstance(scenario.warmup, float) and scenario.warmup > 0 else scenario.duration / 4
    for wait in _WAITS:
        with_fault = axis.at(value, _point(scenario, warmup, warmup + 1.0 + wait))
        found = _times(with_fault, platform, executor)
        if len(found) == REPLICATIONS:
            return mean_interval(found)
    return None


def _point(scenario: Scenario, at: float, duration: float) -> dict[str, object]:
    """Raw values: a reboot one second after the warm-up, nothing else that happens, so long a run."""
    point: dict[str, object] = {
        "faults": [{"kind": "host-reboot", "at": f"{at + 1.0!r}s"}],
        "duration": f"{duration!r}s",
        "warmup": f"{at!r}s",
    }
    return point | {key: [] for key in ("moves", "resizes") if getattr(scenario, key)}


def _times(scenario: Scenario, platform: str, executor: Executor) -> Sequence[float]:
    run = functools.partial(_recovery, scenario, platform)
    found = {
        outcome.task: outcome.result
        for outcome in executor.unordered(run, range(REPLICATIONS))
        if outcome is not None and outcome.error is None
    }
    return [seconds for number in sorted(found) if (seconds := found[number]) is not None]


def _recovery(scenario: Scenario, platform: str, replication: int) -> float | None:
    """Recovery time of one replication, s; None while some were not back at the end."""
    rows = runner.evaluate_run(scenario, platform, replication)
    return next((row.value for row in rows if row.metric == "recovery.time"), None)
