"""What grows in a capacity question: one path of the scenario, several together, or all of its open traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.experiment.density.questions import Grid
from sim.experiment.study import StudyError, unit_hinted
from sim.reading.document import parse_value
from sim.reading.errors import ScenarioError
from sim.scenario import Base, Ramp, Scenario
from sim.scenario.factor import RATES, TRAFFIC, times


@dataclass(frozen=True)
class Axis:
    """A value → a point of the scenario. `name`: what is varied, `unit`: behind its number, `why`: if nobody said."""

    base: Base
    name: str
    unit: str
    point: Callable[[float], dict[str, Any]]
    grid: Grid
    why: str = ""
    times: bool = False
    """Whether the value is a factor on what the file says."""

    def at(self, value: float, more: Mapping[str, Any] | None = None) -> Scenario:
        """The scenario at a value, with `more` raw values by dotted path. Raises ScenarioError."""
        point = {**self.point(value), **(more or {})}
        label = f"--set {self.name}={value:.12g}{self.unit}"
        return self.base.at(point, lambda _: (label, 0, 0))

    def shown(self, value: float) -> str:
        """A value as people say it."""
        return f"× {value:g}" if self.times else f"{value:g}{self.unit}"


def axis_along(base: Base, vary: str | None, unit: str, grid: Grid | None) -> Axis:
    """The axis of `vary`: dotted paths with commas between, `traffic`, or None for what the scenario suggests.

    `unit` is put behind the number, or one for each path, with commas between. Without a `grid` it is 1, 2, 3 …, and
    for traffic 0.05, 0.1, 0.15 …. Raises ScenarioError for what is wrong at its first value, StudyError for units that
    do not match the paths.
    """
    why = ""
    if vary is None:
        vary, why = _suggested(base.scenario)
    if vary == TRAFFIC:
        axis = Axis(base, TRAFFIC, "", _traffic(base), grid or Grid(0.05, 0.05), why, times=True)
    else:
        axis = Axis(base, vary, unit, _paths(vary, unit), grid or Grid(), why)
    try:
        axis.at(axis.grid.value(0))
    except ScenarioError as error:
        raise error if axis.unit or axis.times else unit_hinted(error, axis.grid.value(0)) from None
    return axis


def _suggested(scenario: Scenario) -> tuple[str, str]:
    """What most probably is meant to grow, and why."""
    for name in scenario.stacks:
        return f"stacks.{name}.tenants", "the first stack's tenants"
    for name, service in scenario.services.items():
        if service.tenants:
            return f"services.{name}.tenants", "the first tenants in the file"
        if isinstance(service.replicas, Ramp):
            return f"services.{name}.replicas", "the first replicas that are added until the host refuses"
    services = scenario.services.values()
    opens = any(source.kind in (*RATES, "trace") for each in services for source in each.traffic)
    if opens and any(each.slo is not None for each in services):
        return TRAFFIC, "all open traffic together, times the file's"
    first = next(iter(scenario.services))
    fixed = isinstance(scenario.services[first].replicas, int)
    return (
        f"services.{first}.{'replicas' if fixed else 'tenants'}",
        "the first service, as no open traffic has an objective",
    )


def _paths(vary: str, unit: str) -> Callable[[float], dict[str, Any]]:
    paths = [path.strip() for path in vary.split(",") if path.strip()]
    each = [one.strip() for one in unit.split(",")]
    if len(each) == 1:
        each *= len(paths)
    if not paths or len(each) != len(paths):
        raise StudyError(f"{len(paths)} paths to vary and {len(each)} units: give one unit, or one for each path")

    def point(value: float) -> dict[str, Any]:
        return {
            path: parse_value(f"{value:.12g}{one}", f"--set {path}={value:.12g}{one}")
            for path, one in zip(paths, each, strict=True)
        }

    return point


def _traffic(base: Base) -> Callable[[float], dict[str, Any]]:
    return lambda value: times(base.document.tree, value)
