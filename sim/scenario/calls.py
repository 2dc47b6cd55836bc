"""Who calls whom: services that are there, each tenant its own, and never in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.reading.errors import Finding, Loc, nearest
from sim.scenario.requests import CallStep, ParallelStep, Step
from sim.scenario.services import Service, tenant_names
from sim.scenario.stacks import Stack, tenants_of
from sim.scenario.traffic import Trace


def names_called(programs: Sequence[tuple[float, Sequence[Step]]]) -> list[str]:
    """The services that programs call, each once, as they are written."""
    return list(dict.fromkeys(name for _, steps in programs for name in _called(steps)))


def _called(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        if isinstance(step, CallStep):
            yield step.call.service
        elif isinstance(step, ParallelStep):
            for branch in step.parallel:
                yield from _called(branch)


def wrong_calls(stacks: Mapping[str, Stack], raw: Any, services: Mapping[str, Service]) -> list[Finding]:
    """Calls of nobody, of tenants that cannot be told, of a service with recorded demands, and circles of calls.

    `raw`: the services as the user wrote them; `services`: those of them that are right, if all are.
    """
    if not isinstance(raw, Mapping):
        return []
    tenants = {str(name): _tenants(stacks, str(name), tree) for name, tree in raw.items()}
    owners = {name: name for name in tenants}
    owners |= {full: name for name, number in tenants.items() for full in tenant_names(name, number)}
    calls = {str(name): list(_calls_in(tree)) for name, tree in raw.items()}
    findings: list[Finding] = []
    for name, mine in calls.items():
        for loc, other in mine:
            place = ("services", name, *loc)
            findings += [finding.under(*place) for finding in _wrong_call(name, other, owners, tenants, services)]
    graph = {name: [(loc, owners[other]) for loc, other in mine if other in owners] for name, mine in calls.items()}
    for name, loc, path in _circles(graph):
        found = f"a circle of calls: {' → '.join(path)}"
        findings.append(Finding(("services", name, *loc), found, "calls that come back to no service"))
    return findings


def _tenants(stacks: Mapping[str, Stack], name: str, tree: Any) -> int:
    own = tree.get("tenants") if isinstance(tree, Mapping) else None
    number = tenants_of(stacks, name, own if isinstance(own, int) else 0)
    return number if 0 < number < 10_000 else 0


def _wrong_call(
    name: str, other: str, owners: Mapping[str, str], tenants: Mapping[str, int], services: Mapping[str, Service]
) -> Iterator[Finding]:
    if other not in owners:
        known = f"one of {', '.join(list(owners)[:10])}"
        yield Finding((), f"{other!r}, an unknown service", known, nearest(other, owners))
        return
    mine, theirs = tenants[name], tenants.get(other, 0)
    if theirs and not mine:
        yield Finding((), f"{other!r}, which has tenants", f"one of them, such as {tenant_names(other, theirs)[0]}")
    elif mine > theirs > 0:
        yield Finding((), f"{other!r}, which has {theirs} tenants for {mine} that call", "as many tenants, or none")
    callee = services.get(owners[other])
    if callee is not None and any(isinstance(each, Trace) and each.demand is not None for each in callee.traffic):
        yield Finding((), f"{other!r}, whose recording has demands", "a service that says what its requests take")


def _calls_in(tree: Any) -> Iterator[tuple[Loc, str]]:
    """Where in the tree of a service (as it is written, or resolved) which service is called, in order."""
    if isinstance(tree, Mapping):
        yield from _below(tree.get("request"), "request")
        mix = tree.get("mix")
        for name, kind in mix.items() if isinstance(mix, Mapping) else ():
            yield from _below(kind.get("request") if isinstance(kind, Mapping) else None, "mix", name, "request")


def _below(steps: Any, *loc: str | int) -> Iterator[tuple[Loc, str]]:
    if isinstance(steps, Mapping):
        call = steps.get("call")
        if isinstance(call, str):
            yield (*loc, "call"), call
        elif isinstance(call, Mapping) and isinstance(call.get("service"), str):
            yield (*loc, "call", "service"), call["service"]
        yield from _below(steps.get("parallel"), *loc, "parallel")
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        yield from _below(step, *loc, index)


def _circles(calls: Mapping[str, Sequence[tuple[Loc, str]]]) -> Iterator[tuple[str, Loc, list[str]]]:
    """Circles of calls: the service and the place of the call that closes one, and the services on it."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> Iterator[tuple[str, Loc, list[str]]]:
        for loc, other in calls.get(name, ()):
            if other in path:
                yield name, loc, [*path[path.index(other) :], other]
            elif other not in done:
                yield from walk(other, [*path, other])
        done.add(name)

    for name in calls:
        if name not in done:
            yield from walk(name, [name])
