"""Where a page's numbers come from: platforms' data with source and trust, the scenario, versions, how to cite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sim.report.folder import writer
from sim.report.page.document import Sources
from sim.report.text.class_table import tex_text
from sim.terms.doubts import UNMEASURED


def sources_of(platforms: Mapping[str, Any]) -> list[Sources]:
    """The catalogue's numbers by platform (`platforms` of a manifest), those that nobody measured first."""
    found = []
    for name, rows in platforms.items():
        told = sorted(
            ((path, _value(row), str(row.get("source", "")), str(row.get("trust", ""))) for path, row in rows.items()),
            key=lambda each: each[3] not in UNMEASURED,
        )
        found.append(Sources(name, sum(each[3] in UNMEASURED for each in told), told))
    return found


def _value(row: Mapping[str, Any]) -> str:
    unit = str(row.get("unit", ""))
    shown = str(row.get("text", ""))
    known = f" ({row['range']})" if row.get("range") else ""
    bare = unit not in ("", "1") and not shown.endswith(unit) and shown[-1:].isdigit()
    return f"{shown}{f' {unit}' if bare else ''}{known}"


def scenario_text(scenario: Mapping[str, Any]) -> str:
    """A resolved scenario as YAML, in SI; what was left empty is left out."""
    import yaml

    return str(
        yaml.safe_dump(_filled(json.loads(json.dumps(scenario))), sort_keys=False, allow_unicode=True, width=110)
    )


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(each) for key, each in value.items() if each is not None and each not in ({}, [])}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def facts_of(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Seed, span, versions: what decides the numbers, as (what, value)."""
    scenario = manifest.get("scenario", {})
    runs = manifest.get("runs")
    warmup = manifest.get("warmup", scenario.get("warmup"))
    found = [
        ("scenario", str(manifest.get("name", scenario.get("name", "")))),
        ("digest of the scenario (SHA-256)", str(manifest.get("digest", ""))),
        ("seed", str(manifest.get("seed", scenario.get("seed", "")))),
        ("runs (platform × replication)", str(len(runs)) if isinstance(runs, Sequence) else ""),
        ("simulated time", f"{scenario['duration']:g} s" if "duration" in scenario else ""),
        ("of it not measured (warmup)", f"{warmup:g} s" if isinstance(warmup, int | float) else str(warmup or "")),
        ("made", str(manifest.get("started", ""))),
    ]
    found += [(f"{name} (version)", str(version)) for name, version in manifest.get("versions", {}).items()]
    return [(what, value) for what, value in found if value]


def citation(manifest: Mapping[str, Any], *others: Mapping[str, Any]) -> list[str]:
    """How to cite the program with this result (or these): a line of text, and BibTeX."""
    about = manifest.get("citation") or writer.citation()  # results of earlier versions have none
    title, authors = about["title"], " and ".join(each["name"] for each in about["authors"])
    version = str(manifest.get("versions", {}).get("hostsim", ""))
    year = str(manifest.get("started", ""))[:4]
    of = "; ".join(
        f"Scenario {each.get('name', '')}, SHA-256 {str(each.get('digest', ''))[:16]}, seed {each.get('seed', '')}"
        for each in (manifest, *others)
    )
    text = f"{authors}. {title}. Version {version}, {about['license']}. {of}."
    bib = [
        "@software{hostsim,",
        f"  author = {{{{{tex_text(authors)}}}}},",
        f"  title = {{{tex_text(title)}}},",
        f"  version = {{{version}}},",
        *([f"  year = {{{year}}},"] if year else []),
        f"  note = {{{tex_text(of)}}},",
        "}",
    ]
    return [text, "\n".join(bib)]
