"""Compose files as one tree: variables put in, held against the specification's schema, merged, extended, included."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from sim.imports.interpolate import Interpolation, env_file
from sim.reading.document import Document, read_document
from sim.reading.errors import Finding, Loc, Problem, ScenarioError, nearest, show

_MOST: Final = 20  # files that one leads to
_WORDS: Final[dict[str, str]] = {
    "object": "a mapping", "array": "a list", "string": "text", "number": "a number", "null": "nothing",
    "integer": "a whole number", "boolean": "true or false",
}  # fmt: skip


class Project:
    """The merged `tree` of compose files, the `documents` it comes from, and `notes` on what was made of them."""

    def __init__(self, paths: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        self.documents: list[Document] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []
        first = Path(paths[0]).parent
        dotenv = first / ".env"
        known = env_file(dotenv.read_text("utf-8", "replace")) if dotenv.is_file() else {}
        self.values = {**known, **(os.environ if environment is None else environment)}
        self.tree: dict[str, Any] = {}
        for path in paths:
            self.tree = merged(self.tree, self._file(Path(path), ()))
        self._stop()
        self._extend()
        self._stop()

    def problem(self, finding: Finding) -> Problem:
        """The finding, placed in the last file that has its place, or the nearest above it."""

        def depth(document: Document) -> int:
            loc = finding.loc
            while loc and loc not in document.places:
                loc = loc[:-1]
            return len(loc)

        return max(reversed(self.documents), key=depth).problem(finding)

    def refuse(self, findings: Iterable[Finding]) -> None:
        """Raise ScenarioError if there are findings."""
        self.problems += [self.problem(finding) for finding in findings]
        self._stop()

    def _stop(self) -> None:
        if self.problems:
            raise ScenarioError(sorted(dict.fromkeys(self.problems), key=lambda p: (p.file, p.line or 0, p.path)))

    def _file(self, path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
        """A file's own tree over those that it includes."""
        document = read_document(path)
        self.documents.append(document)
        inside = Interpolation(self.values)
        tree = inside.tree(document.tree)
        findings = [*document.findings, *inside.findings, *against_schema(tree)]
        self.problems += [document.problem(each) for each in findings]
        self.notes += [f"${name} is not set: nothing was put in" for name in inside.unset]
        found: dict[str, Any] = {}
        for index, each in enumerate(tree.get("include") or [] if isinstance(tree.get("include"), list) else []):
            names = each.get("path") if isinstance(each, dict) else each
            for name in names if isinstance(names, list) else [names]:
                other = path.parent / str(name)
                if other in above or len(self.documents) > _MOST:
                    told = Finding(("include", index), f"{name}, which leads back here", "files that do not")
                    self.problems.append(document.problem(told))
                elif not other.is_file():
                    told = Finding(("include", index), f"{name!r}, no such file", "a compose file")
                    self.problems.append(document.problem(told))
                else:
                    found = merged(found, self._file(other, (*above, path)))
        whole: dict[str, Any] = merged(found, {key: each for key, each in tree.items() if key != "include"})
        return whole

    def _extend(self) -> None:
        services = self.tree.get("services")
        if not isinstance(services, dict) or not services:
            self.refuse([Finding(("services",), show(services), "a mapping of service names to services")])
        base = Path(self.documents[0].file).parent
        others: dict[Path, dict[str, Any]] = {}
        done: dict[str, Any] = {}
        for name in self.tree["services"]:
            done[name] = self._extended(name, self.tree["services"], base, others, (), ("services", name))
        self.tree["services"] = done

    def _extended(
        self, name: str, services: Any, base: Path, others: dict[Path, dict[str, Any]], above: Loc, place: Loc
    ) -> dict[str, Any]:
        """A service with that which it extends beneath."""
        own: dict[str, Any] = services.get(name) or {}
        extends = own.get("extends")
        if extends is None:
            return own
        wanted = extends if isinstance(extends, str) else extends.get("service")
        file = None if isinstance(extends, str) else extends.get("file")
        loc = (*place, "extends")
        if file is not None:
            path = base / str(file)
            if not path.is_file():
                self.problems.append(self.problem(Finding(loc, f"{file!r}, no such file", "a compose file")))
                return own
            if path not in others:
                others[path] = self._file(path, ())
            services, base = others[path].get("services") or {}, path.parent
        key = f"{base}:{file or ''}:{wanted}"
        if wanted not in services or key in above:
            found = f"{wanted!r}, {'which comes back here' if key in above else 'an unknown service'}"
            known = f"one of {', '.join(services)}"
            self.problems.append(self.problem(Finding(loc, found, known, nearest(wanted, services))))
            return own
        under = self._extended(wanted, services, base, others, (*above, key), place)
        under = {each: value for each, value in under.items() if each != "depends_on"}  # not taken over, as specified
        whole: dict[str, Any] = merged(under, {each: value for each, value in own.items() if each != "extends"})
        return whole


def merged(under: Any, over: Any) -> Any:
    """Compose's merge: mappings key by key, lists one after the other, all else replaced."""
    if isinstance(under, dict) and isinstance(over, dict):
        both = dict(under)
        for key, value in over.items():
            replace = key in ("command", "entrypoint") or key not in both
            both[key] = deepcopy(value) if replace else merged(both[key], value)
        return both
    if isinstance(under, list) and isinstance(over, list):
        return [*under, *(each for each in over if each not in under)]
    if isinstance(under, list) and isinstance(over, dict):
        return {**{str(each): {} for each in under}, **over}
    return deepcopy(under if over is None else over)


@cache
def _validator() -> Any:
    from jsonschema import Draft7Validator  # the one that the schema names

    schema = json.loads(files("sim.imports").joinpath("compose-spec.json").read_text("utf-8"))
    return Draft7Validator(schema)


def against_schema(tree: Any) -> list[Finding]:
    """What the Compose Specification's own schema says against a tree."""
    return [finding for error in _validator().iter_errors(tree) for finding in _findings(error)]


def _findings(error: Any) -> list[Finding]:
    loc = tuple(error.absolute_path)
    if error.context:  # of several forms none fits: the one that comes nearest is told
        deepest = max(error.context, key=lambda each: (len(each.absolute_path), each.validator != "type"))
        if len(deepest.absolute_path) > len(loc) or deepest.validator == "additionalProperties":
            return _findings(deepest)
        forms = [_allowed(each) for each in error.context]
        return [Finding(loc, show(error.instance), " or ".join(dict.fromkeys(forms)))]
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        patterns = list(error.schema.get("patternProperties", {}))
        odd = [key for key in error.instance if key not in known and not (str(key).startswith("x-") and patterns)]
        allowed = f"one of {', '.join(known)}" if 0 < len(known) < 15 else "a key of the Compose Specification"
        return [Finding((*loc, key), "an unknown key", allowed, nearest(key, known), True) for key in odd]
    if error.validator == "required":
        return [Finding((*loc, key), "nothing", "a value, it is required")
                for key in error.validator_value if key not in error.instance]  # fmt: skip
    return [Finding(loc, show(error.instance), _allowed(error))]


def _allowed(error: Any) -> str:
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return " or ".join(_WORDS.get(str(kind), str(kind)) for kind in kinds)
    if error.validator == "enum":
        return f"one of {', '.join(map(str, error.validator_value))}"
    return " ".join(str(error.message).split())[:160]
