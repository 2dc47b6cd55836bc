"""Isolation and patching: who falls together, who is reached, and what the users lose of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.model.run import simulate
from sim.platforms import load_platform
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario
from sim.scenario.loader import scenario_from_text
from sim.terms.records import RunRecords

ROWS = Path(__file__).parents[2] / "scenarios" / "rows"
SCENARIO = """\
name: faults
seed: 1
duration: 20min
warmup: 1min
host: {cores: 16, memory: 32GiB, disk: {read: 2GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [vm, container]
services:
  app:
    image: {vm: 1GB, microvm: 200MB, container: 200MB, cached: true}
    memory: {base: 100MB}
    start_cpu: 1s
    request_cpu: 10ms
    concurrency: 4
    queue: 50
    timeout: 5s
    routing: round-robin
    size: {cpu: 500m, memory: 1GiB}
    replicas: 10
    traffic: {constant-arrival-rate: {rate: 50/s}}
"""
AT = "faults=[{{kind: {}, at: 5min}}]"


def run(*overrides: str, platform: str, changes: dict[str, Any] | None = None, replication: int = 0) -> RunRecords:
    scenario = scenario_from_text(SCENARIO, overrides=overrides)
    return simulate(scenario, load_platform(platform, changes or {}), replication)


def row(name: str, replication: int = 0, platforms: tuple[str, ...] = ("vm", "microvm", "container")):
    scenario = load_scenario(ROWS / f"{name}.yaml")
    assert set(scenario.platforms) == set(platforms)
    return {one: simulate(scenario, load_platform(one), replication) for one in platforms}


def events(records: RunRecords, name: str) -> list[tuple[float, str]]:
    rows = zip(records.events["time"], records.events["guest"], records.events["event"], strict=True)
    return [(float(time), guest) for time, guest, event in rows if event == name]


def back(records: RunRecords, after: float) -> list[float]:
    """Seconds after `after` at which guests became ready again."""
    return [time - after for time, _ in events(records, "ready") if time > after]


def test_no_fault_no_blast() -> None:
    assert not {"blast_guests", "blast_requests"} & set(run(platform="container").counters)


@pytest.mark.parametrize("platform", ["vm", "microvm", "container", "container-in-vm"])
def test_an_application_that_crashes_falls_alone(platform: str) -> None:
    records = run(AT.format("app-crash"), platform=platform)
    assert records.counters["blast_guests"] == 1
    assert len(events(records, "app-crash")) == 1
    # restarted in place: the first restart is at once (Kubernetes) or after 100 ms (systemd), and takes 1 s of CPU.
    # Half a core by budgets of 50 ms: it takes twice that, less what one budget (at most two, as the start falls into a
    # period) is ahead of the rate, and so does the `create` of a container; a VM has a whole core
    [took] = back(records, 300.0)
    if platform in ("vm", "microvm"):
        assert took == pytest.approx(1.1, abs=0.1)
    else:
        assert (1.0 + 0.1 - 2 * 0.05) / 0.5 < took < (1.0 + 0.1) / 0.5 + 0.049 + 0.418 + 0.2


@pytest.mark.parametrize(
    ("platform", "guests"),
    [("vm", 1), ("microvm", 1), ("kata", 1), ("gvisor", 1), ("container", 10), ("native", 10), ("container-in-vm", 8)],
)
def test_a_panic_takes_those_that_share_the_kernel(platform: str, guests: int) -> None:
    """A VM of the pool has 4 vCPUs, so it holds 8 containers of half a core; number 0 is in the first."""
    records = run("host.memory=64GiB", "faults=[{kind: kernel-panic, at: 5min, replica: 0}]", platform=platform)
    assert records.counters["blast_guests"] == guests
    assert len(events(records, "kernel-panic")) == guests
    assert len(back(records, 300.0)) == guests
    assert records.timeline["ready"][-1] == 10


def test_the_users_lose_what_comes_while_all_are_down() -> None:
    """Everything that arrives in the outage is lost, of 19 minutes; nothing when nine of ten guests go on."""
    fault = "faults=[{kind: kernel-panic, at: 5min, outage: 200s}]"
    container = run(fault, platform="container")
    tally = container.requests["app"]
    first, last = min(back(container, 300.0)), max(back(container, 300.0))
    lost = container.counters["blast_requests"]
    assert lost == pytest.approx(first / 1140, rel=0.04)  # sqrt(10,000) of 10,000 requests is 1 %
    assert lost == pytest.approx((tally.failed + tally.rejected + tally.timed_out) / tally.arrived)
    assert first == pytest.approx(200 + 0.3 + 0.11 + 0.17 + 0.138 + 2.0, abs=0.7)
    assert last - first >= 9 * 0.11 - 0.1  # one after the other through the lock of the network namespaces
    assert run(fault, platform="vm").counters["blast_requests"] < 0.001


def test_the_row_kernel_panic() -> None:
    """Ten containers fall for 180 s and a start of 1.5 s to 2.5 s, of 18 minutes; of ten VMs only one."""
    runs = row("kernel-panic")
    assert [runs[name].counters["blast_guests"] for name in ("vm", "microvm", "container")] == [1, 1, 10]
    assert runs["container"].counters["blast_requests"] == pytest.approx(181.5 / 1080, rel=0.03)
    assert runs["vm"].counters["blast_requests"] < 0.001
    assert runs["microvm"].counters["blast_requests"] < 0.001


CERTAIN = {"isolation": {"escape_probability": "100%", "escape_delay": "10s"}}
NEVER = {"isolation": {"escape_probability": "0%"}}


@pytest.mark.parametrize("platform", ["vm", "container"])
def test_a_break_in_reaches_all_or_one(platform: str) -> None:
    fault = AT.format("compromise")
    out, caught = (run(fault, platform=platform, changes=changes) for changes in (CERTAIN, NEVER))
    assert (out.counters["blast_guests"], caught.counters["blast_guests"]) == (10, 1)
    assert {time for time, _ in events(out, "exposed")} == {310.0}
    assert not events(caught, "exposed")
    # of 1140 s: 900 s of a tenth, and 890 s of the rest; nothing dies of it
    assert caught.counters["blast_requests"] == pytest.approx(0.1 * 900 / 1140, rel=0.04)
    assert out.counters["blast_requests"] == pytest.approx((0.1 * 900 + 0.9 * 890) / 1140, rel=0.02)
    assert out.requests["app"].failed == 0


def test_an_escape_ends_at_the_vm_where_containers_are_nested() -> None:
    fault = "faults=[{kind: compromise, at: 5min, replica: 0}]"
    assert run(fault, platform="container-in-vm", changes=CERTAIN).counters["blast_guests"] == 8


def test_escapes_have_the_platforms_probability() -> None:
    """Mean guests reached of ten: 1 + 9·p, p = 12.5 % (Lin et al., ACSAC 2018), within 3.3 standard errors."""
    quiet = ["services.app.traffic=null", "duration=11min"]
    changes = {"isolation": {"escape_delay": "0s"}}
    records = run(*quiet, "faults=[{kind: compromise, rate: 2/s}]", platform="container", changes=changes)
    n = len([time for time, _ in events(records, "compromised") if time >= 60])
    found = records.counters["blast_guests"]
    assert n == pytest.approx(1200, abs=4 * 1200**0.5)
    assert found == pytest.approx(1 + 9 * 0.125, abs=3.3 * 9 * (0.125 * 0.875 / n) ** 0.5)


def test_all_platforms_meet_the_same_faults() -> None:
    fault = "faults=[{kind: compromise, rate: 1/min}, {kind: compromise, rate: 6/h}]"
    met = [events(run(fault, platform=platform), "compromised") for platform in ("vm", "container", "microvm")]
    since = [[(time, guest) for time, guest in one if time > 60] for one in met]  # by then all guests of each are up
    assert since[0] == since[1] == since[2]
    assert 8 < len(since[0]) < 38  # 19 + 1.9, within four standard deviations
    assert events(run(fault, platform="vm", replication=1), "compromised") != met[0]


def test_the_row_breach() -> None:
    """One of ten guests that share two thirds of the requests, for 10 of 14 minutes; all 20 guests at an escape."""
    share = 0.1 * 2 / 3 * 10 / 14
    reached: dict[str, list[float]] = {"vm": [], "microvm": [], "container": []}
    for replication in range(12):
        for name, records in row("breach", replication).items():
            reached[name].append(records.counters["blast_guests"])
            if records.counters["blast_guests"] == 1:
                assert records.counters["blast_requests"] == pytest.approx(share, rel=0.1)
            else:
                assert share < records.counters["blast_requests"] < 10 / 14
    assert set(reached["vm"]) == set(reached["microvm"]) == {1.0}
    assert set(reached["container"]) == {1.0, 20.0}


def test_vms_leave_before_the_patch_and_containers_fall() -> None:
    runs = row("patch")
    assert [runs[name].counters["blast_guests"] for name in ("vm", "microvm", "container")] == [0, 10, 10]
    assert runs["vm"].counters["blast_requests"] == 0.0
    assert runs["vm"].requests["shop"].failed == 0
    assert runs["vm"].timeline["guests"][-1] == 0
    for name in ("microvm", "container"):
        assert runs[name].counters["blast_requests"] == pytest.approx(181.5 / 1080, rel=0.03)
        assert runs[name].timeline["ready"][-1] == 10


def test_vms_that_stay_are_down_for_longer() -> None:
    """Firmware, reading, 6 s of boot work, services: 11 s at the mean, against two seconds or so of a container."""
    fault = AT.format("host-patch")
    vm, container = (max(back(run(fault, platform=p), 300.0)) for p in ("vm", "container"))
    assert vm > container + 8
    assert vm == pytest.approx(180 + 2.5 + 10 * 0.1 + 6.0 + 2.37 + 1.0, abs=2.0)
    assert np.isfinite(container)


def test_nothing_starts_on_a_host_that_is_down() -> None:
    grow = "services.app.replicas={add: 1, every: 1min}"
    records = run(grow, "faults=[{kind: host-patch, at: 150s, outage: 2min}]", platform="container")
    refused = events(records, "refused")
    assert refused[0][0] == 180.0
    assert records.density_max is None
    assert records.timeline["ready"][-1] == 3


def test_a_fall_of_the_host_breaks_off_what_is_being_moved() -> None:
    """Patched 1 s into the move of a VM: it stays, is down with the others, and moves when it is back."""
    moves = "moves=[{at: 299s, service: app, replica: 3, dirty_rate: 1MB/s}]"
    records = run(moves, AT.format("host-patch"), platform="vm")
    assert [guest for _, guest in events(records, "move-aborted")] == ["app-3"]
    assert not events(records, "moved")
    assert records.timeline["ready"][-1] == 10
    assert "move_time" not in records.counters


def test_the_keys_of_a_patch_are_for_a_patch_only() -> None:
    with pytest.raises(ScenarioError, match="dirty_rate"):
        run("faults=[{kind: app-crash, at: 5min, dirty_rate: 1MB/s}]", platform="vm")
