"""What serving a request takes: steps of a program, the kinds of a mix, and who calls whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field

from sim.reading.distribution import Distribution, Pause
from sim.reading.errors import Finding, Refused, nearest, show
from sim.reading.fields import Collector, Human, Info, Strict, count, quantity, text

Bytes = Annotated[float, quantity("size", least=0)]


class CpuStep(Strict):
    """CPU work in one thread of the guest."""

    cpu: Pause = Field(description="core-seconds: 2ms, or a distribution")


class WaitStep(Strict):
    """Something elsewhere is waited for: it takes no CPU and no thread, but keeps the request's place."""

    wait: Pause = Field(description="seconds: 20ms, or a distribution")


class SyscallsStep(Strict):
    """System calls beside those of the other steps: what they cost is the platform's."""

    syscalls: Annotated[int, count(1)] = Field(description="system calls beside those of other steps, such as 50")


class ReadStep(Strict):
    """Bytes read from the host's disk, in operations of 128 KiB."""

    read: Bytes = Field(description="bytes read from the disk, such as 1MB")


class WriteStep(Strict):
    """Bytes written to the host's disk, in operations of 128 KiB."""

    write: Bytes = Field(description="bytes written to the disk, such as 64KiB")


class ReadsStep(Strict):
    """Reads of 4 KiB, one after the other."""

    reads: Annotated[int, count(1)] = Field(description="reads of 4 KiB, one after the other")


class WritesStep(Strict):
    """Writes of 4 KiB, one after the other."""

    writes: Annotated[int, count(1)] = Field(description="writes of 4 KiB, one after the other")


class SendStep(Strict):
    """Bytes sent over the host's network, in packets of 1,448 bytes."""

    send: Bytes = Field(description="bytes sent over the network, such as 20KB")


class ReceiveStep(Strict):
    """Bytes received over the host's network, in packets of 1,448 bytes."""

    receive: Bytes = Field(description="bytes received over the network, such as 1KB")


class Call(Strict):
    """Requests to another service: `times` one after the other, each with a probability, made again if they fail."""

    service: Annotated[str, text()] = Field(description="the service that is called")
    times: Annotated[int, count(1)] = Field(1, description="how many times, one after the other")
    probability: Annotated[float, quantity("ratio", least=0, most=1)] = Field(
        1.0, description="with which each of them is made, such as 20%"
    )
    retries: Annotated[int, count(0)] = Field(0, description="how often one that failed is made again")


def _parse_call(value: Any, info: Info) -> Call | None:
    collect = Collector(info)
    if isinstance(value, str):
        value = {"service": value}
    if isinstance(value, Mapping):
        call = collect.model(Call, value)
    else:
        call = None
        collect.add(show(value), "a service's name, or {service: …, times: 2, probability: 20%, retries: 1}")
    collect.done()
    return call


def _or_name(inner: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, inner]}


class CallStep(Strict):
    """A request to another service, whose end is waited for."""

    call: Annotated[Call, Human(_parse_call, _or_name)] = Field(
        description="a service, or {service, times, probability, retries}"
    )


def _parse_steps(value: Any, info: Info, single: bool = False) -> list[Strict] | None:
    """A list of steps; `single`: one step without a list around it is one, too."""
    if value is None:
        return None
    collect = Collector(info)
    steps: list[Strict | None] = []
    if single and isinstance(value, Mapping):
        steps.append(_step(collect, value))
    elif isinstance(value, list) and value:
        steps += [_step(collect, item, index) for index, item in enumerate(value)]
    else:
        collect.add(show(value), f"a list of steps, at least one: {', '.join(STEPS)}")
    collect.done()
    return [step for step in steps if step is not None]


def _step(collect: Collector, value: Any, *loc: int) -> Strict | None:
    if not isinstance(value, Mapping) or len(value) != 1:
        collect.add(show(value), f"a step, one of {', '.join(STEPS)}, such as cpu: 2ms", *loc)
        return None
    (kind,) = value
    if kind in STEPS:
        return collect.model(STEPS[kind], value, *loc)
    collect.add(f"the unknown step {kind!r}", f"one of {', '.join(STEPS)}", *loc, kind, near=nearest(kind, STEPS),
                on_key=True)  # fmt: skip
    return None


def _parse_branches(value: Any, info: Info) -> list[list[Strict]]:
    collect = Collector(info)
    if not isinstance(value, list) or not value:
        collect.add(show(value), "a list of branches, at least one, each a step or a list of steps")
        collect.done()
    parse = partial(_parse_steps, info=info, single=True)
    branches = [collect.call(parse, branch if branch is not None else "", index) for index, branch in enumerate(value)]
    collect.done()
    return [branch for branch in branches if branch is not None]


class ParallelStep(Strict):
    """Branches at once, each a step or a list of steps; it ends when all have ended."""

    parallel: Annotated[list[list[Step]], Human(_parse_branches, lambda inner: _branches_schema(inner))] = Field(
        description="branches at once, each a step or a list of steps"
    )


def _branches_schema(inner: dict[str, Any]) -> dict[str, Any]:
    steps = inner["items"]
    return {**inner, "items": {"anyOf": [steps["items"], {**steps, "minItems": 1}]}, "minItems": 1}


_Move: TypeAlias = ReadStep | WriteStep | ReadsStep | WritesStep | SendStep | ReceiveStep
Step: TypeAlias = CpuStep | WaitStep | SyscallsStep | _Move | CallStep | ParallelStep
STEPS: Final[Mapping[str, type[Strict]]] = {
    "cpu": CpuStep, "wait": WaitStep, "syscalls": SyscallsStep, "read": ReadStep, "write": WriteStep,
    "reads": ReadsStep, "writes": WritesStep, "send": SendStep, "receive": ReceiveStep, "call": CallStep,
    "parallel": ParallelStep,
}  # fmt: skip


def _steps_schema(inner: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{**each, "minItems": 1} if "items" in each else each for each in inner.get("anyOf", [inner])]}


Steps = Annotated[list[Step] | None, Human(_parse_steps, _steps_schema)]


class Kind(Strict):
    """One kind of a service's requests: its share of them, and its program."""

    share: Annotated[float, quantity("ratio", above=0, most=1)] = Field(description="of the requests, such as 90%")
    request: Annotated[list[Step], Human(_parse_steps, _steps_schema)] = Field(description="its steps")


def _parse_mix(value: Any, info: Info) -> dict[str, Kind] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value:
        raise Refused([Finding((), show(value), "kinds of requests: {browse: {share: 90%, request: […]}}")])
    collect = Collector(info)
    kinds = {str(name): collect.model(Kind, kind, name) for name, kind in value.items()}
    collect.done()
    found = {name: kind for name, kind in kinds.items() if kind is not None}
    total = math.fsum(kind.share for kind in found.values())
    if abs(total - 1.0) > 1e-9:
        raise Refused([Finding((), f"shares of {100 * total:g} % together", "shares that add up to 100 %")])
    return found


def _mix_schema(inner: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{**each, "minProperties": 1} if each.get("type") == "object" else each
                      for each in inner.get("anyOf", [inner])]}  # fmt: skip


Mix = Annotated[dict[str, Kind] | None, Human(_parse_mix, _mix_schema)]


def one_cpu_step(steps: Sequence[Step]) -> Distribution | None:
    """The work of a program that is one `cpu` step; None of any other."""
    if len(steps) == 1 and isinstance(steps[0], CpuStep):
        return steps[0].cpu
    return None


def width(steps: Sequence[Step]) -> int:
    """Most branches of one request that are at work at once, 1 where there is no `parallel` step."""
    return max((sum(map(width, step.parallel)) for step in steps if isinstance(step, ParallelStep)), default=1)


def renamed(steps: Sequence[Step], names: Mapping[str, str]) -> list[Step]:
    """The steps with the services that they call under other names."""
    return [_renamed(step, names) for step in steps]


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    match step:
        case CallStep(call=call):
            return CallStep.model_construct(
                call=call.model_copy(update={"service": names.get(call.service, call.service)})
            )
        case ParallelStep(parallel=branches):
            return ParallelStep.model_construct(parallel=[renamed(branch, names) for branch in branches])
    return step
