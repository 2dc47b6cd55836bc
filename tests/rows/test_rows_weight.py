"""What guests weigh: memory of idle ones, disk and network of their images."""

from __future__ import annotations

import numpy as np
import pytest

from sim.experiment.replications import runner
from sim.platforms import load_platform
from sim.scenario import scenario_from_text

from .rows import metrics_of, records_of, scenario_of

BARE = "platforms.vm.memory.file_cache=0%"
"""Guests that had no more RAM than they need keep nothing of what they read; the row's VMs fill theirs with it."""

GB = 1e9
GUESTS = 1000


def memory_used(platform: str, *overrides: str) -> float:
    """Bytes in use while all 1000 guests idle."""
    found = metrics_of("operating-system", platform, *overrides)
    assert found["guests.mean"] == pytest.approx(GUESTS)
    return found["memory.used"] * scenario_of("operating-system").host.memory


def test_a_thousand_idle_debian_vms_use_111_to_114_gb() -> None:
    """Manco et al., SOSP 2017, fig 14; with the page cache of a boot, each fills its 256 MiB and has its VMM beside."""
    assert 111 * GB <= memory_used("vm", BARE) <= 114 * GB
    vmm = load_platform("vm").memory.outside(1, 256 * 2**20)
    assert memory_used("vm") == pytest.approx(GUESTS * (256 * 2**20 + vmm) + load_platform("vm").memory.host, rel=1e-6)


def test_a_thousand_idle_containers_use_about_5_gb() -> None:
    """Manco et al., SOSP 2017, fig 14 (from memory), within 30 %."""
    assert memory_used("container") == pytest.approx(5 * GB, rel=0.3)


def test_a_thousand_idle_microvms_use_about_27_gb() -> None:
    """The same figure, a minimal Linux guest (Tinyx), within 10 %."""
    assert memory_used("microvm") == pytest.approx(27 * GB, rel=0.1)


@pytest.mark.parametrize("mib", [256, 1024, 4096, 8192])
def test_what_a_guest_kernel_reserves(mib: int) -> None:
    """13.9 MB + 1.5625 % of RAM (+ 64 MB from 4 GB up): NSDI 2020 raw data (MemTotal), within 2 %."""
    ram = mib * 2.0**20
    platform = load_platform("vm")
    reserved = platform.guest_os_bytes(ram) - platform.memory.guest_os
    expected = 13.9e6 + 0.015625 * ram + (64e6 if ram >= 4e9 else 0.0)
    assert reserved == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("platform", ["vm", "microvm", "container"])
def test_memory_grows_in_a_straight_line_with_the_guests(platform: str) -> None:
    """Over the settled samples: memory = host + n × (VMM or shim + guest OS), within 0.1 %."""
    timeline = records_of("operating-system", platform, *([BARE] if platform == "vm" else [])).timeline
    settled = (timeline["ready"] == timeline["guests"]) & (timeline["guests"] > 0)
    slope, start = np.polyfit(timeline["guests"][settled], timeline["memory_used"][settled], 1)
    chosen = load_platform(platform)
    size = scenario_of("operating-system").services["idle"].size_on(chosen.size_lineage)
    assert size is not None
    beside = chosen.memory.outside(size.cpu_request, size.memory_request)
    assert slope == pytest.approx(beside + chosen.guest_os_bytes(size.memory_request), rel=1e-3)
    assert start == pytest.approx(chosen.memory.host, abs=2e6)
    assert len(np.unique(timeline["guests"][settled])) >= 30


OVERCOMMITTED = """
duration: 10min
host: {cores: 64, memory: 8GiB, disk: {read: 6GB/s, write: 4GB/s}, network: 10Gbit/s}
platforms: [vm]
cpu_overcommit: 4
memory_overcommit: OVERCOMMIT
services:
  small:
    image: {size: 2GB, cached: true}
    memory: {base: 200MiB}
    request_cpu: 1ms
    size: {cpu: 1, memory: 1GiB}
    replicas: 12
  large:
    image: {size: 2GB, cached: true}
    memory: {base: 900MiB}
    request_cpu: 1ms
    size: {cpu: 1, memory: 1GiB}
    replicas: REPLICAS
"""


def overcommitted(overcommit: float, replicas: int) -> runner.RunRecords:
    text = OVERCOMMITTED.replace("OVERCOMMIT", str(overcommit)).replace("REPLICAS", str(replicas))
    return runner.run_one(scenario_from_text(text), "vm", 0)


def test_vms_are_promised_no_more_than_the_host_has() -> None:
    """8 GiB less 0.1 GB carry 7 VMs of 1 GiB and 30.5 MB."""
    records = overcommitted(1, 0)
    assert records.peaks["guests"] == 7
    assert records.counters["oom_kills"] == 0


def test_memory_overcommit_promises_what_is_not_used() -> None:
    """12 VMs use 330 MB each of 8 GiB: all are admitted, none is killed."""
    records = overcommitted(2, 0)
    assert records.peaks["guests"] == 12
    assert records.counters["oom_kills"] == 0
    assert records.timeline["memory_allocated"].max() > records.memory > records.timeline["memory_used"].max()


def test_used_memory_beyond_the_hosts_kills_the_largest_vm() -> None:
    """12 small ones (0.33 GB) and 5 large ones (1.07 GB) want 9.2 GB of 8.6 GB: a large one is killed, and boots."""
    records = overcommitted(3, 5)
    events = records.events
    killed = [str(guest) for guest in events["guest"][events["event"] == "oom-kill"]]
    assert killed
    assert all(guest.startswith("large") for guest in killed)
    assert records.timeline["memory_used"].max() <= records.memory


# ---------------------------------------------------------------- images

CONTAINER_LAYERS = 80e6 + 50e6 + 210e6 + (60e6 + 90e6 + 20e6 + 40e6 + 70e6)
MICROVM_IMAGES = 190e6 + 220e6 + 150e6 + 330e6 + 360e6
VM_IMAGES = 2.2e9 + 2.3e9 + 2.2e9 + 2.4e9 + 2.4e9


@pytest.mark.parametrize(
    ("platform", "pulled", "per_guest"),
    [
        ("container", CONTAINER_LAYERS, 112e3),
        ("microvm", MICROVM_IMAGES, 1e6),
        ("vm", VM_IMAGES, 100e6),
        ("full-copy", VM_IMAGES, 100e6 + VM_IMAGES / 5),
    ],
)
def test_disk_and_network_of_a_hundred_guests(platform: str, pulled: float, per_guest: float) -> None:
    """By hand: shared layers once, images once, and what each guest writes."""
    found = metrics_of("images", platform)
    assert found["guests.peak"] == 100
    assert found["network.pulled"] == pytest.approx(pulled, rel=1e-9)
    assert found["disk.used"] == pytest.approx(pulled + 100 * per_guest, rel=1e-9)


PULL = """
duration: 5min
host: {cores: 64, memory: 64GiB, disk: {read: 6GB/s, write: 4GB/s, capacity: 300MB}, network: 1Gbit/s}
platforms: [container]
services:
  a: &service
    image: {layers: [base 100MB, a 50MB]}
    memory: {base: 10MiB}
    request_cpu: 1ms
    size: {cpu: 100m, memory: 64MiB}
    replicas: 20
  b:
    <<: *service
    image: {layers: [base 100MB, b 50MB]}
"""


def test_concurrent_pulls_of_shared_layers_cost_one_transfer() -> None:
    """40 starts at once of two images of 150 MB that share 100 MB: 200 MB come over the network."""
    records = runner.run_one(scenario_from_text(PULL), "container", 0)
    assert records.counters["network_pulled"] == pytest.approx(200e6)
    assert records.counters["disk_used"] == pytest.approx(200e6 + 40 * 112e3)
    assert np.isfinite(records.guests["ready"]).all()


def test_a_full_disk_refuses_with_its_reason() -> None:
    """180 MB of disk carry image a (150 MB), not what b needs besides; and both ask in the same moment."""
    records = runner.run_one(scenario_from_text(PULL.replace("300MB", "180MB")), "container", 0)
    assert set(records.guests["service"]) == {"a"}
    refusals = records.events["detail"][records.events["event"] == "refused"]
    assert len(refusals) > 0
    assert all("b: disk: " in str(why) for why in refusals)
    assert records.counters["disk_used"] <= 180e6
