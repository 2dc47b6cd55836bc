"""Whether every service says what it needs on every platform: asked once the platforms' lineages are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sim.reading.errors import Finding, Loc, nearest
from sim.scenario.schema import Scenario
from sim.scenario.sizes import ANY

__all__ = ["coverage"]


def coverage(
    scenario: Scenario,
    size_lineages: Mapping[str, Sequence[str]],
    image_lineages: Mapping[str, Sequence[str]],
    known: Collection[str],
) -> list[Finding]:
    """Mistakes in `size` (of services and resizes) and `image` that only the catalogue can tell.

    The lineages are those of the scenario's platforms, by name; `known` are all platforms' names, so that a
    misspelt one is told from one that is merely not compared here.
    """
    findings: list[Finding] = []
    names = sorted({*known, *scenario.platforms, *(step for each in size_lineages.values() for step in each)})
    for index, resize in enumerate(scenario.resizes):
        for platform in resize.size:
            if platform != ANY and platform not in names:
                loc: Loc = ("resizes", index, "size", platform)
                allowed, near = f"one of {', '.join(names)}", nearest(platform, names)
                findings.append(Finding(loc, "an unknown platform", allowed, near, on_key=True))
    for name, service in scenario.services.items():
        for key, given, lineages in (
            ("size", service.size, size_lineages),
            ("image", service.image, image_lineages),
        ):
            unknown = [platform for platform in given if platform != ANY and platform not in names]
            for platform in unknown:
                loc = ("services", name, key, platform)
                allowed = f"one of {', '.join(names)}"
                findings.append(Finding(loc, "an unknown platform", allowed, nearest(platform, names), on_key=True))
            meant = {nearest(platform, names) for platform in unknown}
            for platform, lineage in lineages.items():
                if not meant.intersection(lineage) and not any(step in given for step in (*lineage, ANY)):
                    allowed = f"one for any of {', '.join(lineage)}, or one for every platform"
                    findings.append(Finding(("services", name, key), f"no {key} for {platform}", allowed, on_key=True))
    return findings
