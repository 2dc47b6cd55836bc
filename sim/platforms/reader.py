"""From a platform's raw tree to the frozen models of schema.py; every problem is collected."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim import registry
from sim.platforms.merge import is_quantity
from sim.platforms.problems import PlatformProblem, unknown_key, unknown_name
from sim.platforms.quantities import KINDS
from sim.platforms.schema import PHASE_FIELDS, Phase, Platform
from sim.reading.errors import Refused, show
from sim.reading.units import UnitError

TRUST = ("raw data", "page", "notes", "memory", "assumption", "override")
"""How far a number may be trusted, best first; `override` is what a scenario typed in."""

_TYPED_IN = {"source": "given by the scenario", "trust": "override"}


class Row(NamedTuple):
    """One number of the catalogue: path, text, SI value (of a distribution: its mean), unit, where from.

    `range`: the least and the greatest value that is published, as written; empty where none is given.
    """

    path: str
    text: str
    si: float
    unit: str
    source: str
    trust: str
    range: str = ""


class Reader:
    """Reads one raw tree; collects `problems` and one `Row` a number."""

    def __init__(self, prefix: str) -> None:
        """`prefix`: what the dotted paths of problems begin with."""
        self.prefix = prefix
        self.problems: list[PlatformProblem] = []
        self.rows: list[Row] = []

    def platform(self, raw: Mapping[str, Any], derived: Mapping[str, Any]) -> Platform | None:
        """The platform of `raw` plus the `derived` fields (name, lineages); None when there are problems."""
        values = self._model(Platform, raw, "", derived)
        self._phase_names(values)
        return None if self.problems else Platform(**values)

    def _problem(self, path: str, found: Any, allowed: str) -> None:
        self.problems.append(PlatformProblem(f"{self.prefix}.{path}", show(found), allowed))

    def _model(
        self, model: type[BaseModel], raw: Any, path: str, derived: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        fields = model.model_fields
        values: dict[str, Any] = dict(derived or {})
        if not isinstance(raw, Mapping):
            self._problem(path, raw, f"a mapping of {', '.join(sorted(fields))}")
            return values
        for key in raw:
            if key not in fields or key in (derived or {}):
                known = set(fields) - set(derived or {})
                self.problems.append(unknown_key(f"{self.prefix}.{_join(path, str(key))}", str(key), known))
        for key, info in fields.items():
            if key in values:
                continue
            if raw.get(key) is not None:
                values[key] = self._field(info, raw[key], _join(path, key))
            elif info.is_required():
                self._problem(_join(path, key), None, "a value; it is required")
        return values

    def _field(self, info: FieldInfo, raw: Any, path: str) -> Any:
        kinds = [item for item in info.metadata if isinstance(item, str)]
        if kinds:
            return self._quantity(kinds[0], raw, path)
        annotation = _without_none(info.annotation)
        if annotation == tuple[Phase, ...]:
            return self._startup(raw, path)
        if annotation == tuple[str, ...]:
            return self._names(raw, path)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._model(annotation, raw, path)
        return self._plain(annotation, raw, path)

    def _quantity(self, kind: str, raw: Any, path: str) -> Any:
        node = raw if is_quantity(raw) else {"value": raw, **_TYPED_IN}
        quantity = KINDS[kind]
        self._provenance(node, path)
        try:
            value = quantity.parse(node["value"])
        except UnitError as error:
            place = f"{self.prefix}.{path}"
            self.problems.append(PlatformProblem(place, error.found, error.allowed, error.suggestion))
            return None
        except Refused as refused:
            for loc, found, allowed, suggestion, on_key in refused.findings:
                place = ".".join((self.prefix, path, *map(str, loc)))
                self.problems.append(PlatformProblem(place, found, allowed, suggestion, on_key))
            return None
        if not isinstance(value, str):  # "image" is a name, not a number
            mean = float(getattr(value, "mean", value))
            text = _written(node["value"])
            source, trust = str(node.get("source")), str(node.get("trust"))
            self.rows.append(Row(path, text, mean, quantity.unit, source, trust, self._range(kind, node, mean, path)))
        return value

    def _range(self, kind: str, node: Mapping[str, Any], value: float, path: str) -> str:
        """The published range of a number, [least, greatest], which holds its value; empty where there is none."""
        given = node.get("range")
        if given is None:
            return ""
        allowed = "[least, greatest], quantities like the value, which lies between them"
        try:
            low, high = (float(getattr(each, "mean", each)) for each in map(KINDS[kind].parse, given))
            if low <= value <= high:
                return f"{given[0]} to {given[1]}"
        except (TypeError, ValueError, UnitError, Refused):
            pass
        self._problem(f"{path}.range", given, allowed)
        return ""

    def _provenance(self, node: Mapping[str, Any], path: str) -> None:
        """A number says where it comes from and how far it may be trusted."""
        known = ("value", "range", "source", "trust")
        for key in node:
            if key not in known:
                self.problems.append(unknown_key(f"{self.prefix}.{path}.{key}", str(key), known))
        if node.get("trust") not in TRUST:
            self._problem(f"{path}.trust", node.get("trust"), f"one of {', '.join(TRUST)}")
        if not str(node.get("source") or "").strip():
            self._problem(f"{path}.source", node.get("source"), "where the number comes from")

    def _startup(self, raw: Any, path: str) -> tuple[Phase, ...]:
        if not isinstance(raw, list) or not all(isinstance(item, Mapping) for item in raw):
            self._problem(path, raw, "a list of phases, or a mapping from a phase's name to what changes")
            return ()
        phases: list[Phase] = []
        for number, item in enumerate(raw):
            name = str(item.get("name", number))
            if name in [phase.name for phase in phases]:
                self._problem(f"{path}.{name}", name, "each name once")
            phases.append(self._phase(item, f"{path}.{name}"))
        return tuple(phases)

    def _phase(self, item: Mapping[str, Any], path: str) -> Phase:
        """A phase has what its kind needs, and nothing that its kind does not use."""
        kind = item.get("kind")
        model = Phase
        if kind in registry.names("phases"):
            model = self._spec(kind, path)
        elif kind is not None:
            self.problems.append(unknown_name(f"{self.prefix}.{path}.kind", str(kind), registry.names("phases")))
        before = len(self.problems)
        values = self._model(model, item, path)
        if kind in registry.names("phases") and (model is not Phase or kind in PHASE_FIELDS):
            needed, optional = model.used(kind)
            given = {key for key, value in item.items() if value is not None}
            missing = needed - given - {each.path.rpartition(".")[2] for each in self.problems[before:]}
            for key in sorted(missing):
                self._problem(f"{path}.{key}", None, f"a value; a phase of kind {kind} needs it")
            for key in sorted((set(item) & set(model.model_fields)) - needed - optional - {"name", "kind"}):
                self._problem(f"{path}.{key}", item[key], f"{', '.join(sorted(needed | optional))} (kind {kind})")
        return model.model_construct(**values)

    def _spec(self, kind: str, path: str) -> type[Phase]:
        try:
            found: type[Phase] = registry.spec("phases", kind)
        except registry.PluginError as error:
            self._problem(f"{path}.kind", kind, f"a kind that is not broken: {error}")
            return Phase
        return found

    def _names(self, raw: Any, path: str) -> tuple[str, ...]:
        if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
            self._problem(path, raw, "a list of names")
            return ()
        return tuple(raw)

    def _plain(self, annotation: Any, raw: Any, path: str) -> Any:
        if get_origin(annotation) is Literal:
            allowed = [str(item) for item in get_args(annotation)]
            if raw not in get_args(annotation):
                self.problems.append(unknown_name(f"{self.prefix}.{path}", str(raw), allowed))
        elif not isinstance(raw, annotation):
            self._problem(path, raw, "true or false" if annotation is bool else "text")
        return raw

    def _phase_names(self, values: Mapping[str, Any]) -> None:
        """`restart.phases` and `isolation.panic_phases` name phases that exist."""
        known = [phase.name for phase in values.get("startup") or ()]
        for part, key in (("restart", "phases"), ("isolation", "panic_phases")):
            for name in (values.get(part) or {}).get(key) or ():
                if name not in known:
                    self.problems.append(unknown_name(f"{self.prefix}.{part}.{key}", name, known))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _written(value: Any) -> str:
    """A value as its writer wrote it, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    return str(value)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = [item for item in typing.get_args(annotation) if item is not type(None)]
    return annotation
