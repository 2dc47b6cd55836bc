"""From nothing to an answer, and from two to a hundred."""

from __future__ import annotations

import pytest

from .rows import metrics_of, records_of


def deploy(platform: str) -> float:
    return metrics_of("first-deploy", platform)["deploy.time"]


def test_a_vm_without_an_image_is_installed_first() -> None:
    """Install: 300 s of waiting, 240 core-s of work in one thread, 2.2 GB at 1 GB/s: 542.2 s within 1 %."""
    installed = metrics_of("first-deploy", "vm")["startup.install.p50"]
    assert installed == pytest.approx(300 + 240 + 2.2, rel=0.01)
    assert deploy("vm") == pytest.approx(installed + 29.2 + 1.5, rel=0.03)


def test_a_pull_takes_its_bytes_over_the_registry_and_onto_the_disk() -> None:
    """VM: 2.2 GB at 100 MB/s, then 1 GB/s; container: 0.5 s + 190 MB at 42 MB/s, then 1 GB/s; within 1 %."""
    vm, container = (metrics_of("first-deploy", name)["startup.pull.p50"] for name in ("vm-image", "container"))
    assert vm == pytest.approx(2.2e9 / 100e6 + 2.2, rel=0.01)
    assert container == pytest.approx(0.5 + 190e6 / 42e6 + 0.19, rel=0.01)


def test_who_answers_first() -> None:
    assert deploy("microvm") < deploy("container") < deploy("vm-image") < deploy("vm")
    assert deploy("vm") / deploy("container") > 30


def scale_out(platform: str) -> float:
    found = metrics_of("duplicate", platform)
    assert found["guests.peak"] == 100
    return found["scale_out.time"]


def test_containers_duplicate_faster_than_vms_and_copies_of_disks_are_slowest() -> None:
    assert scale_out("container") < scale_out("vm") / 2
    assert scale_out("vm") < scale_out("full-copy")


def test_a_full_clone_waits_for_the_disk() -> None:
    """98 copies of 2.2 GB at 2 GB/s are 107.8 s of writing: no fewer, and with their boots less than twice that."""
    written = 98 * 2.2 / 2
    assert written < scale_out("full-copy") < 2 * written
    clones = records_of("duplicate", "full-copy").guests["startup_clone"]
    assert max(clones) <= written * 1.01


def test_new_containers_queue_for_the_network_namespace() -> None:
    """The lock is held 110 ms a start: 98 starts take at least 10.8 s, and not much more beside it (4 s)."""
    assert 98 * 0.11 <= scale_out("container") <= 98 * 0.11 + 8


def test_a_storm_of_containers_is_linear_in_the_lock_of_the_network_namespaces() -> None:
    """All reach the lock within a quarter of a second, and hold it for 110 ms each: the last waits n times that."""
    for n in (30, 60):
        waited = records_of("boot-storm", "container", f"services.shop.replicas={n}").guests["startup_netns"]
        assert max(waited) == pytest.approx(n * 0.110, rel=0.04)


def test_a_storm_of_vms_takes_hardly_longer_than_one_start() -> None:
    """60 VMs on 64 cores: 29.2 s of timers and single threads each (delays vary by 10 %), then 1.5 s of start."""
    found = metrics_of("boot-storm", "vm")
    assert found["startup.p50"] == pytest.approx(29.2 + 1.5, rel=0.2)
    assert found["startup.max"] < 1.3 * found["startup.p50"]
    container = metrics_of("boot-storm", "container")
    assert container["startup.max"] > 3 * 2.1  # alone: 0.57 s and 1.5 s
    assert container["startup.max"] < found["startup.p50"]
