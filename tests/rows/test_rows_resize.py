"""Another size while it runs (the row "permanent or elastic"): cores, memory, admission, and what platforms allow.

By hand: one request of 100 core-s, from the moment on at which the guest is ready, at half a core or one vCPU.
"""

from __future__ import annotations

import numpy as np
import pytest

from sim.model.run import simulate
from sim.platforms import load_platform
from sim.reading.errors import ScenarioError
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

GIB = 2.0**30


def vmm(cpus: int, ram: float) -> float:
    """Bytes of a VMM, by vm.yaml: it goes with what is plugged."""
    return 21.6e6 + cpus * 8 * 2**20 + 0.002 * ram


PLAIN = {"cpu": {"overhead": 1.0, "idle_per_guest": 0, "host": 0}}
SCENARIO = """
duration: 20min
host: {cores: 4, memory: 16GiB, disk: {read: 2GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [vm, container]
services:
  app:
    image: {size: 1GB, cached: true}
    memory: {base: 500MB}
    request_cpu: 100s
    concurrency: 4
    size:
      vm: {cpu: 1, memory: 2GiB}
      container: {cpu: {request: 500m, limit: 500m}, memory: {request: 1GiB, limit: 1GiB}}
    replicas: 1
    traffic: {trace: {file: FILE, time: time}}
resizes: []
"""


@pytest.fixture
def run(tmp_path):
    trace = tmp_path / "arrivals.csv"

    def go(*overrides: str, platform: str = "container", arrivals=(0.0,), changes=None) -> RunRecords:
        # a trace's times count from its first: the arrivals lie at 0 s, and wait in the backlog until a guest is ready
        trace.write_text("time\n" + "".join(f"{each}\n" for each in arrivals))
        scenario = scenario_from_text(SCENARIO.replace("FILE", str(trace)), overrides=overrides)
        return simulate(scenario, load_platform(platform, changes or PLAIN), 0)

    return go


def events(records: RunRecords, name: str) -> list[tuple[float, str]]:
    rows = zip(records.events["time"], records.events["event"], records.events["detail"], strict=True)
    return [(float(time), str(detail)) for time, event, detail in rows if event == name]


def response(records: RunRecords, service: str = "app") -> np.ndarray:
    values = records.requests[service].response.values
    assert values is not None
    return np.sort(values)


CONTAINER = "{cpu: {request: 1, limit: 1}, memory: {request: 2GiB, limit: 2GiB}}"


def test_a_container_has_its_new_cores_at_once(run) -> None:
    """100 core-s from `began` on at 0.5 a second until 100 s, then at 1; by periods it would be up to 50 ms ahead."""
    began = run("quota=fluid").guests["ready"][0]
    assert response(run("quota=fluid")) == pytest.approx([began + 200], rel=1e-9)
    records = run("quota=fluid", f"resizes=[{{at: 100s, service: app, size: {CONTAINER}}}]")
    assert response(records) == pytest.approx([100 + 100 - 0.5 * (100 - began)], rel=1e-9)
    assert [time for time, _ in events(records, "resized")] == [100.0]
    times, timeline = records.timeline["time"], records.timeline
    assert timeline["cpu_allocated"][times < 100] == pytest.approx(0.5)
    assert timeline["cpu_allocated"][times >= 100] == pytest.approx(1.0)
    assert timeline["memory_allocated"][times < 100] == pytest.approx(GIB)
    assert timeline["memory_allocated"][times >= 100] == pytest.approx(2 * GIB)
    assert timeline["cpu_used"][(times > 105) & (times < 140)] == pytest.approx(1.0)


def test_a_vm_is_plugged_vcpus_and_ram(run) -> None:
    """Two requests on one vCPU, from 100 s on a vCPU each; the guest kernel's tables grow with the RAM."""
    began = run(platform="vm").guests["ready"][0]
    records = run(
        "resizes=[{at: 100s, service: app, size: {cpu: 2, memory: 4GiB}}]", platform="vm", arrivals=(0.0, 0.0)
    )
    assert response(records) == pytest.approx([100 + 100 - 0.5 * (100 - began)] * 2, rel=1e-9)
    used, times = records.timeline["memory_used"], records.timeline["time"]
    before, after = used[times < 100][-1], used[times >= 100][0]
    kernel = load_platform("vm").guest_os_bytes
    grown = kernel(4 * GIB) - kernel(2 * GIB) + vmm(2, 4 * GIB) - vmm(1, 2 * GIB)
    assert after - before == pytest.approx(grown, rel=1e-9)
    assert records.timeline["memory_allocated"][-1] == pytest.approx(4 * GIB + vmm(2, 4 * GIB))


@pytest.mark.parametrize(
    ("platform", "size", "why"),
    [
        ("vm", "{cpu: 5, memory: 2GiB}", "cpu: 5 asked, from 1 (as started) to 4 can be plugged"),
        ("vm", "{cpu: 1, memory: 1GiB}", "memory: 1 asked, from 2 (as started) to 8 can be plugged"),
        ("microvm", "{cpu: 2, memory: 2GiB}", "cannot resize"),
        ("container", "{cpu: 5, memory: 1GiB}", "cpu: 0.5 of 4 cores promised, 4.5 asked"),
        ("container", "{cpu: 1, memory: 17GiB}", "memory: 1.00 of 15.80 GiB promised, 16.00 GiB asked"),
        ("container", "{cpu: 1, memory: 400MiB}", "memory: 477 MiB in use, 400 MiB would be left"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(run, platform: str, size: str, why: str) -> None:
    same = run(platform=platform)
    records = run(f"resizes=[{{at: 100s, service: app, size: {size}}}]", platform=platform)
    ((time, reason),) = events(records, "resize-refused")
    assert time == 100.0
    assert why in reason
    assert events(records, "resized") == []
    assert response(records) == pytest.approx(response(same))
    assert np.array_equal(records.timeline["cpu_allocated"], same.timeline["cpu_allocated"])


def test_up_and_down_again_leaves_what_was_there(run) -> None:
    """A VM goes back to what it was started with; a container further down, which makes room for one that waits."""
    back = "resizes=[{at: 100s, service: app, size: {cpu: 4, memory: 8GiB}}, "
    back += "{at: 300s, service: app, size: {cpu: 1, memory: 2GiB}}]"
    records = run(back, platform="vm")
    assert len(events(records, "resized")) == 2
    assert records.timeline["cpu_allocated"][-1] == 1.0
    assert records.timeline["memory_allocated"][-1] == pytest.approx(2 * GIB + vmm(1, 2 * GIB))
    assert records.timeline["memory_used"][-1] == pytest.approx(run(platform="vm").timeline["memory_used"][-1])
    two = ["services.app.replicas=2", "services.app.size={cpu: 3, memory: 1GiB}"]
    assert run(*two).peaks["guests"] == 1
    shrunk = run(*two, "resizes=[{at: 100s, service: app, size: {cpu: 2, memory: 1GiB}}]")
    assert shrunk.peaks["guests"] == 2
    assert shrunk.guests["requested"].tolist() == [0.0, 100.0]
    assert shrunk.timeline["cpu_allocated"][-1] == 4.0  # the one to come has the new size


def test_a_higher_memory_limit_saves_the_next_request(run) -> None:
    """500 MB and 300 MB a request under 1 GiB: the second is the end of it; under 2 GiB, four fit, at 1/8 core each."""
    hog = ["services.app.memory={base: 500MB, per_request: 300MB}", "services.app.request_cpu=10s"]
    kills = run(*hog, arrivals=(0.0, 200.0, 200.0)).counters["oom_kills"]
    saved = run(*hog, f"resizes=[{{at: 100s, service: app, size: {CONTAINER}}}]", arrivals=(0.0, 200.0, 200.0))
    assert (kills, saved.counters["oom_kills"]) == (1.0, 0.0)
    assert saved.requests["app"].completed == 3


def test_one_replica_or_all_and_where_they_are(run) -> None:
    two = ["services.app.replicas=2", f"resizes=[{{at: 100s, service: app, replica: 1, size: {CONTAINER}}}]"]
    assert run(*two).timeline["cpu_allocated"][-1] == 1.5
    moved = "moves=[{at: 90s, service: app}]"
    records = run(moved, "resizes=[{at: 200s, service: app, size: {cpu: 4, memory: 8GiB}}]", platform="vm")
    assert len(events(records, "resized")) == 1  # it holds nothing here, before or after
    assert records.timeline["cpu_allocated"][-1] == records.timeline["memory_allocated"][-1] == 0.0


def test_a_platform_without_a_size_is_left_alone_and_a_misspelt_one_refused(run) -> None:
    text = "resizes=[{at: 100s, service: app, size: {container: {cpu: 1, memory: 2GiB}}}]"
    assert events(run(text, platform="vm"), "resize-refused") == []
    assert len(events(run(text), "resized")) == 1
    with pytest.raises(ScenarioError, match="resizes"):
        run("resizes=[{at: 100s, service: ap, size: {cpu: 1, memory: 2GiB}}]")
    with pytest.raises(ScenarioError, match="at"):
        run("resizes=[{at: 30min, service: app, size: {cpu: 1, memory: 2GiB}}]")
