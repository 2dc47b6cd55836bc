"""How many fit by one replication alone: where its own run stops being well, so that many give a distribution."""

from __future__ import annotations

from collections.abc import Callable

from sim.experiment.density.objectives import well
from sim.experiment.density.observing import observe_run
from sim.experiment.density.questions import Grid, search
from sim.scenario import Scenario


def most_alone(at: Callable[[float], Scenario], platform: str, replication: int, grid: Grid) -> float:
    """The largest value of `grid` at which all is well in this replication; 0 where it is at none.

    `at(value)` is the scenario at a value. Every value is run once, with the replication's own seed.
    """
    known: dict[int, bool] = {}
    walk = search(grid, 0)
    try:
        question = next(walk)
        while True:
            if question.at not in known:
                scenario = at(grid.value(question.at))
                known[question.at] = well(scenario, observe_run(scenario, platform, replication))
            question = walk.send(known[question.at])
    except StopIteration as stop:
        return 0.0 if stop.value < 0 else float(grid.value(stop.value))


def tenants(scenario: Scenario, service: str | None = None) -> Callable[[float], Scenario]:
    """The scenario by how many tenants a service has (None: the first with tenants). Raises ValueError without such."""
    having = [name for name, each in scenario.services.items() if each.tenants]
    if not having or (service is not None and service not in having):
        raise ValueError(f"service {service or ''} without tenants: how many fit cannot be asked")
    name = service or having[0]

    def at(value: float) -> Scenario:
        fields = {key: getattr(scenario, key) for key in type(scenario).model_fields}
        one = scenario.services[name].model_copy(update={"tenants": int(value)})
        return Scenario.model_construct(**{**fields, "services": {**scenario.services, name: one}})

    return at
