"""The groups of mechanisms in which platforms differ, and platforms put together group by group.

A platform is data, so a group can be taken from another one: `splice` makes the platform that is A but for some groups,
which are B's. Every key of a platform belongs to exactly one group (`group_of`). Start-up phases are a list, of which
the first part brings the image (pull, clone, install, what is read of it) and belongs to the images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from sim.platforms import Phase, Platform
from sim.scenario import Scenario
from sim.scenario.requests import CallStep, CpuStep, ParallelStep, Step, SyscallsStep, WaitStep

PROMISE, START, IMAGES, MEMORY = "promise", "start-up", "images", "memory"
CPU, IO, FAULTS, NESTING = "CPU tax", "I/O tax", "faults and moves", "VMs around"
GROUPS: Final[Mapping[str, str]] = {
    PROMISE: "what a replica is promised and limited to: its size, what admission holds, how limits are enforced",
    START: "how a guest comes up once its image is there, is restarted and stops",
    IMAGES: "the image, how it comes to the host and is read, what a guest adds on the disk",
    MEMORY: "memory that host and guests need for the platform, and who is killed for want of it",
    CPU: "CPU work that requests need more, and that idle guests and daemons burn",
    IO: "CPU and latency of each packet and disk operation of a request",
    FAULTS: "who falls together, how a guest leaves the host",
    NESTING: "the VMs that the guests run in",
}
"""Every group, in the order in which they are told, and what it is."""
NAMES: Final = ("name", "title", "based_on", "lineage")
"""Keys that are no mechanism."""
_TABLE: Final[Mapping[str, str]] = {
    "size_lineage": PROMISE,
    "allocation": PROMISE,
    "resize": PROMISE,
    "cpu.request_per_guest": PROMISE,
    "cpu.quota": PROMISE,
    "cpu.period": PROMISE,
    "cpu.oversubscription": PROMISE,
    "resumes": START,
    "beside": START,
    "kubelet": START,
    "startup": START,  # but for its first part: see `brings_image`
    "restart": START,
    "stop": START,
    "isolation.panic_phases": START,
    "image_lineage": IMAGES,
    "layers_shared": IMAGES,
    "pulls": IMAGES,
    "disk.per_guest": IMAGES,
    "memory": MEMORY,
    "kernel": MEMORY,
    "oom": MEMORY,
    "cpu": CPU,
    "disk": IO,
    "net": IO,
    "isolation": FAULTS,
    "move": FAULTS,
    "nested": NESTING,
}
"""Dotted path, with all below it that has no row of its own → group."""
_IMAGE_KINDS: Final = ("install", "pull", "clone")


def group_of(path: str) -> str | None:
    """The group of a platform's key, by its dotted path; None where it has none."""
    steps = path.split(".")
    beginnings = (".".join(steps[:length]) for length in range(len(steps), 0, -1))
    return next((_TABLE[each] for each in beginnings if each in _TABLE), None)


def keys() -> Iterator[str]:
    """Dotted paths of all keys of a platform, in order; what can be missing as a whole is one key, and so is a list."""
    for name, info in Platform.model_fields.items():
        part = info.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from (f"{name}.{key}" for key in part.model_fields)
        else:
            yield name


def value_at(platform: Platform, path: str) -> Any:
    """The value of a key of `keys`."""
    name, _, key = path.partition(".")
    part = getattr(platform, name)
    return getattr(part, key) if key else part


# ---------------------------------------------------------------- phases


def brings_image(phase: Phase) -> bool:
    """Whether a phase of the start-up moves, builds or reads the image."""
    return phase.kind in _IMAGE_KINDS or phase.bytes == "image"


def halves(platform: Platform) -> tuple[tuple[Phase, ...], tuple[Phase, ...]]:
    """The phases that bring the image, and those that start the guest."""
    image = tuple(phase for phase in platform.startup if brings_image(phase))
    return image, tuple(phase for phase in platform.startup if not brings_image(phase))


def _halves_apart(platform: Platform) -> bool:
    """Whether the image comes first, and no later start repeats what brings it."""
    image, rest = halves(platform)
    again = {*platform.restart.phases, *platform.isolation.panic_phases}
    return platform.startup == image + rest and not again.intersection(phase.name for phase in image)


def _joined(image: Sequence[Phase], rest: Sequence[Phase]) -> tuple[Phase, ...]:
    """Both halves as one list; a phase of the image gives way where its name is taken (a phase draws by its name)."""
    taken = {phase.name for phase in rest}
    kept = (
        phase.model_copy(update={"name": f"{phase.name}-image"}) if phase.name in taken else phase for phase in image
    )
    return (*kept, *rest)


# ---------------------------------------------------------------- taking groups


def splice(a: Platform, b: Platform, taken: Collection[str]) -> Platform:
    """The platform that is `a` but for the groups `taken`, which are those of `b`."""
    if not taken:
        return a
    update: dict[str, Any] = {"name": f"{a.name} with {b.name}'s {', '.join(sorted(taken))}"}
    for name in Platform.model_fields:
        if name in NAMES:
            continue
        if name == "startup":
            image, rest = (b if IMAGES in taken else a), (b if START in taken else a)
            same = image is rest
            update[name] = image.startup if same else _joined(halves(image)[0], halves(rest)[1])
            continue
        update[name] = _spliced(getattr(a, name), getattr(b, name), name, taken)
    return a.model_copy(update=update)


def _spliced(mine: Any, other: Any, path: str, taken: Collection[str]) -> Any:
    """One key of a platform; a part whose keys are of several groups is put together key by key."""
    if not (isinstance(mine, BaseModel) and isinstance(other, BaseModel)):
        return other if group_of(path) in taken else mine
    groups = {name: group_of(f"{path}.{name}") for name in type(mine).model_fields}
    update = {name: getattr(other, name) for name, group in groups.items() if group in taken}
    return mine.model_copy(update=update)


# ---------------------------------------------------------------- where two platforms differ


def differences(a: Platform, b: Platform, scenario: Scenario) -> dict[str, list[str]]:
    """Group → the dotted paths in which `a` and `b` differ, of all groups that differ in `scenario`, in order."""
    found: dict[str, list[str]] = {name: [] for name in GROUPS}
    for path in keys():
        group = None if path in ("size_lineage", "image_lineage", "startup") else group_of(path)
        if group is not None and value_at(a, path) != value_at(b, path):
            found[group].append(path)
    for group, half in ((IMAGES, 0), (START, 1)):
        mine, other = halves(a)[half], halves(b)[half]
        if mine != other:
            found[group] += _phases_apart(mine, other)
    services = scenario.services
    found[PROMISE] += [
        f"services.{name}.size" for name, each in services.items()
        if each.size_on(a.size_lineage) != each.size_on(b.size_lineage)
    ]  # fmt: skip
    resized = any(each.size_on(a.size_lineage) != each.size_on(b.size_lineage) for each in scenario.resizes)
    found[PROMISE] += ["resizes"] if resized else []
    found[IMAGES] += [
        f"services.{name}.image" for name, each in services.items()
        if each.image_on(a.image_lineage) != each.image_on(b.image_lineage)
    ]  # fmt: skip
    return {group: paths for group, paths in found.items() if paths}


def _phases_apart(mine: Sequence[Phase], other: Sequence[Phase]) -> list[str]:
    of_mine, of_other = ({phase.name: phase for phase in each} for each in (mine, other))
    names = [name for name in (of_mine | of_other) if of_mine.get(name) != of_other.get(name)]
    return [f"startup.{name}" for name in names] or ["startup"]


def _moves_bytes(steps: Sequence[Step]) -> bool:
    for step in steps:
        if isinstance(step, ParallelStep):
            if any(_moves_bytes(branch) for branch in step.parallel):
                return True
        elif not isinstance(step, CpuStep | WaitStep | SyscallsStep | CallStep):
            return True
    return False


_ASLEEP: Final[Mapping[str, tuple[Callable[[Scenario], bool], str]]] = {
    IO: (
        lambda scenario: not any(_moves_bytes(p) for each in scenario.services.values() for _, p in each.programs),
        "no request reads, writes, sends or receives",
    ),
    FAULTS: (lambda scenario: not scenario.faults and not scenario.moves, "nothing falls or moves"),
}
"""Groups that cannot matter in some scenarios: whether that is so, and why."""


def asleep(group: str, scenario: Scenario) -> str:
    """Why a group cannot matter in a scenario; empty where it can."""
    test, why = _ASLEEP.get(group, (lambda _: False, ""))
    return why if test(scenario) else ""


# ---------------------------------------------------------------- what is taken together


@dataclass(frozen=True)
class Player:
    """What is taken from the one or the other platform as one: a group, or several that cannot be taken apart."""

    name: str
    groups: tuple[str, ...]
    differs: tuple[str, ...]
    """Dotted paths in which the platforms differ."""


@dataclass(frozen=True)
class Cast:
    """Two platforms, what is taken from the one or the other, and what is left out or taken together, and why."""

    a: Platform
    b: Platform
    players: tuple[Player, ...]
    left_out: Mapping[str, str]
    """Group → why its difference cannot matter."""
    together: Sequence[str] = ()
    """Sentences: what cannot be taken apart, and why."""

    @property
    def full(self) -> int:
        """The coalition that is all of `b`: one bit a player."""
        return (1 << len(self.players)) - 1

    def platform(self, coalition: int) -> Platform:
        """The platform of a coalition: `a`, with the groups of those players whose bit is set taken from `b`."""
        if coalition == self.full:
            return self.b
        members = [each for number, each in enumerate(self.players) if coalition >> number & 1]
        return splice(self.a, self.b, {group for each in members for group in each.groups})

    def names(self, coalition: int) -> tuple[str, ...]:
        """Players of a coalition."""
        return tuple(each.name for number, each in enumerate(self.players) if coalition >> number & 1)

    def told(self, coalition: int) -> str:
        """The platform of a coalition in words."""
        if coalition in (0, self.full):
            return self.b.name if coalition else self.a.name
        return f"{self.a.name} with {self.b.name}'s {', '.join(self.names(coalition))}"


def cast(a: Platform, b: Platform, scenario: Scenario) -> Cast:
    """What can be taken from the one or the other of two platforms in a scenario."""
    apart = differences(a, b, scenario)
    left_out = {group: why for group in apart if (why := asleep(group, scenario))}
    playing = [group for group in apart if group not in left_out]
    glued: list[tuple[set[str], str]] = []
    if NESTING in playing and a.allocation != b.allocation:
        why = f"one of {a.name} and {b.name} starts its guests inside VMs, and no platform has VMs inside them"
        glued.append(({NESTING, PROMISE, START, IMAGES, MEMORY}, why))
    elif not (_halves_apart(a) and _halves_apart(b)):
        why = "a start-up does not bring its image first, or repeats that"
        glued.append(({START, IMAGES}, why))
    return Cast(a, b, tuple(_players(playing, apart, glued)), left_out, [
        f"{', '.join(group for group in GROUPS if group in each)} are taken together: {why}"
        for each, why in glued if len(each.intersection(playing)) > 1
    ])  # fmt: skip


def _players(
    playing: Sequence[str], apart: Mapping[str, Sequence[str]], glued: Sequence[tuple[set[str], str]]
) -> Iterator[Player]:
    done: set[str] = set()
    for group in playing:
        if group in done:
            continue
        whole = next((each for each, _ in glued if group in each), {group})
        # members that do not differ come along: a key of theirs may belong to the structure of the others
        members = tuple(each for each in GROUPS if each in whole)
        done.update(members)
        shown = [each for each in members if each in playing]
        yield Player(" + ".join(shown), members, tuple(path for each in shown for path in apart[each]))
