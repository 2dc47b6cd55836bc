"""Moving: live migration against the geometric formula, and a new guest elsewhere (the row "portability").

Pre-copy with a constant dirty rate d and bandwidth b sends V, V·r, V·r², … with r = d / b (Clark et al., NSDI 2005), so
that total time and downtime have closed forms. They hold within 1 % (here: exactly, as nothing else uses the link).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import Scenario, load_scenario
from sim.scenario.loader import scenario_from_text
from sim.terms.records import RunRecords

ROWS = Path(__file__).parents[2] / "scenarios" / "rows"
MB = 1e6
BOOT = 200 * MB  # vm.yaml: what a boot reads, and stays in its page cache
BLACKOUT = 0.050  # s, vm.yaml: a guest stands still for it after the rest has been sent
PLAIN = {"memory": {"file_cache": "0%"}, "move": {"blackout": "0s"}}  # where a test is about the network
SCENARIO = """\
name: move
seed: 1
duration: 20min
host: {cores: 8, memory: 16GiB, disk: {read: 2GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [vm]
services:
  app:
    image: {vm: 1GB, container: 210MB, cached: true}
    memory: {base: 500MB}
    start_cpu: 1s
    request_cpu: 1ms
    size: {cpu: 1, memory: 2GB}
    replicas: 1
moves: [{at: 2min, service: app, dirty_rate: 40MB/s}]
"""
EVEN = "services.app.traffic={constant-arrival-rate: {rate: 50/s, arrivals: even}}"


def run(*overrides: str, platform: str = "vm", changes: dict | None = None) -> RunRecords:
    scenario = scenario_from_text(SCENARIO, overrides=overrides)
    return simulate(scenario, load_platform(platform, changes or {}), 0)


def events(records: RunRecords, name: str) -> list[tuple[float, str]]:
    rows = zip(records.events["time"], records.events["guest"], records.events["event"], strict=True)
    return [(float(time), guest) for time, guest, event in rows if event == name]


def plain(*overrides: str) -> RunRecords:
    return run(*overrides, changes=PLAIN)


def in_use(cache: float = BOOT) -> float:
    """Bytes in use in the VM's RAM: the application, OS services, the guest kernel, its page cache; not the VMM."""
    return 500 * MB + load_platform("vm").guest_os_bytes(2e9) + cache


@pytest.mark.parametrize(
    ("dirty", "link", "target"),
    [(0, 1250, 0.3), (40, 1250, 0.3), (100, 1250, 0.3), (40, 50, 0.3), (40, 50, 2.0), (120, 1250, 1.0)],
)
def test_pre_copy_is_a_geometric_series(dirty: float, link: float, target: float) -> None:
    terms = f"at: 2min, service: app, link: {8 * link}Mbit/s, dirty_rate: {dirty}MB/s"
    records = run(f"moves=[{{{terms}, downtime: {target}s, max_rounds: 99}}]")
    bandwidth = min(128 * 2**20, link * MB)  # QEMU's max-bandwidth, or the link's
    ratio, volume = dirty * MB / bandwidth, in_use()
    rounds = 1
    while volume * ratio**rounds > target * bandwidth:
        rounds += 1
    sent = volume * (1 - ratio ** (rounds + 1)) / (1 - ratio)
    assert records.counters["move_bytes"] == pytest.approx(sent, rel=0.01)
    assert records.counters["move_time"] == pytest.approx(sent / bandwidth + BLACKOUT, rel=0.01)
    assert records.counters["move_downtime"] == pytest.approx(volume * ratio**rounds / bandwidth + BLACKOUT, rel=0.01)
    assert len(events(records, "moved")) == 1


def test_a_pull_takes_its_half_of_the_network() -> None:
    """A pull of 20 GB is under way when the VM leaves: it gets half of the NIC, and the copy takes twice as long."""
    other = (
        "services.big={image: 20GB, memory: {base: 1MB}, request_cpu: 1ms, size: {cpu: 1, memory: 1GB}, replicas: 1}"
    )
    alone = ["host.network=800Mbit/s", "moves.0.dirty_rate=0MB/s"]
    assert plain(*alone).counters["move_time"] == pytest.approx(in_use(0) / (100 * MB), rel=0.01)
    assert plain(*alone, other).counters["move_time"] == pytest.approx(in_use(0) / (50 * MB), rel=0.01)


def test_requests_take_their_part_of_the_network() -> None:
    """50/s of 200 KB and 600 KB are 40 of 100 MB/s: copy and pull take 1 / 0.6 times as long; on a full link, 100."""
    bare = ["host.network=800Mbit/s", "moves.0.dirty_rate=0MB/s", EVEN, "duration=1h"]
    sized = ["services.app.request_bytes=200KB", "services.app.response_bytes=600KB"]
    assert plain(*bare).counters["move_time"] == pytest.approx(in_use(0) / (100 * MB), rel=0.01)
    assert plain(*bare, *sized).counters["move_time"] == pytest.approx(in_use(0) / (60 * MB), rel=0.01)
    assert plain(*bare, sized[0]).counters["move_time"] == pytest.approx(in_use(0) / (90 * MB), rel=0.01)
    full = plain(*bare, "services.app.request_bytes=3MB")
    assert full.counters["move_time"] == pytest.approx(in_use(0) / MB, rel=0.01)
    other = (
        "services.big={image: 20GB, memory: {base: 1MB}, request_cpu: 1ms, size: {cpu: 1, memory: 1GB}, replicas: 1}"
    )
    pulls = [plain(*bare, *more, other, "moves=[]").guests["startup_pull"][1] for more in ([], sized)]
    # the pull begins before the app serves and answers, but requests arrive all the time; writing takes 20 s
    assert pulls == pytest.approx([20_000 / 100 + 20, 20_000 / 60 + 20], rel=0.01)


def test_the_requests_of_who_has_moved_pass_it_by() -> None:
    """Two moves over a link of 100 MB/s that 40 MB/s of requests share: when one of two is gone, 20 are left."""
    sized = ["services.app.request_bytes=800KB", "services.app.replicas=2", "host.network=800Mbit/s", EVEN]
    records = plain(*sized, "moves.0.dirty_rate=0MB/s", "moves.0.downtime=0.1ms")
    assert records.counters["move_time"] == pytest.approx(in_use(0) / (60 * MB) + in_use(0) / (80 * MB), rel=0.02)


@pytest.mark.parametrize("dirty", ["134.3MB/s", "1GB/s"])
def test_what_does_not_converge_ends_as_asked(dirty: str) -> None:
    volume, bandwidth = in_use(), 128 * 2**20
    stays = run(f"moves.0.dirty_rate={dirty}", "moves.0.on_no_convergence=abort")
    assert [len(events(stays, name)) for name in ("move-not-converging", "move-aborted", "moved")] == [1, 1, 0]
    assert "move_downtime" not in stays.counters
    assert stays.counters["move_bytes"] == pytest.approx(volume, rel=0.01)
    assert stays.timeline["ready"][-1] == 1
    forced = run(f"moves.0.dirty_rate={dirty}", "moves.0.on_no_convergence=force")
    assert [len(events(forced, name)) for name in ("move-not-converging", "move-aborted", "moved")] == [1, 0, 1]
    assert forced.counters["move_downtime"] == pytest.approx(volume / bandwidth + BLACKOUT, rel=0.01)
    assert forced.counters["move_time"] == pytest.approx(2 * volume / bandwidth + BLACKOUT, rel=0.01)
    assert forced.timeline["guests"][-1] == 0


def test_too_few_rounds_are_reported_too() -> None:
    records = run("moves.0.max_rounds=2", "moves.0.dirty_rate=120MB/s", "moves.0.on_no_convergence=force")
    ratio, volume, bandwidth = 120 * MB / (128 * 2**20), in_use(), 128 * 2**20
    assert len(events(records, "move-not-converging")) == 1
    assert records.counters["move_downtime"] == pytest.approx(volume * ratio**2 / bandwidth + BLACKOUT, rel=0.01)


def test_users_wait_for_the_downtime_and_then_go_on_being_served() -> None:
    records = run(EVEN, "services.app.concurrency=4", "warmup=1min")
    tally, downtime = records.requests["app"], records.counters["move_downtime"]
    assert tally.completed >= tally.arrived - 1
    assert tally.response.values is not None
    assert downtime - 0.03 < tally.response.values.max() < downtime + 0.03  # the first one in waits for all of it
    slow = np.count_nonzero(tally.response.values > 0.005)
    assert slow == pytest.approx(50 * downtime, abs=2.5)


def test_a_container_is_made_anew_elsewhere_and_then_switched_to() -> None:
    """Pull 0.5 s + 210 MB at 42 MB/s + written at 1 GB/s; 680 ms of phases; 1 s of its own; then 0.48 s to stop."""
    records = run(EVEN, "services.app.image.cached=false", "warmup=1min", platform="container")
    expected = 0.5 + 210 / 42 + 0.21 + 0.680 + 1.0 + 0.48
    assert records.counters["move_time"] == pytest.approx(expected, abs=0.12)  # the spread of `run` is 0.04 s
    assert records.counters["move_bytes"] == pytest.approx(210 * MB)
    assert records.counters["move_downtime"] == 0.0
    tally = records.requests["app"]
    assert tally.failed == tally.rejected == tally.timed_out == 0
    assert tally.response.values is not None
    assert tally.response.values.max() < 0.005
    assert list(records.guests["stop_reason"]) == ["moved", ""]
    assert records.timeline["guests"][-1] == 0
    assert records.timeline["memory_used"][-1] == pytest.approx(load_platform("container").memory.host)


def test_what_an_image_already_has_is_not_pulled_again() -> None:
    assert run(platform="container").counters["move_bytes"] == 0.0


def test_draining_ends_after_its_time() -> None:
    """A request of 120 s came at 0 s; the new one is ready at 32 s, and the old one has 30 s to end, or 2 minutes."""
    long = [
        "services.app.request_cpu=120s",
        "services.app.traffic={constant-arrival-rate: {rate: 1/h, arrivals: even}}",
    ]
    work = [*long, "moves.0.at=30s"]
    cut = run(*work, platform="container").requests["app"]
    kept = run(*work, platform="container", changes={"move": {"drain": "2min"}}).requests["app"]
    assert (cut.failed, cut.completed) == (1, 0)
    assert (kept.failed, kept.completed) == (0, 1)


def test_the_row_evacuate() -> None:
    """VMs send gigabytes and stand still for a moment, containers one image; nobody loses a request."""
    scenario: Scenario = load_scenario(ROWS / "evacuate.yaml")
    runs = {name: simulate(scenario, load_platform(name), 0) for name in scenario.platforms}
    assert set(runs) == {"vm", "microvm", "container"}
    for records in runs.values():
        tally = records.requests["shop"]
        assert tally.failed == tally.rejected == tally.timed_out == 0
        assert records.timeline["guests"][-1] == 0
        assert len(events(records, "move")) == 1
        last = records.timeline["time"] > 180 + records.counters["move_time"] + 2
        daemons = load_platform(records.platform).cpu.host
        assert records.timeline["cpu_used"][last] == pytest.approx(daemons)  # 100/s of 50 ms are served, but not here
    move = {name: records.counters for name, records in runs.items()}
    assert move["vm"]["move_downtime"] > 0.1
    assert move["microvm"]["move_downtime"] == move["container"]["move_downtime"] == 0.0
    assert move["container"]["move_bytes"] == pytest.approx(190 * MB)
    assert move["vm"]["move_bytes"] > 10 * move["container"]["move_bytes"]
    assert move["vm"]["move_time"] > 2 * move["container"]["move_time"] > 2 * move["microvm"]["move_time"]
    # ten times the series of a guest: 220 MiB, the guest OS and what its boot read; three rounds at 40 MB/s of
    # 128 MiB/s, as the 47 MB left after two take more than 0.3 s; then the rest
    ratio = 40 * MB / (128 * 2**20)
    volume = 220 * 2**20 + load_platform("vm").guest_os_bytes(2**30) + BOOT
    series = volume * (1 + ratio + ratio**2 + ratio**3)
    assert move["vm"]["move_bytes"] == pytest.approx(10 * series, rel=0.02)  # and 4 MiB a request in service


@pytest.mark.parametrize(("platform", "alone"), [("vm", 1.0), ("container", 0.8)])
def test_what_has_moved_computes_elsewhere(platform: str, alone: float) -> None:
    """Two busy guests of at most 0.8 cores (a whole vCPU) share a core; the one that stays has all it may use of it."""
    busy = "request_cpu: 100h, traffic: {constant-arrival-rate: {rate: 1/h, arrivals: even}}"
    size = "size: {cpu: {request: 400m, limit: 800m}, memory: 2GB}"
    guest = f"{{image: {{size: 1GB, cached: true}}, memory: {{base: 500MB}}, {size}, replicas: 1, {busy}}}"
    services = [f"services.{name}={guest}" for name in ("app", "other")]
    changes = {"cpu": {"overhead": 1.0, "idle_per_guest": 0, "host": 0}}
    records = run(*services, "host.cores=1", "cpu_overcommit=2", platform=platform, changes=changes)
    times, used = records.timeline["time"], records.timeline["cpu_used"]
    gone = 120 + records.counters["move_time"]
    assert used[(times > 60) & (times < 119)] == pytest.approx(1.0)
    assert used[times > gone + 3] == pytest.approx(alone)  # a sample is the mean since the last one, 2.4 s ago
    assert records.service_integrals["app"]["cpu_request"] < 0.5 * gone


@pytest.mark.parametrize("platform", ["vm", "container"])
def test_two_orders_for_one_guest_move_it_once(platform: str) -> None:
    twice = "moves=[{at: 2min, service: app}, {at: 121s, service: app, replica: 0}]"
    records = run(twice, platform=platform)
    assert list(records.guests["stop_reason"]).count("moved") == 1
    assert len(records.guests["guest"]) == (1 if platform == "vm" else 2)
    assert records.timeline["guests"][-1] == 0
    assert len(events(records, "move")) == 2
