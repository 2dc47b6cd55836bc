"""The study behind `sweep --sensitivity`: a design over the ranges of a sweep file, and what moves a metric most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Unpack

from sim.experiment.drawn import Drawn
from sim.experiment.effort import limits
from sim.experiment.sensitivity.analysis import Method, Sensitivity, analyse, design, plan_design, response, tornado
from sim.experiment.study import RESULTS, StudyError
from sim.experiment.sweep.plan import SweepError
from sim.experiment.sweep.session import How, SweepResult, run_plan
from sim.experiment.workers.executor import Executor
from sim.scenario import Options, load_sweep

SIZES = {"sobol": 32, "morris": 8}
"""Size of a design unless told: × (ranges + 2) points for Sobol', × (ranges + 1) for Morris."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SensitivityResult(Drawn, SweepResult):
    """The runs of a design, and what moves `metric`: effects by platform, and of differences as `container − vm`."""

    method: Method
    metric: str
    effects: Mapping[str, Sensitivity]

    def draw(self, path: Path) -> None:
        """Save a tornado: what moves the metric most."""
        from sim.report.figures.tornado import save_tornado

        rows = {name: tornado(each) for name, each in self.effects.items()}
        save_tornado(rows, self.metric, path.parent, self.folder.name, self.method)

    def to_dict(self) -> dict[str, Any]:
        """The runs and the effects as plain data."""
        effects = {name: [vars(effect) for effect in each.effects] for name, each in self.effects.items()}
        return {**super().to_dict(), "method": self.method, "metric": self.metric, "effects": effects}


class SensitivityStudy:
    """A design by `method` (of `size`, see `design`) over the ranges of a sweep file; its axes are not used.

    `options` replace the base's own. Raises ScenarioError for a wrong file, StudyError for one without ranges or for a
    wrong size.
    """

    def __init__(
        self,
        file: str | Path,
        method: Method,
        size: int | None = None,
        metric: str = "response.p99",
        **options: Unpack[Options],
    ) -> None:
        sweep = load_sweep(file, checks=limits.checks(**options), **options)
        if sweep.sample is None:
            raise StudyError(f"{file}: a sensitivity analysis needs ranges (sample: {{over: …}}), and it has none")
        self.method, self.metric = method, metric
        if not options.get("force"):
            limits.check_design(sweep, (size or SIZES[method]) * (len(sweep.sample.over) + 2))
        self.design = design(method, sweep.sample.over, size or SIZES[method], seed=sweep.sample.seed)
        self.plan = plan_design(sweep, self.design)

    def folder(self, out: str | Path | None) -> Path:
        """Where to write; what is there already is taken over."""
        return RESULTS / self.plan.name if out is None else Path(out)

    def run(self, folder: Path, executor: Executor, *, plots: bool = True, **how: Unpack[How]) -> SensitivityResult:
        """Make the runs that `folder` lacks on an entered executor, analyse them, and plot a tornado.

        Raises SweepError (see `run_plan`), also when the metric is missing at a point.
        """
        made = run_plan(self.plan, folder, executor=executor, **how)
        effects = self._analyse(made)
        drawn: list[Path] = []
        if plots:
            from sim.report.figures.tornado import save_tornado

            rows = {name: tornado(each) for name, each in effects.items()}
            drawn.append(save_tornado(rows, self.metric, folder / "plots", self.plan.name, self.method))
        runs = {each.name: getattr(made, each.name) for each in fields(made)}
        return SensitivityResult(
            **{**runs, "plots": tuple(drawn)}, method=self.method, metric=self.metric, effects=effects
        )

    def _analyse(self, made: SweepResult) -> dict[str, Sensitivity]:
        first, *others = self.plan.platforms
        series: dict[str, tuple[str, str | None]] = {name: (name, None) for name in self.plan.platforms}
        series |= {f"{name} − {first}": (name, first) for name in others}
        try:
            return {
                title: analyse(self.design, response(made.table, self.metric, name, minus=minus))
                for title, (name, minus) in series.items()
            }
        except ValueError as error:
            why = f" ({made.failed:,} runs failed: the column `error` of {made.path} says why)" if made.failed else ""
            raise SweepError(f"{error}{why}") from error
