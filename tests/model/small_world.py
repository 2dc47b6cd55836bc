"""A small world for one part of the model: round numbers, a real clock and data plane, and neighbours that are fakes.

100 MB/s everywhere, so that an image of 100 MB takes 1 s over the NIC and 1 s onto the disk; no platform costs but
those that a test asks for. Everything that happens is written down by `Told`, with its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from types import SimpleNamespace
from typing import Any

import numpy as np

from sim.engine.environment import HybridEnvironment
from sim.engine.layout import STATUS_NAMES
from sim.engine.plane import DataPlane
from sim.model.host.placement import Share
from sim.model.signals import Signals
from sim.model.world import World
from sim.platforms import Phase, Platform, load_platform
from sim.scenario import Service, scenario_from_text

MB, MIB, GIB = 1e6, 2.0**20, 2.0**30
HOST = "cores: 4, memory: 8GiB, disk: {read: 100MB/s, write: 100MB/s}, network: 800Mbit/s"
SIZE = "{cpu: {request: 1, limit: 1}, memory: {request: 1GiB, limit: 1GiB}}"
FREE: dict[str, Any] = {
    "cpu": {"overhead": 1.0, "idle_per_guest": 0, "host": 0},
    "memory": {"host": "0B", "per_guest": "0B", "guest_os": "0B"},
    "disk": {"per_guest": "0B"},
    "restart": {"first": "1s", "delay": "4s", "factor": 2, "max": "10s", "reset_after": "100s"},
    "stop": {"delay": "1s"},
}
OWN_KERNEL = {  # of `vm`: costs nothing either
    "memory": {
        "guest_kernel": {"fixed": "0B", "per_ram": 0, "step": "0B"},
        "per_vcpu": "0B", "per_ram": 0, "file_cache": 0,
    },
    "move": {"blackout": "0s"},
}  # fmt: skip


def over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` laid over `base`, mapping by mapping."""
    merged = dict(base)
    for key, value in more.items():
        inner = merged.get(key)
        merged[key] = over(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def platform(
    name: str = "container",
    startup: Sequence[Mapping[str, Any]] = (),
    changes: Mapping[str, Any] | None = None,
    again: Sequence[str] | None = None,
) -> Platform:
    """A platform that costs nothing but its `startup`, of which restarts and panics repeat `again` (None: delays)."""
    delays = [str(phase["name"]) for phase in startup if phase["kind"] == "delay"]
    repeat = delays if again is None else list(again)
    free = over(FREE, OWN_KERNEL) if name == "vm" else FREE
    parts = {"startup": list(startup), "restart": {"phases": repeat}, "isolation": {"panic_phases": repeat}}
    return load_platform(name, over(over(free, parts), changes or {}))


def delay(name: str, seconds: float) -> dict[str, Any]:
    return {"name": name, "kind": "delay", "duration": f"{seconds}s"}


PULL = {"name": "pull", "kind": "pull", "bytes": "image"}


def service(name: str = "app", **keys: object) -> str:
    """One service of a scenario: 100 MB, of which nothing is there yet, one core, one second a request."""
    defaults = {"image": "100MB", "memory": "{base: 100MiB}", "request_cpu": "1s", "size": SIZE, "replicas": 0}
    given = {key: value for key, value in (defaults | keys).items() if value is not None}
    return f"  {name}:\n" + "".join(f"    {key}: {value}\n" for key, value in given.items())


def small_world(
    services: str = "",
    *,
    on: Platform | None = None,
    requests: Iterable[tuple[float, int, float]] = (),
    extra: str = "",
    host: str = HOST,
) -> World:
    """The clock and the data plane of these services (not made yet) on a platform.

    `requests`: (s, number of the service, core-s) in the order of time. `extra`: further keys of the scenario.
    """
    text = f"name: small\nduration: 1h\nhost: {{{host}}}\nplatforms: [container]\n{extra}\n"
    scenario = scenario_from_text(f"{text}services:\n{services or service()}")
    rows, signals = list(requests), Signals()
    chunks = iter([chunk(rows)] if rows else [])
    plane = DataPlane(
        scenario.host.cores,
        source=lambda: next(chunks, None),
        sink=signals.requests_ended.fire,
        memory_limit=scenario.host.memory,
    )
    return World(scenario, on or platform(), 0, 0.0, HybridEnvironment(plane), plane, signals)


def chunk(rows: Sequence[tuple[float, int, float]]) -> SimpleNamespace:
    times, services, demands = (np.array(column) for column in zip(*rows, strict=True))
    zeros = np.zeros(len(rows))
    return SimpleNamespace(
        time=times.astype("f8"), service=services.astype("i4"), demand=demands.astype("f8"), u1=zeros, u2=zeros
    )


class Told:
    """All that is told in a world: (s, what, about whom)."""

    def __init__(self, world: World) -> None:
        self.rows: list[tuple[float, str, str]] = []
        self.details: list[str] = []  # of notes, falls and refusals, in order
        self.ended: list[tuple[float, str, int]] = []  # requests: finish, status, guest
        self._world, signals = world, world.signals
        for name in ("requested", "ready", "resized", "moved", "stopped"):
            getattr(signals, f"guest_{name}").connect(lambda guest, name=name: self._tell(name, guest.name))
        signals.guest_fell.connect(self._note)
        signals.note.connect(self._note)
        signals.start_refused.connect(lambda who, why, down: self._tell("refused", who, f"{why}{' (down)' * down}"))
        signals.vm_requested.connect(lambda name: self._tell("vm-requested", name))
        signals.scaled.connect(lambda service, a, b: self._tell(f"{a} to {b}", service.name))
        signals.memory_returned.connect(lambda guest: self._tell("memory-returned", guest.name))
        for name in ("room_freed", "memory_ran_out", "oom_kill"):
            getattr(signals, name).connect(lambda name=name: self._tell(name.replace("_", "-"), ""))
        signals.requests_ended.connect(self._ended)

    def _tell(self, what: str, who: str, detail: str | None = None) -> None:
        self.rows.append((round(self._world.env.now, 6), what, who))
        if detail is not None:
            self.details.append(detail)

    def _note(self, guest: Any, event: str, detail: str) -> None:
        self._tell(event, "" if guest is None else guest.name, detail)

    def _ended(self, rows: Any) -> None:
        for row in rows:
            self.ended.append((round(float(row["finish"]), 6), STATUS_NAMES[row["status"]], int(row["guest"])))

    def of(self, *kinds: str) -> list[tuple[float, str, str]]:
        return [row for row in self.rows if row[1] in kinds]

    def times(self, kind: str) -> list[float]:
        return [time for time, what, _ in self.rows if what == kind]


def at(world: World, time: float, do: Callable[[], object]) -> None:
    """Do something at a time of the clock, in a process of its own."""

    def story() -> Any:
        yield world.env.timeout(time)
        do()

    world.env.process(story())


def share(cpu: float = 1.0, memory: float = GIB, **others: Any) -> Share:
    """A claim of so many cores and bytes, all of which an application may use."""
    rest = {"weight": cpu, "cap": cpu, "application": memory, "resident": 0.0, "ram": 0.0, "score": 0}
    return Share(cpu=cpu, memory=memory, **(rest | others))


def promises(machine: Any) -> tuple[float, float, float]:
    """Cores, bytes and bytes of disk that a machine has promised."""
    return machine.cpu_held, machine.memory_held, machine.disk_held


@dataclass(eq=False)
class FakeMachine:
    """A neighbour that says yes, and writes down what it is asked for."""

    used: float = 0.0
    room: float = inf
    here: bool = True
    within: Any = None
    name: str = "host"
    why: str | None = None  # the refusal of everything, if there is one
    coming_up: Any = None
    asked: list[Any] = field(default_factory=list)
    vms: Sequence[Any] = ()

    def refusal(self, share: Share, disk: float) -> str | None:
        self.asked.append((share.cpu, share.memory, disk))
        return self.why

    def objection(self, share: Share) -> str | None:
        return None

    def page_out(self, most: float) -> Any:
        yield from ()

    def exchange(self, old: Share, new: Share, service: int) -> None:
        self.asked.append((old, new, service))

    def reboot(self) -> None:
        self.asked.append("reboot")


@dataclass(eq=False)
class FakeGuest:
    """A guest as control sees it."""

    name: str = "app-0"
    slot: int = 0
    share: Share = field(default_factory=share)
    state: str = "ready"
    machine: Any = field(default_factory=FakeMachine)
    fixed: float = 0.0
    requested: float = 0.0
    number: int = 0
    spec: Service | None = None

    @property
    def recipe(self) -> Any:
        nothing = SimpleNamespace(base=0.0, per_request=0.0)
        return SimpleNamespace(index=0, spec=self.spec or SimpleNamespace(memory=nothing, autoscale=None))

    def in_use(self, serving: float) -> float:
        return self.fixed + self.recipe.spec.memory.per_request * serving

    @property
    def alive(self) -> bool:
        return self.state not in ("draining", "stopped")

    @property
    def here(self) -> bool:
        return bool(self.machine.here)

    def resize(self, share: Share) -> None:
        self.share = share


class FakeLife:
    """What would become of guests: written down, and done by `effect` if there is one."""

    def __init__(self, world: World, effect: Callable[[Any], None] = lambda guest: None) -> None:
        self.rows: list[tuple[float, str, str]] = []
        self.wholes: list[bool] = []
        self._env, self._effect = world.env, effect

    def _do(self, what: str, guest: Any) -> None:
        self.rows.append((self._env.now, what, guest.name))
        self._effect(guest)

    def crash(self, guest: Any, event: str, detail: str, *, whole: bool = False) -> None:
        self.wholes.append(whole)
        self._do(event, guest)

    def out_of_memory(self, guest: Any, detail: str) -> None:
        self._do("out of memory", guest)

    def leave(self, guest: Any, destination: Any) -> None:
        self._do("leave", guest)
        guest.machine = destination


@dataclass(eq=False)
class FakeService:
    """A service that has as many replicas as it is told, at once, but no more than `room`."""

    name: str = "app"
    spec: Any = None
    index: int = 0
    wanted: int = 0
    room: int = 1000
    guests: list[Any] = field(default_factory=list)

    @property
    def ready(self) -> int:
        return self.wanted

    @property
    def recipe(self) -> Any:
        return SimpleNamespace(parts=[], image=SimpleNamespace(cached=False))

    @property
    def roster(self) -> Any:
        return SimpleNamespace(present=lambda: self.guests, everywhere=lambda: self.guests, ready_away=0)

    def scale_to(self, n: int) -> None:
        self.wanted = n

    def start_one(self) -> object | None:
        if self.wanted == self.room:
            return None
        self.wanted += 1
        return object()


class FakeFleet:
    """Services, guests and one life for all of them."""

    wholes: Sequence[Any] = ()

    def __init__(self, services: Sequence[Any] = (), guests: Sequence[Any] = (), life: Any = None) -> None:
        self.services, self.guests, self.life = services, list(guests), life

    def of(self, guest: Any) -> Any:
        return SimpleNamespace(life=self.life)

    def at(self, slot: int) -> Any:
        return next((guest for guest in self.guests if guest.slot == slot), None)

    def called(self, name: str | None) -> list[Any]:
        return [service for service in self.services if name in (None, service.name)]

    def present(self) -> list[Any]:
        return list(self.guests)


def phase(**keys: Any) -> Phase:
    return Phase(**keys)
