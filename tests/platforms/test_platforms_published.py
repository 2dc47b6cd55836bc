"""The catalogue against what others measured; tolerances stand with each figure and cut both ways."""

from math import exp, log, sqrt
from statistics import NormalDist

import pytest

from sim.platforms import Phase, Platform, load_platform
from sim.reading.distribution import Distribution

MB, GB, MIB, GIB = 1e6, 1e9, 2.0**20, 2.0**30
FAST_DISK = 1.5e9  # bytes a second
SYNC = 2e-3  # s until a small write is safe on an SSD, the default of `host.disk.sync`


def near(value: float, tolerance: float) -> object:
    """`value` within a relative tolerance."""
    return pytest.approx(value, rel=tolerance)


def quantile(distribution: Distribution, q: float) -> float:
    if distribution.kind == "constant":
        return distribution.mean
    assert distribution.kind == "lognormal"
    cv = distribution.parameters["cv"]
    sigma = sqrt(log(1 + cv * cv))
    return distribution.mean * exp(sigma * NormalDist().inv_cdf(q) - sigma * sigma / 2)


def seconds(phase: Phase, q: float | None = None) -> float:
    """Seconds of a phase alone on a host with a fast disk, at quantile `q` (None: the mean)."""
    span = phase.hold if phase.kind == "lock" else phase.duration
    drawn = 0.0 if span is None else span.mean if q is None else quantile(span, q)
    drawn += phase.per_layer + phase.syncs * SYNC
    return drawn + (phase.work or 0.0) + (phase.amount(0.0) / FAST_DISK if phase.kind in ("read", "clone") else 0.0)


def single_start(
    platform: Platform, q: float | None = None, without: tuple[str, ...] = ("pull", "install", "read")
) -> float:
    """One start alone. A quantile of the sum is the sum of quantiles as long as one phase only is random."""
    return sum(seconds(phase, q) for phase in platform.startup if phase.name not in without)


def test_firecracker_boots_in_160_8_ms_at_the_median_and_172_5_at_the_99th_percentile() -> None:
    # Agache et al., NSDI 2020, raw data boot-serial-fc-api. Within 0.5 %.
    platform = load_platform("microvm")
    assert single_start(platform, 0.5) == near(0.1608, 0.005)
    assert single_start(platform, 0.99) == near(0.1725, 0.005)


def test_ten_firecrackers_at_once_on_48_cores_are_as_fast_as_measured() -> None:
    # The same, boot-parallel-10-fc-api: 157.3 and 189.0 ms; a check, within 10 %. Ten on 48
    # cores do not wait for each other, so the prediction is the single start.
    platform = load_platform("microvm")
    assert single_start(platform, 0.5) == near(0.1573, 0.1)
    assert single_start(platform, 0.99) == near(0.1890, 0.1)


def test_48_cores_can_create_the_150_firecrackers_a_second_that_were_reported() -> None:
    work = sum(phase.work or 0.0 for phase in load_platform("microvm").startup)
    assert 150 < 48 / work < 1500


def test_docker_run_takes_568_ms_with_a_warm_page_cache_and_850_ms_with_a_cold_one() -> None:
    # Khan, arXiv 2602.15214, raw data (SSD); sd 19 ms. Means within 1 %, the sd within 1 ms.
    platform = load_platform("docker")
    assert single_start(platform) == near(0.568, 0.01)
    assert single_start(platform, without=("pull",)) == near(0.850, 0.01)
    run = platform.phases["run"].duration
    assert run is not None
    assert run.mean * run.parameters["cv"] == pytest.approx(0.019, abs=0.001)


def test_pulling_nginx_takes_4_3_s() -> None:
    # Khan, raw data, 161.3 MB on disk. Within 2 %.
    pull = load_platform("container").phases["pull"]
    assert pull.duration is not None
    assert pull.rate is not None
    assert pull.unpack is not None
    assert pull.duration.mean + pull.amount(161.3 * MB) * (1 / pull.rate + 1 / pull.unpack) == near(4.3, 0.02)


def test_a_container_of_a_pod_takes_0_68_s() -> None:
    # Espe et al. 2020, table 1, containerd with runc: create 0.50 s, run 0.18 s. Within 1 %.
    assert single_start(load_platform("container")) == near(0.68, 0.01)


def test_crun_needs_half_of_what_runc_does() -> None:
    # crun README: 100 containers in 1.69 s, with runc in 3.34 s. Two in a pod; ours for runc are 22 + 27 ms each.
    crun, container = load_platform("crun"), load_platform("container")
    assert single_start(container) - single_start(crun) == near(2 * 0.049 * (1 - 1.69 / 3.34), 0.02)


def test_a_vm_of_ones_own_boots_in_11_5_s() -> None:
    # Seo et al. 2014, local KVM (from memory). Within 1 %.
    assert single_start(load_platform("vm"), without=("pull", "install")) == near(11.5, 0.01)


def test_a_vm_boots_in_the_29_2_s_of_ec2() -> None:
    # Percival 2021: 1.5 + 4.9 + 17.2 + 5.6 s, each within 2 %.
    parts = {name: seconds(phase) for name, phase in load_platform("vm-cloud").phases.items()}
    assert parts["launch"] == near(1.54, 0.03)
    assert parts["attach"] == near(4.90, 0.02)
    assert parts["firmware"] + parts["read"] + parts["kernel"] == near(17.18, 0.02)
    assert parts["userland"] + parts["services"] == near(5.64, 0.02)
    total = single_start(load_platform("vm-cloud"), without=("pull", "install"))
    assert total == near(29.2, 0.02)
    # Check: Rackspace took 44.2 s and EC2 96.9 s in 2011 (Mao and Humphrey).
    assert single_start(load_platform("vm"), without=("pull", "install")) < total < 44.2


def test_kata_starts_in_900_ms_at_the_median_and_979_at_the_99th_percentile_without_network() -> None:
    # Kuasar benchmark data, Kata 2.5.2, no CNI. Within 0.5 %.
    platform = load_platform("kata")
    without = ("pull", "read", "netns", "network")
    assert single_start(platform, 0.5, without) == near(0.900, 0.005)
    assert single_start(platform, 0.99, without) == near(0.979, 0.005)


def test_gvisor_starts_101_ms_later_than_runc() -> None:
    # Quark documentation: 708 ms against runc's 607 on its host (within 1 %). Ours is Espe's, so the sum is
    # within 12 %.
    gvisor, container = single_start(load_platform("gvisor")), single_start(load_platform("container"))
    assert gvisor - container == near(0.101, 0.01)
    assert gvisor == near(0.708, 0.12)


@pytest.mark.parametrize("name", ["vm", "microvm"])
@pytest.mark.parametrize(("ram", "reserve"), [(256e6, 17.9e6), (1e9, 29.525e6), (3.999e9, 76.384e6), (8e9, 202.9e6)])
def test_the_guest_kernel_takes_13_9_mb_and_1_5625_percent_and_64_mb_from_4_gb_up(
    name: str, ram: float, reserve: float
) -> None:
    # NSDI 2020 raw data (MemTotal), error at most 0.4 MB.
    platform = load_platform(name)
    kernel = platform.memory.guest_kernel
    assert kernel is not None
    assert kernel.bytes(ram) == pytest.approx(reserve, abs=0.4e6)
    assert platform.guest_os_bytes(ram) == pytest.approx(reserve + platform.memory.guest_os, abs=0.4e6)


def idle(platform: Platform, guests: int, ram: float) -> float:
    """Bytes used by idle guests: daemons, and per guest VMM or shim, guest kernel and services."""
    return platform.memory.host + guests * (platform.memory.per_guest + platform.guest_os_bytes(ram))


def test_a_thousand_idle_debian_guests_use_111_to_114_gb() -> None:
    assert 111 * GB <= idle(load_platform("vm"), 1000, 256 * MIB) <= 114 * GB  # Manco et al., SOSP 2017, fig 14


def test_a_thousand_idle_containers_use_5_gb() -> None:
    # The same figure, from memory: within 30 %. Daemons 216 MB (published benchmark) within 1 %.
    platform = load_platform("container")
    assert idle(platform, 1000, 0.0) == near(5 * GB, 0.30)
    assert platform.memory.host == near(216 * MB, 0.01)
    assert platform.guest_os_bytes(1 * GIB) == 0


def test_a_thousand_idle_minimal_linux_guests_use_27_gb() -> None:
    assert idle(load_platform("microvm"), 1000, 128 * MIB) == near(27 * GB, 0.10)  # the same figure, Tinyx: within 10 %


def test_vmm_memory() -> None:
    # NSDI 2020 raw data, fig 7: Firecracker 2.5 MB (within 2 %), resident QEMU 24 to 32 MB above it.
    firecracker, qemu = load_platform("microvm").memory.per_guest, load_platform("vm").memory.per_guest
    assert firecracker == near(2.5 * MB, 0.02)
    assert 24 * MB <= qemu - firecracker <= 32 * MB


def test_sandboxes_add_the_documented_memory() -> None:
    # Kata: 160 MiB and 250m pod overhead; gVisor: 28.1 MB over runc (Quark documentation). Within 1 %.
    kata = load_platform("kata")
    assert kata.memory.per_guest == near(160 * MIB, 0.01)
    assert kata.cpu.request_per_guest == 0.25
    runc = load_platform("container").memory.per_guest
    assert load_platform("gvisor").memory.per_guest - runc == near(28.1 * MB, 0.01)


def test_virtualization_tax_is_linpacks() -> None:
    # Felter et al., ISPASS 2015: 290.83 GFLOPS native, 284.20 tuned KVM, 290.87 Docker. Within 0.1 %.
    for name in ("vm", "microvm", "kata", "container-in-vm"):
        assert load_platform(name).cpu.overhead == near(290.83 / 284.20, 0.001)
    assert load_platform("container").cpu.overhead == near(290.83 / 290.87, 0.001)
    assert load_platform("native").cpu.overhead == 1.0


def test_eleven_of_eighty_eight_exploits_escape_from_a_container() -> None:
    assert load_platform("container").isolation.escape_probability == near(11 / 88, 1e-9)  # Lin et al., ACSAC 2018
    for name in ("vm", "microvm", "kata", "gvisor"):
        assert load_platform(name).isolation.escape_probability == 0


def test_restarts_back_off_as_kubelet_and_systemd_do() -> None:
    container, vm = load_platform("container").restart, load_platform("vm").restart
    assert [container.wait(k) for k in range(1, 9)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert container.wait(5000) == 300
    assert {vm.wait(k) for k in range(1, 9)} == {0.1}


def test_migration_defaults_are_qemus() -> None:
    move = load_platform("vm").move
    assert (move.max_rate, move.downtime) == (128 * MIB, 0.3)
