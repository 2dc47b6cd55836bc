"""The study behind `crossover`: from a scenario file to the answer, its sentences and its folder."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from sim.experiment.crossover.crossing import Crossover
from sim.experiment.crossover.search import Search, find_crossover
from sim.experiment.effort import limits
from sim.experiment.provenance import provenance
from sim.experiment.study import StudyError, axis_of, folder_for, most_replications, write_table
from sim.experiment.workers.executor import Executor
from sim.report.folder.place import whole
from sim.report.folder.summary import write_json
from sim.scenario import Base, Options
from sim.scenario.loader import Given

CURVE = "crossover.csv"
"""The file by which a folder is known as one that this study wrote."""
USUAL_REPLICATIONS = 5
"""Replications unless the scenario asks for more: an interval of three is wide."""


class CrossoverStudy:
    """Where along `vary` (a dotted path), from `low` to `high` with `unit` behind, the better of two platforms changes.

    `options` replace the file's own. Raises ScenarioError for a wrong file or path, StudyError unless there are two
    platforms and `low` is below `high`.
    """

    def __init__(
        self, file: Given, vary: str, low: float, high: float, unit: str = "", **options: Unpack[Options]
    ) -> None:
        asked = options.pop("replications", None)
        base = Base.load(file, checks=limits.checks(**options), **options)
        self.scenario = base.scenario
        self.vary, self.low, self.high, self.unit = vary, low, high, unit
        if len(self.scenario.platforms) != 2:
            names = ",".join(self.scenario.platforms)
            raise StudyError(f"crossover compares two platforms, here are {names}: choose with --platforms A,B")
        if not low < high:
            raise StudyError(f"an axis begins below its end: {low:g} is not below {high:g}")
        self.a, self.b = self.scenario.platforms
        self.replications = asked or max(most_replications(self.scenario), USUAL_REPLICATIONS)
        self._scenario_at = axis_of(base, vary, unit, [low, high])
        self._forced = options.get("force", False)

    def folder(self, out: str | Path | None) -> Path:
        """Where to write. Raises ResultsError when something else is there."""
        return folder_for(out, f"crossover-{self.scenario.name}", CURVE, "result of crossover")

    def run(self, executor: Executor, **how: Unpack[Search]) -> Crossover:
        """Search on an entered executor; see `find_crossover`."""
        ends = self.low, self.high
        if not self._forced:
            limits.check_runs("--points", how.get("points", 5) * self.replications, self._dearer())
        found = find_crossover(
            self._scenario_at, self.a, self.b, *ends, replications=self.replications, executor=executor, **how
        )
        return replace(found, axis=self.vary, unit=self.unit, scenario=self.scenario.name)

    def _dearer(self) -> float:
        """CPU-s of a replication on both platforms, at the dearer end of the axis."""
        return max(limits.seconds(self._scenario_at(value)) for value in (self.low, self.high))

    def save(self, found: Crossover, folder: Path, plots: bool = True) -> None:
        """Write the answer (crossover.json), the values (crossover.csv) and a plot of both."""
        with whole(folder) as work:
            self._write(found, work, plots)

    def _write(self, found: Crossover, folder: Path, plots: bool) -> None:
        from sim.report.metrics.statistics import mean_interval

        write_json(folder / "crossover.json", {**self.to_dict(found), "manifest": provenance(self.scenario)})
        rows = []
        for index, value in enumerate(found.values):
            apart = mean_interval(found.differences[index])
            sides = {name: mean_interval(found.series[name][index]).mean for name in (found.a, found.b)}
            rows.append(
                {"value": value, **sides, "difference": apart.mean, "difference_half_width_95": apart.half,
                 "replications": apart.count}
            )  # fmt: skip
        write_table(folder / CURVE, rows)
        if plots:
            found.draw(folder / "crossover.png")

    def to_dict(self, found: Crossover) -> dict[str, Any]:
        """The answer as plain data; JSON has no infinity: None stands for an end that the axis does not reach."""

        def end(value: float | None) -> float | None:
            return value if value is not None and math.isfinite(value) else None

        return {
            "vary": self.vary,
            "unit": self.unit,
            "answer": found.sentences(self.vary, self.unit),
            "metric": found.metric,
            "platforms": [found.a, found.b],
            "better": None if found.unlike else found.better,
            "not_comparable": list(found.unlike),
            "crossings": [
                {"at": each.at, "low_95": end(each.low), "high_95": end(each.high), "below": each.below,
                 "above": each.above}
                for each in found.comparable
            ],
            "values": list(found.values),
            "differences": found.differences.tolist(),
            "runs": found.runs,
        }  # fmt: skip
