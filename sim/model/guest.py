"""One guest: its state, and the phases of its start as a story of `yield`s."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any, Protocol

from simpy import Process
from simpy.events import Event

from sim.engine.environment import HybridEnvironment
from sim.engine.layout import WORK_BOOT
from sim.platforms import Phase
from sim.scenario import Image

if TYPE_CHECKING:
    from sim.model.machine import Machine
    from sim.model.service import ServiceRun

STARTING, READY, RESTARTING, DRAINING, STOPPED = "starting", "ready", "restarting", "draining", "stopped"
OUTSIDE = ("install", "pull", "clone")  # phases before the guest has a process of its own
APP = "app"  # the application's own start, last on every platform
VM = "vm"  # waiting for the VM that the guest is to run in


class Starting(Protocol):
    """What goes through start-up phases: a replica, or a VM that is to hold replicas."""

    @property
    def env(self) -> HybridEnvironment:
        """The clock."""

    @property
    def machine(self) -> Machine:
        """What it runs on: its disk, links, images and locks."""

    @property
    def image(self) -> Image:
        """What it is made from."""

    @property
    def parts(self) -> list[tuple[str, float]]:
        """(key, bytes) of the image's parts."""

    @property
    def slot(self) -> int:
        """Its place in the data plane."""

    @property
    def durations(self) -> dict[str, float]:
        """Drawn duration of its phases, s."""

    phases: dict[str, float]
    has_process: bool

    def process_begins(self) -> None:
        """Its process (VMM, shim) exists from now on."""


class Guest:
    """A replica on a machine (the host, or a VM on it). Times in s, NaN for what has not happened."""

    def __init__(self, service: ServiceRun, number: int, slot: int, requested: float, machine: Machine) -> None:
        self.service = service
        self.machine = machine
        self.env, self.image, self.parts = service.env, service.image, service.parts
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
        self.balloon = 0.0  # bytes of its RAM that the host has taken back
        self.merged = False  # its OS pages are shared with other guests of its image

    @property
    def alive(self) -> bool:
        """True unless it is leaving or gone."""
        return self.state in (STARTING, READY, RESTARTING)

    @property
    def here(self) -> bool:
        """True unless it runs on the host at the other end of a move."""
        return self.machine.here

    def process_begins(self) -> None:
        """The guest's process exists from now on."""
        self.service.process_begins(self)


def until_ready(guest: Guest) -> Generator[Event, Any, None]:
    """Wait until the guest serves, or is leaving."""
    while guest.alive and guest.state != READY:
        story = guest.story
        yield story if story is not None and story.is_alive else guest.env.timeout(1.0)


def run_phases(guest: Starting, phases: Sequence[Phase]) -> Generator[Event, Any, None]:
    """Go through the phases in order; how long each took is recorded (the first time)."""
    env = guest.env
    for phase in phases:
        if phase.kind == ("install" if guest.image.ready_made else "pull"):
            continue  # an image is either ready made and pulled, or built here
        began = env.now
        if phase.kind not in OUTSIDE and not guest.has_process:
            guest.process_begins()
        yield from _PHASES[phase.kind](guest, phase)
        if phase.name not in guest.phases:
            guest.phases[phase.name] = env.now - began


def _duration(guest: Starting, phase: Phase) -> float:
    return guest.durations.get(phase.name, 0.0)


def _rate(phase: Phase) -> float:
    return inf if phase.rate is None else phase.rate


def _delay(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    yield guest.env.timeout(_duration(guest, phase))


def _cpu(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    yield guest.env.compute(guest.slot, phase.work or 0.0, WORK_BOOT)


def _lock(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    lock = guest.machine.lock(phase.lock or phase.name)
    with lock.request() as turn:
        yield turn
        yield guest.env.timeout(_duration(guest, phase))


def _pull(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    yield from guest.machine.images.fetch(guest.parts, phase, _duration(guest, phase), _rate(phase))
    guest.machine.note_disk()


def _install(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    """The OS is installed once for each image; other guests of the image wait for that."""
    lock = guest.machine.lock(f"install {guest.parts[0][0]}")
    with lock.request() as turn:
        yield turn
        images = guest.machine.images
        if images.present(guest.parts):
            return
        yield guest.env.timeout(_duration(guest, phase))
        yield guest.env.compute(guest.slot, phase.work or 0.0, WORK_BOOT)
        size = phase.amount(guest.image.bytes)
        yield from guest.machine.write.transfer(size, _rate(phase))
        images.built(guest.parts)
        guest.machine.note_disk()


def _clone(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    """A copy is read and written: both disks' shares, one after the other in small pieces, taken as the slower."""
    machine, size = guest.machine, phase.amount(guest.image.bytes)
    env = guest.env
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


def _read(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    if phase.shared == "image":
        guest.machine.trim_cache()
        images, key = guest.machine.images, guest.parts[-1][0]
        yield from images.read_once(key, lambda: _read_from_disk(guest, phase))
        images.note_pages(key, phase.amount(guest.image.bytes))
    else:
        yield from _read_from_disk(guest, phase)


def _read_from_disk(guest: Starting, phase: Phase) -> Generator[Event, Any, None]:
    yield guest.env.timeout(_duration(guest, phase))
    yield from guest.machine.read.transfer(phase.amount(guest.image.bytes), _rate(phase))


_PHASES = {
    "delay": _delay,
    "cpu": _cpu,
    "lock": _lock,
    "pull": _pull,
    "install": _install,
    "clone": _clone,
    "read": _read,
}
