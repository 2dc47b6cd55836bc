"""What only the catalogue of platforms and the list of metrics can tell of a scenario."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from sim import registry
from sim.platforms.catalogue import load_platform, names
from sim.platforms.problems import NEAR, PlatformError
from sim.platforms.schema import Platform
from sim.reading.document import Document
from sim.reading.errors import Finding, Loc, nearest
from sim.scenario import Scenario, Until
from sim.scenario.sizes import ANY
from sim.terms.columns import STATE_UNITS
from sim.terms.metrics import phase_metric


def platforms_fit(scenario: Scenario | None, document: Document) -> Iterator[Finding]:
    """Platforms that nobody knows or whose overrides are wrong, and services without a size or an image for one."""
    wanted = scenario.platforms if scenario is not None else _raw(document.tree.get("platforms"))
    platforms: dict[str, Platform] = {}
    for name, overrides in wanted.items():
        try:
            platforms[name] = load_platform(name, overrides)
        except PlatformError as error:
            for each in error.problems:
                yield Finding(tuple(each.path.split(".")), *each[1:])
    if scenario is None:
        return
    with_images = {name: each for name, each in platforms.items() if each.uses_images}
    lineages = {"size": {name: each.size_lineage for name, each in platforms.items()},
                "image": {name: each.image_lineage for name, each in with_images.items()}}  # fmt: skip
    # the file's own platforms may be named although others are run
    replaced = [name for laid in document.laid if laid.loc == ("platforms",) for name in _named(laid.before)]
    steps = (step for each in lineages["size"].values() for step in each)
    yield from _coverage(scenario, lineages, sorted({*names(), *replaced, *scenario.platforms, *steps}))


def _raw(given: Any) -> Mapping[str, Mapping[str, Any]]:
    """Platforms of a tree that is wrong elsewhere, as far as they can be told."""
    if isinstance(given, list):
        return {name: {} for name in given if isinstance(name, str)}
    if isinstance(given, dict):
        return {name: own or {} for name, own in given.items() if own is None or isinstance(own, dict)}
    return {}


def _named(given: Any) -> list[str]:
    """Names of the platforms of a tree, also of those that are files."""
    return [name for name in given if isinstance(name, str)] if isinstance(given, list | dict) else []


def _coverage(
    scenario: Scenario, lineages: Mapping[str, Mapping[str, Sequence[str]]], known: Collection[str]
) -> Iterator[Finding]:
    """Sizes (of services and resizes) and images of platforms that do not exist, and those that are missing.

    `known`: names of all platforms, so that a misspelt one is told from one that is merely not compared here.
    """
    for index, resize in enumerate(scenario.resizes):
        yield from _unknown(resize.size, known, "resizes", index, "size")
    for name, service in scenario.services.items():
        for key in ("size", "image"):
            given: Mapping[str, Any] = getattr(service, key)
            unknown = list(_unknown(given, known, "services", name, key))
            yield from unknown
            meant = {finding.suggestion for finding in unknown}
            for platform, lineage in lineages[key].items():
                if not meant.intersection(lineage) and not any(step in given for step in (*lineage, ANY)):
                    allowed = f"one for any of {', '.join(lineage)}, or one for every platform"
                    yield Finding(("services", name, key), f"no {key} for {platform}", allowed, on_key=True)


def _unknown(given: Mapping[str, Any], known: Collection[str], *loc: str | int) -> Iterator[Finding]:
    for platform in given:
        if platform != ANY and platform not in known:
            place: Loc = (*loc, platform)
            allowed = f"one of {', '.join(known)}"
            yield Finding(
                place,
                "an unknown platform",
                allowed,
                NEAR.get(platform.lower()) or nearest(platform, known),
                on_key=True,
            )


def metrics_exist(scenario: Scenario | None, document: Document) -> Iterator[Finding]:
    """Metrics of `replications: {until: …}` and of `focus` that no run will ever have."""
    if scenario is None:
        return
    known = registry.names("metrics")
    for index, entry in enumerate(scenario.focus):
        service, _, metric = entry.rpartition("/")
        if metric not in known and phase_metric(metric) is None and (service or metric not in STATE_UNITS):
            allowed = "a metric of summary.csv, or a column of timeline.parquet"
            near = nearest(metric, [*known, *STATE_UNITS])
            yield Finding(("focus", index), f"the unknown metric {metric!r}", allowed, near)
    until = scenario.replications
    if isinstance(until, Until) and until.metric not in known and phase_metric(until.metric) is None:
        allowed = "a metric of summary.csv, such as response.p99"
        near = nearest(until.metric, known)
        yield Finding(("replications", "until"), f"the unknown metric {until.metric!r}", allowed, near)


CHECKS: Final = (platforms_fit, metrics_exist)
"""Everything that `load_scenario` should check before a scenario is run."""
