"""Exact timelines of starts: pulls in turn, unpacking, lazy pulls, locks, snapshots, probes, start limits."""

from __future__ import annotations

from typing import Any

import pytest

from model.test_lifecycle import FREE, happened, service
from sim.model.run import simulate
from sim.platforms import PlatformError, load_platform
from sim.reading.errors import ScenarioError
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

PULL = {"name": "pull", "kind": "pull", "bytes": "image"}
WHOLE = "{cpu: {request: 1}, memory: {request: 10MiB}}"


def run(services: str, startup: list[dict[str, Any]], host: str = "", **changes: Any) -> RunRecords:
    """100 MB/s everywhere, four cores, as in the tests of lives; `changes` of the platform."""
    text = "name: tiny\nduration: 120s\nplatforms: [container]\nhost: {cores: 4, memory: 8GiB, network: 800Mbit/s, "
    text += f"disk: {{read: 100MB/s, write: 100MB/s{host}}}}}\nservices:\n{services}"
    again = {"restart": {"phases": []}, "isolation": {"panic_phases": []}}
    platform = load_platform("container", {**FREE, "startup": startup, **again, **changes})
    return simulate(scenario_from_text(text), platform, 0)


def ready(records: RunRecords) -> list[float]:
    return [round(t, 6) for t, _, _ in happened(records, "ready")]


def three(image: str = "100MB") -> str:
    return "".join(service(name, image=image, size=WHOLE) for name in ("a", "b", "c"))


@pytest.mark.parametrize(
    ("pulls", "expected"),
    [
        ({}, [6.0, 6.0, 6.0]),  # three share the network till 3 s, then the disk
        ({"at_once": 1}, [2.0, 4.0, 6.0]),
        ({"at_once": 2}, [4.0, 4.0, 6.0]),
        ({"rate": 0.1, "burst": 1}, [2.0, 12.0, 22.0]),
        ({"rate": 0.1, "burst": 2}, [4.0, 4.0, 12.0]),
    ],
)
def test_pulls_take_turns(pulls: dict[str, Any], expected: list[float]) -> None:
    assert ready(run(three(), [PULL], pulls=pulls)) == expected


def test_a_layer_is_unpacked_by_one_core_and_several_by_as_many() -> None:
    """1 s over the network, 100 MB at 50 MB/s a core, 1 s onto the disk; a limit of the guest's is none of it."""
    unpack = [{**PULL, "unpack": "50MB/s"}]
    small = "{cpu: {request: 100m, limit: 100m}, memory: {request: 10MiB}}"
    one = run(service(size=small), unpack)
    assert ready(one) == [4.0]
    assert one.integrals["cpu_boot"] == pytest.approx(2.0)
    layers = "{layers: [base 60MB, app 40MB]}"
    assert ready(run(service(size=WHOLE, image=layers), unpack)) == [pytest.approx(1 + 60 / 50 + 1)]
    eight = "{layers: [a 10MB, b 10MB, c 10MB, d 10MB, e 10MB, f 10MB, g 10MB, h 10MB]}"
    assert ready(run(service(size=WHOLE, image=eight), unpack)) == [pytest.approx(0.8 + 80 / 50 / 4 + 0.8)]


def test_a_lazy_pull_starts_with_a_part_and_fetches_the_rest() -> None:
    records = run(service(), [{**PULL, "fraction": "10%", "lazy": True}])
    assert ready(records) == [0.2]
    assert records.counters["network_pulled"] == pytest.approx(100e6)
    assert records.counters["disk_used"] == pytest.approx(100e6 + 112e3)  # and the guest's own


def test_a_lock_with_workers_layers_and_waits_for_the_disk() -> None:
    lock = {"name": "daemon", "kind": "lock", "lock": "d", "hold": "1s"}
    guests = service(
        size="{cpu: {request: 500m}, memory: {request: 10MiB}}", replicas=5, image="{layers: [x 0MB, y 0MB]}"
    )
    assert ready(run(guests, [lock])) == [1, 2, 3, 4, 5]
    assert ready(run(guests, [{**lock, "workers": 2}])) == [1, 1, 2, 2, 3]
    assert ready(run(guests, [{**lock, "per_layer": "500ms"}])) == [2, 4, 6, 8, 10]
    assert ready(run(guests, [{**lock, "syncs": 10}], ", sync: 100ms")) == [2, 4, 6, 8, 10]


def test_the_first_of_a_snapshot_touches_its_pages_and_the_application_runs_already() -> None:
    """1000 pages of 1 ms, and 4.096 MB at 100 MB/s; the second comes when they are there."""
    fault = {"name": "fault", "kind": "fault", "bytes": "4096000B", "latency": "1ms"}
    guests = service(start_cpu="3s", replicas=2)
    assert ready(run(guests, [{**fault, "shared": "image"}], resumes=True)) == [1.04096, 1.04096]
    assert ready(run(guests, [fault], resumes=True)) == [1.08192, 1.08192]  # both read at once
    assert ready(run(guests, [{**fault, "shared": "image"}])) == [4.04096, 4.04096]


@pytest.mark.parametrize(
    ("probe", "expected"),
    [("{probe: 10s}", 10.0), ("{probe: 3s}", 3.0), ("{probe: 2s}", 4.0), ("{probe: 2s, delay: 500ms}", 4.5),
     ("{probe: 1s, delay: 20s}", 20.0)],
)  # fmt: skip
def test_a_replica_serves_from_the_first_probe_that_it_passes(probe: str, expected: float) -> None:
    """The process begins after a boot of 1 s, and is up 3 s later."""
    boot = {"name": "boot", "kind": "delay", "duration": "1s"}
    records = run(service(start_cpu="3s", ready=probe), [boot])
    assert ready(records) == [1.0 + expected]
    assert records.guests["startup_probe"].tolist() == [pytest.approx(expected - 3.0)]


@pytest.mark.parametrize(("burst", "deaths"), [(3, 3), (5, 5), (None, 61)])
def test_a_unit_that_dies_at_once_is_given_up_after_its_limit(burst: int | None, deaths: int) -> None:
    """Its application does not fit into its memory: it dies as often as it is started, 2 s apart."""
    limit = {} if burst is None else {"burst": burst, "interval": "20s"}
    restart = {"phases": [], "first": "2s", "delay": "2s", "factor": 1, "max": "2s", "reset_after": "1h", **limit}
    large = service(memory="{base: 2GiB}")
    records = run(large, [], restart=restart)
    assert len(happened(records, "oom-kill")) == deaths
    assert len(happened(records, "start-limit")) == (burst is not None)


def test_the_count_of_starts_begins_anew_with_another_process() -> None:
    restart = {"phases": [], "first": "2s", "delay": "2s", "factor": 1, "max": "2s", "reset_after": "1h"}
    reboot = "faults: [{kind: host-reboot, at: 60s}]\n"
    limited = {**restart, "burst": 3, "interval": "1h"}
    soon = {"panic_phases": [], "host_reboot": "10s"}
    records = run(service(memory="{base: 2GiB}") + reboot, [], restart=limited, isolation=soon)
    assert len(happened(records, "oom-kill")) == 6
    assert len(happened(records, "start-limit")) == 2


def test_starts_that_are_far_enough_apart_have_no_limit() -> None:
    restart = {"phases": [], "first": "2s", "delay": "2s", "factor": 1, "max": "2s", "reset_after": "1h"}
    records = run(service(memory="{base: 2GiB}"), [], restart={**restart, "burst": 3, "interval": "5s"})
    assert len(happened(records, "oom-kill")) == 61  # the window of 5 s takes three starts, at 0, 2 and 4 s


def test_what_is_wrong_is_said_with_its_path() -> None:
    with pytest.raises(PlatformError) as error:
        load_platform("container", {"pulls": {"at_once": 0, "qps": 5}, "startup": {"run": {"unpack": "1MB/s"}}})
    assert {each.path for each in error.value.problems} == {
        "platforms.container.pulls.at_once", "platforms.container.pulls.qps", "platforms.container.startup.run.unpack",
    }  # fmt: skip


def test_a_wrong_probe_is_said_with_its_line() -> None:
    with pytest.raises(ScenarioError) as error:
        scenario_from_text(f"name: x\nduration: 1s\nhost: {{cores: 1, memory: 1GiB}}\nplatforms: [native]\nservices:\n"
                           f"{service(ready='{probe: 0s, every: 3s}')}")  # fmt: skip
    assert "services.app.ready.probe" in str(error.value)
    assert "services.app.ready.every" in str(error.value)
