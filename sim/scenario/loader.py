"""From a file (and the command line) to a Scenario, at any point of it, or to every mistake in it at once."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypedDict, TypeVar, Unpack

from pydantic import ValidationError

from sim.reading.document import Document, parse_text, parse_value, read_document
from sim.reading.errors import Finding, Problem, Refused, ScenarioError, dotted
from sim.reading.fields import Context, Strict, changed, findings_of
from sim.scenario.factor import spelt_out
from sim.scenario.origin import ReadFrom
from sim.scenario.schema import ORIGIN, READERS, Scenario
from sim.scenario.traffic import Trace

M = TypeVar("M", bound=Strict)
Check: TypeAlias = Callable[["Scenario | None", Document], Iterable[Finding]]
"""What is wrong with a scenario beyond its own schema; it is None where the document is no scenario."""
Where: TypeAlias = Callable[[str], tuple[str, int, int]]
"""Dotted path of a value that is laid over a file → what it is attributed to, and line and column of that (or 0)."""

Given: TypeAlias = "str | Path | Mapping[str, Any] | Scenario"
"""A scenario's file, a dictionary that says what a file does, or a scenario that was read from either."""

_KEPT: Final = 4096


class Options(TypedDict, total=False):
    """What replaces a file's own. `overrides` are `dotted.path=YAML value`, laid over it before it is validated.

    `platforms` selects (and adds) platforms, keeping the file's overrides of those named. `force` is for those who
    choose the `checks`: none of how much work it is.
    """

    overrides: Sequence[str]
    platforms: Sequence[str] | None
    replications: int | None
    seed: int | None
    force: bool


class Base:
    """A scenario file and the options laid over it: `scenario`, and `at` any point.

    A point is validated where it differs from the file: its top-level keys, and of the services those it touches.
    """

    def __init__(self, document: Document, checks: Sequence[Check] = ()) -> None:
        self.document, self.checks = _with_files(document), checks
        self._points: dict[str, Scenario] = {}

    @classmethod
    def load(cls, path: Given, *, checks: Sequence[Check] = (), **options: Unpack[Options]) -> Base:
        """Read a scenario file, or what stands for one. Raises ScenarioError for no YAML."""
        return cls(with_options(load_document(path, options.get("overrides", ())), options), checks)

    @property
    def scenario(self) -> Scenario:
        """The file's scenario. Raises ScenarioError with every mistake in it."""
        return self.at({})

    def at(self, point: Mapping[str, Any], where: Where | None = None) -> Scenario:
        """The scenario with the raw value of each dotted path laid over it, kept for when it is asked for again.

        `where` tells what a value is attributed to (`path=value` unless told). Raises ScenarioError with every mistake.
        """
        known = repr(sorted(point.items())) if point else ""
        if known not in self._points:
            made = self._made(point, where or (lambda path: (f"{path}={point[path]}", 0, 0)))
            if len(self._points) >= _KEPT:
                del self._points[next(iter(self._points))]
            self._points[known] = made
        return self._points[known]

    def along(self, path: str, unit: str = "") -> Callable[[Any], Scenario]:
        """Value → the scenario with the dotted `path` at it, with `unit` ("/s") behind; as `--set` would have it."""

        def scenario_at(value: Any) -> Scenario:
            label = f"--set {path}={value}{unit}"
            return self.at({path: parse_value(f"{value}{unit}", label)}, lambda _: (label, 0, 0))

        return scenario_at

    def _made(self, point: Mapping[str, Any], where: Where) -> Scenario:
        document = self.document
        spelt: dict[str, Any] = {}
        for name, value in point.items():
            for path, each in spelt_out(self.document.tree, name, value, where(name)[0]).items():
                document = document.with_value(path, each, *where(name))
                spelt[path] = each
        point = spelt
        keys = {path.split(".")[0] for path in point}
        if "platforms" in keys:
            document = _with_files(document)
        whole = self._whole if point else None
        if whole is None or not keys <= set(Scenario.model_fields):
            return _judged(document, self.checks)
        parts = dict(document.tree)
        if "services" not in point and isinstance(parts["services"], Mapping):
            touched = {path.split(".")[1] for path in point if path.startswith("services.")}
            kept = {name: each for name, each in whole.services.items() if name not in touched}
            parts["services"] = {**parts["services"], **kept}
        return _judged(document, self.checks, partial(changed, whole, parts, document.tree, keys))

    @cached_property
    def _whole(self) -> Scenario | None:
        """The file's scenario; None where it needs a point to be one."""
        try:
            return self.scenario
        except ScenarioError:
            return None


def load_scenario(path: str | Path, *, checks: Sequence[Check] = (), **options: Unpack[Options]) -> Scenario:
    """Load a scenario file, or a result's `manifest.json`: the scenario that it is the result of (no `overrides`).

    Raises ScenarioError with every mistake, those that the `checks` find too, each with its place.
    """
    if Path(path).name == "manifest.json":
        return of_manifest(path, checks, options)
    return Base.load(path, checks=checks, **options).scenario


def of_manifest(
    path: str | Path, checks: Sequence[Check], options: Options | None = None, recordings: str | Path | None = None
) -> Scenario:
    """The scenario that a result is the result of. Raises ScenarioError.

    `recordings`: the folder that the files of its traces are relative to; None: one with traces is refused.
    """
    options = options or {}
    resolved = read_document(path).tree.get("scenario")
    label = str(path)
    if not isinstance(resolved, dict):
        raise ScenarioError([Problem(label, None, None, "scenario", "nothing", "a manifest.json that a run wrote")])
    if overrides := options.get("overrides"):
        what = "the file that it was made from: a manifest is in SI already"
        raise ScenarioError([Problem(label, None, None, "", f"--set {overrides[0]}", what)])
    try:
        scenario = Scenario.from_dict(resolved)
    except ValidationError as error:
        raise ScenarioError([Problem(label, None, None, "scenario", str(error), "what a run wrote")]) from None
    traces = [name for name, each in scenario.services.items() if any(x.kind == "trace" for x in each.traffic)]
    if recordings is not None:
        findings = _traces_lacking(scenario, Path(recordings))
        if findings:
            raise ScenarioError(Problem(label, None, None, dotted(f.loc), f.found, f.allowed) for f in findings)
    elif traces:
        found = f"a trace of {traces[0]}, whose file is not part of it"
        raise ScenarioError([Problem(label, None, None, "scenario", found, "the file that it was made from")])
    changes: dict[str, Any] = {key: options.get(key) for key in ("platforms", "replications", "seed")}
    if changes["platforms"]:
        changes["platforms"] = {name: scenario.platforms.get(name, {}) for name in changes["platforms"]}
    scenario = scenario.model_copy(update={key: value for key, value in changes.items() if value is not None})
    check(scenario, checks, label)
    return scenario


def _traces_lacking(scenario: Scenario, base: Path) -> list[Finding]:
    """What is wrong with the recordings of a scenario that is no file's, once they are looked for in `base`."""
    return [
        finding.under("scenario", "services", name, "traffic", index)
        for name, service in scenario.services.items()
        for index, source in enumerate(service.traffic)
        if isinstance(source, Trace)
        for finding in source.find(base)
    ]


def scenario_from_text(
    text: str,
    *,
    overrides: Sequence[str] = (),
    file: str = "<text>",
    base: str | Path = ".",
    checks: Sequence[Check] = (),
) -> Scenario:
    """A scenario from YAML text; paths in it are relative to `base`. Raises ScenarioError."""
    return Base(_with_overrides(parse_text(text, file, Path(base)), overrides), checks).scenario


def scenario_from_dict(tree: Mapping[str, Any], *, checks: Sequence[Check] = ()) -> Scenario:
    """A scenario from a dictionary with the keys and texts of a file. Raises ScenarioError with all mistakes."""
    return Base(_document_from(tree), checks).scenario


READERS["dictionary"] = scenario_from_dict


def _document_from(tree: Mapping[str, Any]) -> Document:
    return Document("the dictionary", {"name": "scenario", **copy.deepcopy(dict(tree))})


def _document_of(scenario: Scenario) -> Document:
    """What a scenario was read from, options laid over it. Raises ScenarioError where it is in SI only."""
    origin = scenario.__dict__.get(ORIGIN)
    if not isinstance(origin, ReadFrom):
        allowed = "one of a file, a text or a dictionary with units"
        raise ScenarioError([Problem("the scenario", None, None, "", "one that is in SI already", allowed)])
    return origin.now(scenario)


def _changed(checks: Sequence[Check], document: Document, changes: Mapping[str, Any]) -> Scenario:
    """The scenario of a document with other values at dotted paths."""
    return Base(document, checks).at(changes, lambda path: (f"with_({path}={changes[path]!r})", 0, 0))


def load_document(path: Given, overrides: Sequence[str] = ()) -> Document:
    """The raw tree of a scenario file with the overrides laid over it, named after the file if it has no name."""
    if isinstance(path, Scenario):
        return _with_overrides(_document_of(path), overrides)
    if isinstance(path, Mapping):
        return _with_overrides(_document_from(path), overrides)
    document = read_document(path)
    document.tree.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-._") or "scenario")
    return _with_overrides(document, overrides)


def check(scenario: Scenario, checks: Sequence[Check], label: str) -> None:
    """Raise ScenarioError, attributed to `label`, with what the checks find in a scenario that is no file's.

    Its sizes and images may be for platforms that are no longer among its own: a file's, of which some were chosen.
    """
    tree = scenario.to_dict()
    given = (each for service in scenario.services.values() for each in (*service.size, *service.image))
    resized = (each for resize in scenario.resizes for each in resize.size)
    named = dict.fromkeys((*given, *resized))
    document = Document(label, {**tree, "platforms": named}).with_value("platforms", tree["platforms"], label)
    if findings := [finding for each in checks for finding in each(scenario, document)]:
        raise document.error(findings)


def validated(model: type[M], document: Document) -> M:
    """The tree of a document as a model. Raises ScenarioError with every mistake in it."""
    result, findings = _validation(document, partial(model.model_validate, document.tree))
    if findings or result is None:
        raise document.error(findings)
    return result


def _judged(document: Document, checks: Sequence[Check], validate: Callable[..., Scenario] | None = None) -> Scenario:
    """The scenario of a document, unless it has mistakes or the checks find some: all are placed and raised."""
    if validate is None:
        validate = partial(Scenario.model_validate, document.tree)
    scenario, findings = _validation(document, validate)
    findings += [finding for each in checks for finding in each(scenario, document)]
    if findings or scenario is None:
        raise document.error(findings)
    scenario.__dict__[ORIGIN] = ReadFrom(document, scenario, partial(_changed, checks))
    return scenario


def _validation(document: Document, validate: Callable[..., M]) -> tuple[M | None, list[Finding]]:
    findings = list(document.findings)
    try:
        return validate(context=Context(base=document.base)), findings
    except Refused as refused:
        return None, findings + refused.findings
    except ValidationError as error:
        return None, findings + findings_of(error)


def _with_files(document: Document) -> Document:
    """A document in which every platform that is given as the path of a file is that file's tree."""
    given = document.tree.get("platforms")
    problems: list[Problem] = []
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if not _is_file(value):
            continue
        try:
            own = read_document(document.base / value)
        except ScenarioError as error:
            if len(error.problems) == 1 and error.problems[0].line is None:
                finding = Finding(
                    ("platforms", name), f"{value!r}, {error.problems[0].found}", "a platform's YAML file"
                )
                problems.append(document.problem(finding))
            else:
                problems += error.problems
            continue
        own.tree.setdefault("based_on", None)
        document = document.with_file(f"platforms.{name}", own)
    if problems:
        raise ScenarioError(problems)
    return document


def _with_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """Lay `PATH=VALUE` texts over a document; all malformed ones are reported together."""
    problems: list[Problem] = []
    document = _with_files(document) if overrides else document  # they may reach into a platform's file
    for text in overrides:
        label = f"--set {text}"
        path, equals, value = text.partition("=")
        try:
            if not equals or not path.strip():
                found = repr(text)
                raise ScenarioError([Problem(label, None, None, "", found, "PATH=VALUE, such as host.cores=4")])
            for place, each in spelt_out(document.tree, path.strip(), parse_value(value, label), label).items():
                document = document.with_value(place, each, label)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return document


def _is_file(platform: object) -> bool:
    return isinstance(platform, str) and platform.endswith((".yaml", ".yml"))


def with_options(document: Document, options: Options) -> Document:
    """Lay the options of the command line, but for the overrides, over a document."""
    if (platforms := options.get("platforms")) is not None:
        given: Any = document.tree.get("platforms")
        kept = given if isinstance(given, dict) else {}
        chosen = list(platforms)
        value: Any = chosen
        if len({*chosen}) == len(chosen):  # a file is known by its name without .yaml, and lies where the user says
            value = dict((Path(name).stem, str(Path(name).resolve())) if _is_file(name) else (name, kept.get(name))
                         for name in chosen)  # fmt: skip
        document = document.with_value("platforms", value, f"--platforms {','.join(chosen)}")
    for key, value in (("replications", options.get("replications")), ("seed", options.get("seed"))):
        if value is not None:
            document = document.with_value(key, value, f"--{key} {value}")
    return document
