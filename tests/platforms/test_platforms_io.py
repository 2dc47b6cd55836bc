"""Disk and network of the catalogue against what others measured: `calibrate` rows are met, `check` rows predicted.

A request is receive, application, send: one packet each way, so that on one core a second holds 1 / (application x
overhead + packets x `cpu_per_packet`) of them. The application's own part is what is left of the native figure.
Tolerances cut both ways. What is not met stands in `NOT_MET` with its reason, and is held to being off.
"""

import pytest

from sim.platforms import load_platform

US = 1e-6
NGINX = 1 / 175_988  # s a request on one core, native: Kuenzer et al., EuroSys 2021, raw data fig 13
GET, SET = 16 / 2_439e3, 16 / 2_011e3  # s for sixteen in one packet each way: the same, fig 12


def with_packets(name: str, native: float, packets: int = 2) -> float:
    """Seconds of CPU on a platform of what takes `native` seconds without one."""
    platform, base = load_platform(name), load_platform("native")
    application = native - packets * base.net.cpu_per_packet
    assert application > 0.0
    return application * platform.cpu.overhead + packets * platform.net.cpu_per_packet


def one_operation(name: str) -> float:
    """Seconds of one operation of 4 KiB with nothing beside it."""
    return load_platform(name).disk.cpu_per_op + load_platform(name).disk.latency


CALIBRATED = {
    # name: what the catalogue says, what was measured, tolerance
    "nginx, native": (1 / with_packets("native", NGINX), 175_988, 0.001),
    "Redis GET, Docker / native": (GET / with_packets("container", GET), 1951 / 2439, 0.01),
    "memcached, KVM's interrupts": (
        load_platform("vm").net.cpu_per_packet - load_platform("native").net.cpu_per_packet,
        (1 / 112_299 - 1 / 186_364) / 2, 0.01,
    ),
    "round trip, native": (
        2 * (load_platform("native").net.latency + load_platform("native").net.cpu_per_packet), 37.6 * US, 0.01,
    ),
    "Redis GET, one client, KVM": (
        sum(2 * (getattr(load_platform("vm").net, part) - getattr(load_platform("native").net, part))
            for part in ("latency", "cpu_per_packet")), 1 / 9.4e3 - 1 / 16.4e3, 0.01,
    ),
    "fio depth 1, metal": (1 / one_operation("native"), 21_793, 0.005),
    "fio depth 1, Firecracker": (1 / one_operation("microvm"), 10_451, 0.005),
    "random read, depth 128, KVM": (1 / load_platform("vm").disk.cpu_per_op, 46_173, 0.005),
    "random read, Docker / native": (one_operation("native") / one_operation("container"), 84_092 / 84_044, 0.005),
}  # fmt: skip
PREDICTED = {
    # 0.588 and 0.650 of native; ours 0.61 and 0.69
    "nginx, KVM / native": (NGINX / with_packets("vm", NGINX), 103_434 / 175_988, 0.15),
    "Redis SET, KVM / native": (SET / with_packets("vm", SET), 1307 / 2011, 0.15),
    # 4 KiB on a persistent disk: 776 us an operation; ours 0.93, measured 0.83
    "random read, gVisor / runc": (
        775.8 / (775.8 + (one_operation("gvisor") - one_operation("container")) / US), 4.4 / 5.28, 0.15,
    ),
    "sysbench, gVisor / runc": (1 / load_platform("gvisor").cpu.overhead, 103.21 / 103.62, 0.15),
    "ffmpeg, gVisor / runc": (1 / load_platform("gvisor").cpu.overhead, 82.0 / 88.2, 0.15),
    "STREAM, KVM / native": (1 / load_platform("vm").cpu.overhead, 45.02 / 45.60, 0.15),
    "PXZ, Docker / native": (1 / load_platform("container").cpu.overhead, 73.5 / 76.2, 0.15),
}  # fmt: skip
NOT_MET = {
    # memory-bound: two-dimensional page walks cost more than Linpack's 2 %; 1.205, the end of the range, meets it
    "PXZ, tuned KVM / native": (1 / load_platform("vm").cpu.overhead, 62.2 / 76.2),
    # 2 ms more a request are system calls under ptrace, which a request's steps do not count
    "HTTP ruby, gVisor / runc": (
        1 / (load_platform("gvisor").cpu.overhead + 2 * 540.0 * (
            load_platform("gvisor").net.cpu_per_packet - load_platform("container").net.cpu_per_packet)),
        259.8 / 540.0,
    ),
    # segmentation offload hands 64 KiB at a time through the stack, the model each packet
    "iperf, gVisor / runc": (
        load_platform("container").net.cpu_per_packet / load_platform("gvisor").net.cpu_per_packet, 640.3 / 746.4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ours", "measured", "tolerance"), CALIBRATED.values(), ids=CALIBRATED)
def test_what_was_calibrated_on_is_met(ours: float, measured: float, tolerance: float) -> None:
    assert ours == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize(("ours", "measured", "tolerance"), PREDICTED.values(), ids=PREDICTED)
def test_what_was_kept_for_checking_is_met_within_15_percent(ours: float, measured: float, tolerance: float) -> None:
    assert ours == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize(("ours", "measured"), NOT_MET.values(), ids=NOT_MET)
def test_what_is_not_met_is_off_by_more_than_that(ours: float, measured: float) -> None:
    assert ours != pytest.approx(measured, rel=0.15)


def test_the_end_of_the_published_range_meets_what_tuned_kvm_loses_in_compression() -> None:
    assert pytest.approx(62.2 / 76.2, rel=0.15) == 1 / 1.205


def test_isolation_never_makes_a_packet_or_an_operation_cheaper() -> None:
    native = load_platform("native")
    for name in ("container", "vm", "microvm", "gvisor", "kata", "container-in-vm"):
        platform = load_platform(name)
        assert platform.net.cpu_per_packet > native.net.cpu_per_packet
        assert platform.net.latency > native.net.latency
        assert platform.disk.cpu_per_op >= native.disk.cpu_per_op
        assert one_operation(name) >= one_operation("native")
