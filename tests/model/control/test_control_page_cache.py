"""A guest's page cache: what it has read stays in its RAM, up to what is left, and gives way at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.small_world import MIB, over, platform
from sim.model.run import Run, simulate
from sim.platforms import Platform
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

BOOT = [{"name": "read", "kind": "read", "bytes": "100MiB"}]
TWO = "replicas: 2\n            routing: round-robin"
OWN = {"memory": {"file_cache": 1.0}}


def guests(name: str = "vm", changes: Any = None, boot: Any = BOOT) -> Platform:
    """A platform that costs nothing but what it reads at boot and keeps."""
    return platform(name, boot, over(OWN, changes or {}), again=[phase["name"] for phase in boot])


def run(
    on: Platform, *, memory: str = "base: 100MiB", service: str = "", extra: str = "", host: str = "8GiB"
) -> RunRecords:
    """One guest of 1 GiB; a request of 0.1 s a second from 10 s on, which reads 50 MiB."""
    text = f"""
        name: cache
        duration: 40s
        warmup: 0s
        host: {{cores: 8, memory: {host}, disk: {{read: 100TB/s, write: 100TB/s}}}}
        platforms: [vm]
        services:
          app:
            image: {{size: 1MB, cached: true}}
            memory: {{{memory}}}
            request: [read: 50MiB, cpu: 100ms]
            size: {{cpu: 1, memory: 1GiB}}
            traffic: {{ramping-arrival-rate: {{arrivals: even, start: 0/s, stages: [
              {{duration: 9500ms, target: 0/s}}, {{duration: 1ms, target: 1/s}}, {{duration: 30s, target: 1/s}}]}}}}
            {service}
        {extra}
    """
    return simulate(scenario_from_text(text), on, 0)


def used(records: RunRecords) -> list[float]:
    """MiB in use at whole seconds."""
    line = records.timeline
    rows = {round(float(t), 6): float(used) / MIB for t, used in zip(line["time"], line["memory_used"], strict=True)}
    return [rows[t] for t in (0.0, 8.0, 16.0, 24.0, 32.0, 40.0)]


def test_resident_grows_by_what_is_read_until_the_ram_is_used() -> None:
    """100 MiB at boot, 100 of the application, 50 a request: 1 GiB after (1024 - 200) / 50 = 16.5 requests."""
    found = used(run(guests()))
    assert found[:2] == [0.0, 200.0]
    assert found[2:] == [200.0 + 50.0 * 6, 200.0 + 50.0 * 14, 1024.0, 1024.0]


def test_the_hosts_page_cache_is_not_in_use() -> None:
    assert used(run(guests(changes={"memory": {"file_cache": 0}})))[1:] == [100.0] * 5
    half = used(run(guests(changes={"memory": {"file_cache": "50%"}})))
    assert half[1:4] == [150.0, 150.0 + 25 * 6, 150.0 + 25 * 14]


def test_files_are_read_once_and_kept_where_the_page_cache_is() -> None:
    files = "base: 100MiB, files: 300MiB"
    assert used(run(guests(), memory=files))[1] == 500.0
    container = platform("container", [{"name": "image", "kind": "read", "bytes": "0B", "shared": "image"}])
    records = run(container, memory=files, service="replicas: 3")
    assert used(records)[1] == 300.0  # three applications; their files once, in the host's page cache
    assert records.timeline["memory_cache"][-1] == 300 * MIB
    fell = run(guests(), memory=files, extra="faults: [{kind: app-crash, at: 7s}]")
    assert used(fell)[1] == pytest.approx(400.0) or used(fell)[1] == 500.0  # down, or up again: never read twice


def test_a_service_that_names_its_files_does_not_grow_besides() -> None:
    growing = guests(changes={"memory": {"growth": "50%"}})
    assert used(run(growing))[1] == 250.0
    assert used(run(growing, memory="base: 100MiB, files: 20MiB"))[1] == 220.0


def test_it_gives_way_to_requests_and_kills_nobody() -> None:
    """Full of page cache at 1 GiB, and then 20 requests of 40 MiB each at once: 800 of its 924 MiB."""
    records = run(
        guests(), memory="base: 100MiB, per_request: 40MiB, files: 900MiB",
        service="concurrency: 20\n            start_cpu: 29s",
    )  # fmt: skip
    assert records.counters["oom_kills"] == 0
    assert max(records.timeline["memory_used"]) <= 1024 * MIB
    assert used(records)[1] == 1024.0
    assert 1024.0 - 800.0 < used(records)[4] <= 1024.0  # what has given way comes back by reading only


def test_it_is_lost_with_the_process_and_stays_when_the_application_falls() -> None:
    full = used(run(guests(), extra="faults: [{kind: app-crash, at: 31s}]"))
    assert full[4] >= 924.0
    assert used(run(guests(), extra="faults: [{kind: kernel-panic, at: 31s}]"))[4] >= 924.0  # its RAM was touched
    tight = {"service": TWO, "host": "1600MiB", "extra": "memory_overcommit: 2"}
    records = run(guests(), **tight)
    killed = [
        float(t) for t, what in zip(records.events["time"], records.events["event"], strict=True) if what == "oom-kill"
    ]
    assert len(killed) == 1  # the larger VM is killed as a whole, and its page cache with it: there is room again
    after = [u for t, u in zip(records.timeline["time"], records.timeline["memory_used"], strict=True) if t > killed[0]]
    assert after[0] < 900 * MIB


def test_the_hosts_killer_counts_it() -> None:
    """Two VMs promised more than there is, by overcommitment: their page caches bring the host down to its killer."""
    tight = {"service": TWO, "host": "1600MiB", "extra": "memory_overcommit: 2"}
    assert run(guests(), **tight).counters["oom_kills"] > 0
    assert run(guests(changes={"memory": {"file_cache": 0}}), **tight).counters["oom_kills"] == 0
    balloons = {"memory": {"reclaim": "balloon", "balloon_limit": 1.0}}
    assert run(guests(changes=balloons), **tight).counters["oom_kills"] == 0  # they take the caches back


def test_pages_touched_first_cost_the_start_and_a_restart_nothing() -> None:
    """1 core-s, and 100 MiB of memory and 60 of files: 40,960 pages of 25 us each, on one vCPU."""
    nested = guests(changes={"memory": {"first_touch": "25us"}}, boot=[])
    memory, start = "base: 100MiB, files: 60MiB", "start_cpu: 1s"
    assert float(run(nested, memory=memory, service=start).guests["ready"][0]) == pytest.approx(2.024)
    again = run(nested, memory=memory, service=start, extra="faults: [{kind: app-crash, at: 5s}]")
    back = [float(t) for t, what in zip(again.events["time"], again.events["event"], strict=True) if what == "ready"]
    assert back[1] - 5.0 == pytest.approx(1.0 + 1.0)  # its back-off, and its start alone


@settings(max_examples=25, deadline=None)
@given(
    base=st.integers(0, 400), each=st.integers(0, 60), files=st.integers(0, 900), read=st.integers(0, 200),
    concurrency=st.integers(1, 12), rate=st.integers(1, 60), crash=st.booleans(), share=st.sampled_from([0, 0.3, 1.0]),
)  # fmt: skip
def test_in_use_is_what_its_parts_are_and_never_more_than_the_ram(
    base: int, each: int, files: int, read: int, concurrency: int, rate: int, crash: bool, share: float
) -> None:
    fault = f"faults: [{{kind: app-crash, rate: {rate}/min}}]" if crash else ""
    text = f"""
        name: conserved
        duration: 20s
        host: {{cores: 4, memory: 3GiB}}
        platforms: [vm]
        services:
          app:
            image: {{size: 1MB, cached: true}}
            memory: {{base: {base}MiB, per_request: {each}MiB, files: {files}MiB}}
            request: [read: {max(read, 1)}MiB, cpu: {{exponential: {{mean: 50ms}}}}]
            concurrency: {concurrency}
            timeout: 2s
            replicas: 2
            size: {{cpu: 1, memory: 1GiB}}
            traffic: {{constant-arrival-rate: {{rate: {rate}/s}}}}
        {fault}
    """
    on = guests(changes={"memory": {"file_cache": share}})
    whole = Run(scenario_from_text(text), on, 0, None)
    env, plane = whole.world.env, whole.world.plane
    worst: list[float] = []

    def watch() -> Any:
        while True:
            yield env.timeout(0.037)
            serving = plane.serving()
            there = whole.fleet.present()
            parts = sum(g.in_use(float(serving[g.slot])) for g in there)
            assert plane.memory_used == pytest.approx(parts, abs=1.0)
            for g in there:
                size = g.in_use(float(serving[g.slot]))
                assert 0.0 <= g.cache <= 1024 * MIB + 1.0
                worst.append(size)

    env.process(watch())
    records = whole.carry_out()
    assert max(worst, default=0.0) <= 1024 * MIB + 1.0 or records.counters["oom_kills"] > 0
