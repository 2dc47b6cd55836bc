"""Disk and network of the catalogue against what others measured: `calibrate` rows are met, `check` rows predicted.

A request is receive, application, send: one packet each way, so that on one core a second holds 1 / (application x
overhead + packets + bytes) of them. The application's own part is what is left of the native figure. Where two sources
disagree the catalogue stands between them. Tolerances cut both ways; what is not met has its reason, and is held to
being off. The same rows as runs: `sim/scorecard/cases/published-cpu-io.yaml`.
"""

import pytest

from sim.platforms import load_platform

US = 1e-6
NGINX = 1 / 175_988  # s a request on one core, native: Kuenzer et al., EuroSys 2021, raw data fig 13
GET, SET = 16 / 2_439e3, 16 / 2_011e3  # s for sixteen in one packet each way: the same, fig 12
MANY = 1 / 109.5e3  # s a GET of 100 clients, native: Felter et al., ISPASS 2015, raw data
SENTRY, LONG = 1 / 30_312, 1 / 9_901  # s a GET, an LRANGE_600 under runc: google/gvisor website/performance, redis.csv
PACKET, PIECE = 1448, 65_160  # bytes: of one packet, of the 45 that pass through a stack together


def served(name: str, seconds: float, base: str = "native", sizes: tuple[int, int] = (1000, 1000)) -> float:
    """Seconds of CPU on a platform of what takes `seconds` on `base`: two steps on the network and the application."""
    platform, other = load_platform(name), load_platform(base)
    paths = [sum(each.io_costs("network", -(-size // PACKET), size)[0] for size in sizes) for each in (platform, other)]
    assert seconds > paths[1]
    return (seconds - paths[1]) * platform.cpu.overhead / other.cpu.overhead + paths[0]


def ratio(name: str, seconds: float, base: str = "native", sizes: tuple[int, int] = (1000, 1000)) -> float:
    return seconds / served(name, seconds, base, sizes)


def round_trip(name: str) -> float:
    net = load_platform(name).net
    return 2 * (net.latency + net.cpu_per_packet)


def stream(name: str) -> float:
    """Gbit/s of one stream on one core."""
    net = load_platform(name).net
    return 8e-9 / (net.cpu_per_byte + net.cpu_per_packet / PIECE)


def one_operation(name: str) -> float:
    """Seconds of one operation of 4 KiB with nothing beside it."""
    return sum(load_platform(name).io_costs("read", 1, 4096))


def slower_disk(name: str, seconds: float, base: str = "native") -> float:
    """How fast operations are against `base` on a disk with which they take `seconds` there."""
    return seconds / (seconds + one_operation(name) - one_operation(base))


CALIBRATED = {
    # name: what the catalogue says, what was measured, tolerance
    "nginx, native": (1 / served("native", NGINX), 175_988, 0.001),
    "Redis GET, KVM": (ratio("vm", GET), 1538 / 2439, 0.03),
    "Redis GET, Firecracker": (ratio("microvm", GET), 1139 / 2439, 0.13),  # between this and the next
    "nginx, Firecracker": (ratio("microvm", NGINX), 60_004 / 175_988, 0.13),
    "Redis GET, Docker": (ratio("container", GET), 1951 / 2439, 0.02),
    "Redis GET, 100 clients, Docker behind NAT": (ratio("container", MANY), 82.7 / 109.5, 0.13),
    "Redis GET, gVisor": (ratio("gvisor", SENTRY, "container", (100, 200)), 15_326 / 30_312, 0.01),
    "round trip, native": (round_trip("native"), 37.6 * US, 0.01),
    "round trip, KVM": (round_trip("vm"), 67.9 * US, 0.11),  # between this and the next
    "Redis GET, one client, KVM": (1 / (1 / 16.4e3 + round_trip("vm") - round_trip("native")), 9.4e3, 0.09),
    "Redis GET, one client, NAT": (1 / (1 / 16.4e3 + round_trip("container") - round_trip("native")), 12.8e3, 0.06),
    "one stream, native": (stream("native"), 44.14, 0.01),
    "one stream, QEMU": (stream("vm"), (23.76 + 20.43) / 2, 0.02),
    "one stream, Firecracker": (stream("microvm"), (15.61 + 14.15) / 2, 0.01),
    "iperf upload, gVisor": (stream("gvisor") / 8, 0.482, 0.18),  # between this and the next
    "iperf download, gVisor": (stream("gvisor") / 8, 0.640, 0.13),
    "fio depth 1, metal": (1 / one_operation("native"), 21_793, 0.005),
    "fio depth 1, Firecracker": (1 / one_operation("microvm"), 10_451, 0.005),
    "fio depth 1, Firecracker, 128 KiB": (
        1 / (1 / 4_739 + sum(load_platform("microvm").io_costs("read", 1, 131_072)) - one_operation("native")),
        1_795,
        0.05,
    ),
    "fio depth 1, QEMU": (slower_disk("vm", 1 / 16_473), 7_513 / 16_473, 0.12),  # 58.7 us, 72 here
    "fio depth 1, QEMU, as a ratio": (one_operation("native") / one_operation("vm"), 7_513 / 16_473, 0.05),
    "random read, depth 128, KVM": (1 / load_platform("vm").disk.cpu_per_op, 46_173, 0.005),
    "random read, Docker / native": (one_operation("native") / one_operation("container"), 84_092 / 84_044, 0.005),
    "random write, gVisor / runc": (slower_disk("gvisor", 38 * US, "container"), 69.2 / 107.8, 0.2),
    "system call, gVisor": (load_platform("gvisor").cpu.per_syscall, 38.219 * US, 0.01),
}
PREDICTED = {
    "nginx, KVM / native": (ratio("vm", NGINX), 103_434 / 175_988, 0.05),
    "nginx, Docker with the host's network / native": (ratio("container-hostnet", NGINX), 159_299 / 175_988, 0.12),
    "nginx, Docker with the host's network, as a container": (ratio("container", NGINX), 159_299 / 175_988, 0.15),
    "Redis SET, KVM / native": (ratio("vm", SET), 1307 / 2011, 0.05),
    "Redis SET, Firecracker / native": (ratio("microvm", SET), 1058 / 2011, 0.15),
    "Redis SET, Docker / native": (ratio("container", SET), 1681 / 2011, 0.05),
    "Redis GET, 100 clients, Docker, host's network": (ratio("container-hostnet", MANY), 111.2 / 109.5, 0.03),
    "Redis SET, gVisor / runc": (ratio("gvisor", 1 / 30_257, "container", (100, 200)), 15_404 / 30_257, 0.05),
    "Redis LRANGE_600, gVisor / runc": (ratio("gvisor", LONG, "container", (100, 8000)), 6_544 / 9_901, 0.1),
    "one stream, Cloud Hypervisor": (stream("kata"), (23.12 + 20.96) / 2, 0.1),
    "4 KiB on a persistent disk, gVisor / runc": (slower_disk("gvisor", 775.8 * US, "container"), 4.4 / 5.28, 0.15),
    "fio depth 1, Firecracker, another table": (slower_disk("microvm", 1 / 16_473), 8_444 / 16_473, 0.1),
    "sysbench, gVisor / runc": (1 / load_platform("gvisor").cpu.overhead, 103.21 / 103.62, 0.15),
    "ffmpeg, gVisor / runc": (1 / load_platform("gvisor").cpu.overhead, 82.0 / 88.2, 0.15),
    "TensorFlow, gVisor / runc": (1 / load_platform("gvisor").cpu.overhead, 207.1 / 244.5, 0.15),
    "STREAM, KVM / native": (1 / load_platform("vm").cpu.overhead, 45.02 / 45.60, 0.15),
    "PXZ, Docker / native": (1 / load_platform("container").cpu.overhead, 73.5 / 76.2, 0.15),
}
NOT_MET = {
    # memory-bound: two-dimensional page walks cost more than Linpack's 2 %; 1.205, the end of the range, meets it
    "PXZ, tuned KVM / native": (1 / load_platform("vm").cpu.overhead, 62.2 / 76.2),
    # how many system calls these make is an input that the source does not give: see below
    "HTTP ruby, gVisor / runc": (ratio("gvisor", 1 / 540.0, "container", (1000, 5000)), 259.8 / 540.0),
    "HTTP Node.js, gVisor / runc": (ratio("gvisor", 1 / 885.8, "container", (1000, 4000)), 375.1 / 885.8),
    # interrupts of a busy guest are merged on a real network card; measured over a bridge they are not
    "Redis GET, 100 clients, KVM": (ratio("vm", MANY), 98.7 / 109.5),
    # another build of Redis in Docker's image, over loopback
    "Redis SET, Docker, host's network": (ratio("container-hostnet", SET), 1681 / 2011),
}
LARGER = ("container", "container-hostnet", "vm", "microvm", "gvisor", "kata", "container-in-vm")


@pytest.mark.parametrize(("ours", "measured", "tolerance"), CALIBRATED.values(), ids=CALIBRATED)
def test_what_was_calibrated_on_is_met(ours: float, measured: float, tolerance: float) -> None:
    assert ours == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize(("ours", "measured", "tolerance"), PREDICTED.values(), ids=PREDICTED)
def test_what_was_kept_for_checking_is_met_within_15_percent(ours: float, measured: float, tolerance: float) -> None:
    assert ours == pytest.approx(measured, rel=tolerance)


@pytest.mark.parametrize(("ours", "measured"), NOT_MET.values(), ids=NOT_MET)
def test_what_is_not_met_is_off_by_more_than_that(ours: float, measured: float) -> None:
    assert ours != pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("runc", "runsc", "calls", "sent"), [(540.0, 259.8, 46, 5000), (885.8, 375.1, 36, 4000)], ids=["ruby", "node"]
)
def test_so_many_system_calls_a_request_meet_the_http_servers(runc: float, runsc: float, calls: int, sent: int) -> None:
    gvisor, container = load_platform("gvisor").cpu, load_platform("container").cpu
    extra = calls * (gvisor.per_syscall - gvisor.overhead * container.per_syscall)
    assert 1 / (served("gvisor", 1 / runc, "container", (1000, sent)) + extra) == pytest.approx(runsc, rel=0.02)


def test_the_end_of_the_published_range_meets_what_tuned_kvm_loses_in_compression() -> None:
    assert pytest.approx(62.2 / 76.2, rel=0.15) == 1 / 1.205


def test_isolation_never_makes_anything_cheaper() -> None:
    native = load_platform("native")
    for name in LARGER:
        platform = load_platform(name)
        assert platform.net.cpu_per_packet >= native.net.cpu_per_packet
        assert platform.net.cpu_per_byte >= native.net.cpu_per_byte
        assert platform.net.latency >= native.net.latency
        assert platform.disk.cpu_per_op >= native.disk.cpu_per_op
        assert platform.cpu.per_syscall >= native.cpu.per_syscall
        assert one_operation(name) >= one_operation("native")
        assert platform.net.batch == native.net.batch
