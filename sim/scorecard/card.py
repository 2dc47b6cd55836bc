"""The scorecard as a whole: its lines and its headline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from sim.scorecard.scoring import FAILED, NOT_RUN, SCORED, UNCOVERED, Score


@dataclass(frozen=True)
class Scorecard:
    """All scores, in the order of the files; `runs` made, and whether it was the `quick` form."""

    scores: tuple[Score, ...]
    runs: int
    quick: bool

    def scored(self, *kinds: str) -> list[Score]:
        """Those with a verdict about the simulator, of these kinds (none: of all)."""
        return [each for each in self.scores if each.verdict in SCORED and (not kinds or each.kind in kinds)]

    @property
    def rows(self) -> list[Score]:
        """The published `check` rows, without those that were not run: of what coverage is a share."""
        rows = [each for each in self.scores if each.kind == "published" and each.use == "check"]
        return [each for each in rows if each.verdict != NOT_RUN]

    @property
    def coverage(self) -> float | None:
        """Of `rows`: the share that a scenario can say, and says."""
        there = [each for each in self.rows if each.verdict not in (UNCOVERED, FAILED)]
        return len(there) / len(self.rows) if self.rows else None

    @property
    def median_error(self) -> float | None:
        """Median of |predicted / known − 1| over the published `check` rows that were scored; bounds have none."""
        return median_error(self.scored("published"))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: the cases, `coverage` and `median_error` (ratios)."""
        return {
            "cases": [each.to_dict() for each in self.scores],
            "coverage": self.coverage,
            "median_error": self.median_error,
            "quick": self.quick,
            "runs": self.runs,
        }


def median_error(scores: Iterable[Score]) -> float | None:
    """Median of the absolute errors; None where there are none."""
    errors = [abs(each.error) for each in scores if each.error is not None]
    return median(errors) if errors else None
