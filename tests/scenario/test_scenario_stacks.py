from __future__ import annotations

from collections.abc import Callable

import pytest

from sim.experiment.foresight import foresee
from sim.experiment.replications.runner import platform_of
from sim.reading.errors import ScenarioError
from sim.scenario import Base, Scenario

Load = Callable[..., Scenario]
Problems = Callable[..., list[tuple[str, str]]]
DB = "services.db={image: 1MB, memory: {base: 1MB}, request_cpu: 1ms, size: {cpu: 2, memory: 1MiB}}"


def stack(tenants: str = "2", more: str = "") -> str:
    return f"stacks={{shop: {{services: [web, db]{more}, tenants: {tenants}}}}}"


def test_tenants_of_a_stack_are_numbered_through_all_its_services(load: Load) -> None:
    scenario = load(DB, stack())
    assert [name for name, _ in scenario.expanded()] == ["web-00", "web-01", "db-00", "db-01"]
    assert scenario.placed_whole() == [["web-00", "db-00"], ["web-01", "db-01"]]
    once = load(DB, "stacks={shop: {services: [web, db]}}")
    assert [name for name, _ in once.expanded()] == ["web", "db"]
    assert once.placed_whole() == [["web", "db"]]
    assert Scenario.from_dict(scenario.to_dict()) == scenario


def test_a_point_changes_the_tenants(minimal: str, tmp_path: object) -> None:
    from pathlib import Path

    from sim.reading.document import parse_text

    text = minimal + "stacks: {shop: {services: [web], tenants: 1}}\n"
    base = Base(parse_text(text, "<text>", Path()))
    at = base.along("stacks.shop.tenants")
    assert [len(at(number).expanded()) for number in (1, 5, 14)] == [1, 5, 14]
    with pytest.raises(ScenarioError, match="at least 1"):
        at(0)


@pytest.mark.parametrize(
    ("overrides", "place", "words"),
    [
        (["stacks={shop: {services: [web, dbs]}}"], "stacks.shop.services.1", "did you mean db?"),
        (["stacks={shop: {services: [web, web]}}"], "stacks.shop.services.1", "a second time"),
        (["stacks={shop: {services: []}}"], "stacks.shop.services", "a list of services"),
        (["stacks={a: {services: [web]}, b: {services: [web]}}"], "stacks.b.services.0", "which is in a too"),
        ([stack(), "services.web.tenants=2"], "services.web.tenants", "the stack's tenants"),
        ([stack(), "services.web.replicas={add: 1, every: 2s}"], "services.web.replicas", "a ramp in a stack"),
        ([stack("0")], "stacks.shop.tenants", "at least 1"),
        ([stack(more=", tenant: 2")], "stacks.shop.tenant", "an unknown key"),
        ([stack(), DB.replace("services.db", "services.web-01")], "stacks.shop.tenants", "a service of its own"),
        ([stack(), "faults=[{kind: app-crash, at: 1s, service: db-02}]"], "faults.0.service", "an unknown service"),
    ],
)
def test_a_wrong_stack_is_refused_in_its_place(
    problems: Problems, overrides: list[str], place: str, words: str
) -> None:
    found = problems(DB, *overrides)
    assert [path for path, _ in found] == [place]
    assert words in found[0][1]


def test_what_fits_is_foreseen_whole_and_round_and_round(load: Load) -> None:
    """4 cores: a VM tenant of 1 + 2 vCPUs fits once, though another web would."""
    scenario = load(DB, stack())
    found = foresee(scenario, {"vm": platform_of(scenario, "vm")})
    placed = {each.service: each for each in found if each.code == "partly-placed"}
    assert {name: each.numbers["admitted"] for name, each in placed.items()} == {"web": 1, "db": 1}
    assert "3 cores each, 1 left" in placed["web"].text
    apart = load(DB, "services.web.replicas=9", "services.db.replicas=1")
    found = foresee(apart, {"vm": platform_of(apart, "vm")})
    assert [(each.service, each.numbers["admitted"]) for each in found if each.code == "partly-placed"] == [("web", 2)]
