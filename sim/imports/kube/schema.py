"""Holds a manifest against Kubernetes' own schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sim.imports.kube.quantities import quantity
from sim.reading.errors import Finding, Loc, nearest, show

_KINDS: Final = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
_WORDS: Final = {
    "object": "a mapping", "array": "a list", "string": "text", "number": "a number", "integer": "a whole number",
    "boolean": "true or false",
}  # fmt: skip


@cache
def _schema() -> dict[str, Any]:
    text = files("sim.imports.kube").joinpath("kubernetes.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def known_kinds() -> list[str]:
    """Every kind of Kubernetes' own API, as `apps/v1 Deployment`."""
    return list(_schema()["known"])


def has_schema(kind: str) -> bool:
    """Whether a kind, as `apps/v1 Deployment`, is among those whose form is known here."""
    return kind in _schema()["kinds"]


class Held:
    """What was found on a manifest: `findings` are mistakes, `unknown` keys that nothing here comes close to.

    `kind` is as in `has_schema`, or a part of one, `PodTemplateSpec`.
    """

    def __init__(self, tree: Any, kind: str, loc: Loc = (), *, strict: bool = True) -> None:
        self.findings: list[Finding] = []
        self.unknown: list[str] = []
        self.strict = strict
        self._node(tree, {"$ref": f"#/definitions/{_schema()['kinds'].get(kind) or f'core.v1.{kind}'}"}, loc)

    def _node(self, tree: Any, schema: dict[str, Any], loc: Loc) -> None:
        if schema.get("$ref", "").endswith(".Quantity") and tree is not None:
            self._quantity(tree, loc)
            return
        if "$ref" in schema:
            schema = _schema()["definitions"][schema["$ref"].rpartition("/")[2]]
        kinds = schema.get("type")
        if kinds is not None and not _is_a(tree, kinds):
            names = [_WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind in _WORDS]
            self.findings.append(Finding(loc, show(tree), " or ".join(names)))
        elif isinstance(tree, int) and abs(tree) >= 2**63:
            self.findings.append(Finding(loc, show(tree), "a whole number of 64 bits"))
        elif isinstance(tree, dict):
            self._mapping(tree, schema, loc)
        elif isinstance(tree, list):
            for index, each in enumerate(tree):
                self._node(each, schema.get("items", {}), (*loc, index))

    def _quantity(self, tree: Any, loc: Loc) -> None:
        try:
            quantity(tree)
        except ValueError as wrong:
            self.findings.append(Finding(loc, show(tree), str(wrong)))

    def _mapping(self, tree: dict[str, Any], schema: dict[str, Any], loc: Loc) -> None:
        known = schema.get("properties")
        rest = schema.get("additionalProperties", {})
        if self.strict:
            for key in schema.get("required", ()):
                if tree.get(key) is None:
                    self.findings.append(Finding((*loc, key), "nothing", "a value, it is required"))
        for key, each in tree.items():
            if known is None or key in known:
                self._node(each, rest if known is None else known[key], (*loc, key))
            else:
                self._odd(key, known, loc)

    def _odd(self, key: str, known: dict[str, Any], loc: Loc) -> None:
        near = nearest(key, known)
        if near is not None and self.strict:
            allowed = f"one of {', '.join(known)}" if len(known) < 15 else "a key of Kubernetes' API"
            self.findings.append(Finding((*loc, key), "an unknown key", allowed, near, True))
        else:
            self.unknown.append(key)


def _is_a(tree: Any, kinds: str | list[str]) -> bool:
    names: Iterator[str] = iter([kinds] if isinstance(kinds, str) else kinds)
    for name in names:
        if name == "null" and tree is None:
            return True
        if name in _KINDS and isinstance(tree, _KINDS[name]) and (name == "boolean" or not isinstance(tree, bool)):  # type: ignore[arg-type]
            return True
    return False
