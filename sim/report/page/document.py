"""What a page has, as plain data: whatever the study, a page is made of these, and only `html` knows how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sim.terms.doubts import Doubt

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""Name → values, all of one length: a table as the page's script takes it."""


@dataclass(frozen=True)
class Grid:
    """A table of words. `numbers`: columns set to the right; `note`: what it leaves out."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """An interactive figure: a Vega-Lite `spec` whose data sets are `data`, and the same as a table.

    `says`: what is to be seen, under the title; `doubts`: lines that touch what it shows. `choices`: (label, spec,
    data) to be chosen among under the label `chosen`; the first is what `spec` and `data` are.
    """

    name: str
    title: str
    says: str
    spec: Mapping[str, Any]
    data: Mapping[str, Columns]
    table: Grid
    doubts: Sequence[str] = ()
    chosen: str = ""
    choices: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Columns]]] = ()


@dataclass(frozen=True)
class Sources:
    """The numbers that one platform was made of: rows of (number, value, source, trust)."""

    platform: str
    unmeasured: int
    rows: Sequence[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Page:
    """A page from top to bottom. `kind`: what was asked ("run", "sweep", …), in words.

    `answer`: the sentences that the command line prints; `tables` and `blocks` its tables, `legend` what their marks
    mean; `more`: title → sentences that come after; `manifest`: what another run needs to be the same, as
    `load_scenario` reads it; `again`: commands; `lacking`: what they need beside the
    manifest; `replay`: see `sim.report.page.replay`.
    """

    name: str
    kind: str
    headline: str
    description: str
    platforms: Sequence[str]
    doubts: Sequence[Doubt] = ()
    answer: Sequence[str] = ()
    blocks: Sequence[Any] = ()
    legend: Sequence[str] = ()
    every: Sequence[Any] = ()
    tables: Sequence[Grid] = ()
    more: Sequence[tuple[str, Sequence[str]]] = ()
    replay: Mapping[str, Any] | None = None
    charts: Sequence[Chart] = ()
    sources: Sequence[Sources] = ()
    scenario: str = ""
    facts: Sequence[tuple[str, str]] = ()
    cite: Sequence[str] = ()
    again: Sequence[str] = ()
    lacking: Sequence[str] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
