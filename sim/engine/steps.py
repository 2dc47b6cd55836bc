"""Programs of requests as the data plane takes them: steps with their numbers, put into rows of `layout.op_dtype`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sim.engine import layout as lay

LAWS = {
    name: code
    for code, name in enumerate(("constant", "exponential", "uniform", "lognormal", "weibull", "pareto", "gamma"))
}
PARTS = ("cpu", "contention", "wait", "disk", "network", "calls")
Part = Literal["wait", "disk", "network"]


@dataclass(frozen=True)
class Law:
    """A distribution by name and two numbers, SI.

    constant value; exponential mean; uniform low, high; lognormal mu, sigma; weibull scale, shape; pareto minimum,
    shape; gamma shape, scale.
    """

    name: str
    a: float
    b: float = 0.0


@dataclass(frozen=True)
class Cpu:
    """A job of the guest: core-s. `overhead`: whether the platform's factor comes on top."""

    law: Law
    overhead: bool = True


@dataclass(frozen=True)
class Wait:
    """Seconds without CPU; `part`: what they are counted as."""

    law: Law
    part: Part = "wait"


@dataclass(frozen=True)
class Move:
    """Bytes over a link of `plane.add_link`."""

    link: int
    size: float
    part: Part = "disk"


@dataclass(frozen=True)
class Call:
    """Requests to another service (its number), `times` one after the other, each with a probability and retries."""

    service: int
    times: int = 1
    probability: float = 1.0
    retries: int = 0


@dataclass(frozen=True)
class Parallel:
    """Branches at once, joined when all have ended."""

    branches: Sequence[Sequence[Step]]


Step = Cpu | Wait | Move | Call | Parallel


def flattened(steps: Sequence[Step], base: int) -> list[dict[str, Any]]:
    """Rows of `layout.op_dtype` for a program whose first row is number `base`; the last is its STOP."""
    rows: list[dict[str, Any]] = []
    for step in steps:
        rows += _rows(step, base + len(rows))
    return [*rows, {"kind": lay.OP_STOP}]


def _rows(step: Step, at: int) -> list[dict[str, Any]]:
    match step:
        case Cpu(law, overhead):
            return [{"kind": lay.OP_CPU, **_law(law), "raw": not overhead}]
        case Wait(law, part):
            return [{"kind": lay.OP_WAIT, **_law(law), "part": PARTS.index(part)}]
        case Move(link, size, part):
            return [{"kind": lay.OP_MOVE, "where": link, "a": size, "part": PARTS.index(part)}]
        case Call(service, times, probability, retries):
            call = {"where": service, "times": times, "a": probability, "tries": retries}
            return [{"kind": lay.OP_CALL, **call}]
        case Parallel(branches):
            n = len(branches)
            rows: list[dict[str, Any]] = [{"kind": lay.OP_FORK, "times": n}]
            rows += [{"kind": lay.OP_BRANCH} for _ in branches]
            for i, branch in enumerate(branches):
                rows[1 + i]["where"] = at + len(rows)
                rows += flattened(branch, at + len(rows))
            rows[0]["where"] = at + len(rows)
            return rows


def _law(law: Law) -> dict[str, Any]:
    return {"law": LAWS[law.name], "a": law.a, "b": law.b}


def width(steps: Sequence[Step]) -> int:
    """Most strands of one request at once."""
    return max((_width(step) for step in steps), default=1)


def _width(step: Step) -> int:
    return sum(width(branch) for branch in step.branches) if isinstance(step, Parallel) else 1


def forks(steps: Sequence[Step]) -> int:
    """Most branches that one step makes."""
    return max(
        (max(len(step.branches), *map(forks, step.branches), 0) for step in steps if isinstance(step, Parallel)),
        default=0,
    )
