"""One guest: its state, and the phases of its start as a story of `yield`s."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

from simpy import Process
from simpy.events import Event

from sim.engine.layout import WORK_BOOT
from sim.platforms import Phase

if TYPE_CHECKING:
    from sim.model.service import ServiceRun

STARTING, READY, RESTARTING, DRAINING, STOPPED = "starting", "ready", "restarting", "draining", "stopped"
OUTSIDE = ("install", "pull", "clone")  # phases before the guest has a process of its own
APP = "app"  # the application's own start, last on every platform


class Guest:
    """A replica on the host. Times in s, NaN for what has not happened."""

    def __init__(self, service: ServiceRun, number: int, slot: int, requested: float) -> None:
        self.service = service
        self.number = number
        self.slot = slot
        self.name = f"{service.name}-{number}"
        self.share = service.share
        self.state = STARTING
        self.requested = requested
        self.ready = self.stopped = nan
        self.ready_since = nan  # of the present life: a restart sets it anew
        self.stop_reason = ""
        self.phases: dict[str, float] = {}
        self.durations = service.draw_durations()
        self.has_process = False
        self.failures = 0  # restarts in a row
        self.story: Process | None = None
        self.disk = service.disk_of_guest
        self.fixed = 0.0  # bytes charged to the host but for requests in service

    @property
    def alive(self) -> bool:
        """True unless it is leaving or gone."""
        return self.state in (STARTING, READY, RESTARTING)


def run_phases(guest: Guest, phases: Sequence[Phase]) -> Generator[Event, Any, None]:
    """Go through the phases in order; how long each took is recorded (the first time)."""
    env = guest.service.env
    for phase in phases:
        if phase.kind == ("install" if guest.service.image.ready_made else "pull"):
            continue  # an image is either ready made and pulled, or built here
        began = env.now
        if phase.kind not in OUTSIDE and not guest.has_process:
            guest.service.process_begins(guest)
        yield from _PHASES[phase.kind](guest, phase)
        if phase.name not in guest.phases:
            guest.phases[phase.name] = env.now - began


def _duration(guest: Guest, phase: Phase) -> float:
    return guest.durations.get(phase.name, 0.0)


def _rate(phase: Phase) -> float:
    return inf if phase.rate is None else phase.rate


def _delay(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    yield guest.service.env.timeout(_duration(guest, phase))


def _cpu(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    yield guest.service.env.compute(guest.slot, phase.work or 0.0, WORK_BOOT)


def _lock(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    lock = guest.service.machine.lock(phase.lock or phase.name)
    with lock.request() as turn:
        yield turn
        yield guest.service.env.timeout(_duration(guest, phase))


def _pull(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    service = guest.service
    yield from service.machine.images.fetch(service.parts, phase, _duration(guest, phase), _rate(phase))


def _install(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    """The OS is installed once for each image; other guests of the image wait for that."""
    service = guest.service
    lock = service.machine.lock(f"install {service.parts[0][0]}")
    with lock.request() as turn:
        yield turn
        images = service.machine.images
        if images.missing(service.parts) == 0.0:
            return
        yield service.env.timeout(_duration(guest, phase))
        yield service.env.compute(guest.slot, phase.work or 0.0, WORK_BOOT)
        size = phase.amount(service.image.bytes)
        yield from service.machine.write.transfer(size, _rate(phase))
        images.built(service.parts)
        images.bytes += size


def _clone(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    """A copy is read and written: both disks' shares, one after the other in small pieces, taken as the slower."""
    machine, size = guest.service.machine, phase.amount(guest.service.image.bytes)
    env = guest.service.env
    steps = [
        env.process(machine.read.transfer(size, _rate(phase))),
        env.process(machine.write.transfer(size, _rate(phase))),
    ]
    try:
        yield env.all_of(steps)
    finally:
        for step in steps:
            if step.is_alive:
                step.defused = True
                step.interrupt()


def _read(guest: Guest, phase: Phase) -> Generator[Event, Any, None]:
    service = guest.service
    if phase.shared == "image" and service.machine.images.warm(service.parts[-1][0]):
        return
    yield service.env.timeout(_duration(guest, phase))
    yield from service.machine.read.transfer(phase.amount(service.image.bytes), _rate(phase))


_PHASES = {
    "delay": _delay,
    "cpu": _cpu,
    "lock": _lock,
    "pull": _pull,
    "install": _install,
    "clone": _clone,
    "read": _read,
}
