"""Exact timelines of tiny cases: one story each, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

# Round numbers: 100 MB/s everywhere, so that a 100 MB image takes 1 s over the NIC and 1 s onto the disk.
HOST = "{cores: 4, memory: 8GiB, disk: {read: 100MB/s, write: 100MB/s}, network: 800Mbit/s}"
FREE = {
    "cpu": {"overhead": 1.0, "idle_per_guest": 0, "host": 0},
    "memory": {"host": "0B", "per_guest": "0B"},
    "stop": {"delay": "1s"},
}


def run(services: str, startup: list[dict[str, object]], duration: str = "60s", extra: str = "") -> RunRecords:
    text = f"name: tiny\nduration: {duration}\nhost: {HOST}\nplatforms: [container]\n{extra}\nservices:\n{services}"
    again = [phase["name"] for phase in startup if phase["kind"] == "delay"]
    parts = {"startup": startup, "restart": {"phases": again}, "isolation": {"panic_phases": again}}
    platform = load_platform("container", FREE | parts)
    return simulate(scenario_from_text(text), platform, 0)


def service(name: str = "app", **keys: object) -> str:
    defaults: dict[str, object] = {
        "image": "100MB",
        "memory": "{base: 100MiB}",
        "request_cpu": "1s",
        "size": "{cpu: {request: 1, limit: 1}, memory: {request: 1GiB, limit: 1GiB}}",
    }
    return f"  {name}:\n" + "".join(f"    {key}: {value}\n" for key, value in (defaults | keys).items())


def happened(records: RunRecords, *kinds: str) -> list[tuple[float, str, str]]:
    events = records.events
    rows = zip(events["time"].tolist(), events["guest"].tolist(), events["event"].tolist(), strict=True)
    return [(round(t, 9), guest, event) for t, guest, event in rows if not kinds or event in kinds]


def test_phases_follow_each_other_and_the_application_comes_last() -> None:
    startup = [
        {"name": "pull", "kind": "pull", "bytes": "image"},
        {"name": "wait", "kind": "delay", "duration": "500ms"},
        {"name": "work", "kind": "cpu", "work": "2s"},
    ]
    records = run(service(start_cpu="3s"), startup)
    assert happened(records) == [(0, "app-0", "requested"), (1 + 1 + 0.5 + 2 + 3, "app-0", "ready")]
    assert records.guests["startup_pull"].tolist() == [2.0]
    assert records.guests["startup_app"].tolist() == [3.0]


def test_concurrent_pulls_of_one_image_cost_one_transfer() -> None:
    records = run(service(replicas=3), [{"name": "pull", "kind": "pull", "bytes": "image"}])
    assert [t for t, _, _ in happened(records, "ready")] == [2.0, 2.0, 2.0]


def test_pulls_of_two_images_share_the_nic() -> None:
    two = service("a") + service("b", image="200MB")
    records = run(two, [{"name": "pull", "kind": "pull", "bytes": "image"}])
    # both at 50 MB/s until a has its 100 MB at 2 s; b's other 100 MB take until 3 s; a writes until 3 s, b until 5 s
    assert happened(records, "ready") == [(3.0, "a-0", "ready"), (5.0, "b-0", "ready")]


def test_the_page_cache_is_warm_when_the_read_has_ended_not_before() -> None:
    read = {"name": "read", "kind": "read", "bytes": "image", "shared": "image"}
    image = "{container: 100MB, cached: true}"
    early = service("a", image=image, replicas=2)
    records = run(early, [{"name": "w", "kind": "delay", "duration": "1s"}, read])
    assert [t for t, _, _ in happened(records, "ready")] == [2.0, 2.0]  # the second waits for the first one's read


def test_a_lock_lets_one_start_in_at_a_time() -> None:
    records = run(service(replicas=3), [{"name": "netns", "kind": "lock", "lock": "netns", "hold": "250ms"}])
    assert [t for t, _, _ in happened(records, "ready")] == [0.25, 0.5, 0.75]


def test_boots_contend_for_the_cores() -> None:
    size = "{cpu: {request: 500m}, memory: {request: 100MiB, limit: 1GiB}}"
    records = run(service(replicas=8, size=size), [{"name": "boot", "kind": "cpu", "work": "1s"}])
    assert [t for t, _, _ in happened(records, "ready")] == [2.0] * 8  # eight threads on four cores


def test_a_cached_image_is_not_pulled() -> None:
    records = run(service(image="{container: 100MB, cached: true}"), [{"name": "p", "kind": "pull", "bytes": "image"}])
    assert happened(records, "ready") == [(0.0, "app-0", "ready")]


def test_admission_refuses_what_does_not_fit_and_says_why() -> None:
    records = run(service(replicas=6), [])
    refused = records.events["detail"][records.events["event"] == "refused"].tolist()
    assert len(refused) == 2
    assert refused[0] == "app: cpu: 4 of 4 cores promised, 1 asked"
    assert records.density_max == 4
    assert records.counters["refused"] == 2


def test_an_application_larger_than_its_limit_is_killed_and_backs_off() -> None:
    records = run(service(memory="{base: 2GiB}"), [{"name": "create", "kind": "delay", "duration": "1s"}])
    # killed as it starts at 1 s; restarted at once (create is repeated), then after 10 s, 20 s, …
    times = [t for t, _, _ in happened(records, "oom-kill")]
    assert times == [1.0, 2.0, 13.0, 34.0]


def test_requests_beyond_the_memory_kill_the_guest_and_fail_what_it_held() -> None:
    keys = {
        "memory": "{base: 512MiB, per_request: 300MiB}",
        "concurrency": 4,
        "traffic": "{constant-arrival-rate: {rate: 10/s, arrivals: even}}",
    }
    records = run(service(**keys), [], duration="1s")
    kills = happened(records, "oom-kill")
    assert kills[0] == (0.1, "app-0", "oom-kill")  # the second request in service needs 1112 MiB of 1024
    assert records.requests["app"].failed >= 2
    used = records.timeline["memory_used"]  # the dead give all back: never more than what tips one over
    assert 512 * 2**20 <= used.max() <= (512 + 2 * 300) * 2**20


def test_the_oom_killer_takes_the_highest_score_first() -> None:
    # 8 GiB; each takes 3 GiB when it starts. The third is too much; best-effort goes before guaranteed.
    guaranteed = "{cpu: 1, memory: 3GiB}"
    burstable = "{cpu: {request: 500m}, memory: {request: 100MiB, limit: 4GiB}}"
    services = "".join(
        service(name, size=size, memory="{base: 3GiB}", start_cpu=start)
        for name, size, start in (("a", guaranteed, "1s"), ("b", burstable, "2s"), ("c", guaranteed, "1500ms"))
    )
    records = run(services, [], duration="5s")
    killed = [guest for _, guest, _ in happened(records, "oom-kill")]
    assert killed
    assert set(killed) == {"b-0"}


def test_scaling_down_takes_the_newest_and_lets_it_finish() -> None:
    keys = {
        "autoscale": "{rule: concurrency, target: 1, min: 1, max: 3, window: 4s, sync: 2s}",
        "request_cpu": "1500ms",
        "traffic": "{ramping-arrival-rate: {start: 2/s, arrivals: even, stages: [{duration: 10s, target: 2/s}]}}",
    }
    records = run(service(**keys), [], duration="40s")
    tally = records.requests["app"]
    assert tally.arrived == tally.completed == 20
    stopped = [guest for _, guest, _ in happened(records, "stopped")]
    assert stopped == sorted(stopped, reverse=True)
    assert "app-0" not in stopped


def hpa_sizes(records: RunRecords) -> Sequence[str]:
    return records.events["detail"][records.events["event"] == "scale"].tolist()


def test_hpa_follows_kubernetes_arithmetic() -> None:
    # 3 requests/s of 1 core-s are 3 cores wanted; a replica has 1 core and a target of 50 %: from 1 replica (100 %
    # used) to 2, from 2 (100 %) to 4, and no further on 4 cores
    keys = {
        "autoscale": "{rule: hpa, min: 1, max: 10, target_cpu: 50%}",
        "concurrency": 4,
        "traffic": "{constant-arrival-rate: {rate: 3/s, arrivals: even}}",
    }
    records = run(service(**keys), [], duration="46s", extra="quota: fluid")  # a budget would let it run ahead a bit
    assert hpa_sizes(records) == ["app: 1 to 2", "app: 2 to 4", "app: 4 to 8"]
    assert records.peaks["guests"] == 4
    assert records.counters["refused"] == 4


def test_an_idle_guest_is_kept_for_its_time_and_no_longer() -> None:
    keys = {
        "autoscale": "{rule: per-request, keep_alive: 10s, max: 5}",
        "traffic": "{ramping-arrival-rate: {start: 1/s, arrivals: even, stages: [{duration: 2s, target: 1/s}]}}",
    }
    records = run(service(**keys), [{"name": "boot", "kind": "delay", "duration": "500ms"}])
    # arrivals at 1 s and 2 s; the first is served 1.5-2.5 s by app-0, so the second needs app-1 (2.5-3.5 s)
    assert happened(records, "requested") == [(1.0, "app-0", "requested"), (2.0, "app-1", "requested")]
    ends = records.guests["stopped"]
    assert np.allclose(ends, [2.5 + 10 + 1, 3.5 + 10 + 1], atol=1e-9)  # a second to stop


@pytest.mark.parametrize("seed", range(3))
def test_used_never_passes_capacity(seed: int) -> None:
    keys = {"replicas": 4, "concurrency": 4, "request_cpu": "{exponential: {mean: 1s}}"}
    traffic = "{constant-arrival-rate: {rate: 20/s}}"
    records = run(service(**keys, traffic=traffic), [], duration="20s", extra=f"seed: {seed}")
    timeline = records.timeline
    assert (timeline["cpu_used"] <= timeline["cpu_capacity"]).all()
    assert timeline["cpu_used"].max() > 0.99 * timeline["cpu_capacity"].max()
    assert (timeline["memory_used"] <= timeline["memory_capacity"]).all()


def test_closed_loop_clients_obey_the_interactive_response_time_law() -> None:
    # deterministic: 2 clients think 1 s and need the one server 1 s each; from 3 s on it is never idle
    keys = {"traffic": "{constant-vus: {vus: 2, think_time: 1s}}"}
    records = run(service(**keys), [], duration="10500ms")
    tally = records.requests["app"]
    # both ask at 1 s; served 1-2 and 2-3; then each asks 1 s after its answer and meets an idle server
    assert (tally.completed, tally.in_flight) == (9, 1)
    assert tally.waiting_sum == pytest.approx(1.0)


def test_closed_loop_law_with_random_think_times() -> None:
    keys = {
        "traffic": "{constant-vus: {vus: 20, think_time: {exponential: {mean: 5s}}}}",
        "request_cpu": "{exponential: {mean: 200ms}}",
        "timeout": "3s",
    }
    records = run(service(**keys), [], duration="2000s")
    tally = records.requests["app"]
    # Little's law on the clients: in the mean N = X (R + Z), a client that gives up counts its 3 s of patience
    served = tally.response.total + 3.0 * tally.timed_out
    thinking = 5.0 * (tally.completed + tally.timed_out)
    clients = (served + thinking) / 2000.0
    assert 19.0 < clients < 21.0
    assert tally.timed_out > 0
