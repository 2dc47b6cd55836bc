"""Fields that hold one of the specs of a kind of the registry, told apart by a key: `kind` or `rule`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sim import registry
from sim.reading.errors import Finding, Refused, show
from sim.reading.fields import Info, Strict


@dataclass(frozen=True)
class Registered:
    """Annotation of a field that holds a spec of `kind`; `key` is the field of a spec that names it."""

    kind: str
    key: str

    def _read(self, value: Any, info: Info) -> Strict:
        if isinstance(value, Strict):
            return value
        name = value.get(self.key) if isinstance(value, Mapping) else None
        if name not in registry.names(self.kind):
            raise Refused([unknown_name(self.kind, name, self.key)])
        read: Strict = spec_of(self.kind, str(name)).model_validate(value, context=info.context)
        return read

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Any spec of the kind; it is written with its own fields."""
        return core_schema.with_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda spec, info: spec.model_dump(mode=info.mode), info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A mark, in whose place `fill_in` puts the choice between all specs of the kind."""
        return {"x-registered": self.kind, "x-key": self.key}


def fill_in(node: Any, refs: Mapping[Any, Mapping[str, Any]]) -> None:
    """Put references to all specs of a kind into a JSON schema wherever it has a mark; `refs`: those of the specs."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        fill_in(child, refs)
    if not isinstance(node, dict) or "x-registered" not in node:
        return
    kind, key = node.pop("x-registered"), node.pop("x-key", None)
    found = {name: dict(refs[spec_of(kind, name)]) for name in registry.names(kind)}
    choices = list({choice["$ref"]: choice for choice in found.values()}.values())
    if key is None:
        node["properties"] = found
    elif len(choices) == 1:
        node.update(choices[0])
    else:
        mapping = {name: choice["$ref"] for name, choice in found.items()}
        node.update({"discriminator": {"mapping": mapping, "propertyName": key}, "oneOf": choices})


def spec_of(kind: str, name: str) -> type[Strict]:
    """The class of a spec. Raises Refused for a plug-in that is broken."""
    try:
        found: type[Strict] = registry.spec(kind, name)
    except registry.PluginError as error:
        raise Refused([Finding((), f"{name!r}, which is broken: {error}", "one that can be loaded")]) from None
    return found


def unknown_name(kind: str, name: Any, *loc: str | int) -> Finding:
    """What is wrong with a name that the kind does not have."""
    near = registry.nearest(kind, name) if name is not None else None
    return Finding(loc, show(name), f"one of {', '.join(registry.names(kind))}", near)
