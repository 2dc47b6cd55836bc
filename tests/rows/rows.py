"""Runs of the rows' scenarios, each made once, and their metrics."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sim.experiment.replications import runner
from sim.platforms.checks import CHECKS
from sim.scenario import Scenario, load_scenario
from sim.terms.records import RunRecords

ROWS = Path(__file__).parents[2] / "scenarios" / "rows"


@cache
def scenario_of(row: str, *overrides: str) -> Scenario:
    return load_scenario(ROWS / f"{row}.yaml", overrides=overrides, checks=CHECKS)


@cache
def records_of(row: str, platform: str, *overrides: str) -> RunRecords:
    return runner.run_one(scenario_of(row, *overrides), platform, 0)


@cache
def metrics_of(row: str, platform: str, *overrides: str) -> dict[str, float]:
    """Metrics by name; those of one service as `service/metric`."""
    rows = runner.summarise(records_of(row, platform, *overrides), scenario_of(row, *overrides))
    return {(r.metric if r.service == "all" else f"{r.service}/{r.metric}"): r.value for r in rows}
