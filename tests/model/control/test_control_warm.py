"""Warm pools: exact timelines of who takes whom, what is paid meanwhile, and that nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from model.test_lifecycle import FREE, happened
from sim.experiment.foresight import foresee
from sim.model.run import simulate
from sim.platforms import Platform, load_platform
from sim.reading.errors import ScenarioError
from sim.scenario import Scenario, scenario_from_text
from sim.terms.records import RunRecords

BOOT = {"name": "boot", "kind": "delay", "duration": "1500ms"}


def asked(warm: str, more: str = "", duration: str = "7900ms", host: str = "memory: 16GiB", rate: int = 1) -> Scenario:
    """Requests that never end, one a second from 0 on: each needs a guest of its own."""
    return scenario_from_text(f"""
        name: pool
        duration: {duration}
        host: {{cores: 64, {host}}}
        platforms: [container]
        services:
          app:
            image: {{size: 1MB, cached: true}}
            memory: {{base: 100MiB}}
            request: [wait: 1h]
            warm: {warm}
            autoscale: {{rule: per-request, keep_alive: 1h, max: 99}}
            traffic: {{constant-arrival-rate: {{rate: {rate}/s, arrivals: even}}}}
            size: {{cpu: {{request: 100m}}, memory: {{request: 1GiB}}}}
        {more}
    """)


def boots(**changes: Any) -> Platform:
    again = {"restart": {"phases": ["boot"]}, "isolation": {"panic_phases": ["boot"], "host_reboot": "1s"}}
    return load_platform("container", {**FREE, "startup": [BOOT], **again, **changes})


def ready(records: RunRecords) -> list[float]:
    return [round(t, 6) for t, _, _ in happened(records, "ready")]


def test_who_finds_a_guest_up_takes_it_and_the_pool_starts_another() -> None:
    """The pool's first is up at 1.5 s: who asks before starts cold. It is replaced 1.5 s after it is taken."""
    records = simulate(asked("{guests: 1, take: 500ms}"), boots(), 0)
    assert ready(records) == [1.5, 2.5, 2.5, 4.5, 4.5, 6.5, 6.5]
    assert [t for t, _, _ in happened(records, "warm")] == [1.5, 3.5, 5.5, 7.5]
    assert [(t, guest) for t, guest, _ in happened(records, "taken")] == [
        (2.0, "app-1"),
        (4.0, "app-3"),
        (6.0, "app-5"),
    ]
    latency = records.guests["ready"] - records.guests["requested"]
    took = {guest: round(float(each), 6) for guest, each in zip(records.guests["guest"], latency, strict=True)}
    assert [took[f"app-{n}"] for n in range(7)] == [1.5, 0.5, 1.5, 0.5, 1.5, 0.5, 1.5]
    assert took["app-7"] != took["app-7"]  # kept to the end: a replica of nobody's
    everybody = len(records.guests["guest"])
    assert everybody == 8 + 1  # a guest a request of 0 … 7 s, and the one that is kept


def test_without_a_pool_nothing_is_different_but_that_all_start_cold() -> None:
    records = simulate(asked("null"), boots(), 0)
    assert ready(records) == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]
    assert happened(records, "warm") == []


@pytest.mark.parametrize(("state", "cores"), [("idle", 0.2), ("paused", 0.0)])
def test_what_is_kept_has_its_memory_in_use_and_burns_idle_cpu_unless_it_is_paused(state: str, cores: float) -> None:
    """Two are kept from 1.5 s on; nobody asks for them but one at 0 s, which starts cold."""
    scenario = asked(f"{{guests: 2, state: {state}}}", duration="10s").model_copy(update={"warmup": 5.0})
    one = scenario.services["app"].traffic[0].model_copy(update={"rate": 1e-3})
    scenario.services["app"].__dict__["traffic"] = [one]
    idle = {**FREE["cpu"], "idle_per_guest": "100m"}
    memory = {**FREE["memory"], "per_guest": "10MiB"}
    records = simulate(scenario, boots(cpu=idle, memory=memory), 0)
    assert records.integrals["cpu_idle"] == pytest.approx(5.0 * (0.1 + cores))
    assert records.integrals["memory_used"] == pytest.approx(5.0 * 3 * 110 * 2**20)
    assert records.integrals["memory_allocated"] == pytest.approx(5.0 * 3 * 2**30)


def test_a_pool_that_falls_with_its_host_is_up_again_and_taken() -> None:
    """Up at 1.5 s, down at 1.6 s, boots from 2.6 s on, up at 4.1 s; who asks at 6 s takes it.

    So do the two cold ones, which the requests of 2 and 5 s get.
    """
    faults = "faults: [{kind: host-reboot, at: 1600ms}]"
    for state in ("idle", "paused"):
        records = simulate(asked(f"{{guests: 1, state: {state}}}", faults, duration="6500ms"), boots(), 0)
        assert [round(t, 6) for t, _, _ in happened(records, "warm")] == [1.5, 4.1]
        assert [t for t, _, _ in happened(records, "taken")] == [6.0]
        assert ready(records)[-1] == 6.0


def test_who_was_refused_for_want_of_room_gets_what_the_pool_has() -> None:
    """Room for four: cold at 0 and 1 s, kept at 1.5 s; it is taken at 2 s, and the next has the last place from 2 s on.

    It is up at 3.5 s, and the request of 3 s, which was refused a guest, takes it then.
    """
    records = simulate(asked("{guests: 1}", host="memory: 4GiB", duration="5s"), boots(), 0)
    assert [t for t, _, _ in happened(records, "taken")] == [2.0, 3.5]
    assert ready(records) == [1.5, 2.0, 2.5, 3.5]
    assert len(happened(records, "warm-refused")) == 1
    assert records.counters["refused"] == 2.0  # those of 3 and 4 s


def test_replicas_that_wait_for_room_come_before_the_pool() -> None:
    """Room for two, and three wanted: nothing is started for the pool, and nobody of the pool is in the way."""
    rule = scenario_from_text("""
        name: x
        duration: 10s
        host: {cores: 64, memory: 2GiB}
        platforms: [container]
        services:
          app:
            image: {size: 1MB, cached: true}
            request_cpu: 1ms
            warm: 1
            autoscale: {rule: hpa, min: 3, max: 3, target_cpu: 50%}
            size: {cpu: {request: 100m}, memory: {request: 1GiB}}
    """)
    records = simulate(rule, boots(), 0)
    assert len(ready(records)) == 2
    assert happened(records, "warm", "taken") == []


def test_a_service_at_zero_takes_what_is_kept_and_rules_do_not_count_it() -> None:
    """Knative's rule: the request of 0 s starts cold; at zero since, that of 40 s is answered after `take`."""
    scenario = scenario_from_text("""
        name: x
        duration: 45s
        host: {cores: 64, memory: 8GiB}
        platforms: [container]
        services:
          app:
            image: {size: 1MB, cached: true}
            request_cpu: 1ms
            warm: {guests: 2, take: 200ms}
            autoscale: {rule: concurrency, target: 1, min: 0, max: 5, window: 6s}
            traffic: {constant-arrival-rate: {rate: 0.025/s, arrivals: even}}
            size: {cpu: {request: 100m}, memory: {request: 1GiB}}
    """)
    records = simulate(scenario, boots(), 0)
    assert [round(t, 6) for t, _, _ in happened(records, "ready")] == [1.5, 40.2]
    stopped = [guest for _, guest, _ in happened(records, "stopped")]
    assert stopped == ["app-0"]  # the replica, and none of those that are kept
    assert records.requests["app"].response.values.tolist() == pytest.approx([0.201, 1.501])
    scaled = [detail for event, detail in zip(records.events["event"], records.events["detail"], strict=True)
              if event == "scale"]  # fmt: skip
    assert scaled == ["app: 0 to 1", "app: 1 to 0", "app: 0 to 1"]


def test_guests_of_another_size_are_not_taken() -> None:
    resize = "resizes: [{at: 1700ms, service: app, size: {cpu: {request: 200m}, memory: {request: 1GiB}}}]"
    records = simulate(asked("1", resize, duration="5s"), boots(), 0)
    assert [t for t, _, _ in happened(records, "taken")] == [4.0]  # one ends at 2 s, the next is up at 3.5 s
    assert [t for t, _, _ in happened(records, "stopped")] == [3.0]
    assert "of another size" in records.events["detail"].tolist()


def test_validate_tells_what_does_not_fit_and_mistakes_have_their_place() -> None:
    scenario = asked("{guests: 9}", host="memory: 4GiB")
    found = [each for each in foresee(scenario, {"container": boots()}) if each.code == "partly-placed"]
    assert [(each.numbers["admitted"], each.numbers["asked"]) for each in found] == [(4, 9)]
    assert "warm" in found[0].text
    with pytest.raises(ScenarioError) as error:
        asked("{guests: 0, take: soon, state: frozen}")
    for key in ("guests", "take", "state"):
        assert f"services.app.warm.{key}" in str(error.value)
    with pytest.raises(ScenarioError, match="autoscale"):
        scenario_from_text("""
            name: x
            duration: 1s
            host: {cores: 1, memory: 1GiB}
            platforms: [native]
            services: {app: {request_cpu: 1ms, replicas: 2, warm: 1, size: {cpu: 1, memory: 1MiB}}}
        """)
