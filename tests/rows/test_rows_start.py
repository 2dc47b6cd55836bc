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
    assert deploy("vm") == pytest.approx(installed + 11.5 + 1.5, rel=0.03)


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


def test_new_containers_queue_for_their_network() -> None:
    """The lock is held 110 ms a start: 98 starts take at least 10.8 s, and not much more beside it (4 s)."""
    assert 98 * 0.11 <= scale_out("container") <= 98 * 0.11 + 8


def test_a_storm_of_containers_is_linear_in_the_lock_of_their_network() -> None:
    """All reach it within a quarter of a second or at 49 ms each, and hold it for 110 ms: the last waits for all."""
    for n in (30, 60):
        guests = records_of("boot-storm", "container", f"services.shop.replicas={n}").guests
        passed = (
            guests["startup_daemon"] + guests["startup_create"] + guests["startup_netns"] + guests["startup_network"]
        )
        assert max(passed) == pytest.approx(n * 0.110 + 0.152, rel=0.04)


def test_on_linux_4_4_they_queue_for_their_network_namespaces() -> None:
    """Mohan et al., HotCloud 2019: 0.28 s alone, 1.27 s for ten at once (the last one), within 2 %."""
    old = "{container: {startup: [{name: netns, kind: lock, lock: netns, hold: 110ms}, {name: network, kind: delay, \
duration: 170ms}], restart: {phases: []}, isolation: {panic_phases: []}}}"
    for n, took in ((1, 0.28), (10, 1.27)):
        more = (f"services.shop.replicas={n}", "services.shop.start_cpu=0s", f"platforms={old}")
        guests = records_of("boot-storm", "container", *more).guests
        assert max(guests["ready"] - guests["requested"]) == pytest.approx(took, rel=0.02)


def test_a_storm_of_vms_takes_hardly_longer_than_one_start() -> None:
    """60 VMs on 64 cores, 20 at a time in libvirt: 11.5 s of timers and single threads each, then 1.5 s of start.

    Reading 60 times 200 MB at 6 GB/s is 2 s, and three rounds of libvirt are 1 s more than one.
    """
    found = metrics_of("boot-storm", "vm")
    assert 11.5 + 1.5 < found["startup.p50"] < 11.5 + 1.5 + 3.5
    assert found["startup.max"] < 1.3 * found["startup.p50"]
    container = metrics_of("boot-storm", "container")
    assert container["startup.max"] > 3 * 2.18  # alone: 0.68 s and 1.5 s
    assert container["startup.max"] < found["startup.p50"]


def test_what_a_snapshot_saves_is_boot_and_start() -> None:
    """A VM of a snapshot: 0.5 s of libvirt, 50 ms to load, 60 MB of pages (the first), and no start of its own."""
    alone = metrics_of("boot-storm", "vm-snapshot", "services.shop.replicas=1", "platforms=[vm-snapshot]")
    touched = 60e6 / 4096 * 45.9e-6
    assert alone["startup.max"] == pytest.approx(0.55 + touched, rel=0.05)
