"""Guests that are given another size while they run: by plan, as far as the platform and the host allow it."""

from __future__ import annotations

from dataclasses import replace

from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import Guest
from sim.model.guests.phases import Story
from sim.model.guests.service import ServiceRun
from sim.model.host.placement import Share
from sim.model.world import World
from sim.platforms import Platform
from sim.scenario import Resize


def begin(world: World, fleet: Fleet) -> None:
    """Set out for the resizes that the scenario asks for."""
    for each in world.scenario.resizes:
        world.env.process(_planned(world, fleet, each))


def _planned(world: World, fleet: Fleet, each: Resize) -> Story:
    yield world.env.timeout(each.at)
    size = each.size_on(world.platform.size_lineage)
    if size is None:  # not meant for this platform
        return
    for service in fleet.called(each.service):
        resize(world, service, service.share_for(size), each.replica)
    world.signals.room_freed.fire()  # what has shrunk leaves room for those that wait


def resize(world: World, service: ServiceRun, share: Share, replica: int | None = None) -> None:
    """Give the service's replicas (or one of them) another share; without `replica` also those to come."""
    why = forbidden(world.platform, service.booted, share)
    guests = [g for g in service.roster.everywhere() if g.alive and replica in (None, g.number)]
    if replica is None and why is None:
        service.resize(share)
    for guest in guests:
        refusal = why or _refusal(world, guest, share)
        if refusal:
            world.signals.note.fire(guest, "resize-refused", refusal)
        else:
            _apply(world, guest, share)


def forbidden(platform: Platform, booted: Share, share: Share) -> str | None:
    """Why the platform cannot bring a guest that was started with `booted` to `share`; None if it can."""
    rule = platform.resize
    if rule.policy == "in-place":
        return None
    if rule.policy == "none":
        return "the platform cannot resize a guest"
    for what, unit, size, least in (("cpu", 1.0, share.cap, booted.cap), ("memory", 2.0**30, share.ram, booted.ram)):
        most = least * (rule.maximum or 1.0)
        if not least <= size <= most * (1 + 1e-12):
            return (
                f"{what}: {size / unit:g} asked, from {least / unit:g} (as started) to {most / unit:g} can be plugged"
            )
    return None


def _refusal(world: World, guest: Guest, share: Share) -> str | None:
    """Why this guest cannot have the share now."""
    memory = guest.recipe.spec.memory
    used = memory.base + memory.per_request * float(world.plane.serving()[guest.slot])
    if used > share.application:
        return f"memory: {used / 2**20:.0f} MiB in use, {share.application / 2**20:.0f} MiB would be left"
    more = replace(share, cpu=share.cpu - guest.share.cpu, memory=share.memory - guest.share.memory, guests=0)
    return guest.machine.refusal(more, 0.0) or guest.machine.objection(more)


def _apply(world: World, guest: Guest, share: Share) -> None:
    old = guest.share
    guest.machine.exchange(old, share, guest.recipe.index)
    guest.resize(share)
    world.signals.guest_resized.fire(guest)
    sizes = f"{old.cpu:g} to {share.cpu:g} cores, {old.memory / 2**30:.3g} to {share.memory / 2**30:.3g} GiB"
    world.signals.note.fire(guest, "resized", sizes)
