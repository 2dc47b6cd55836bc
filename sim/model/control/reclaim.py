"""Memory that the host takes back from guests with a kernel of their own (docs/model.md, Memory taken back).

Equal pages of their operating systems are merged (KSM), and balloons hold the RAM that they do not use, so that it can
be promised to others.
"""

from __future__ import annotations

from math import inf

from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import DRAINING, READY, Guest
from sim.model.host.machine import Host
from sim.model.host.placement import Share
from sim.model.world import World


def begin(world: World, fleet: Fleet, host: Host) -> Reclaim:
    """Take memory back from now on, as far as the platform does."""
    return Reclaim(world, fleet, host)


class Reclaim:
    """Both means, each only where the platform switches it on. `merged`: bytes saved by merging now."""

    def __init__(self, world: World, fleet: Fleet, host: Host) -> None:
        platform = world.platform
        memory, flat = platform.memory, platform.nested is None
        kernel = memory.guest_kernel
        self._fleet, self._host, self._plane, self._signals = fleet, host, world.plane, world.signals
        self._merges = flat and memory.sharing == "ksm"
        self._each = memory.ksm_share * (memory.guest_os + (kernel.fixed if kernel else 0.0))
        self._copies: dict[tuple[str, ...], int] = {}
        self.merged = 0.0
        self._balloons = flat and memory.reclaim == "balloon" and platform.allocation == "reserved"
        self._most = memory.balloon_limit
        self._physical = world.scenario.host.memory - memory.host
        if self._balloons:
            host.admission.append(self.refusal)
            world.signals.guest_requested.connect(self._requested)
            world.signals.guest_resized.connect(self._resized)
        if self._balloons or self._merges:
            world.signals.guest_ready.connect(self._up)
            world.signals.memory_returned.connect(self._down)

    # merging

    def _up(self, guest: Guest) -> None:
        """The guest is ready: its pages that others of its image have too are merged, and it has a balloon."""
        if self._merges and guest.here and not guest.merged:
            guest.merge(True)
            image = tuple(key for key, _ in guest.parts)
            self._copies[image] = self._copies.get(image, 0) + 1
            if self._copies[image] > 1:
                self._save(self._each)
        if self._balloons:
            self.settle()
            self._signals.room_freed.fire()

    def _down(self, guest: Guest) -> None:
        """The guest's process is gone, and its memory given back; the last of an image has all pages to itself."""
        if guest.merged:
            guest.merge(False)
            image = tuple(key for key, _ in guest.parts)
            self._copies[image] -= 1
            if self._copies[image] > 0:
                self._save(-self._each)
        if guest.balloon:
            self._host.set_ballooned(self._host.ballooned - guest.deflate())
        self.settle()

    def _save(self, amount: float) -> None:
        self.merged += amount
        self._plane.charge_host(-amount)

    # balloons

    def refusal(self, share: Share) -> str | None:
        """Why a VM with this share cannot be admitted though it may be promised: balloons could not make room."""
        if not self._balloons or share.memory <= 0.0:
            return None
        short, rooms = self._short() + share.memory, sum(self._rooms().values())
        if short <= rooms * (1 + 1e-12):
            return None
        return f"memory: {short / 2**30:.2f} GiB short, balloons can take back {rooms / 2**30:.2f} GiB"

    def _requested(self, guest: Guest) -> None:
        if guest.here:
            self.settle()

    def _resized(self, guest: Guest) -> None:
        self.settle()

    def settle(self) -> None:
        """Share out among the balloons what is promised and not there, by what each can take."""
        if not self._balloons:
            return
        rooms = self._rooms()
        total = sum(rooms.values())
        part = min(1.0, max(0.0, self._short()) / total) if total else 0.0
        self._host.set_ballooned(sum([part * room for room in rooms.values()]))
        for guest, room in rooms.items():
            guest.inflate(part * room)

    def relieved(self, guest: Guest) -> bool:
        """The guest needs more than its balloon leaves it: whether it has got it, as far as its RAM goes."""
        if not guest.balloon:
            return False
        self.settle()
        return float(self._plane.serving()[guest.slot]) <= guest.most

    def _short(self) -> float:
        """Bytes promised beyond what the host has, and merging saves."""
        return self._host.memory_held - self._physical - self.merged

    def _rooms(self) -> dict[Guest, float]:
        """Bytes that each balloon could hold now: RAM that neither the guest OS nor the application uses."""
        serving = self._plane.serving()
        return {guest: self._room(guest, float(serving[guest.slot])) for guest in self._fleet.present()}

    def _room(self, guest: Guest, serving: float) -> float:
        if guest.state not in (READY, DRAINING) or guest.share.application == inf:
            return 0.0
        memory = guest.recipe.spec.memory
        unused = guest.share.application - memory.base - memory.per_request * serving
        return max(0.0, min(self._most * guest.share.ram, unused))
