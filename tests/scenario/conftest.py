"""A smallest valid scenario, and a way to load it with changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.reading.errors import ScenarioError
from sim.scenario import Scenario, scenario_from_text

MINIMAL = """\
duration: 10min
host: {cores: 4, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 1Gbit/s}
platforms: [vm, container]
services:
  web:
    image: 100MB
    memory: {base: 64MiB}
    request_cpu: 10ms
    size: {cpu: 1, memory: 256MiB}
    traffic:
      ramping-arrival-rate:
        stages: [{duration: 1min, target: 5/s}, {duration: 1min, target: 9/s}]
"""


@pytest.fixture
def minimal() -> str:
    return MINIMAL


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Scenario]:
    def _load(*overrides: str) -> Scenario:
        return scenario_from_text(MINIMAL, overrides=overrides, base=tmp_path)

    return _load


@pytest.fixture
def problems(load: Callable[..., Scenario]) -> Callable[..., list[tuple[str, str]]]:
    """(path, message) of every problem of the minimal scenario with overrides; empty if it is valid."""

    def _problems(*overrides: str) -> list[tuple[str, str]]:
        try:
            load(*overrides)
        except ScenarioError as error:
            return [(problem.path, str(problem)) for problem in error.problems]
        return []

    return _problems
