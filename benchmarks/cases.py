"""Scenarios of the benchmarks: W at any size, and the cases that show how a run's cost grows.

Each case is w.yaml with a few keys changed, as a mapping ready to be written as JSON (which is YAML).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.workload import Work

Scenario = dict[str, Any]
BASE = Path(__file__).parent / "w.yaml"


def build(case: str, work: Work) -> Scenario:
    """The scenario of one case at `work`'s number of guests, requests (on average) and seed."""
    from ruamel.yaml import YAML

    scenario: Scenario = YAML(typ="safe", pure=True).load(BASE.read_text())
    scenario["seed"] = work.seed
    scenario["duration"] = f"{work.requests / work.rate:.6f}s"
    service = scenario["services"]["app"]
    service["replicas"] = work.guests
    service["size"]["cpu"]["request"] = _share(work, work.guests)
    CASES[case](scenario, work)
    return scenario


def _share(work: Work, guests: int, part: float = 1.0) -> float:
    """A CPU request with which `guests` guests just fit the host, in cores."""
    return round(part * work.cores / guests, 9) * (1 - 1e-6)


def _w(scenario: Scenario, work: Work) -> None:
    """W itself."""


def _concurrency(scenario: Scenario, work: Work) -> None:
    """32 requests at once in a guest, instead of one."""
    scenario["services"]["app"]["concurrency"] = 32


def _least_outstanding(scenario: Scenario, work: Work) -> None:
    """The replica with the fewest requests is chosen, instead of a random one."""
    scenario["services"]["app"]["routing"] = "least-outstanding"


def _services(scenario: Scenario, work: Work) -> None:
    """One service a guest, each with its own traffic, weight and cap (0.5 to 2 cores)."""
    template = scenario["services"].pop("app")
    for number in range(work.guests):
        service = copy.deepcopy(template)
        service["replicas"] = 1
        cpu = service["size"]["cpu"]
        cpu["request"] = _share(work, work.guests, 0.5 + number / work.guests)
        cpu["limit"] = 0.5 + 1.5 * number / work.guests
        service["traffic"]["constant-arrival-rate"]["rate"] = f"{work.guest_rate:.9f}/s"
        scenario["services"][f"app-{number:03d}"] = service


def _boot_storm(scenario: Scenario, work: Work) -> None:
    """All guests of a container service start at once, each through all its phases; no traffic."""
    scenario["platforms"] = ["container"]
    scenario["host"]["memory"] = "1TiB"
    scenario["duration"] = "4h"
    service = scenario["services"]["app"]
    service.pop("traffic")
    service.update(image="190MB", start_cpu="100ms")


CASES: dict[str, Callable[[Scenario, Work], None]] = {
    "w": _w,
    "concurrency": _concurrency,
    "least-outstanding": _least_outstanding,
    "services": _services,
    "boot-storm": _boot_storm,
}
