"""The study behind `sweep`: from a sweep file to the table, its plots and its sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from sim.experiment.crossover.crossing import CrossoverError, crossover_of
from sim.experiment.effort import limits
from sim.experiment.provenance import provenance
from sim.experiment.study import RESULTS
from sim.experiment.sweep.doubts import foresee_sweep
from sim.experiment.sweep.plan import Plan, plan_sweep
from sim.experiment.sweep.session import How, SweepResult, run_plan
from sim.experiment.workers.executor import Executor
from sim.scenario import Options, load_sweep

if TYPE_CHECKING:
    import pandas as pd


class SweepStudy:
    """A sweep file, judged by `metric`; `options` replace the base's own. Raises ScenarioError for a wrong file."""

    def __init__(self, file: str | Path, metric: str = "response.p99", **options: Unpack[Options]) -> None:
        self.sweep = load_sweep(file, checks=limits.checks(**options), **options)
        self.plan = _told(plan_sweep(self.sweep))
        if not options.get("force"):
            limits.check_sweep(self.sweep, self.plan.points, self.plan.replications)
        self.metric = metric

    def folder(self, out: str | Path | None) -> Path:
        """Where to write; what is there already is taken over."""
        return RESULTS / self.plan.name if out is None else Path(out)

    def run(self, folder: Path, executor: Executor, *, plots: bool = True, **how: Unpack[How]) -> SweepResult:
        """Make the runs that `folder` lacks on an entered executor (`run_plan`), then plot and say what they showed."""
        from sim.experiment.sensitivity.analysis import tornadoes
        from sim.report.figures.sweep import axes_of, save_sweep_plots

        made = run_plan(self.plan, folder, executor=executor, **how)
        ranges = [each.paths for each in self.sweep.sample.over] if self.sweep.sample is not None else []
        axes = axes_of(made.table, [axis.paths for axis in self.sweep.axes], ranges)
        drawn: list[Path] = []
        if made.made:  # what is drawn there is of an older table
            for stale in (folder / "plots").glob("*.png"):
                stale.unlink()
        if plots:
            bars = tornadoes(made.table, axes.sampled, self.metric) if axes.sampled else {}
            drawn = save_sweep_plots(made.table, axes, self.metric, folder / "plots", self.plan.name, bars)
        told = crossings(made.table, axes.factors, self.metric) if not ranges else []
        doubts = tuple(foresee_sweep(self.sweep))
        return replace(made, plots=tuple(drawn), sentences=tuple(told), doubts=doubts)


def _told(plan: Plan) -> Plan:
    """The plan, whose manifest says what its first point was made of."""
    return replace(plan, about={**plan.about, "made_of": provenance(plan.scenario_at(0))})


def crossings(table: pd.DataFrame, axes: Sequence[str], metric: str) -> list[str]:
    """Where along the only axis the better platform changes, for the first platform against each other."""
    first, *others = dict.fromkeys(table["platform"])
    if len(axes) != 1 or table[axes[0]].dtype.kind not in "iuf":
        return []
    lines: list[str] = []
    for other in others:
        try:
            lines += crossover_of(table, axes[0], first, other, metric).sentences(axes[0])
        except (CrossoverError, ValueError) as error:
            lines.append(f"{metric}, {first} against {other}: {error}")
    return lines
