"""From a file (and the command line) to a Scenario, or to every mistake in it at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from sim.reading.document import Document, parse_text, parse_value, read_document
from sim.reading.errors import Problem, ScenarioError
from sim.reading.fields import Context, Strict, findings_of
from sim.scenario.schema import Scenario

__all__ = ["load_document", "load_scenario", "scenario_from_text", "validate", "validated", "with_options"]

M = TypeVar("M", bound=Strict)


def load_scenario(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Load a scenario file.

    `overrides` are `dotted.path=YAML value`, laid over the file before it is validated; `platforms` selects (and
    adds) platforms, keeping the file's overrides of those named; `replications` and `seed` replace the file's.
    Raises ScenarioError with every mistake, each with its place.
    """
    document = load_document(path, overrides)
    return validate(with_options(document, platforms, replications, seed))


def scenario_from_text(
    text: str, *, overrides: Sequence[str] = (), file: str = "<text>", base: str | Path = "."
) -> Scenario:
    """A scenario from YAML text; paths in it are relative to `base`. Raises ScenarioError."""
    document = parse_text(text, file)
    document.base = Path(base)
    return validate(_with_overrides(document, overrides))


def load_document(path: str | Path, overrides: Sequence[str] = ()) -> Document:
    """The raw tree of a scenario file with the overrides laid over it, named after the file if it has no name."""
    document = read_document(path)
    document.tree.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-._") or "scenario")
    return _with_overrides(document, overrides)


def validate(document: Document) -> Scenario:
    """The scenario of a raw tree. Raises ScenarioError with every mistake in it."""
    return validated(Scenario, document)


def validated(model: type[M], document: Document) -> M:
    """The tree of a document as a model. Raises ScenarioError with every mistake in it."""
    findings = list(document.findings)
    try:
        result = model.model_validate(document.tree, context=Context(base=document.base))
    except ValidationError as error:
        findings += findings_of(error)
    if findings:
        raise document.error(findings)
    return result


def _with_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """Lay `PATH=VALUE` texts over a document; all malformed ones are reported together."""
    problems: list[Problem] = []
    for text in overrides:
        label = f"--set {text}"
        path, equals, value = text.partition("=")
        try:
            if not equals or not path.strip():
                found = repr(text)
                raise ScenarioError([Problem(label, None, None, "", found, "PATH=VALUE, such as host.cores=4")])
            document = document.with_value(path.strip(), parse_value(value, label), label)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return document


def with_options(
    document: Document, platforms: Sequence[str] | None, replications: int | None, seed: int | None
) -> Document:
    """Lay the options of the command line over a document."""
    if platforms is not None:
        given: Any = document.tree.get("platforms")
        kept = given if isinstance(given, dict) else {}
        chosen = list(platforms)
        value: Any = {name: kept.get(name) for name in chosen} if len({*chosen}) == len(chosen) else chosen
        document = document.with_value("platforms", value, f"--platforms {','.join(chosen)}")
    if replications is not None:
        document = document.with_value("replications", replications, f"--replications {replications}")
    if seed is not None:
        document = document.with_value("seed", seed, f"--seed {seed}")
    return document
