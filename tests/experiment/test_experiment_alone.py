"""How many fit by one replication alone, against every value tried one by one."""

from __future__ import annotations

import pytest

from sim.experiment.density.alone import most_alone, tenants
from sim.experiment.density.objectives import well
from sim.experiment.density.observing import observe_run
from sim.experiment.density.questions import Grid
from sim.scenario import scenario_from_text

TEXT = """
name: alone
duration: 20s
host: {cores: 4, memory: 1GiB}
platforms: [native]
services:
  app:
    memory: {base: 100MiB, spread: 40%}
    start_cpu: 0.1s
    request_cpu: 1ms
    tenants: 3
    size: {cpu: {request: 10m}, memory: {request: 1MiB}}
"""


def test_it_is_the_last_value_before_the_first_that_is_not_well_and_runs_differ() -> None:
    at = tenants(scenario_from_text(TEXT))
    found = [most_alone(at, "native", number, Grid(2, 2)) for number in range(6)]
    for number, most in enumerate(found[:2]):
        held = [n for n in range(2, 22, 2) if well(at(n), observe_run(at(n), "native", number))]
        assert held == list(range(2, int(most) + 1, 2))
    assert all(most in (6, 8, 10, 12, 14, 16) for most in found)  # 1024 / 140 = 7.3 to 1024 / 60 = 17.1
    assert len(set(found)) > 1


def test_nothing_fits_and_nobody_to_vary() -> None:
    at = tenants(scenario_from_text(TEXT.replace("100MiB", "3GiB").replace("40%", "0%")))
    assert most_alone(at, "native", 0, Grid(1, 1)) == 0.0
    assert at(7).tenants_of("app") == 7
    assert at(7).digest != at(8).digest
    with pytest.raises(ValueError, match="without tenants"):
        tenants(scenario_from_text(TEXT.replace("    tenants: 3\n", "")))
