"""Containers inside VMs (platform `container-in-vm`): figures worked out by hand from the catalogue's numbers.

Sizes in bytes, times in s, CPU in cores. The pool's VMs are the catalogue's: 4 vCPUs, 16 GiB, unless a test says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.model.guests.vm_pool import NestedHost
from sim.model.run import Run
from sim.platforms import load_platform
from sim.scenario import load_scenario
from sim.terms.records import RunRecords

GIB, MIB = 2.0**30, 2.0**20
GUEST_OS, DAEMONS, SHIM, LIBVIRTD = 64e6, 216e6, 4.8e6, 100e6  # the catalogue's vm.yaml, container.yaml
VMM = 21.6e6 + 4 * 8 * 2**20 + 0.002 * 16 * 2**30  # with 4 vCPUs and 16 GiB
IDLE = 0.010 + 0.005 + 0.010  # cores: libvirtd, one idle VM, the containers' daemons in it

SCENARIO = """\
name: nested
seed: 3
duration: {duration}
host: {{cores: {cores}, memory: {memory}, disk: {{read: 1.5GB/s, write: 1GB/s}}, network: 10Gbit/s}}
platforms: [container-in-vm]
cpu_overcommit: {overcommit}
services:
{services}
{more}
"""
SIX_A_MINUTE = "traffic: {constant-arrival-rate: {rate: 6/min, arrivals: even}}"
SERVICE = """\
  {name}:
    image: {{container: {{size: 190MB, cached: true}}}}
    memory: {{base: {base}, per_request: {per_request}}}
    start_cpu: {start}
    request_cpu: {work}
    concurrency: {concurrency}
    size: {size}
    {count}
    {traffic}
"""


def service(name: str = "api", **more: Any) -> str:
    values: dict[str, Any] = {
        "base": "100MiB", "per_request": "0B", "start": "0s", "work": "10ms", "concurrency": 4,
        "size": "{cpu: {request: 900m}, memory: {request: 200MiB}}", "count": "replicas: 1", "traffic": "",
    }  # fmt: skip
    return SERVICE.format(name=name, **values | more)


@pytest.fixture
def run(tmp_path: Path):
    def go(services: str, vm: dict[str, Any] | None = None, **more: Any) -> tuple[Run, RunRecords]:
        values = {"duration": "100s", "cores": 16, "memory": "64GiB", "overcommit": 1, "more": ""}
        file = tmp_path / "nested.yaml"
        file.write_text(SCENARIO.format(services=services, **values | more))
        platform = load_platform("container-in-vm", {"nested": {"vm": vm}} if vm else {})
        simulation = Run(load_scenario(file), platform, 0, None)
        return simulation, simulation.carry_out()

    return go


def machine_of(simulation: Run) -> NestedHost:
    assert isinstance(simulation.host, NestedHost)
    return simulation.host


def residents(simulation: Run) -> dict[str, list[str]]:
    """Guests by VM, in the order in which they were asked for."""
    found: dict[str, list[str]] = {vm.name: [] for vm in machine_of(simulation).vms}
    for guest in simulation.guests.guests:
        found[guest.machine.name].append(guest.name)  # type: ignore[attr-defined]
    return found


def kills(records: RunRecords) -> list[tuple[float, str]]:
    """When the OOM killer took whom."""
    events = zip(records.events["time"].tolist(), records.events["guest"], records.events["event"], strict=True)
    return [(time, guest) for time, guest, event in events if event == "oom-kill"]


# ---------------------------------------------------------------- start-up


def test_the_first_container_waits_for_its_vm_and_the_second_does_not(run) -> None:
    simulation, records = run(service(start="1.5s", count="replicas: {add: 1, every: 60s}"))
    guests = records.guests
    vm = machine_of(simulation).vms[0].process.phases
    # on an idle host: libvirt, 200 MB at 1.5 GB/s, and 2 and 4 core-s by one thread each
    assert vm["launch"] == 0.5
    assert vm["read"] == pytest.approx(200e6 / 1.5e9, rel=1e-9)
    assert (vm["kernel"], vm["userland"]) == pytest.approx((2.0, 4.0), rel=1e-9)
    assert sum(vm.values()) == pytest.approx(11.5, rel=0.1)  # the catalogue's sum; delays vary by 10 %
    assert guests["startup_vm"][0] == pytest.approx(sum(vm.values()), abs=1e-9)
    container = ("read", "daemon", "create", "netns", "network", "run", "app")
    own = [sum(guests[f"startup_{phase}"][i] for phase in container) for i in (0, 1)]
    latency = guests["ready"] - guests["requested"]
    assert latency[0] == pytest.approx(guests["startup_vm"][0] + own[0], abs=1e-9)
    assert guests["startup_vm"][1] != guests["startup_vm"][1], "the second found a VM with room"
    assert latency[1] == pytest.approx(own[1], abs=1e-9)
    # the first in a VM reads the image (282 ms of seeks, 6.4 % of 190 MB), the second finds it in the VM's page cache
    assert guests["startup_read"].tolist() == pytest.approx([0.282 + 0.064 * 190e6 / 1.5e9, 0.0])
    assert guests["startup_create"].tolist() == pytest.approx([0.100, 0.100])
    assert guests["startup_app"].tolist() == pytest.approx([1.5, 1.5])


def test_each_vm_has_a_page_cache_and_locks_of_its_own(run) -> None:
    _, records = run(service(count="replicas: 2", size="{cpu: {request: 3}, memory: {request: 200MiB}}"))
    read = 0.282 + 0.064 * 190e6 / 1.5e9
    assert records.guests["startup_read"].tolist() == pytest.approx([read, read])
    assert records.guests["startup_network"].tolist() == pytest.approx([0.110, 0.110])


def test_vm_work_is_booked_as_boot_and_contends_with_the_host(run) -> None:
    crowd = service(count="replicas: 8", size="{cpu: {request: 900m}, memory: {request: 200MiB}}")
    small = {"cpu": 1, "memory": "1GiB"}
    _, alone = run(service(), small, cores=2, overcommit=4)
    _, many = run(crowd, small, cores=2, overcommit=4)
    # 6 core-s of a VM's own and 0.1 of the container's; the same eight times over
    assert alone.integrals["cpu_boot"] == pytest.approx(6.1, rel=1e-9)
    assert many.integrals["cpu_boot"] == pytest.approx(8 * 6.1, rel=1e-9)
    waited = many.guests["startup_vm"]
    assert max(waited) > alone.guests["startup_vm"][0] + 10, "48 core-s of boots on two cores take some 24 s, not 6"


# ---------------------------------------------------------------- admission


@pytest.mark.parametrize(
    ("memory", "overcommit", "fit"),
    [
        ("64GiB", 1, 12),  # 4 containers of 0.9 cores in 4 vCPUs; three VMs: 4 x (16 GiB + VMM) + libvirtd > 64 GiB
        ("65GiB", 1, 16),  # four VMs: 16 vCPUs on 16 cores
        ("140GiB", 2, 32),  # eight VMs: 32 vCPUs promised on 16 cores
        ("140GiB", 1, 16),
    ],
)
def test_how_many_fit(run, memory: str, overcommit: float, fit: int) -> None:
    simulation, records = run(service(count="replicas: {add: 1, every: 1s}"), memory=memory, overcommit=overcommit)
    assert records.density_max == fit
    assert [len(names) for names in residents(simulation).values()] == [4] * (fit // 4)
    assert records.timeline["cpu_allocated"][-1] == fit  # 4 vCPUs for every 4 containers


def test_a_container_larger_than_a_vm_is_refused_with_the_reason(run) -> None:
    simulation, records = run(service(size="{cpu: {request: 5}, memory: {request: 200MiB}}"))
    assert records.counters["refused"] == 1
    assert not machine_of(simulation).vms
    assert "size: 5 cores" in records.events["detail"][list(records.events["event"]).index("refused")]


def test_first_fit_by_vm_number(run) -> None:
    # 3 + 3 cores need two VMs; then 1 goes into the first's last core, 1 into the second's, 1 into a third VM
    services = service("a", count="replicas: 2", size="{cpu: {request: 3}, memory: {request: 200MiB}}")
    services += service("b", count="replicas: 3", size="{cpu: {request: 1}, memory: {request: 200MiB}}")
    simulation, _ = run(services)
    assert residents(simulation) == {"vm-0": ["a-0", "b-0"], "vm-1": ["a-1", "b-1"], "vm-2": ["b-2"]}


def test_ram_for_containers_is_what_guest_os_and_daemons_leave(run) -> None:
    # 1 GiB of RAM less 64 MB, 13.9 MB + 1.5625 %, and 216 MB of daemons: 763.06 MB, so one of 400 MB each, or 3 of 250
    left = GIB - GUEST_OS - (13.9e6 + GIB / 64) - DAEMONS
    assert left == pytest.approx(763.06e6, abs=0.01e6)
    for size, each in (("254MB", 3), ("255MB", 2)):
        count = "replicas: {add: 1, every: 1s}"
        made = service(count=count, size=f"{{cpu: {{request: 1m}}, memory: {{request: {size}}}}}")
        simulation, _ = run(made, {"cpu": 4, "memory": "1GiB"}, memory="2.2GiB", cores=8)
        assert [len(names) for names in residents(simulation).values()] == [each, each]


# ---------------------------------------------------------------- what it takes


def test_memory_and_idle_cpu_of_one_container_in_one_vm(run) -> None:
    _, records = run(service())
    kernel = 13.9e6 + 16 * GIB / 64 + 64e6  # fixed, 1/64 of the RAM, swiotlb from 4 GB on
    used = LIBVIRTD + VMM + GUEST_OS + kernel + DAEMONS + SHIM + 100 * MIB
    timeline = records.timeline
    assert timeline["memory_used"][-1] == pytest.approx(used, rel=1e-12)
    assert timeline["memory_allocated"][-1] == pytest.approx(16 * GIB + VMM, rel=1e-12)
    assert timeline["cpu_allocated"][-1] == 4.0
    assert timeline["cpu_used"][-1] == pytest.approx(IDLE, rel=1e-9)
    stranded = 16 * GIB + VMM - (used - LIBVIRTD)
    late = records.integrals["memory_stranded"] / 100.0
    assert stranded < late < stranded + 0.4 * (used - LIBVIRTD)  # in the first 30 s the VM used less
    assert records.integrals["memory_allocated"] == pytest.approx(100.0 * (16 * GIB + VMM), rel=1e-9)
    assert records.integrals["cpu_allocated"] == pytest.approx(400.0, rel=1e-9)


def test_containers_get_no_more_than_the_vcpus_of_their_vm(run) -> None:
    # eight busy threads in a VM of 4 vCPUs, alone on 16 cores: 4 less the 10m of the daemons in it
    traffic = "traffic: {constant-vus: {vus: 8, think_time: 0s}}"
    made = service(count="replicas: 2", traffic=traffic)
    _, records = run(made)
    assert records.timeline["cpu_used"][-1] == pytest.approx(4 - 0.010 + IDLE, rel=1e-6)


def test_overcommitted_vms_share_the_host_by_their_vcpus(run) -> None:
    # VMs of 4 vCPUs, one container each, four threads each, on 8 cores promised four times over: all that is there
    traffic = "traffic: {constant-vus: {vus: 16, think_time: 0s}}"
    size = "{cpu: {request: 4}, memory: {request: 200MiB}}"
    _, records = run(service(count="replicas: 4", size=size, traffic=traffic), cores=8, overcommit=4, memory="128GiB")
    assert records.timeline["cpu_used"][-1] == pytest.approx(8.0, rel=1e-6)


# ---------------------------------------------------------------- who falls


def test_a_hog_takes_down_containers_of_its_own_vm_only_by_oom_score(run) -> None:
    # VMs of 1 GiB leave 763.06 MB, less a shim each. vm-0: hog-0 (300 MiB asked: score 707) and calm-0 (400: 609).
    # hog-0 serves one more request every 10 s, 50 MB each, for longer than the run.
    hog = service(
        "hog", base="50MB", per_request="50MB", work="1000s", concurrency=64,
        size="{cpu: {request: 2}, memory: {request: 300MiB}}", traffic=SIX_A_MINUTE,
    )  # fmt: skip
    calm = service("calm", count="replicas: 3", base="150MB", size="{cpu: {request: 2}, memory: {request: 400MiB}}")
    simulation, records = run(hog + calm, {"cpu": 4, "memory": "1GiB"}, duration="300s")
    assert residents(simulation) == {"vm-0": ["hog-0", "calm-0"], "vm-1": ["calm-1"], "vm-2": ["calm-2"]}
    killed = kills(records)
    # shims and bases take 209.6 MB; eleven requests fit into what is left of 763.06 MB, the twelfth comes at 110 s
    assert killed[0] == (110.0, "hog-0")
    assert {name for _, name in killed} == {"hog-0"}
    assert records.counters["oom_kills"] == len(killed)
    assert all(vm.used <= vm.share.memory for vm in machine_of(simulation).vms)


def test_reverse_scores_kill_the_neighbour_first(run) -> None:
    # the same, but now the neighbour asks for less than the hog: a higher score, so it goes first, then the hog
    hog = service(
        "hog", base="50MB", per_request="50MB", work="1000s", concurrency=64,
        size="{cpu: {request: 2}, memory: {request: 400MiB}}", traffic=SIX_A_MINUTE,
    )  # fmt: skip
    calm = service("calm", count="replicas: 3", base="150MB", size="{cpu: {request: 2}, memory: {request: 200MiB}}")
    simulation, records = run(hog + calm, {"cpu": 4, "memory": "1GiB"}, duration="300s")
    there = residents(simulation)
    neighbour = there["vm-0"][1]
    assert there["vm-0"] == ["hog-0", "calm-0"]
    killed = kills(records)
    # from 110 s on the neighbour dies again whenever it is restarted; without it fourteen requests fit, and when the
    # fifteenth comes at 140 s it is waiting for its next restart, so the hog itself is all that is left to kill
    assert killed[0] == (110.0, neighbour)
    hog_dies = killed.index((140.0, "hog-0"))
    assert hog_dies > 1
    assert {name for _, name in killed[:hog_dies]} == {neighbour}
    assert {name for _, name in killed} == {"hog-0", neighbour}


def test_a_kernel_panic_takes_the_containers_of_one_vm(run) -> None:
    faults = "faults: [{kind: kernel-panic, at: 60s, service: api}]"
    made = service(count="replicas: 6", traffic="traffic: {constant-arrival-rate: {rate: 10/s}}")
    simulation, records = run(made, more=faults, duration="200s")
    there = residents(simulation)
    assert [len(names) for names in there.values()] == [4, 2]
    fell = [g for g, e in zip(records.events["guest"], records.events["event"], strict=True) if e == "kernel-panic"]
    assert sorted(fell) in [sorted(names) for names in there.values()]
    up = [t for t, e in zip(records.events["time"], records.events["event"], strict=True) if e == "vm-up"]
    assert len(up) == 3, "two starts, one reboot"
    # firmware 2.5, read 200 MB, 6 core-s, services 2.37: the delays as they were drawn, within their 10 %
    assert up[2] - 60 == pytest.approx(2.5 + 0.2 / 1.5 + 6 + 2.37, rel=0.1)
    again = [
        t
        for t, g, e in zip(records.events["time"], records.events["guest"], records.events["event"], strict=True)
        if e == "ready" and g in fell and t > 60
    ]
    assert len(again) == len(fell)
    assert min(again) > up[2]


def test_the_books_agree_after_churn_faults_and_moves(run) -> None:
    api = service(
        "api", start="1.5s", work="{exponential: {mean: 20ms}}", per_request="4MiB", base="220MiB",
        count="autoscale: {rule: hpa, min: 2, max: 20, target_cpu: 60%}",
        traffic="traffic: {mmpp: {states: [{rate: 50/s, mean_duration: 60s}, {rate: 400/s, mean_duration: 60s}]}}",
    )  # fmt: skip
    fn = service(
        "fn", work="{exponential: {mean: 100ms}}", concurrency=1, per_request="1MiB",
        count="autoscale: {rule: per-request, keep_alive: 30s, max: 30}",
        traffic="traffic: {constant-arrival-rate: {rate: 5/s}}",
    )  # fmt: skip
    more = """\
faults: [{kind: kernel-panic, at: 250s, service: api}, {kind: host-patch, at: 400s, outage: 30s}]
moves: [{at: 200s, service: api, link: 10Gbit/s}]
"""
    simulation, records = run(api + fn, more=more, duration="600s", overcommit=1.5)
    host, plane = machine_of(simulation), simulation.world.plane
    assert {"kernel-panic", "host-patch", "host-up", "vm-up", "stopped"} <= set(records.events["event"])
    present = simulation.fleet.present()
    for vm in host.vms:
        own = [guest for guest in present if guest.machine is vm]
        assert vm.cpu_held == pytest.approx(sum(guest.share.cpu for guest in own), abs=1e-9)
        assert vm.memory_held == pytest.approx(sum(guest.share.memory for guest in own), abs=1.0)
        assert vm.running == sum(guest.has_process for guest in own)
        assert vm.coming_up is None
    assert host.cpu_held == 4.0 * len(host.vms)
    assert host.inside == pytest.approx(0.010 * len(host.vms), abs=1e-12)
    assert host.running == len(host.vms)
    # what the VMs hold and the host's own is all that there is
    assert plane.memory_used == pytest.approx(LIBVIRTD + sum(vm.used for vm in host.vms), abs=1.0)
    for tally in records.requests.values():
        ended = tally.completed + tally.rejected + tally.timed_out + tally.failed + tally.in_flight
        assert tally.arrived == ended > 0
