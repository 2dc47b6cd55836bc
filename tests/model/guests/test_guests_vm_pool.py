"""A pool of VMs alone: 4 vCPUs and 4 GiB each on a host of 8 cores; a VM boots 2 s (copy) + 3 s (launch) + 1 core-s."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model.small_world import GIB, MB, Told, at, delay, platform, promises, share, small_world
from sim.model.guests import vm_pool
from sim.model.guests.vm_pool import Vm, host_of
from sim.model.host.machine import Host, Machine

BOOT = [
    {"name": "clone", "kind": "clone", "bytes": "200MB"},
    delay("launch", 3),
    {"name": "kernel", "kind": "cpu", "work": "1s"},
]
COSTS = {"memory": {"per_guest": "0.25GiB", "guest_os": "0.5GiB"}, "cpu": {"idle_per_guest": 0.125}}
DAEMONS = {"memory": {"host": "0.25GiB"}, "cpu": {"host": 0.25}}
POOL = {"nested": {"vm_platform": "vm", "guest": "container", "vm": {"cpu": 4, "memory": "4GiB"}}}
EIGHT = "cores: 8, memory: 16GiB, disk: {read: 100MB/s, write: 100MB/s, capacity: 1GB}, network: 800Mbit/s"


class Pool:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        own = {"vm": platform("vm", BOOT, COSTS, again=["launch", "kernel"]), "container": platform(changes=DAEMONS)}
        monkeypatch.setattr(vm_pool, "load_platform", own.__getitem__)
        self.world = small_world(on=platform("container-in-vm", changes=POOL), host=EIGHT)
        self.told = Told(self.world)
        self.host = host_of(self.world)
        self.env = self.world.env

    def place(self, cpu: float = 1.0, memory: float = GIB, parts: Any = (), disk: float = 0.0) -> Machine | str:
        claim = share(cpu, memory)
        machine = self.host.place(claim, disk, list(parts))
        if isinstance(machine, Machine):
            machine.images.promise(list(parts))
            machine.hold(claim, disk, 0)
        return machine

    def vm(self, number: int) -> Vm:
        vm = self.host.vms[number]
        assert isinstance(vm, Vm)
        return vm


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    return Pool(monkeypatch)


def test_a_platform_that_does_not_nest_has_a_flat_host() -> None:
    world = small_world()
    assert type(host_of(world)) is Host
    assert host_of(world).vms == ()


def test_the_first_vm_with_room_takes_it_and_a_new_one_is_made_when_none_has(pool: Pool) -> None:
    names = [machine if isinstance(machine := pool.place(1.5), str) else machine.name for _ in range(5)]
    why = "no VM has room, and the host not for one more: cpu: 8 of 8 cores promised, 4 asked"
    assert names == ["vm-0", "vm-0", "vm-1", "vm-1", why]
    assert pool.place(1.0) is pool.vm(0)  # what is smaller still fits
    assert promises(pool.host) == (8.0, 2 * 4.25 * GIB, 0.0)
    assert promises(pool.vm(0)) == (4.0, 3 * GIB, 0.0)


def test_no_vm_is_made_for_what_would_not_fit_into_it(pool: Pool) -> None:
    asked = pool.place(5.0)
    assert asked == "size: 5 cores and 1.00 GiB asked, 4 cores and 3.25 GiB are in a VM for containers"
    assert pool.place(1.0, 3.3 * GIB) == str(asked).replace("5 cores and 1.00", "1 cores and 3.30")
    assert pool.host.vms == []


def test_a_vm_boots_like_any_guest_and_tells_when_it_is_up(pool: Pool) -> None:
    machine = pool.place()
    assert isinstance(machine, Vm)
    assert machine.coming_up is not None
    seen = []
    for time in (1.9, 2.1, 6.1):
        at(pool.world, time, lambda: seen.append((pool.host.used / GIB, pool.host.idle_cores)))
    pool.env.run(until=10)
    assert pool.told.rows == [(0.0, "vm-requested", "vm-0"), (6.0, "vm-up", "")]
    assert machine.coming_up is None
    # the VMM and the guest OS from the first phase after the copy on; daemons when it is up
    assert seen == [(0.0, 0.0), (0.75, 0.125), (1.0, 0.375)]
    assert pool.host.boot_work == pytest.approx(1.0)
    assert pool.host.stranded(0.0) == 3.25 * GIB


def test_two_that_boot_share_the_disk(pool: Pool) -> None:
    for _ in range(5):
        pool.place()
    pool.env.run(until=20)
    assert pool.told.times("vm-up") == [8.0, 8.0]


def test_a_kernel_that_falls_boots_without_another_copy(pool: Pool) -> None:
    vm = pool.place()
    assert isinstance(vm, Vm)
    at(pool.world, 10.0, vm.reboot)
    seen: list[Any] = []
    at(pool.world, 10.5, lambda: seen.append((pool.host.used / GIB, vm.coming_up is not None)))
    pool.env.run(until=20)
    assert pool.told.times("vm-up") == [6.0, 14.0]
    assert seen == [(0.75, True)]  # it is launched at once
    assert pool.host.used == GIB
    assert pool.host.idle_cores == 0.375


@pytest.mark.parametrize("moment", [1.0, 3.0, 5.5])
def test_a_vm_that_falls_while_it_boots_for_the_first_time_starts_from_the_beginning(pool: Pool, moment: float) -> None:
    vm = pool.place()
    assert isinstance(vm, Vm)
    at(pool.world, moment, vm.reboot)
    pool.env.run(until=20)
    assert pool.told.times("vm-up") == [moment + 6.0]
    assert pool.host.used == GIB


@pytest.mark.parametrize(("moment", "up"), [(3.0, [26.0]), (10.0, [6.0, 24.0])])
def test_nothing_is_left_of_the_vms_while_the_hosts_kernel_is_down(pool: Pool, moment: float, up: list[float]) -> None:
    """They neither boot nor burn; all boot when it is back at 20 s."""
    vm = pool.place()
    seen: list[Any] = []
    at(pool.world, moment, pool.host.go_down)
    at(pool.world, 15.0, lambda: seen.extend([pool.host.used, pool.host.idle_cores, pool.place()]))
    at(pool.world, 20.0, pool.host.come_up)
    pool.env.run(until=40)
    assert seen == [0.0, 0.0, "no VM has room, and the host not for one more: host: its kernel is down"]
    assert pool.told.times("vm-up") == up
    assert pool.place() is vm


def test_disks_of_vms_are_on_the_hosts(pool: Pool) -> None:
    parts = [("app", 400 * MB)]
    assert pool.place(4.0, parts=parts, disk=50 * MB) is pool.vm(0)
    assert pool.host.disk_used == 450 * MB
    assert pool.place(4.0, parts=parts, disk=50 * MB) is pool.vm(1)
    assert pool.host.disk_used == 900 * MB
    assert pool.host.disk_peak == 900 * MB
    more = replace(share(), cpu=0.0, memory=0.0)
    assert pool.vm(0).refusal(more, 100 * MB) is None
    assert pool.vm(0).refusal(more, 101 * MB) == "disk: 0.90 of 1.00 GB used, 0.10 GB asked"


def test_idle_systems_inside_burn_the_vms_cores_and_the_hosts(pool: Pool) -> None:
    vm = pool.place()
    assert isinstance(vm, Vm)
    pool.env.run(until=10)
    vm.idle_each = 0.5
    vm.process_begins()
    assert (vm.idle_cores, pool.host.idle_cores) == (0.75, 0.875)
    vm.process_ends()
    assert (vm.idle_cores, pool.host.idle_cores) == (0.25, 0.375)


def test_what_is_cached_is_baked_into_the_disk_of_every_vm(pool: Pool) -> None:
    parts = [("app", 400 * MB)]
    pool.host.cache(parts)
    for _ in range(2):
        machine = pool.place(4.0, parts=parts)
        assert isinstance(machine, Vm)
        assert machine.images.present(parts)
    assert pool.host.disk_used == 400 * MB  # once
