"""Memory that the host takes back from guests with a kernel of their own (docs/model.md, Memory taken back).

Equal pages of their operating systems are merged (KSM), and balloons hold the RAM that they do not use, so that it can
be promised to others.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from sim.model.guest import DRAINING, READY, Guest
from sim.model.placement import Share

if TYPE_CHECKING:
    from sim.model.simulation import Simulation


class Reclaim:
    """Both means, each only where the platform switches it on. `merged`: bytes saved by merging now."""

    def __init__(self, simulation: Simulation) -> None:
        platform = simulation.platform
        memory, flat = platform.memory, platform.nested is None
        kernel = memory.guest_kernel
        self._simulation = simulation
        self._merges = flat and memory.sharing == "ksm"
        self._each = memory.ksm_share * (memory.guest_os + (kernel.fixed if kernel else 0.0))
        self._copies: dict[tuple[str, ...], int] = {}
        self.merged = 0.0
        self.balloons = flat and memory.reclaim == "balloon" and platform.allocation == "reserved"
        self._most = memory.balloon_limit
        self._physical = simulation.scenario.host.memory - memory.host

    # merging

    def up(self, guest: Guest) -> None:
        """The guest is ready: its pages that others of its image have too are merged, and it has a balloon."""
        if self._merges and guest.here and not guest.merged:
            guest.merged = True
            image = tuple(key for key, _ in guest.parts)
            self._copies[image] = self._copies.get(image, 0) + 1
            if self._copies[image] > 1:
                self._save(self._each)
        if self.balloons:
            self.settle()
            self._simulation.room_is_free()

    def down(self, guest: Guest) -> None:
        """The guest's process is gone, and its memory given back; the last of an image has all pages to itself."""
        if guest.merged:
            guest.merged = False
            image = tuple(key for key, _ in guest.parts)
            self._copies[image] -= 1
            if self._copies[image] > 0:
                self._save(-self._each)
        if guest.balloon:
            self._simulation.machine.book()
            self._simulation.machine.ballooned -= guest.balloon
            guest.balloon = 0.0

    def _save(self, amount: float) -> None:
        self.merged += amount
        self._simulation.plane.charge_host(-amount)

    # balloons

    def refusal(self, share: Share) -> str | None:
        """Why a VM with this share cannot be admitted though it may be promised: balloons could not make room."""
        if not self.balloons:
            return None
        short, rooms = self._short() + share.memory, sum(self._rooms().values())
        if short <= rooms * (1 + 1e-12):
            return None
        return f"memory: {short / 2**30:.2f} GiB short, balloons can take back {rooms / 2**30:.2f} GiB"

    def settle(self) -> None:
        """Share out among the balloons what is promised and not there, by what each can take."""
        if not self.balloons:
            return
        machine, rooms = self._simulation.machine, self._rooms()
        total = sum(rooms.values())
        part = min(1.0, max(0.0, self._short()) / total) if total else 0.0
        machine.book()
        machine.ballooned = 0.0
        for guest, room in rooms.items():
            guest.balloon = part * room
            machine.ballooned += guest.balloon
            self._simulation.plane.promise(guest.slot, guest.share.memory - guest.balloon)
            guest.service.bound(guest)

    def deflated(self, guest: Guest) -> bool:
        """The guest needs more than its balloon leaves it: whether it has got it, as far as its RAM goes."""
        if not guest.balloon:
            return False
        self.settle()
        return float(self._simulation.plane.serving()[guest.slot]) <= guest.service.most(guest)

    def _short(self) -> float:
        """Bytes promised beyond what the host has, and merging saves."""
        return self._simulation.machine.memory_held - self._physical - self.merged

    def _rooms(self) -> dict[Guest, float]:
        """Bytes that each balloon could hold now: RAM that neither the guest OS nor the application uses."""
        serving = self._simulation.plane.serving()
        return {
            guest: self._room(guest, float(serving[guest.slot]))
            for service in self._simulation.services
            for guest in service.present()
        }

    def _room(self, guest: Guest, serving: float) -> float:
        if guest.state not in (READY, DRAINING) or guest.share.application == inf:
            return 0.0
        memory = guest.service.spec.memory
        unused = guest.share.application - memory.base - memory.per_request * serving
        return max(0.0, min(self._most * guest.share.ram, unused))
