"""Which scenario is meant: a file, a dictionary or what was loaded before, with other platforms and replications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.experiment.effort import limits
from sim.scenario import Scenario, load_scenario
from sim.scenario.loader import check, scenario_from_dict


def chosen_scenario(
    scenario: Scenario | str | Path | Mapping[str, Any],
    platforms: Sequence[str] | None,
    replications: int | None,
    force: bool,
) -> Scenario:
    """A scenario however it is given (also as a file, or as a dictionary with what a file says), checked for a run.

    `platforms` and `replications` replace its own; `force`: however long it takes. Raises ScenarioError for what is
    wrong in it, ValueError for no replications.
    """
    checks = limits.checks(force)
    if not isinstance(scenario, Scenario | Mapping):
        return load_scenario(scenario, platforms=platforms, replications=replications, checks=checks)
    if isinstance(scenario, Mapping):
        scenario = scenario_from_dict(scenario, checks=checks)
    update: dict[str, Any] = {}
    if platforms is not None:
        update["platforms"] = {name: dict(scenario.platforms.get(name, {})) for name in platforms}
    if replications is not None:
        if replications < 1:
            raise ValueError(f"replications must be at least 1, not {replications}")
        update["replications"] = replications
    chosen = scenario.model_copy(update=update) if update else scenario
    check(chosen, checks, f"platforms={list(chosen.platforms)}")
    return chosen
