"""`reproduce`: what a manifest says, run again, compared byte for byte."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from . import DONE, FAILED
from .common import at_work, shown

if TYPE_CHECKING:
    from sim.experiment.reproduction import Reproduction

_TOLD = 5


def command(options: Namespace) -> int:
    """Run it again; 0 the same bytes, 1 others."""
    from sim.experiment.reproduction import original, reproduce
    from sim.experiment.study import most_replications

    of = original(options.folder, options.recordings)
    runs = len(of.scenario.platforms) * most_replications(of.scenario)
    with at_work(of.scenario.name, options, options.scheduler, runs=runs) as (executor, show):
        found = reproduce(of, executor, show)
    if options.format == "json":
        print(json.dumps(_data(found), indent=2, ensure_ascii=False))
    else:
        _print(found)
    return DONE if found.same else FAILED


def _data(found: Reproduction) -> dict[str, object]:
    return {
        "results": str(found.folder), "same": found.same, "lines": found.rows, "differences": found.differences,
        "versions": {name: list(each) for name, each in found.versions.items()},
        "numbers": {name: list(each) for name, each in found.numbers.items()},
        "incomplete": found.incomplete, "failed": found.failed,
    }  # fmt: skip


def _print(found: Reproduction) -> None:
    what = f"{shown(found.folder)}summary.csv".replace("//", "/")
    if found.incomplete:
        print(f"{found.folder}: the result is incomplete; the runs that it has are compared", file=sys.stderr)
    if found.failed:
        print(f"{found.failed} runs failed now", file=sys.stderr)
    print(f"{what}: {'the same bytes' if found.same else 'other bytes'} ({found.rows:,} lines)")
    for line in found.differences:
        print(f"  {line}")
    for title, pairs in (("versions", found.versions), ("numbers of the catalogue", found.numbers)):
        if pairs:
            told = [f"{name} {was} → {now}" for name, (was, now) in pairs.items()]
            more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
            print(f"  other {title} then: {'; '.join(told[:_TOLD])}{more}")
    if not found.same and not found.versions and not found.numbers:
        print("  versions and the catalogue's numbers are the same: the code, or the file, was changed")
