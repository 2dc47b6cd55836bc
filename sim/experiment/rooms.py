"""Which replicas of the start admission has room for, in the order of the file: on the host, or in VMs on it.

The rules are those of docs/model.md (Admission, Nesting); nothing is run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sim.model.host.placement import Share, admission_limits, node_refusal, vm_share
from sim.platforms import Platform, load_platform
from sim.scenario import Scenario, Service

_SLACK: Final = 1e-9
_GIB: Final = 2.0**30
_CPU, _MEMORY, _DISK = 0, 1, 2
Amounts = tuple[float, float, float]
"""Cores, bytes of memory, bytes of disk."""


@dataclass(frozen=True)
class Placed:
    """Replicas of a service that are admitted at the start, of those asked for, and what binds (empty: nothing)."""

    service: str
    admitted: int
    asked: int
    limit: str
    warm: bool = False
    """They are those of a warm pool."""


def placed(scenario: Scenario, platform: Platform, shares: Mapping[str, Share]) -> list[Placed]:
    """What becomes of the starts at time 0: asked for round and round, tenants of a stack whole or not at all."""
    services = {
        name: each
        for name, each in scenario.services.items()
        if name in shares and (each.replicas is None or isinstance(each.replicas, int))
    }
    room = _Room(scenario, platform, shares)
    of = {name: stack for stack in scenario.stacks.values() for name in stack.services}
    for turn in range(max((each.least for each in services.values()), default=0)):
        for name, service in services.items():
            for _ in range(max(scenario.tenants_of(name), 1)):
                if name not in of and turn < service.least:
                    room.admit({name: 1})
                elif name in of and turn == 0 and name == of[name].services[0]:
                    room.admit({each: services[each].least for each in of[name].services if each in services})
    found = [
        Placed(name, room.admitted[name], each.least * max(scenario.tenants_of(name), 1), room.limits.get(name, ""))
        for name, each in services.items()
    ]
    return found + list(_kept(scenario, services, room))


def _kept(scenario: Scenario, services: Mapping[str, Service], room: _Room) -> Iterator[Placed]:
    """What becomes of the warm pools, behind all replicas."""
    for name, service in services.items():
        asked = 0 if service.warm is None else service.warm.guests * max(scenario.tenants_of(name), 1)
        before = room.admitted[name]
        for _ in range(asked):
            room.admit({name: 1})
        if asked:
            yield Placed(name, room.admitted[name] - before, asked, room.limits.get(name, ""), warm=True)


@dataclass
class _Left:
    """What one machine can still promise, and the parts of images on it."""

    amounts: Amounts
    parts: set[str] = field(default_factory=set)

    def short(self, wanted: Amounts, slack: float = _SLACK) -> int | None:
        """The first of the amounts of which there is not enough; None if there is."""
        pairs = enumerate(zip(wanted, self.amounts, strict=True))
        return next((at for at, (asked, there) in pairs if asked > there + slack * max(abs(there), 1.0)), None)

    def copy(self) -> _Left:
        """The same, to go back to."""
        return _Left(self.amounts, set(self.parts))

    def take(self, wanted: Amounts) -> None:
        """Promise so much."""
        cpu, memory, disk = (there - asked for asked, there in zip(wanted, self.amounts, strict=True))
        self.amounts = cpu, memory, disk


class _Room:
    """The host, with a pool of VMs where the platform nests, and to whom it has promised what."""

    def __init__(self, scenario: Scenario, platform: Platform, shares: Mapping[str, Share]) -> None:
        self._scenario, self._platform, self._shares = scenario, platform, shares
        capacity = scenario.host.disk.capacity
        cores, memory = admission_limits(scenario, platform)
        self._host = _Left((cores, memory, math.inf if capacity is None else capacity))
        self._vms: list[_Left] = []
        self._counts = (0, 0)  # guests and their processes, for the limits of the node
        self._nested = platform.nested
        if self._nested is not None:
            outside, inside = load_platform(self._nested.vm_platform), load_platform(self._nested.guest)
            self._vm = vm_share(outside, self._nested.vm.cpu, self._nested.vm.memory)
            self._vm_disk = outside.disk.per_guest
            self._inside = (self._vm.cap, self._vm.application - inside.memory.host, math.inf)
        for service in scenario.services.values():
            image = service.image_on(platform.image_lineage)
            if image is not None and image.cached:
                self._host.take((0.0, 0.0, self._new_parts(service, self._host)))
        self.admitted: Counter[str] = Counter()
        self.limits: dict[str, str] = {}  # of services: what bound the first time

    def admit(self, wanted: Mapping[str, int]) -> None:
        """Promise so many replicas of each service, all or none."""
        if any(name in self.limits for name in wanted):  # nothing is given back: what had no room has none now
            return
        counts = self._counts
        before = self._host.copy(), [vm.copy() for vm in self._vms] if sum(wanted.values()) > 1 else self._vms
        for name in (name for name, number in wanted.items() for _ in range(number)):
            why = self._one(name)
            if why:
                (self._host, self._vms), self._counts = before, counts
                self.limits |= dict.fromkeys(wanted, self._for_all(wanted) or why)
                return
        self.admitted.update(wanted)

    def _for_all(self, wanted: Mapping[str, int]) -> str:
        """What all of it lacks at once, in cores or memory of the host; empty where it is not that."""
        if self._nested is not None or sum(wanted.values()) == 1:
            return ""
        shares = [(self._shares[name], number) for name, number in wanted.items()]
        cpu, memory = sum(each.cpu * n for each, n in shares), sum(each.memory * n for each, n in shares)
        found = self._host.short((cpu, memory, 0.0))
        return "" if found is None else _lack(found, (cpu, memory, 0.0), self._host)

    def _one(self, name: str) -> str:
        """Promise one replica; why not, where there is no room."""
        share, service = self._shares[name], self._scenario.services[name]
        if self._nested is None:
            wanted = (share.cpu, share.memory, self._disk(service, self._host))
            why = _take(self._host, wanted)  # looked at first, as in a run
            why = why or node_refusal(self._scenario.node, *self._counts, replace(share, pids=service.pids)) or ""
            self._counts = self._counts[0] + 1, self._counts[1] + service.pids
            return why
        for vm in self._vms:
            wanted = (share.cpu, share.memory, self._disk(service, vm))
            if vm.short(wanted) is None and self._host.short((0.0, 0.0, wanted[_DISK])) is None:
                self._host.take((0.0, 0.0, wanted[_DISK]))
                vm.take((share.cpu, share.memory, 0.0))
                return ""
        return self._in_new_vm(service, share)

    def _in_new_vm(self, service: Service, share: Share) -> str:
        vm = _Left(self._inside, set(self._host.parts))
        disk = self._disk(service, vm)
        found = vm.short((share.cpu, share.memory, 0.0))
        if found is not None:
            asked, there = _told(found, (share.cpu, share.memory, 0.0), self._inside)
            return f"size: {asked} asked, a VM has {there} for its guests"
        why = _take(self._host, (self._vm.cpu, self._vm.memory, self._vm_disk + disk))
        if why:
            return f"no VM has room, and the host not for one more: {why}"
        vm.take((share.cpu, share.memory, 0.0))
        self._vms.append(vm)
        return ""

    def _disk(self, service: Service, machine: _Left) -> float:
        """Bytes on the disk that one more replica takes, its image's new parts among them."""
        image = service.image_on(self._platform.image_lineage)
        full = any(phase.kind == "clone" and phase.bytes == "image" for phase in self._platform.startup)
        own = self._platform.disk.per_guest + (image.bytes if full and image is not None else 0.0)
        return own + self._new_parts(service, machine)

    def _new_parts(self, service: Service, machine: _Left) -> float:
        image = service.image_on(self._platform.image_lineage)
        if image is None:
            return 0.0
        parts = {each.name: each.bytes for each in image.layers}
        if not self._platform.layers_shared:
            parts = {"+".join(parts): image.bytes}
        new = {key: size for key, size in parts.items() if key not in machine.parts}
        machine.parts |= set(new)
        return sum(new.values())


def _take(machine: _Left, wanted: Amounts) -> str:
    found = machine.short(wanted)
    if found is None:
        machine.take(wanted)
        return ""
    return _lack(found, wanted, machine)


def _lack(which: int, wanted: Amounts, machine: _Left) -> str:
    asked, left = _told(which, wanted, machine.amounts)
    return f"{('cpu', 'memory', 'disk')[which]}: {asked} each, {left} left"


def _told(which: int, *each: Iterable[float]) -> list[str]:
    found = [max(tuple(amounts)[which], 0.0) for amounts in each]
    if which == _CPU:
        return [f"{found[0]:g} cores", f"{found[1]:g}"]
    return [size_told(amount) if which == _MEMORY else f"{amount / 1e9:.3g} GB" for amount in found]


def size_told(amount: float) -> str:
    """Bytes as people say them."""
    return f"{amount / _GIB:.3g} GiB" if amount >= _GIB else f"{amount / 2**20:.3g} MiB"
