"""The phases of a start as stories of `yield`s; each draws on something that the machine's starts share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from math import ceil, inf
from typing import Any, Protocol

from simpy.events import Event

from sim import registry
from sim.engine.environment import HybridEnvironment
from sim.engine.layout import WORK_BOOT
from sim.model.host.machine import Machine
from sim.model.host.together import together
from sim.platforms import Phase
from sim.scenario import Image
from sim.scenario.amounts import PAGE

Story = Generator[Event, Any, None]

OUTSIDE = ("install", "pull", "clone")  # phases before the guest has a process of its own
APP = "app"  # the application's own start, last on every platform
TAKE = "take"  # until a guest that was kept serves
PROBE = "probe"  # waiting for the readiness probe that finds the application up
VM = "vm"  # waiting for the VM that the guest is to run in


class Starting(Protocol):
    """What goes through start-up phases: a replica, or a VM that is to hold replicas."""

    has_process: bool

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
    def durations(self) -> Mapping[str, float]:
        """Drawn duration of its phases, s."""

    def process_begins(self) -> None:
        """Its process (VMM, shim) exists from now on."""

    def took(self, phase: str, seconds: float) -> None:
        """A phase has taken so long."""

    def reads(self, size: float) -> None:
        """It has read so many bytes of files for itself alone."""


def run_phases(guest: Starting, phases: Sequence[Phase]) -> Story:
    """Go through the phases in order; how long each took is told to the guest."""
    env = guest.env
    for phase in phases:
        if phase.kind == ("install" if guest.image.ready_made else "pull"):
            continue  # an image is either ready made and pulled, or built here
        began = env.now
        if phase.kind not in OUTSIDE and not guest.has_process:
            guest.process_begins()
        yield from registry.behaviour("phases", phase.kind)(guest, phase)
        guest.took(phase.name, env.now - began)


def _duration(guest: Starting, phase: Phase) -> float:
    return guest.durations.get(phase.name, 0.0)


def _rate(phase: Phase) -> float:
    return inf if phase.rate is None else phase.rate


def _delay(guest: Starting, phase: Phase) -> Story:
    yield guest.env.timeout(_duration(guest, phase))


def _cpu(guest: Starting, phase: Phase) -> Story:
    yield guest.env.compute(guest.slot, phase.work or 0.0, WORK_BOOT)


def _lock(guest: Starting, phase: Phase) -> Story:
    lock = guest.machine.lock(phase.lock or phase.name, phase.workers)
    held = phase.per_layer * len(guest.image.layers) + phase.syncs * guest.machine.sync
    with lock.request() as turn:
        yield turn
        yield guest.env.timeout(_duration(guest, phase) + held)


def _pull(guest: Starting, phase: Phase) -> Story:
    yield from guest.machine.images.fetch(guest.parts, phase, _duration(guest, phase), _rate(phase))
    guest.machine.note_disk()


def _install(guest: Starting, phase: Phase) -> Story:
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


def _clone(guest: Starting, phase: Phase) -> Story:
    """A copy is read and written: both disks' shares, one after the other in small pieces, taken as the slower."""
    machine, size = guest.machine, phase.amount(guest.image.bytes)
    copies = [machine.read.transfer(size, _rate(phase)), machine.write.transfer(size, _rate(phase))]
    yield from together(guest.env, copies)


def _read(guest: Starting, phase: Phase) -> Story:
    yield from _once(guest, phase, guest.parts[-1][0], lambda: _read_from_disk(guest, phase))


def _once(guest: Starting, phase: Phase, key: str, read: Callable[[], Story]) -> Story:
    """Read for oneself, or, where guests of an image share what is read, unless it is in the page cache as `key`."""
    if phase.shared != "image":
        yield from read()
        if phase.kind == "read":
            guest.reads(phase.amount(guest.image.bytes))
        return
    guest.machine.trim_cache()
    images = guest.machine.images
    yield from images.read_once(key, read)
    images.note_pages(key, phase.amount(guest.image.bytes))


def _read_from_disk(guest: Starting, phase: Phase) -> Story:
    yield guest.env.timeout(_duration(guest, phase))
    yield from guest.machine.read.transfer(phase.amount(guest.image.bytes), _rate(phase))


def _fault(guest: Starting, phase: Phase) -> Story:
    """Pages come one after the other, when they are touched, unless the snapshot is in the page cache."""
    size = phase.amount(guest.image.bytes)

    def touch() -> Story:
        yield guest.env.timeout(ceil(size / PAGE) * (phase.latency or 0.0))
        yield from guest.machine.read.transfer(size, _rate(phase))

    yield from _once(guest, phase, f"{guest.parts[-1][0]} (snapshot)", touch)


def _calls(guest: Starting, phase: Phase) -> Story:
    """Requests of a client that limits itself: whoever comes first has the next turns, and waits for its last one."""
    ahead = guest.machine.client(phase.client or phase.name).reserve(phase.calls, phase.rate_limit, phase.burst)
    if ahead > 0.0:
        yield guest.env.timeout(ahead)


for _kind, _story in {
    "delay": _delay, "cpu": _cpu, "lock": _lock, "pull": _pull, "install": _install, "clone": _clone, "read": _read,
    "fault": _fault, "calls": _calls,
}.items():  # fmt: skip
    registry.builtin("phases", _kind, behaviour=_story)
