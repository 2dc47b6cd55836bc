"""The runs of one scenario as the doubts look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.folder.tables import RunTables
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    from sim.scenario import Scenario, Service

Names = Mapping[str, Sequence[str]]


class Evidence:
    """All finished runs of a scenario; `warmup`: start of the measured span, s."""

    def __init__(self, scenario: Scenario, runs: Sequence[RunTables], warmup: float) -> None:
        self.scenario, self.runs, self.warmup = scenario, runs, warmup
        self.span = scenario.duration - warmup

    @cached_property
    def platforms(self) -> list[str]:
        """Platforms that have runs, in the order of the scenario."""
        found = {run.platform for run in self.runs}
        return [name for name in self.scenario.platforms if name in found]

    @cached_property
    def services(self) -> Mapping[str, Service]:
        """Services by full name, tenants one by one."""
        return dict(self.scenario.expanded())

    @cached_property
    def tenants(self) -> Names:
        """Service as the file names it → its full names."""
        return {name: self.scenario.names_of(name) for name in self.scenario.services}

    @cached_property
    def _values(self) -> Mapping[tuple[str, str, str], list[float]]:
        found: dict[tuple[str, str, str], list[float]] = {}
        for run in self.runs:
            for row in run.rows:
                found.setdefault((row.platform, row.service, row.metric), []).append(row.value)
        return found

    def values(self, platform: str, metric: str, service: str = ALL) -> list[float]:
        """A metric's value in each replication that has one."""
        return self._values.get((platform, service, metric), [])

    def total(self, platform: str, metric: str, service: str = ALL) -> float:
        """The sum of a count over all replications; 0 where there is none."""
        return float(sum(self.values(platform, metric, service)))

    def of(self, platform: str) -> Iterator[RunTables]:
        """The runs of a platform."""
        return (run for run in self.runs if run.platform == platform)

    def served(self, platform: str, service: str = ALL) -> float | None:
        """Completed / arrived over all replications; None where nothing arrived."""
        arrived = self.total(platform, "requests.arrived", service)
        return self.total(platform, "requests.completed", service) / arrived if arrived else None


def floats(column: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column as numbers."""
    return np.asarray(column, dtype=np.float64)


def refusals(run: RunTables) -> dict[str, str]:
    """Service → why the host refused one of its starts, the last time."""
    found: dict[str, str] = {}
    for event, detail in zip(run.events.get("event", ()), run.events.get("detail", ()), strict=True):
        if event == "refused":
            services, _, why = str(detail).partition(": ")
            found |= dict.fromkeys(services.split(" + "), why)
    return found


def kills(run: RunTables) -> dict[str, int]:
    """Guest → how often it was killed for memory."""
    found: dict[str, int] = {}
    for event, guest in zip(run.events.get("event", ()), run.events.get("guest", ()), strict=True):
        if event == "oom-kill":
            found[str(guest)] = found.get(str(guest), 0) + 1
    return found
