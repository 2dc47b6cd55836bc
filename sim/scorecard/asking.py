"""`sim.scorecard()`: the scorecard for a script or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.experiment.study import Progress
    from sim.scorecard.card import Scorecard


def scorecard(
    cases: Sequence[str | Path] | None = None,
    *,
    only: str | None = None,
    quick: bool = False,
    workers: int | None = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Scorecard:
    """Run scenarios whose answer is known: predicted against theory, published values, measurements.

    `cases`: files of cases (None: those that hostsim ships). `only`: cases with these words in name, kind, topic,
    platform, source. `quick`: without what takes long. The answer has `.scores`, `.coverage`, `.median_error`.
    `workers`: processes (None: this one). `out`: a folder for scorecard.json, .csv, .md and .png. Raises ScenarioError
    for wrong files, ValueError where no case is left, ResultsError when `out` holds something else.
    """
    from sim.experiment.workers.choice import executor_for
    from sim.scorecard.study import ScorecardStudy

    study = ScorecardStudy(cases, only, quick=quick)
    folder = None if out is None else study.folder(out)
    with executor_for(workers or 1) as executor:
        found = study.run(executor, progress)
    if folder is not None:
        study.save(found, folder)
    return found
