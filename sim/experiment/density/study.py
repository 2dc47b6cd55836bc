"""The study behind `density`: from a scenario file to the answer, its sentences and its folder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from sim.experiment.density.search import Density, Grid, density
from sim.experiment.study import Progress, axis_of, folder_for, write_table
from sim.experiment.workers.executor import Executor
from sim.platforms.checks import CHECKS
from sim.report.folder.summary import write_json
from sim.scenario import Base, Options, Scenario

CURVE = "density.csv"
"""The file by which a folder is known as one that this study wrote."""


class DensityStudy:
    """The most of what `vary` names (a dotted path; None: the first service's replicas where fixed, else its tenants).

    Tried on the `grid`, with `unit` ("/s") behind the number; `options` replace the file's own. Raises ScenarioError
    for a wrong file or path.
    """

    def __init__(
        self, file: str | Path, vary: str | None, grid: Grid, unit: str = "", **options: Unpack[Options]
    ) -> None:
        base = Base.load(file, checks=CHECKS, **options)
        self.scenario = base.scenario
        self.vary, self.grid, self.unit = vary or default_path(self.scenario), grid, unit
        self._replications = options.get("replications")
        self._scenario_at = axis_of(base, self.vary, unit, [grid.value(0)])

    def folder(self, out: str | Path | None) -> Path:
        """Where to write. Raises ResultsError when something else is there."""
        return folder_for(out, f"density-{self.scenario.name}", CURVE, "result of density")

    def run(self, executor: Executor, progress: Callable[[Progress], None] | None = None) -> list[Density]:
        """Search on an entered executor. Raises DensityError when a run fails."""
        return density(
            self._scenario_at,
            tuple(self.scenario.platforms),
            self.grid,
            replications=self._replications,
            executor=executor,
            progress=progress,
        )

    def save(self, found: Sequence[Density], folder: Path, plots: bool = True) -> None:
        """Write the answer (density.json), the curve that was walked (density.csv) and a plot of both."""
        rows = curve_rows(found)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "density.json", self.to_dict(found))
        write_table(folder / CURVE, rows)
        if plots:
            from sim.report.figures.density import save_density

            most = {each.platform: each.most for each in found}
            broke = {each.platform: f"{each.broke.cause}: {each.broke.text}" for each in found if each.broke}
            save_density(rows, most, broke, folder / "density.png", self.vary, self.unit, self.scenario.name)

    def to_dict(self, found: Sequence[Density]) -> dict[str, Any]:
        """The answer as plain data."""
        return {"vary": self.vary, "platforms": [_as_dict(each) for each in found]}

    @property
    def question(self) -> str:
        """What is looked for, in words."""
        return (
            f"Most of {self.vary} while every objective holds with 95 % confidence,\n"
            "no start is refused and nothing is killed for memory"
        )

    def sentences(self, found: Sequence[Density]) -> list[tuple[str, str, str]]:
        """Of each platform: its name, the most, and what broke first above it."""
        return [
            (
                each.platform,
                "none" if each.most is None else f"{'' if each.broke else '≥ '}{each.most:g}{self.unit}",
                f"{each.broke.cause}: {each.broke.text}" if each.broke else "nothing, up to the greatest value tried",
            )
            for each in found
        ]


def default_path(scenario: Scenario) -> str:
    """What is varied when nobody says: the first service's replicas where fixed, else its tenants."""
    name, service = next(iter(scenario.services.items()))
    return f"services.{name}.{'replicas' if isinstance(service.replicas, int) else 'tenants'}"


def curve_rows(found: Sequence[Density]) -> list[Mapping[str, Any]]:
    """The curves as rows for a table or a plot: platform, value, holds, replications, service, objective, numbers."""
    rows: list[Mapping[str, Any]] = []
    for each in found:
        for load in each.curve:
            shared = {
                "platform": each.platform,
                "value": load.value,
                "holds": load.verdict.holds,
                "replications": load.verdict.replications,
                "broke": load.verdict.broke[0].cause if load.verdict.broke else "",
            }
            numbers = load.verdict.objectives or {("all", ""): (float("nan"),) * 3}
            for (service, name), (mean, bound, limit) in numbers.items():
                rows.append(
                    {**shared, "service": service, "objective": name, "mean": mean, "bound": bound, "limit": limit}
                )
    return rows


def _as_dict(each: Density) -> dict[str, Any]:
    return {
        "platform": each.platform,
        "most": each.most,
        "broke": dataclasses.asdict(each.broke) if each.broke else None,
        "runs": each.runs,
        "monotone": each.monotone,
        "curve": [
            {
                "value": load.value,
                "holds": load.verdict.holds,
                "replications": load.verdict.replications,
                "objectives": [
                    {"service": service, "objective": name, **_finite(numbers)}
                    for (service, name), numbers in load.verdict.objectives.items()
                ],
            }
            for load in each.curve
        ],
    }


def _finite(numbers: tuple[float, float, float]) -> dict[str, float | None]:
    """JSON has no infinity: None stands for it (nothing was completed)."""
    names = ("mean", "bound", "limit")
    return {name: value if math.isfinite(value) else None for name, value in zip(names, numbers, strict=True)}
