"""Stacks: tenants made of several services, each placed whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from sim.reading.errors import Finding, Refused, nearest, show
from sim.reading.fields import Collector, Human, Info, Strict, count
from sim.scenario.services import tenant_of


def _parse_members(value: Any, info: Info) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise Refused([Finding((), show(value), "a list of services such as [web, redis, db]")])
    twice = [index for index, each in enumerate(value) if each in value[:index]]
    if twice:
        raise Refused([Finding((index,), f"{value[index]!r} a second time", "each service once") for index in twice])
    return list(value)


_MEMBERS: Final = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}


class Stack(Strict):
    """Services that make one tenant together, so many times over; 0: once, under the services' own names."""

    services: Annotated[list[str], Human(_parse_members, dict(_MEMBERS))] = Field(
        description="the services that are placed together or not at all, such as [web, redis, db]"
    )
    tenants: Annotated[int, count(1)] = Field(
        0, description="the stack this many times over, each with its own traffic and guests; 0: not multiplied"
    )


def _parse(value: Any, info: Info) -> dict[str, Stack]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refused([Finding((), show(value), "a mapping such as {shop: {services: [web, redis, db], tenants: 14}}")])
    collect = Collector(info)
    found = {str(name): collect.model(Stack, each, name) for name, each in value.items()}
    collect.done()
    return {name: each for name, each in found.items() if each is not None}


def _schema(inner: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [inner, {"type": "null"}]}


Stacks = Annotated[dict[str, Stack], Human(_parse, _schema)]


def tenants_of(stacks: Mapping[str, Stack], name: str, own: int) -> int:
    """How many times over the service `name` is there: its `own` number, or that of the stack that it is in."""
    return next((each.tenants for each in stacks.values() if name in each.services), own)


def wrong_stacks(stacks: Mapping[str, Stack], services: Any) -> list[Finding]:
    """Members that are no services, that are in two stacks, or that count their replicas or tenants in another way.

    `services` as the user wrote them.
    """
    findings: list[Finding] = []
    known = [str(name) for name in services] if isinstance(services, Mapping) else []
    owners: dict[str, str] = {}
    for name, stack in stacks.items():
        for index, member in enumerate(stack.services):
            place = ("stacks", name, "services", index)
            if known and member not in known:
                near = nearest(member, known)
                findings.append(Finding(place, f"{member!r}, an unknown service", f"one of {', '.join(known)}", near))
                continue
            if owners.setdefault(member, name) != name:
                findings.append(Finding(place, f"{member!r}, which is in {owners[member]} too", "one stack a service"))
            raw = services.get(member) if isinstance(services, Mapping) else None
            findings += _counted_otherwise(member, raw) if isinstance(raw, Mapping) else []
    return findings + _twins(stacks, known)


def _twins(stacks: Mapping[str, Stack], known: list[str]) -> list[Finding]:
    """Services that bear the name of a tenant of a stack."""
    single = {name for name in known if not tenants_of(stacks, name, 0)}
    return [
        Finding(("stacks", name, "tenants"), f"the tenant {full!r}, which is a service of its own", "another name")
        for name, stack in stacks.items()
        for full in known
        if full in single and tenant_of(full, dict.fromkeys(stack.services, stack.tenants)) is not None
    ]


def _counted_otherwise(member: str, raw: Mapping[str, Any]) -> list[Finding]:
    findings: list[Finding] = []
    if raw.get("tenants"):
        found = f"tenants of its own, {show(raw['tenants'])}, in a stack"
        findings.append(Finding(("services", member, "tenants"), found, "the stack's tenants", on_key=True))
    if isinstance(raw.get("replicas"), Mapping) and "every" in raw["replicas"]:
        allowed = "a number, or autoscale: a tenant is placed whole"
        findings.append(Finding(("services", member, "replicas"), "a ramp in a stack", allowed, on_key=True))
    return findings
