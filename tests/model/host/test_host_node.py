"""Limits of a node: who is refused, by which limit, and that a stop gives its place back."""

from __future__ import annotations

import pytest

from sim.experiment.foresight import foresee
from sim.model.run import simulate
from sim.platforms import load_platform
from sim.reading.errors import ScenarioError
from sim.scenario import Scenario, scenario_from_text
from sim.terms.records import RunRecords

FREE = {"cpu": {"host": 0}, "memory": {"host": "0B", "per_guest": "0B"}, "startup": [], "stop": {"delay": "1s"}}


def scenario(node: str, replicas: str = "6", more: str = "", host: str = "cores: 8, memory: 8GiB") -> Scenario:
    return scenario_from_text(f"""
        name: full
        duration: 60s
        host: {{{host}}}
        node: {node}
        platforms: [native]
        services:
          app:
            memory: {{base: 10MiB}}
            request_cpu: 10ms
            replicas: {replicas}
            pids: 20
            size: {{cpu: {{request: 1m}}, memory: {{request: 10MiB}}}}
        {more}
    """)


def run(asked: Scenario) -> RunRecords:
    return simulate(asked, load_platform("native", FREE), 0)


def refusals(records: RunRecords) -> list[str]:
    events = records.events
    return [str(d).partition(": ")[2] for e, d in zip(events["event"], events["detail"], strict=True) if e == "refused"]


@pytest.mark.parametrize(
    ("node", "admitted", "why"),
    [
        ("{pods: 4}", 4, "pods: 4 of 4 taken, 1 asked"),
        ("{pids: 109}", 5, "pids: 100 of 109 taken, 20 asked"),
        ("{addresses: 3, pods: 5}", 3, "addresses: 3 of 3 taken, 1 asked"),
        ("{memory_reserved: 8145MiB}", 4, "memory: 0.04 of 0.05 GiB promised, 0.01 GiB asked"),
        ("{cpu_reserved: 7.995}", 5, "cpu: 0.005 of 0.005 cores promised, 0.001 asked"),
        ("{pods: 4, memory_reserved: 8145MiB}", 4, "memory: 0.04 of 0.05 GiB promised, 0.01 GiB asked"),  # memory first
        ("{pods: 6, pids: 120, addresses: 6}", 6, ""),
    ],
)
def test_a_refusal_names_its_limit_and_is_foreseen(node: str, admitted: int, why: str) -> None:
    asked = scenario(node)
    records = run(asked)
    assert len(records.guests["guest"]) == admitted
    assert refusals(records)[:1] == ([why] if why else [])
    found = [each for each in foresee(asked, {"native": load_platform("native", FREE)}) if each.code == "partly-placed"]
    assert [each.numbers["admitted"] for each in found] == ([admitted] if why else [])
    limit = why.partition(":")[0]
    assert all(limit in each.text for each in found)


def test_kubernetes_has_110_pods() -> None:
    records = run(scenario("kubernetes", "{add: 20, every: 1s}"))
    assert records.density_max == 110
    assert refusals(records) == ["pods: 110 of 110 taken, 1 asked"]


def test_a_guest_that_has_its_place_may_be_resized() -> None:
    more = "resizes: [{at: 5s, service: app, size: {cpu: {request: 2m}, memory: {request: 20MiB}}}]"
    events = run(scenario("{pods: 4}", "4", more)).events
    assert list(events["event"]).count("resized") == 4


def test_a_host_smaller_than_its_daemons_is_doubted() -> None:
    small = scenario("{pods: 4}", "1", host="cores: 8, memory: 200MiB")
    found = foresee(small, {"native": load_platform("native", {"memory": {"host": "216MB"}})})
    assert any(each.code == "oom-loop" and "the platform itself takes 206 MiB" in each.text for each in found)
    slow = foresee(small, {"native": load_platform("native", {"cpu": {"host": 8}})})
    assert any(each.code == "overload" and "none is left for guests" in each.text for each in slow)
    sound = foresee(scenario("{pods: 4}", "1"), {"native": load_platform("native")})
    assert not [each for each in sound if each.severity == "wrong"]


def test_mistakes_have_their_place() -> None:
    with pytest.raises(ScenarioError) as error:
        scenario("{pods: 0, pid: 3, memory_reserved: much}")
    for path in ("node.pods", "node.pid", "node.memory_reserved"):
        assert path in str(error.value)
    with pytest.raises(ScenarioError, match="kubernetes"):
        scenario("kubernets")
