"""The scenario: one host, the platforms to compare on it, and the services they run."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Protocol, cast

from pydantic import BeforeValidator, Field
from pydantic.json_schema import models_json_schema

from sim import registry
from sim.reading import units
from sim.reading.errors import Finding, Problem, Refused, ScenarioError, nearest, show
from sim.reading.fields import (
    Context,
    Human,
    Info,
    Strict,
    bounded,
    choice,
    count,
    quantity,
    quantity_schema,
    text,
    whole,
)
from sim.scenario.calls import names_called, wrong_calls
from sim.scenario.focus import Focus, unknown_services
from sim.scenario.hosts import Host
from sim.scenario.incidents import AnyFault, Move, Resize
from sim.scenario.node import NodeLimits
from sim.scenario.registered import fill_in, spec_of
from sim.scenario.services import Service, Services, tenant_names
from sim.scenario.sizes import platform_name
from sim.scenario.stacks import Stack, Stacks, tenants_of, wrong_stacks
from sim.scenario.traffic import Trace

Duration = Annotated[float, quantity("duration", above=0)]


class Origin(Protocol):
    """Where a scenario came from: what a changed copy of it is made of."""

    def changed(self, scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
        """The scenario with raw values laid over what it was read from. Raises ScenarioError."""
        ...


ORIGIN: Final = "_origin"
"""Where a scenario keeps its `Origin`; beside its fields, so that nothing compares or writes it."""
READERS: dict[str, Callable[[Mapping[str, Any]], Scenario]] = {}
"""How a dictionary with a file's words is read; the loader, which knows how, puts it here."""


class Until(Strict):
    """Replicate until the 95 % interval of a metric's mean is within a ratio of it, at most `max` times."""

    metric: str
    within: float
    max: int


_UNTIL: Final = re.compile(r"(?P<metric>\S+)\s+within\s+(?P<within>\S+)")
_UNTIL_TEXT: Final = "a metric and a precision, such as response.p99 within 5%"


def _parse_replications(value: Any, info: Info) -> int | Until:
    if not isinstance(value, Mapping):
        try:
            return cast(int, whole(value, 1))
        except units.UnitError as error:
            raise Refused([Finding((), error.found, f"{error.allowed}, or {{until: …, max: 100}}")]) from None
    findings: list[Finding] = []
    for key in value:
        if key not in ("until", "max"):
            near = nearest(key, ("until", "max"))
            findings.append(Finding((key,), "an unknown key", "one of until, max", near, on_key=True))
    match = _UNTIL.fullmatch(str(value.get("until", "")).strip())
    within: float | None = None
    try:
        within = bounded("ratio", above=0, most=1)(match["within"]) if match else None
    except units.UnitError as error:
        findings.append(Finding(("until",), show(value["until"]), f"{_UNTIL_TEXT}; {error.allowed}"))
    if match is None and not any(finding.suggestion == "until" for finding in findings):
        findings.append(Finding(("until",), show(value.get("until")), _UNTIL_TEXT))
    most: int | None = None
    try:
        most = whole(value.get("max"), 2)
    except units.UnitError as error:
        if not any(finding.suggestion == "max" for finding in findings):
            findings.append(Finding(("max",), error.found, error.allowed))
    if findings or match is None:
        raise Refused(findings)
    return Until.model_construct(metric=match["metric"], within=cast(float, within), max=cast(int, most))


def _parse_warmup(value: Any, info: Info) -> float | str:
    if value == "auto":
        return "auto"
    try:
        return cast(float, bounded("duration", least=0)(value))
    except units.UnitError as error:
        suggestion = error.suggestion or nearest(value, ["auto"])
        raise Refused([Finding((), error.found, f"{error.allowed}, or auto", suggestion)]) from None


def _parse_platforms(value: Any, info: Info) -> dict[str, Any]:
    """A list of names, or a mapping of names to numbers that override the catalogue's."""
    findings: list[Finding] = []
    platforms: dict[str, Any] = {}
    if not isinstance(value, list | Mapping) or not value:
        raise Refused([Finding((), show(value), "a list such as [vm, container], or a mapping {vm: {…}}")])
    pairs: list[tuple[Any, Any]] = list(value.items() if isinstance(value, Mapping) else enumerate(value))
    for step, item in pairs:
        name, overrides = (step, item) if isinstance(value, Mapping) else (item, None)
        if not platform_name(name):
            findings.append(Finding((step,), show(name), "a platform's name: letters, digits, - and _"))
        elif name in platforms:
            findings.append(Finding((step,), f"{name!r} a second time", "each platform once"))
        elif overrides is not None and not isinstance(overrides, Mapping):
            findings.append(Finding((step,), show(overrides), "a mapping of numbers to override, or {}"))
        else:
            platforms[name] = dict(overrides or {})
            findings += [finding.under(step) for finding in _not_finite(platforms[name])]
    if findings:
        raise Refused(findings)
    return platforms


def _not_finite(tree: Any) -> list[Finding]:
    if isinstance(tree, float) and not math.isfinite(tree):
        return [Finding((), str(tree), "a finite number")]
    children: Any = ()
    if isinstance(tree, Mapping):
        children = tree.items()
    elif isinstance(tree, list):
        children = enumerate(tree)
    return [finding.under(step) for step, item in children for finding in _not_finite(item)]


# Letters, digits and -_. make a file name everywhere; a dot in front would hide it.
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def parse_name(value: Any, info: Info) -> str:
    """A name that can name a file everywhere. Raises Refused."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _FILE_NAME.fullmatch(value):
        raise Refused([Finding((), show(value), "a file name: letters, digits, -, _ and ., at most 100")])
    return value


_REPLICATIONS_SCHEMA: Final = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {
            "type": "object",
            "properties": {"until": {"type": "string"}, "max": {"type": "integer", "minimum": 2}},
            "required": ["until", "max"],
            "additionalProperties": False,
        },
    ]
}
_PLATFORMS_SCHEMA: Final = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        {"type": "object", "additionalProperties": {"type": ["object", "null"]}, "minProperties": 1},
    ]
}
_WARMUP_SCHEMA: Final = {"anyOf": [quantity_schema("duration"), {"const": "auto"}]}
_NULL_IS_EMPTY: Final = BeforeValidator(lambda value: [] if value is None else value)
Overcommit = Annotated[float, quantity("ratio", above=0)]


class Scenario(Strict):
    """One question to the simulator, resolved: every quantity is an SI float. Frozen.

    `warmup` is in seconds or "auto"; `platforms` maps names to the raw overrides of the catalogue ({} if none).
    """

    name: Annotated[str, Human(parse_name, {"type": "string", "pattern": f"^{_FILE_NAME.pattern}$"})] = Field(
        "scenario", description="names the results; the file's name when left out"
    )
    description: Annotated[str, text()] = Field("", description="the question in a sentence")
    seed: Annotated[int, count(0, most=math.inf)] = Field(0, description="start of all random numbers")
    duration: Duration = Field(description="simulated time, such as 15min")
    warmup: Annotated[float | Literal["auto"], Human(_parse_warmup, _WARMUP_SCHEMA)] = Field(
        0.0, description="discarded before measuring, such as 2min, or auto (MSER-5)"
    )
    replications: Annotated[int | Until, Human(_parse_replications, _REPLICATIONS_SCHEMA)] = Field(
        5,
        description="independent repetitions, 5 for intervals; or {until: response.p99 within 5%, max: 100}",
    )
    host: Host = Field(description="{cores, memory, disk, network}")
    node: NodeLimits = Field(
        None, description="a node's limits: kubernetes, or {pods: 110, pids: 32768, addresses: 254}"
    )
    platforms: Annotated[dict[str, dict[str, Any]], Human(_parse_platforms, _PLATFORMS_SCHEMA)] = Field(
        description="a list such as [vm, container], or a mapping with overrides of the catalogue"
    )
    cpu_overcommit: Overcommit = Field(1.0, description="vCPUs promised for each core (VMs)")
    memory_overcommit: Overcommit = Field(1.0, description="guest memory promised / host memory (VMs)")
    quota: Annotated[Literal["period", "fluid"], choice("period", "fluid")] = Field(
        "period", description="CPU limits as the platform enforces them (period), or as caps on the rate (fluid)"
    )
    services: Services = Field(description="the services, by name")
    stacks: Stacks = Field(
        default_factory=dict,
        description="tenants of several services, placed whole: {shop: {services: [web, db], tenants: 14}}",
    )
    faults: Annotated[list[AnyFault], _NULL_IS_EMPTY] = Field(
        default_factory=list, description="things that break: [{kind, at or rate, service}]"
    )
    moves: Annotated[list[Move], _NULL_IS_EMPTY] = Field(
        default_factory=list, description="replicas that move away: [{at, service, …}]"
    )
    resizes: Annotated[list[Resize], _NULL_IS_EMPTY] = Field(
        default_factory=list, description="replicas that are given another size: [{at, service, size}]"
    )
    focus: Focus = Field(
        default_factory=list,
        description="what it is about: metrics (or service/metric) that lead the table and have a plot of their own",
    )

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Times within the duration; faults, moves and resizes of services that exist."""
        duration, warmup = values.get("duration"), values.get("warmup")
        findings: list[Finding] = []
        if duration is not None and isinstance(warmup, float) and warmup >= duration:
            found = f"{raw['warmup']}, not less than the duration {raw['duration']}"
            findings.append(Finding(("warmup",), found, "less than the duration"))
        stacks = values.get("stacks", {})
        findings += wrong_stacks(stacks, raw.get("services"))
        findings += wrong_calls(stacks, raw.get("services"), values.get("services", {}))
        names = _known_services(raw.get("services"), stacks)
        findings += [finding.under("focus") for finding in unknown_services(raw.get("focus"), names)]
        for key in ("faults", "moves", "resizes"):
            for index, item in enumerate(raw.get(key) or () if isinstance(raw.get(key), list) else ()):
                if isinstance(item, Mapping):
                    findings += [finding.under(key, index) for finding in _check_incident(item, names, duration)]
        return findings

    def to_dict(self) -> dict[str, Any]:
        """The resolved scenario as plain JSON types, in SI; `from_dict` reads it back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, tree: Mapping[str, object]) -> Scenario:
        """The scenario of a dictionary: one that says what a file would, or what `to_dict` gave (of a manifest, say).

        Which of them it is, its `duration` tells: a file has a unit there, `to_dict` a number of seconds. Raises
        ScenarioError with every mistake, pydantic's ValidationError for one in SI that is not a scenario's.
        """
        if isinstance(tree.get("duration"), int | float):
            return cls.model_validate(tree, context=Context(resolved=True))
        return READERS["dictionary"](tree)

    def with_(self, changes: Mapping[str, object]) -> Scenario:
        """A copy with other values at dotted paths, as `--set` and sweeps have them, read as a file's would be.

        `scenario.with_({"host.cores": 8, "services.web.memory.base": "1GiB", "traffic": 1.3})`. Raises ScenarioError
        with every mistake: unknown keys, missing units, values out of range, what the catalogue forbids.
        """
        origin: Origin | None = self.__dict__.get(ORIGIN)
        if origin is None:
            raise ScenarioError([Problem("with_", None, None, "", "a scenario that is in SI already, of a manifest",
                                         "one of a file, a text or a dictionary with units")])  # fmt: skip
        return origin.changed(self, changes)

    def __getstate__(self) -> dict[Any, Any]:
        """Without the file that it came from: worker processes need the scenario only."""
        state = super().__getstate__()
        return {**state, "__dict__": {key: each for key, each in state["__dict__"].items() if key != ORIGIN}}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the resolved scenario as JSON; the order of services counts, as guests start in it."""
        text = json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def expanded(self) -> list[tuple[str, Service]]:
        """Services by full name, tenants one by one (`shop-00` …), in the order of the file."""
        pairs: list[tuple[str, Service]] = []
        for name, service in self.services.items():
            own = [source.for_tenant() if isinstance(source, Trace) else source for source in service.traffic]
            traffic = own if self.tenants_of(name) > 1 else service.traffic
            single = service.model_copy(update={"tenants": 0, "traffic": traffic})
            called = {other: self.names_of(other) for other in names_called(service.programs) if self.tenants_of(other)}
            for number, full in enumerate(self.names_of(name)):
                pairs.append((full, single.calling({other: each[number] for other, each in called.items()})))
        return pairs

    def tenants_of(self, name: str) -> int:
        """How many times over the service `name` is there, by itself or in its stack; 0: not multiplied."""
        return tenants_of(self.stacks, name, self.services[name].tenants)

    def names_of(self, name: str) -> list[str]:
        """Full names of the service `name`: those of its tenants, or its own."""
        return tenant_names(name, self.tenants_of(name))

    def placed_whole(self) -> list[list[str]]:
        """Full names of the services that are placed together or not at all, a list a tenant of a stack."""
        return [
            [self.names_of(name)[tenant] for name in stack.services]
            for stack in self.stacks.values()
            for tenant in range(max(stack.tenants, 1))
        ]


def _known_services(services: Any, stacks: Mapping[str, Stack]) -> list[str]:
    if not isinstance(services, Mapping):
        return []
    names = [str(name) for name in services]
    for name, service in services.items():
        own = service.get("tenants") if isinstance(service, Mapping) else None
        tenants = tenants_of(stacks, str(name), own if isinstance(own, int) else 0)
        if 0 < tenants < 10_000:
            names += tenant_names(str(name), tenants)
    return names


def _check_incident(item: Mapping[str, Any], names: list[str], duration: float | None) -> list[Finding]:
    findings: list[Finding] = []
    service = item.get("service")
    if isinstance(service, str) and names and service not in names:
        known = ", ".join(names[:10])
        findings.append(
            Finding(("service",), f"{service!r}, an unknown service", f"one of {known}", nearest(service, names))
        )
    try:
        late = duration is not None and units.convert("duration", item.get("at")) >= duration
    except units.UnitError:
        late = False  # reported where the field is read
    if late:
        findings.append(Finding(("at",), f"{item['at']}, not before the end of the run", "less than the duration"))
    return findings


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the scenario file as people write it, for editors."""
    kinds = ("autoscalers", "faults", "traffic")
    specs = (spec_of(kind, name) for kind in kinds for name in registry.names(kind))
    models: dict[type[Strict], None] = {Scenario: None, **dict.fromkeys(specs)}
    refs, schema = models_json_schema([(model, "validation") for model in models])
    schema |= schema["$defs"].pop("Scenario")
    for name in registry.names("traffic"):  # a source names its kind by the key above
        source = schema["$defs"][refs[spec_of("traffic", name), "validation"]["$ref"].rpartition("/")[2]]
        source["properties"].pop("kind", None)
        source["required"] = [key for key in source.get("required", ()) if key != "kind"]
    fill_in(schema, {model: ref for (model, _), ref in refs.items()})
    used = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)))
    schema["$defs"] = {name: each for name, each in schema["$defs"].items() if name in used}
    _humanize(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hostsim scenario", **schema}


def _humanize(node: Any) -> None:
    """Write defaults of quantities with their unit, and drop what only the program needs."""
    if isinstance(node, dict):
        kind = node.pop("x-quantity", None)
        if isinstance(kind, str) and isinstance(node.get("default"), float):
            node["default"] = units.render(kind, node["default"])
        for child in node.values():
            _humanize(child)
    elif isinstance(node, list):
        for child in node:
            _humanize(child)
