"""All that is wrong with a file at once: its own mistakes, and those that only the catalogue of platforms can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.platforms import Platform, PlatformError, load_platform, names
from sim.reading.document import Document
from sim.reading.errors import Finding, Loc, Problem, ScenarioError, nearest
from sim.scenario import Scenario, Sweep, Until, coverage, load_document, load_sweep, points
from sim.scenario.loader import validate, with_options


def load_checked(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Load a scenario file that can be run on each of its platforms; the options are those of `load_scenario`.

    Beyond the file's own mistakes, platforms that the catalogue does not know or whose overrides are wrong are
    refused, and services without a size or an image for a platform. Raises ScenarioError with every mistake.
    """
    document = load_document(path, overrides)
    return checked(with_options(document, platforms, replications, seed), _raw_platforms(document))


def checked(document: Document, also: Iterable[str] = ()) -> Scenario:
    """The scenario of a raw tree, checked against the catalogue too. Raises ScenarioError with every mistake.

    `also`: further names that sizes and images may be given for: the file's own platforms where others are run.
    """
    problems: list[Problem] = []
    scenario: Scenario | None = None
    try:
        scenario = validate(document)
    except ScenarioError as error:
        problems += error.problems
    wanted = scenario.platforms if scenario is not None else _raw_platforms(document)
    platforms, findings = _load_all(wanted)
    if scenario is not None:
        findings += coverage(
            scenario,
            {name: each.size_lineage for name, each in platforms.items()},
            {name: each.image_lineage for name, each in platforms.items()},
            {*names(), *also},
        )
        findings += _metric_findings(scenario)
    problems += [document.problem(_as_in_tree(finding, document.tree)) for finding in findings]
    if problems or scenario is None:
        problems.sort(key=lambda each: (each.line is None, each.line or 0, each.column or 0))
        raise ScenarioError(problems)
    return scenario


def load_checked_sweep(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    platforms: Sequence[str] | None = None,
    replications: int | None = None,
    seed: int | None = None,
) -> Sweep:
    """Load a sweep file whose platforms can be run at every point; the options are those of `load_sweep`.

    Raises ScenarioError with every mistake.
    """
    sweep = load_sweep(path, overrides=overrides, platforms=platforms, replications=replications, seed=seed)
    found: dict[Problem, None] = {}
    if isinstance(sweep.base.tree.get("replications"), Mapping):
        what = "replications until a precision"
        why = "a number: each point of a sweep needs the same ones, so that points and platforms can be paired"
        found[sweep.base.problem(Finding(("replications",), what, why))] = None
    seen: set[str] = set()
    for point in points(sweep):
        moved = {path: value for path, value in point.items() if path.startswith("platforms")}
        if repr(moved) in seen:
            continue  # the other axes cannot change what the catalogue says
        seen.add(repr(moved))
        document = sweep.base
        for dotted, value in point.items():
            document = document.with_value(dotted, value, f"{path}: {dotted}={value}")
        try:
            checked(document)
        except ScenarioError as error:
            found.update(dict.fromkeys(error.problems))
    if found:
        raise ScenarioError(found)
    return sweep


def _raw_platforms(document: Document) -> Mapping[str, Mapping[str, Any]]:
    """Platforms of a tree that is wrong elsewhere, as far as they can be told."""
    given = document.tree.get("platforms") if isinstance(document.tree, dict) else None
    if isinstance(given, list):
        return {name: {} for name in given if isinstance(name, str)}
    if isinstance(given, dict):
        return {name: own or {} for name, own in given.items() if own is None or isinstance(own, dict)}
    return {}


def _load_all(wanted: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Platform], list[Finding]]:
    platforms: dict[str, Platform] = {}
    findings: list[Finding] = []
    for name, overrides in wanted.items():
        try:
            platforms[name] = load_platform(name, overrides)
        except PlatformError as error:
            for each in error.problems:
                loc = tuple(each.path.split("."))
                findings.append(Finding(loc, each.found, each.allowed, each.suggestion, each.on_key))
    return platforms, findings


def _metric_findings(scenario: Scenario) -> list[Finding]:
    """Metrics of `replications: {until: …}` and of `focus` that no run will ever have."""
    from sim.report.metrics.known import is_known, known
    from sim.terms.columns import STATE_UNITS

    findings: list[Finding] = []
    for index, entry in enumerate(scenario.focus):
        service, _, metric = entry.rpartition("/")
        if is_known(metric) or (metric in STATE_UNITS and not service):
            continue
        near = nearest(metric, [*known(), *STATE_UNITS])
        allowed = "a metric of summary.csv, or a column of timeline.parquet"
        findings.append(Finding(("focus", index), f"the unknown metric {metric!r}", allowed, near))
    until = scenario.replications
    if not isinstance(until, Until) or is_known(until.metric):
        return findings
    found = f"the unknown metric {until.metric!r}"
    near = nearest(until.metric, known())
    return [*findings, Finding(("replications", "until"), found, "a metric of summary.csv, such as response.p99", near)]


def _as_in_tree(finding: Finding, tree: Any) -> Finding:
    """The finding with the steps of its path that index a list as numbers, as the places of a document are kept."""
    loc: Loc = ()
    node = tree
    for step in finding.loc:
        index = isinstance(node, list) and isinstance(step, str) and step.isdecimal()
        key: str | int = int(step) if index else step
        loc = (*loc, key)
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            node = None
    return finding._replace(loc=loc)
