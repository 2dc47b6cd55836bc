"""Guests that are given another size while they run: by plan, as far as the platform and the host allow it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from sim.model.guest import Guest
from sim.model.placement import Share, share_of
from sim.model.service import ServiceRun
from sim.platforms import Platform
from sim.scenario import Resize

if TYPE_CHECKING:
    from sim.model.simulation import Simulation


def begin(simulation: Simulation) -> None:
    """Set out for the resizes that the scenario asks for."""
    for each in simulation.scenario.resizes:
        simulation.env.process(_planned(simulation, each))


def _planned(simulation: Simulation, each: Resize) -> Generator[Event, Any, None]:
    yield simulation.env.timeout(each.at)
    size = each.size_on(simulation.platform.size_lineage)
    if size is None:  # not meant for this platform
        return
    for service in simulation.services:
        if each.service in (service.name, service.name.rpartition("-")[0]):
            share = share_of(simulation.platform, size, service.machine.node_memory)
            resize(service, share, each.replica)
    simulation.room_is_free()  # what has shrunk leaves room for those that wait


def resize(service: ServiceRun, share: Share, replica: int | None = None) -> None:
    """Give the service's replicas (or one of them) another share; without `replica` also those to come."""
    why = forbidden(service.platform, service.booted, share)
    guests = [g for g in service.everywhere() if g.alive and replica in (None, g.number)]
    if replica is None and why is None:
        service.share = share
    for guest in guests:
        refusal = why or _refusal(service, guest, share)
        if refusal:
            service.simulation.observer.event(guest, "resize-refused", refusal)
        else:
            _apply(service, guest, share)


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


def _refusal(service: ServiceRun, guest: Guest, share: Share) -> str | None:
    """Why this guest cannot have the share now."""
    simulation, memory = service.simulation, service.spec.memory
    used = memory.base + memory.per_request * float(simulation.plane.serving()[guest.slot])
    if used > share.application:
        return f"memory: {used / 2**20:.0f} MiB in use, {share.application / 2**20:.0f} MiB would be left"
    more = replace(share, cpu=share.cpu - guest.share.cpu, memory=share.memory - guest.share.memory)
    refusal = guest.machine.refusal(more, 0.0)
    if refusal is None and guest.here and more.memory > 0.0:
        refusal = simulation.reclaim.refusal(more)
    return refusal


def _apply(service: ServiceRun, guest: Guest, share: Share) -> None:
    old, plane = guest.share, service.env.plane
    guest.machine.give_back(old, 0.0)
    guest.machine.hold(share, 0.0)
    guest.share = share
    service.resized = True
    plane.resize(guest.slot, share.weight, share.cap)
    if guest.here:
        plane.promise(guest.slot, share.memory - guest.balloon)
        if guest.has_process:
            guest.fixed += share.resident - old.resident
    service.bound(guest)
    service.simulation.reclaim.settle()
    sizes = f"{old.cpu:g} to {share.cpu:g} cores, {old.memory / 2**30:.3g} to {share.memory / 2**30:.3g} GiB"
    service.simulation.observer.event(guest, "resized", sizes)
