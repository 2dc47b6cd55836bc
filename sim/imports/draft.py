"""What an import has found: services with their sizes, what was guessed and why, what has no words here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_LONGEST: Final = 52
# Names by which the service that users come to is told from the others, and those that only make load.
_FRONTS: Final = re.compile(r"front|web|gateway|ingress|(^|-)(ui|www|nginx|edge|proxy|app)(-|$)|portal|page|dashboard")
_LOADERS: Final = re.compile(r"load|locust|k6|(^|-)bot(-|$)|traffic")
_ODD: Final = re.compile(r"[^a-z0-9]+")


@dataclass
class Amounts:
    """CPU (cores) and memory (bytes) of one replica; None where the file does not say."""

    cpu: float | None = None
    cpu_limit: float | None = None
    memory: float | None = None
    memory_limit: float | None = None


@dataclass
class Part:
    """One service of the file. `calls`: service → why it is thought to be called. `guesses`: key → why."""

    name: str
    image: str = ""
    amounts: Amounts = field(default_factory=Amounts)
    replicas: int = 1
    ready: dict[str, str] | None = None
    calls: dict[str, str] = field(default_factory=dict)
    reached: str = ""  # why it is thought to be reached from outside; empty if it is not
    guesses: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # key → where it comes from, where that is no guess
    images: list[str] = field(default_factory=list)  # of several containers in one; else `image` alone
    autoscale: dict[str, str] = field(default_factory=dict)  # instead of replicas
    written: tuple[float, float] = (0.0, 0.0)  # cores and bytes that stand in the file as requests, of one replica
    overhead: tuple[float, float] = (0.0, 0.0)  # cores and bytes that its runtime adds to the requests of one
    runtime: str = ""  # the platform that it asks for


@dataclass
class Load:
    """Recorded traffic: seconds it lasts, how many requests, and what was made of it.

    `recordings`: the service that the file names (empty where it names none) → CSV text of its arrivals, in s, all by
    one clock; `counts` of their rows. `rate`: requests a second, where only that is known. `answer_bytes`: mean of an
    answer, `duration`: median of the response time in s.
    """

    seconds: float
    requests: int
    notes: list[str]
    recordings: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rate: float | None = None
    answer_bytes: float | None = None
    duration: float | None = None


@dataclass
class Draft:
    """All that goes into a scenario. `lost`: what the file says and a scenario has no words for.

    `platforms`: those beside vm and container, what is overridden of them, and why. `counted`: what the totals hold.
    `kubelet`: its replicas are pods.
    """

    name: str
    source: str
    parts: list[Part]
    lost: list[str] = field(default_factory=list)
    platforms: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    kubelet: bool = False

    def totals(self) -> tuple[float, float, int]:
        """Cores and bytes that the file itself requests, over all replicas, and services without any request."""
        cpu = sum((part.amounts.cpu or 0.0) * part.replicas for part in self.parts)
        memory = sum((part.amounts.memory or 0.0) * part.replicas for part in self.parts)
        return cpu, memory, sum(part.amounts.cpu is None or part.amounts.memory is None for part in self.parts)

    def entry(self, wanted: str | None = None) -> Part:
        """The service that requests from outside come to: `wanted`, or the likeliest. Raises KeyError."""
        if wanted is not None:
            return {part.name: part for part in self.parts}[wanted]
        called = {name for part in self.parts for name in part.calls}
        return min(self.parts, key=lambda part: self._likely(part, called))

    def _likely(self, part: Part, called: set[str]) -> tuple[bool, bool, bool, bool, int]:
        front, loader = _FRONTS.search(part.name), _LOADERS.search(part.name)
        return (not part.reached, bool(loader), part.name in called, not front, -len(part.calls))

    def uncircle(self) -> None:
        """Leave out the guessed calls that would come back to a service, and say so."""
        known = {part.name: part for part in self.parts}
        for part in self.parts:
            for name in list(part.calls):
                if name not in known or name == part.name or part.name in _reached(known, name):
                    del part.calls[name]
                    if name in known and name != part.name:
                        self.lost.append(f"{part.name}: its call of {name}, which calls it back")


def _reached(parts: Mapping[str, Part], name: str) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        each = ahead.pop()
        if each not in found and each in parts:
            found.add(each)
            ahead += parts[each].calls
    return found


def short_name(name: str) -> str:
    """A name in small letters, digits and `-`, as a service here can have."""
    return _ODD.sub("-", name.lower()).strip("-")[:_LONGEST].strip("-") or "service"


def scenario_name(text: str, otherwise: str) -> str:
    """A text as a scenario can be called, which names files, too; `otherwise` where nothing of it can stay."""
    name = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in text)
    return name.strip("-_.")[:100] or otherwise


def renamed(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, a name that a service can have here): small letters, digits and `-`, no two alike."""
    used: set[str] = {"all"}
    for name in names:
        short = short_name(name)
        stem, number = short[: _LONGEST - 4], 1
        while short in used:
            number += 1
            short = f"{stem}-{number}"
        used.add(short)
        yield name, short
