"""The tables of one run, ready to be stored: what a worker process sends home instead of the raw records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.report.metrics.known import woven
from sim.report.metrics.measures import SummaryRow, measure
from sim.report.metrics.objectives import OfTenants, missing_of_tenants
from sim.terms.columns import COUNT, NUMBER, TEXT
from sim.terms.records import Columns, RunRecords

if TYPE_CHECKING:
    from sim.scenario import Scenario
from sim.report.metrics.samples import response_curve


@dataclass(frozen=True)
class RunTables:
    """What is kept of one run; small, since single requests go to the part on disk named by `requests`."""

    platform: str
    replication: int
    rows: Sequence[SummaryRow]
    guests: Columns
    timeline: Columns
    events: Columns
    response: Columns
    wall: float
    """Real time of the run, s."""
    requests: Path | None = None
    missing: OfTenants = field(default_factory=dict)


def run_tables(records: RunRecords, scenario: Scenario, requests: Path | None = None) -> RunTables:
    """Compute the metrics and the tables of one run.

    `requests`: the part that a `RequestPartWriter` closed, if the requests are kept.
    """
    return RunTables(
        platform=records.platform,
        replication=records.replication,
        rows=measure(records, scenario),
        guests=keyed(records.guests, records.platform, records.replication),
        timeline=keyed(records.timeline, records.platform, records.replication),
        events=keyed(records.events, records.platform, records.replication),
        response=response_curve(records),
        wall=records.wall,
        requests=requests,
        missing=missing_of_tenants(records, scenario),
    )


def keyed(columns: Columns, platform: str, replication: int) -> Columns:
    """Put the columns `platform` and `replication` in front."""
    length = len(next(iter(columns.values()))) if columns else 0
    key: dict[str, NDArray[Any]] = {
        "platform": np.full(length, platform, dtype=object),
        "replication": np.full(length, replication, dtype=np.int64),
    }
    return key | dict(columns)


def stacked(parts: Iterable[Columns], columns: dict[str, str]) -> tuple[Columns, dict[str, str]]:
    """Stack tables.

    `columns` are the known columns and their kinds; further ones (phases) follow in the order in which they
    turn up, and hold NaN or empty text where a part lacks them. Returns the table and the kinds of all its
    columns.
    """
    filled = [part for part in parts if part and len(next(iter(part.values())))]
    kinds = dict(columns)
    for name in woven([list(columns), *(list(part) for part in filled)]):
        dtypes = {part[name].dtype.kind for part in filled if name in part}
        kinds.setdefault(name, NUMBER if dtypes <= set("iufb") else TEXT)
    return {name: _column(filled, name, kind) for name, kind in kinds.items()}, kinds


def _column(parts: Sequence[Columns], name: str, kind: str) -> NDArray[Any]:
    missing, dtype = {TEXT: ("", object), NUMBER: (np.nan, np.float64), COUNT: (0, np.int64)}[kind]
    pieces: list[NDArray[Any]] = []
    for part in parts:
        length = len(next(iter(part.values())))
        values = part.get(name)
        pieces.append(np.full(length, missing, dtype) if values is None else np.asarray(values).astype(dtype))
    return np.concatenate(pieces) if pieces else np.empty(0, dtype)
