"""What a replica needs on each platform: its size and its image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, cast

from sim.reading.errors import nearest, show
from sim.reading.fields import Collector, Human, Info, Strict, bounded, quantity_schema, words, yes_no

ANY: Final = "*"  # the key of what holds for every platform
_PLATFORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_JSON_NAME: Final = r"^(\*|[A-Za-z0-9][A-Za-z0-9_-]{0,62})$"


def platform_name(name: object) -> bool:
    """Whether `name` can name a platform: letters, digits, `-` and `_`, at most 63."""
    return isinstance(name, str) and _PLATFORM.fullmatch(name) is not None


class Size(Strict):
    """Request and limit of one replica: CPU in cores, memory in bytes; a limit of None is no limit.

    `{cpu: 2, memory: 2GiB}` means request = limit. A VM's vCPUs and RAM are its limits.
    """

    cpu_request: float
    cpu_limit: float | None
    memory_request: float
    memory_limit: float | None
    cpu_burst: float = 0.0  # core-seconds that a limit by period may save up


class Layer(Strict):
    """A layer of an image; images with a layer of the same name share it."""

    name: str
    bytes: float


class Image(Strict):
    """An image: its bytes in all, its layers (one if only a size is given), and whether the host has it at the start.

    `ready_made`: false if it must be built by installing an OS first.
    """

    bytes: float
    layers: list[Layer]
    cached: bool = False
    ready_made: bool = True


def _parse_sizes(value: Any, info: Info) -> dict[str, Size]:
    collect = Collector(info)
    sizes: dict[str, Size | None] = {}
    if not isinstance(value, Mapping) or not value:
        collect.add(show(value), "{cpu: …, memory: …}, or such a mapping for each platform")
    elif "cpu" in value or "memory" in value:
        sizes[ANY] = _size(collect, value)
    else:
        for name, each in value.items():
            if _named(collect, name):
                sizes[name] = _size(collect, each, name)
    collect.done()
    return cast(dict[str, Size], sizes)


def _named(collect: Collector, name: str) -> bool:
    if name == ANY or platform_name(name):
        return True
    collect.add(f"the name {name!r}", "a platform's name: letters, digits, - and _", name, on_key=True)
    return False


_PARSERS: Final = {
    "cpu": {
        "request": bounded("cpu", above=0),
        "limit": bounded("cpu", above=0, optional=True),
        "burst": bounded("duration", least=0),
    },
    "memory": {"request": bounded("size", least=0), "limit": bounded("size", above=0, optional=True)},
}


def _size(collect: Collector, value: Any, *loc: str) -> Size | None:
    if not isinstance(value, Mapping):
        collect.add(show(value), "a mapping {cpu: …, memory: …}", *loc)
        return None
    before = len(collect.findings)
    collect.unknown(value, ("cpu", "memory"), *loc)
    pairs = {}
    for resource in ("cpu", "memory"):
        misspelt = any(nearest(key, ("cpu", "memory")) == resource for key in value if key not in ("cpu", "memory"))
        if resource in value:
            pairs[resource] = _pair(collect, value[resource], resource, *loc)
        elif not misspelt:
            example = "cpu: 2" if resource == "cpu" else "memory: 2GiB"
            collect.add("nothing", f"a value, it is required: {example}, or {{request: …, limit: …}}", *loc, resource)
    if len(collect.findings) > before:
        return None
    (cpu, cpu_limit, burst), (memory, memory_limit, _) = pairs["cpu"], pairs["memory"]
    return Size.model_construct(
        cpu_request=cast(float, cpu),
        cpu_limit=cpu_limit,
        memory_request=cast(float, memory),
        memory_limit=memory_limit,
        cpu_burst=burst,
    )


def _pair(collect: Collector, value: Any, resource: str, *loc: str) -> tuple[float | None, float | None, float]:
    """(request, limit, burst); a single value is both, and a request left out is the limit, as in Kubernetes."""
    parsers = _PARSERS[resource]
    if not isinstance(value, Mapping):
        both = collect.call(bounded("cpu" if resource == "cpu" else "size", above=0), value, *loc, resource)
        return both, both, 0.0
    collect.unknown(value, tuple(parsers), *loc, resource)
    before = len(collect.findings)
    got = {key: collect.call(parse, value[key], *loc, resource, key) for key, parse in parsers.items() if key in value}
    request, limit = got.get("request", got.get("limit")), got.get("limit")
    if len(collect.findings) > before:
        return None, None, 0.0
    if request is None:
        collect.add(show(value), "a request, a limit, or both", *loc, resource)
    elif limit is not None and request > limit:
        found = f"{value['request']}, more than the limit {value['limit']}"
        collect.add(found, "a request of at most the limit", *loc, resource, "request")
    if got.get("burst") and limit is None:
        collect.add("burst without a limit", "burst only beside a limit", *loc, resource, "burst", on_key=True)
    return request, limit, got.get("burst") or 0.0


_IMAGE_KEYS: Final = ("size", "layers", "cached", "ready_made")
_bytes: Final = bounded("size", least=0)


def _parse_images(value: Any, info: Info) -> dict[str, Image]:
    """`190MB`, one image in full, or one for each platform; `cached` beside platform names holds for all of them."""
    collect = Collector(info)
    images: dict[str, Image | None] = {}
    if not isinstance(value, Mapping):
        images[ANY] = _image(collect, value, {})
    elif not value:
        collect.add(show(value), "a size such as 190MB, or one for each platform")
    elif "size" in value or "layers" in value:
        images[ANY] = _image(collect, value, {})
    else:
        common = {key: collect.call(yes_no, value[key], key) for key in ("cached", "ready_made") if key in value}
        for name, each in value.items():
            if name not in common and _named(collect, name):
                images[name] = _image(collect, each, common, name)
        if not images:
            collect.add(show(value), "a size such as 190MB, or one for each platform")
    collect.done()
    return cast(dict[str, Image], images)


def _image(collect: Collector, value: Any, common: Mapping[str, bool | None], *loc: str) -> Image | None:
    if not isinstance(value, Mapping):
        value = {"size": value}
        total = collect.call(_bytes, value["size"], *loc)
    else:
        collect.unknown(value, _IMAGE_KEYS, *loc)
        if ("size" in value) == ("layers" in value):
            collect.add(show(value), "either size or layers", *loc)
            return None
        total = collect.call(_bytes, value["size"], *loc, "size") if "size" in value else None
    before = len(collect.findings)
    layers = _layers(collect, value["layers"], *loc, "layers") if "layers" in value else []
    flags = dict(common)
    for key in ("cached", "ready_made"):
        if key in value:
            flags[key] = collect.call(yes_no, value[key], *loc, key)
    if len(collect.findings) > before or (total is None and "size" in value):
        return None
    if "layers" in value:
        total = sum(layer.bytes for layer in layers)
    else:
        layers = [Layer.model_construct(name="", bytes=cast(float, total))]  # named by the service, see services.py
    return Image.model_construct(
        bytes=cast(float, total),
        layers=layers,
        cached=flags.get("cached") is True,
        ready_made=flags.get("ready_made") is not False,
    )


def _layers(collect: Collector, value: Any, *loc: str) -> list[Layer]:
    if not isinstance(value, list) or not value:
        collect.add(show(value), "a list of layers such as [base 80MB, app 110MB]", *loc)
        return []
    layers: list[Layer] = []
    for index, item in enumerate(value):
        layer = _layer(collect, item, *loc, index)
        if layer is not None and layer.name in {known.name for known in layers}:
            collect.add(f"the layer {layer.name!r} a second time", "each layer once", *loc, index)
        elif layer is not None:
            layers.append(layer)
    return layers


def _layer(collect: Collector, value: Any, *loc: str | int) -> Layer | None:
    where: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    if isinstance(value, str) and len(parts := value.split(None, 1)) == 2:
        name, size = parts
    elif isinstance(value, Mapping) and set(value) == {"name", "size"}:
        name, size, where = value["name"], value["size"], (("name",), ("size",))
    else:
        collect.add(show(value), "a layer such as `base 80MB` or {name: base, size: 80MB}", *loc)
        return None
    named = collect.call(partial(words), name, *loc, *where[0])
    total = collect.call(_bytes, size, *loc, *where[1])
    return None if named is None or total is None else Layer.model_construct(name=named, bytes=total)


def _pair_schema(kind: str) -> dict[str, Any]:
    limits = {"request": quantity_schema(kind), "limit": quantity_schema(kind, optional=True)}
    if kind == "cpu":
        limits["burst"] = quantity_schema("duration")
    pair = {"type": "object", "properties": limits, "additionalProperties": False, "minProperties": 1}
    return {"anyOf": [quantity_schema(kind), pair]}


def _size_schema() -> dict[str, Any]:
    one = {
        "type": "object",
        "properties": {"cpu": _pair_schema("cpu"), "memory": _pair_schema("size")},
        "required": ["cpu", "memory"],
        "additionalProperties": False,
    }
    return {"anyOf": [one, _by_platform(one)]}


def _by_platform(one: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": extra,
        "patternProperties": {_JSON_NAME: one},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _image_schema() -> dict[str, Any]:
    layer = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": quantity_schema("size")},
        "required": ["name", "size"],
        "additionalProperties": False,
    }
    boolean = {"type": "boolean"}
    full = {
        "type": "object",
        "properties": {
            "size": quantity_schema("size"),
            "layers": {"type": "array", "items": {"anyOf": [{"type": "string"}, layer]}, "minItems": 1},
            "cached": boolean,
            "ready_made": boolean,
        },
        "oneOf": [{"required": ["size"]}, {"required": ["layers"]}],
        "additionalProperties": False,
    }
    one = {"anyOf": [quantity_schema("size"), full]}
    # JSON Schema applies a pattern to named properties too, so the two flags are kept out of it.
    names = _by_platform(one)
    names["patternProperties"] = {r"^(?!(cached|ready_made)$)" + _JSON_NAME[1:]: one}
    names["properties"] = {"cached": boolean, "ready_made": boolean}
    return {"anyOf": [*one["anyOf"], names]}


Sizes = Annotated[dict[str, Size], Human(_parse_sizes, _size_schema())]
Images = Annotated[dict[str, Image], Human(_parse_images, _image_schema())]
