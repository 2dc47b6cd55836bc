"""A service: what one replica needs, how requests reach it, how it scales, and its traffic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Annotated, Any, Final, Literal, Self, TypeVar, cast

from pydantic import Field, model_validator

from sim.reading.distribution import Distribution, Work, distribution, parse_distribution
from sim.reading.errors import Finding, Loc, Refused, nearest, show
from sim.reading.fields import (
    Collector,
    Human,
    Info,
    Strict,
    choice,
    context_of,
    count,
    quantity,
    quantity_schema,
)
from sim.scenario.observed import Observed
from sim.scenario.requests import CpuStep, Mix, Step, Steps, one_cpu_step, renamed, width
from sim.scenario.scaling import Autoscale, Ramp, Replicas
from sim.scenario.sizes import ANY, Image, Images, Size, Sizes
from sim.scenario.traffic import Trace, Traffic
from sim.terms.columns import ROUTING, Routing

T = TypeVar("T")
Duration = Annotated[float, quantity("duration", above=0)]
OptionalDuration = Annotated[float | None, quantity("duration", above=0, optional=True)]


class Memory(Strict):
    """Memory of one replica's application: `base` + `per_request` × requests in service, in bytes.

    `spread`: both are multiplied by one number from [1 − spread, 1 + spread], drawn once a run for all its replicas.
    `files`: bytes of files that it reads as it starts and keeps using: page cache, the guest's own or the host's. None:
    not known, and nothing on platforms without `memory.growth`.
    """

    base: Annotated[float, quantity("size", least=0)] = Field(0.0, description="memory when idle, such as 220MiB")
    per_request: Annotated[float, quantity("size", least=0)] = Field(
        0.0, description="more for each request in service, such as 4MiB"
    )
    spread: Annotated[float, quantity("ratio", least=0, most=1)] = Field(
        0.0, description="how far both may be from this, by run: uniform within ± this, such as 10%"
    )
    files: Annotated[float | None, quantity("size", least=0, optional=True)] = Field(
        None, description="programs, libraries, data that it reads as it starts and keeps using, such as 280MiB"
    )


def _parse_memory(value: Any, info: Info) -> Memory:
    """`256MiB` is the base; a request and a limit belong to the size."""
    collect = Collector(info)
    given = value if isinstance(value, Mapping) else {"base": value}
    stray = [key for key in given if key in ("request", "limit")]
    for key in stray:
        found, allowed = (
            "a key of the size",
            "base, per_request, spread, files: what it uses; what it is promised is its size",
        )
        collect.add(found, allowed, key, near=f"size: {{memory: {{{key}: …}}}}", on_key=True)
    rest = {key: each for key, each in given.items() if key not in stray}
    memory = collect.call(partial(Memory.model_validate, context=info.context), rest)
    collect.done()
    return cast(Memory, memory)


class Slo(Strict):
    """Objectives: percentiles of the response time (seconds), and the share of requests answered."""

    p50: OptionalDuration = Field(None, description="median response time, at most")
    p95: OptionalDuration = Field(None, description="95th percentile of the response time, at most")
    p99: OptionalDuration = Field(None, description="99th percentile of the response time, at most")
    p999: OptionalDuration = Field(None, description="99.9th percentile of the response time, at most")
    availability: Annotated[float | None, quantity("ratio", above=0, most=1, optional=True)] = Field(
        None, description="completed in time / arrived, at least, such as 99.9%"
    )


class Start(Strict):
    """The application's own start: `cpu` core-seconds in `threads` threads, each with an equal part of them."""

    cpu: Annotated[float, quantity("duration", least=0)] = Field(description="core-seconds in all, such as 6s")
    threads: Annotated[int, count(1)] = Field(1, description="threads that they are done in")


class Ready(Strict):
    """How it is found out that a replica serves: a probe every `probe` s, from `delay` s after its process begins."""

    probe: Duration = Field(description="time from one readiness probe to the next, such as 10s (Kubernetes)")
    delay: Annotated[float, quantity("duration", least=0)] = Field(0.0, description="time before the first probe")

    def passed(self, seconds: float) -> float:
        """Seconds from the begin of its process to the first probe that an application up after `seconds` passes."""
        rounds = max(0, ceil((seconds - self.delay) / self.probe - 1e-9))
        return max(self.delay + rounds * self.probe, seconds)


class Warm(Strict):
    """Guests that are started and wait, up and idle, for a scale-up to take them."""

    guests: Annotated[int, count(1)] = Field(description="how many are kept, ready or on their way")
    take: Annotated[Distribution, distribution(positive=False)] = Field(
        default_factory=lambda: parse_distribution("0s"),
        description="from being taken to serving, such as 50ms",
    )
    state: Annotated[Literal["idle", "paused"], choice("idle", "paused")] = Field(
        "idle", description="idle: burns what an idle guest burns; paused: no CPU. Both have their memory in use"
    )


def _parse_warm(value: Any, info: Info) -> Warm | None:
    if value is None:
        return None
    collect = Collector(info)
    warm = collect.model(Warm, value if isinstance(value, Mapping) else {"guests": value})
    collect.done()
    return warm


class Service(Strict):
    """One service as it is asked for; all quantities in SI."""

    image: Images = Field(
        default_factory=dict, description="size of the image (190MB), its layers, or either for each platform"
    )
    memory: Annotated[Memory, Human(_parse_memory, lambda inner: {"anyOf": [quantity_schema("size"), inner]})] = Field(
        default_factory=lambda: Memory.model_construct(base=0.0, per_request=0.0),
        description="memory of the application: 220MiB, or {base, per_request, spread, files}",
    )
    start_cpu: Annotated[float, quantity("duration", least=0)] = Field(
        0.0, description="core-seconds the application needs before it can serve, such as 1.5s"
    )
    request_cpu: Work = Field(
        None, description="core-seconds of one request: 25ms, or {lognormal: {mean: 25ms, cv: 1.2}}"
    )
    request: Steps = Field(None, description="what serving a request takes: [cpu: 2ms, call: db, send: 20KB]")
    mix: Mix = Field(None, description="kinds of requests: {browse: {share: 90%, request: [cpu: 2ms]}, buy: …}")
    request_bytes: Annotated[float, quantity("size", least=0)] = Field(
        0.0, description="bytes of one request on the host's network, such as 2KB"
    )
    response_bytes: Annotated[float, quantity("size", least=0)] = Field(
        0.0, description="bytes of its answer, such as 100KB"
    )
    start: Start | None = Field(None, description="start_cpu in several threads: {cpu: 6s, threads: 3}")
    ready: Ready | None = Field(None, description="replicas serve from the first probe they pass: {probe: 10s}")
    concurrency: Annotated[int, count(1)] = Field(1, description="requests in service at once in one replica")
    threads: Annotated[int | None, count(1, optional=True)] = Field(
        None, description="requests that its runtime runs at once (GOMAXPROCS, workers); concurrency when left out"
    )
    queue: Annotated[int | None, count(0, optional=True)] = Field(None, description="longest waiting line of a replica")
    backlog: Annotated[int | None, count(0, optional=True)] = Field(
        None, description="longest waiting line while no replica is ready; queue when left out"
    )
    timeout: OptionalDuration = Field(None, description="how long a client waits for its answer, such as 5s")
    slo: Slo | None = Field(None, description="objectives: {p99: 400ms, availability: 99.9%}")
    pids: Annotated[int, count(1)] = Field(
        1, description="processes and threads of a replica and of what runs it (shim, VMM), for the node's limit"
    )
    routing: Annotated[Routing, choice(*ROUTING)] = Field(
        "least-outstanding", description="how a replica is chosen for a request"
    )
    size: Sizes = Field(description="{cpu: 2, memory: 2GiB}, or such a mapping for each platform")
    warm: Annotated[
        Warm | None, Human(_parse_warm, lambda inner: {"anyOf": [{"type": "integer", "minimum": 1}, inner]})
    ] = Field(None, description="guests kept up and idle for scale-ups: 3, or {guests, take, state}")
    autoscale: Autoscale = Field(None, description="{rule: hpa | concurrency | per-request, …}")
    replicas: Replicas = Field(None, description="number of replicas, or {add: 1, every: 2s} until the host refuses")
    tenants: Annotated[int, count(1)] = Field(
        0, description="the service this many times over, each with its own traffic and guests; 0: not multiplied"
    )
    traffic: Traffic = Field(default_factory=list, description="sources of requests; several add up")
    observed: Observed | None = Field(
        None, description="what was measured where it runs, to be printed beside: {rate, cpu, memory, mean, p50, p95}"
    )

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Either replicas or autoscale; either start or start_cpu; one of request_cpu, request and mix."""
        start = raw.get("start")
        same = isinstance(start, Mapping) and start.get("cpu") == raw.get("start_cpu")  # as in a resolved scenario
        found = list(_one_program(values, raw))
        if raw.get("warm") is not None and raw.get("autoscale") is None:
            found.append(
                Finding(("warm",), "no autoscale", "an autoscale rule, whose replicas come from it", on_key=True)
            )
        return found + [
            Finding((one,), f"both {one} and {other}", "one of the two", on_key=True)
            for one, other in (("replicas", "autoscale"), ("start_cpu", "start"))
            if raw.get(one) is not None and raw.get(other) is not None and not (one == "start_cpu" and same)
        ]

    @model_validator(mode="after")
    def _defaults(self, info: Info) -> Self:
        if not context_of(info).resolved:
            if "backlog" not in self.model_fields_set:
                self.__dict__["backlog"] = self.queue
            if self.start is not None:
                self.__dict__["start_cpu"] = self.start.cpu
            if self.replicas is None and self.autoscale is None:
                self.__dict__["replicas"] = 1
        return self

    @property
    def plain(self) -> Distribution | None:
        """The work of its requests where each is one job; None where they are programs of other steps."""
        if self.request is not None:
            return one_cpu_step(self.request)
        return self.request_cpu

    @property
    def programs(self) -> list[tuple[float, list[Step]]]:
        """Its kinds of requests: share and steps of each."""
        if self.mix is not None:
            return [(kind.share, kind.request) for kind in self.mix.values()]
        if self.request is not None:
            return [(1.0, self.request)]
        return [] if self.request_cpu is None else [(1.0, [CpuStep.model_construct(cpu=self.request_cpu)])]

    def calling(self, names: Mapping[str, str]) -> Service:
        """The service with those that it calls under other names."""
        if not names or (self.request is None and self.mix is None):
            return self
        kinds = {name: kind.model_copy(update={"request": renamed(kind.request, names)})
                 for name, kind in (self.mix or {}).items()}  # fmt: skip
        steps = None if self.request is None else renamed(self.request, names)
        return self.model_copy(update={"request": steps, "mix": kinds or None})

    @property
    def start_threads(self) -> int:
        """Threads that the application's own start is done in."""
        return 1 if self.start is None else self.start.threads

    @property
    def parallelism(self) -> int:
        """Most jobs that a replica runs at once: requests and their branches, or the threads of its start."""
        return max(self.serving, self.start_threads if self.start_cpu > 0.0 else 1)

    @property
    def serving(self) -> int:
        """Most jobs of requests, their branches too, that a replica runs at once."""
        jobs = self.concurrency * max((width(steps) for _, steps in self.programs), default=1)
        return jobs if self.threads is None else min(self.threads, jobs)

    @property
    def least(self) -> int:
        """Replicas that it is to have whatever the load is."""
        if self.autoscale is not None:
            return int(getattr(self.autoscale, "min", 0))
        return self.replicas if isinstance(self.replicas, int) else int(self.replicas is not None)

    @property
    def most(self) -> int | None:
        """The most replicas that it can have; None where only the host bounds them."""
        if self.autoscale is not None:
            return int(getattr(self.autoscale, "max", 0)) or None
        return self.replicas.max if isinstance(self.replicas, Ramp) else self.replicas

    def size_on(self, lineage: Sequence[str]) -> Size | None:
        """The size for the first platform of `lineage` that has one; what holds for every platform comes last."""
        return _first(self.size, lineage)

    def image_on(self, lineage: Sequence[str]) -> Image | None:
        """The image for the first platform of `lineage` that has one; what holds for every platform comes last."""
        return _first(self.image, lineage)


_PROGRAMS: Final = ("request_cpu", "request", "mix")


def _one_program(values: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[Finding]:
    """A service says in one way what its requests take; recorded demands are of those that are one job."""
    given = [key for key in _PROGRAMS if raw.get(key) is not None]
    meant = any(nearest(key, _PROGRAMS) for key in raw if key not in Service.model_fields)
    if len(given) > 1:
        yield Finding((given[1],), f"both {given[0]} and {given[1]}", f"one of {', '.join(_PROGRAMS)}", on_key=True)
    elif not given and not meant:
        about = "core-seconds of one request (25ms), or its steps"
        yield Finding(("request_cpu",), "nothing", f"a value, one of {', '.join(_PROGRAMS)} is required: {about}")
    steps = values.get("request")
    if values.get("mix") is not None or (steps and one_cpu_step(steps) is None):
        for source in values.get("traffic") or ():
            if isinstance(source, Trace) and source.demand is not None:
                yield Finding(("traffic",), "a recording with demands", "request_cpu, whose work the demands are")


def _first(choices: Mapping[str, T], lineage: Sequence[str]) -> T | None:
    for name in (*lineage, ANY):
        if name in choices:
            return choices[name]
    return None


# A label of DNS (RFC 1123), as Kubernetes names its objects; short enough for `<service>-<tenant>-<number>` to be one.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
_NAME_TEXT: Final = "lower-case letters, digits and -, at most 52, no - at either end"


def tenant_names(name: str, tenants: int) -> list[str]:
    """Names of a service's tenants (`shop-00`, `shop-01`, …), or its own name when it is not multiplied.

    The width is fixed, so that a tenant keeps its name, and with it its random numbers, whatever their number.
    """
    return [f"{name}-{index:02d}" for index in range(tenants)] if tenants else [name]


def _parse_services(value: Any, info: Info) -> dict[str, Service]:
    collect = Collector(info)
    services: dict[str, Service] = {}
    if not isinstance(value, Mapping) or not value:
        raise Refused([Finding((), show(value), "a mapping of service names to services, at least one")])
    for name, raw in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            collect.add(f"the name {name!r}", _NAME_TEXT, name, on_key=True)
        elif name == "all":
            collect.add("the name 'all'", "another name: `all` stands for the whole host in results", name, on_key=True)
        service = collect.model(Service, raw, name)
        if service is not None:
            services[name] = _name_layers(name, service)
    _check_tenants(collect, services)
    _check_layers(collect, services, value)
    collect.done()
    return services


def _name_layers(name: str, service: Service) -> Service:
    """Give the one layer of an image without layers the service's name: tenants share it, services do not."""
    if all(layer.name for image in service.image.values() for layer in image.layers):
        return service
    images = {
        platform: image.model_copy(update={"layers": [layer.model_copy(update={"name": layer.name or name})
                                                      for layer in image.layers]})
        for platform, image in service.image.items()
    }  # fmt: skip
    return service.model_copy(update={"image": images})


def tenant_of(full: str, tenants: Mapping[str, int]) -> str | None:
    """The service of which `full` is the name of a tenant, of those with so many `tenants`; None: of none."""
    name, _, number = full.rpartition("-")
    known = number.isdecimal() and int(number) < tenants.get(name, 0) and number == f"{int(number):02d}"
    return name if known else None


def _check_tenants(collect: Collector, services: Mapping[str, Service]) -> None:
    tenants = {name: service.tenants for name, service in services.items()}
    for full in (name for name, number in tenants.items() if not number):
        if (owner := tenant_of(full, tenants)) is not None:
            found = f"the name {full!r}, which is also one of the tenants of {owner}"
            later = max(full, owner, key=list(tenants).index)
            collect.add(found, "a name of its own for every service", later, on_key=True)


def _check_layers(collect: Collector, services: Mapping[str, Service], raw: Mapping[str, Any]) -> None:
    """Layers are shared by name, so a name must mean the same bytes on every image of a platform."""
    known: dict[tuple[str, str], tuple[float, str]] = {}
    for name, service in services.items():
        for platform, image in service.image.items():
            for index, layer in enumerate(image.layers):
                size, owner = known.setdefault((platform, layer.name), (layer.bytes, name))
                if size != layer.bytes:
                    loc: Loc = (name, "image", *(() if platform == ANY else (platform,)), "layers", index)
                    found = f"the layer {layer.name!r} with another size than in {owner}"
                    collect.findings.append(Finding(loc, found, "one size for a layer of one name"))


def _services_schema(inner: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "patternProperties": {f"^(?!all$){_NAME.pattern}$": inner["additionalProperties"]},
        "additionalProperties": False,
        "minProperties": 1,
    }


Services = Annotated[dict[str, Service], Human(_parse_services, _services_schema)]
