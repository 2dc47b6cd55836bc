"""What every study keeps beside its answer, so that it can be read, cited and made again."""

from __future__ import annotations

from typing import Any

from sim.experiment.replications.scenario import platform_data
from sim.report.folder.writer import citation, versions
from sim.scenario import Scenario


def provenance(scenario: Scenario) -> dict[str, Any]:
    """The scenario behind an answer, resolved, with digest, seed, versions and the platforms' numbers, as plain data.

    What `load_scenario` needs of a manifest is among it.
    """
    return {
        "name": scenario.name,
        "digest": scenario.digest,
        "seed": scenario.seed,
        "versions": versions(),
        "citation": citation(),
        "scenario": scenario.to_dict(),
        "platforms": platform_data(scenario),
    }
