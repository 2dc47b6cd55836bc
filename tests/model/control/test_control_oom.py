"""Who dies when memory runs out: guests, lives and machines are fakes, the memory is the data plane's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from model.small_world import GIB, FakeFleet, FakeGuest, FakeLife, FakeMachine, Told, at, platform, share, small_world
from sim.model.control import oom
from sim.model.control.oom import victims


class Host(FakeMachine):
    """8 GiB, of which the data plane knows what is used."""

    def __init__(self, world: Any, vms: list[Any] | None = None) -> None:
        super().__init__(vms=vms or [])
        self._plane = world.plane

    @property
    def used(self) -> float:
        return float(self._plane.memory_used)

    @used.setter
    def used(self, value: float) -> None:
        """The data plane knows."""

    def vm_of(self, pool: int) -> Any:
        return next(vm for vm in self.vms if vm.pool == pool)


class Short:
    """Guests that use so many GiB each, from 1 s on."""

    def __init__(self, kind: str = "container", requests: Any = (), **guests: dict[str, Any]) -> None:
        self.world = small_world(on=platform(kind), requests=requests)
        self.plane = self.world.plane
        self.told = Told(self.world)
        self.plane.add_service(concurrency=9, per_request=GIB)
        self.guests = {name: self._guest(name, **keys) for name, keys in guests.items()}
        self.life = FakeLife(self.world, self.free)
        self.fleet: Any = FakeFleet([], list(self.guests.values()), self.life)
        self.relieved = False

    def _guest(self, name: str, used: float, resident: float = 0.0, **keys: Any) -> FakeGuest:
        claim = share(1.0, 8 * GIB, score=keys.pop("score", 0), resident=resident * GIB)
        return FakeGuest(name, self.plane.add_guest(0, 1.0, 1.0), claim, fixed=used * GIB, **keys)

    def free(self, guest: Any) -> None:
        guest.fixed = guest.share.resident if self.world.platform.oom == "cgroup" else 0.0
        self.plane.set_memory(guest.slot, guest.fixed)

    def fill(self) -> None:
        for guest in self.guests.values():
            self.plane.set_memory(guest.slot, guest.fixed)

    def run(self, host: Any = None) -> list[tuple[float, str, str]]:
        host = host or Host(self.world)
        host.room = 8 * GIB
        oom.begin(self.world, self.fleet, host, lambda guest: self.relieved)
        at(self.world, 1.0, self.fill)
        self.world.env.run(until=5.0)
        return self.life.rows


def names(short: Short, machine: Any = None) -> list[str]:
    return [guest.name for guest in victims(short.world, short.fleet, machine)]


def test_highest_score_then_largest_then_youngest() -> None:
    short = Short(
        old={"used": 2, "score": 5, "requested": 1.0},
        young={"used": 2, "score": 5, "requested": 2.0},
        large={"used": 3, "score": 5},
        best_effort={"used": 0.1, "score": 1000},
        guaranteed={"used": 7, "score": -997},
    )
    assert names(short) == ["best_effort", "large", "young", "old", "guaranteed"]


def test_only_what_would_give_something_back() -> None:
    short = Short(idle={"used": 1, "resident": 1}, busy={"used": 1.5, "resident": 1})
    assert names(short) == ["busy"]
    vms = Short("vm", idle={"used": 1, "resident": 1}, gone={"used": 0})
    assert names(vms) == ["idle"]  # to the host a VM is one process


def test_those_of_one_machine_only() -> None:
    short = Short(a={"used": 1}, b={"used": 1})
    assert names(short, short.guests["b"].machine) == ["b"]


@pytest.mark.parametrize(("kind", "whole"), [("container", False), ("vm", True)])
def test_the_host_kills_until_the_rest_fits_and_no_more(kind: str, whole: bool) -> None:
    short = Short(kind, a={"used": 4, "score": 3}, b={"used": 3, "score": 9}, c={"used": 5, "score": 1})
    # 12 of 8 GiB: b's 3 are not enough, with a's 4 it is 5
    assert short.run() == [(1.0, "oom-kill", "b"), (1.0, "oom-kill", "a")]
    assert short.life.wholes == [whole] * 2
    assert short.told.rows == [(1.0, "memory-ran-out", ""), (1.0, "oom-kill", ""), (1.0, "oom-kill", "")]


def test_what_just_fits_kills_nobody() -> None:
    assert Short(a={"used": 4}, b={"used": 4}).run() == []


@pytest.mark.parametrize("relieved", [False, True])
def test_a_guest_that_is_given_what_it_is_short_of_is_not_killed(relieved: bool) -> None:
    short = Short(requests=[(2.0, 0, 1.0), (2.5, 0, 1.0)], a={"used": 1})
    short.relieved = relieved
    slot = short.guests["a"].slot
    short.plane.open(slot)
    short.fill = lambda: short.plane.set_memory(slot, GIB, 1)  # one request fits
    assert short.run() == ([] if relieved else [(2.5, "out of memory", "a")])


def test_to_the_host_a_vm_is_one_process_and_all_in_it_falls() -> None:
    """The largest VM, whose containers were its memory; the other's live on."""
    short = Short(a={"used": 5}, b={"used": 4}, c={"used": 1})
    large, small = (FakeMachine(name=name) for name in ("vm-0", "vm-1"))
    for vm, pool in ((large, 1), (small, 2)):
        vm.pool = pool
    for name, vm in (("a", large), ("b", small), ("c", large)):
        short.guests[name].machine = vm
    large.used, small.used = 6.0, 4.0
    assert short.run(Host(short.world, [small, large])) == [(1.0, "oom-kill", "a"), (1.0, "oom-kill", "c")]
    assert (large.asked, small.asked) == (["reboot"], [])
    assert short.life.wholes == [True, True]  # nothing of them is left, not even their shims


def test_a_vms_own_kernel_kills_in_that_vm_only() -> None:
    short = Short(a={"used": 3}, b={"used": 4}, c={"used": 1})
    vm = SimpleNamespace(name="vm-0", pool=1, used=8.0, room=5.0)
    for name in "ac":
        short.guests[name].machine = vm

    def free(guest: Any) -> None:
        vm.used -= guest.fixed / GIB

    short.life._effect = free
    host = Host(short.world, [vm])
    killer = oom._Oom(short.world, short.fleet, host, lambda guest: False)
    killer._vm(SimpleNamespace(subject=1))
    assert short.life.rows == [(0.0, "oom-kill", "a")]
    assert [row[1] for row in short.told.rows] == ["memory-ran-out", "oom-kill"]
