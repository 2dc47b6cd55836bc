"""The study behind `density` and `fit`: from a scenario file to the answer, its sentences and its folder."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from sim.experiment.assumptions import assumed, may_use
from sim.experiment.density.answer import Capacity, Question, curve_rows
from sim.experiment.density.axes import axis_along
from sim.experiment.density.planning import Plan, hint, most_runs, plan
from sim.experiment.density.questions import Grid
from sim.experiment.density.recovery import recover
from sim.experiment.density.search import MOST_REPLICATIONS, Density, density
from sim.experiment.effort import limits
from sim.experiment.foresight import foresee
from sim.experiment.provenance import provenance
from sim.experiment.replications.runner import platform_of, platforms_of
from sim.experiment.study import Progress, StudyError, folder_for, most_replications, write_table
from sim.experiment.workers.executor import Executor
from sim.platforms.checks import CHECKS
from sim.report.folder.place import whole
from sim.report.folder.summary import write_json
from sim.report.metrics.statistics import FEWEST, LEVEL
from sim.scenario import Base, Options, Scenario
from sim.scenario.loader import Given, check
from sim.terms.doubts import Doubt, doubt, in_order

CURVE = "density.csv"
"""The file by which a folder is known as one that this study wrote."""
SURVIVORS = 0.01
"""Difference of served shares from which on answers are of different requests (ratio)."""
_TOLD = ("never-served", "partly-placed", "oom-loop", "boots-in-span", "clock-unit", "overload", "trace-ends")


class DensityStudy:
    """The most of what `vary` names: dotted paths with commas between, `traffic`, or None for what the file suggests.

    Tried on the `grid` (None: 1, 2, 3 …), with `unit` ("/s") behind the number; `options` replace the file's own.
    Raises ScenarioError for a wrong file or path.
    """

    def __init__(
        self,
        file: Given,
        vary: str | None = None,
        grid: Grid | None = None,
        unit: str = "",
        **options: Unpack[Options],
    ) -> None:
        base = Base.load(file, checks=CHECKS, **options)
        self.scenario = base.scenario
        self._forced = options.get("force", False)
        if not self._forced and (findings := list(limits.within_limits(base.scenario, base.document))):
            raise base.document.error(findings)
        self.axis = axis_along(base, vary, unit, grid)
        self.platforms = tuple(self.scenario.platforms)
        asked = options.get("replications")
        if asked is not None and asked < FEWEST:
            raise StudyError(f"--replications {asked}: a load is judged by an interval, which takes at least {FEWEST}")
        self.replications = asked or max(most_replications(self.scenario), MOST_REPLICATIONS)
        found = {name: hint(self.axis, name) for name in self.platforms}
        self.hints = {name: index for name, index in found.items() if index is not None}
        if not self._forced:
            self._check_work()

    def folder(self, out: str | Path | None) -> Path:
        """Where to write. Raises ResultsError when something else is there."""
        return folder_for(out, f"density-{self.scenario.name}", CURVE, "result of density")

    def _check_work(self) -> None:
        """Refuse (StudyError) a search that takes too long, by what a run takes where it begins."""
        for name in self.platforms:
            each = limits.seconds(self._at(self.axis.grid.value(self.hints.get(name, 0))), [name])
            limits.check_runs(f"{self.axis.name} on {name}", most_runs(self.hints.get(name), self.replications), each)

    def _at(self, value: float) -> Scenario:
        """The scenario at a value that is to be run. Raises ScenarioError for one that takes too long."""
        scenario = self.axis.at(value)
        if not self._forced:
            check(scenario, [limits.within_limits], f"--set {self.axis.name}={value:.12g}{self.axis.unit}")
        return scenario

    def plan(self, executor: Executor) -> Plan:
        """What would be run; one run a platform is made to tell how long it takes."""
        return plan(self.axis, self.platforms, self.hints, self.replications, executor.slots)

    def run(
        self,
        executor: Executor,
        progress: Callable[[Progress], None] | None = None,
        *,
        budget: float | None = None,
        reboot: bool = True,
        want: float | None = None,
    ) -> Capacity:
        """Search on an entered executor, then reboot the host at each answer. Raises DensityError when a run fails.

        `budget`: seconds of real time after which the search ends with what it knows. `want`: say how many hosts that
        takes; None: for as many tenants as the file has, where these are varied.
        """
        if want is not None and not 0.0 < want < math.inf:
            raise StudyError(f"--want {want:g}: say how many are wanted, more than none")
        began = time.perf_counter()
        found = density(
            self._at,
            self.platforms,
            self.axis.grid,
            replications=self.replications,
            executor=executor,
            progress=progress,
            hints=self.hints,
            budget=budget,
        )
        if reboot and (budget is None or time.perf_counter() - began < budget):
            found = [self._rebooted(each, executor) for each in found]
        asked = self._tenants() if want is None else want
        axis = self.axis
        question = Question(self.scenario, axis.name, axis.unit, axis.times, axis.why, asked, want is not None)
        return Capacity(question, tuple(found), tuple(self._doubts(found)))

    def _tenants(self) -> float | None:
        """Tenants that the file itself has of what is varied."""
        room, _, rest = self.axis.name.partition(".")
        name, _, key = rest.rpartition(".")
        rooms: dict[str, Mapping[str, Any]] = {"services": self.scenario.services, "stacks": self.scenario.stacks}
        there = rooms.get(room, {})
        if key != "tenants" or name not in there or not there[name].tenants:
            return None
        return float(there[name].tenants)

    def _rebooted(self, each: Density, executor: Executor) -> Density:
        if each.most is None:
            return each
        return dataclasses.replace(each, rebooted=True, recovery=recover(self.axis, each.most, each.platform, executor))

    def save(self, found: Capacity, folder: Path, plots: bool = True) -> None:
        """Write the answer (density.json), the curve that was walked (density.csv) and a plot of both."""
        rows = curve_rows(found.platforms)
        with whole(folder) as work:
            self._write(found, rows, work, plots)

    def _write(self, found: Capacity, rows: Sequence[Mapping[str, Any]], folder: Path, plots: bool) -> None:
        write_json(folder / "density.json", {**found.to_dict(), "manifest": provenance(self.scenario)})
        if rows:
            write_table(folder / CURVE, rows)
        if plots:
            found.draw(folder / "density.png")

    def _doubts(self, found: list[Density]) -> list[Doubt]:
        """What makes the answer doubtful: of each platform at its own value, and of their comparison."""
        told: list[Doubt] = []
        shares: dict[str, float] = {}
        for each in found:
            scenario = self.axis.at(self.axis.grid.value(0) if each.most is None else each.most)
            at_it = foresee(scenario, {each.platform: platform_of(scenario, each.platform)})
            told += [one for one in at_it if one.code in _TOLD]
            if each.verdict is not None and each.verdict.served is not None:
                shares[each.platform] = each.verdict.served
        both = foresee(self.scenario, platforms_of(self.scenario))
        told += [one for one in both if one.code == "unequal-promise"]
        told += self._tested(found)
        told += self._assumed(found)
        if shares and max(shares.values()) - min(shares.values()) > SURVIVORS:
            text = ", ".join(f"{name} completed {share:.1%}" for name, share in shares.items())
            told.append(doubt("survivors", f"at the answers {text}: no platform is the better one", served=shares))
        return in_order(told)

    def _tested(self, found: list[Density]) -> list[Doubt]:
        """Tenants whose SLO is tested one by one: the chance of a false alarm, without and with the correction."""
        most = [self.axis.at(each.most) for each in found if each.most is not None]
        told: list[Doubt] = []
        for name, service in self.scenario.services.items():
            tenants = max((scenario.tenants_of(name) for scenario in most), default=0)
            if service.slo is not None and tenants > 1:
                chance, risk = 1 - LEVEL**tenants, 1 - LEVEL
                text = (
                    f"{tenants} tenants are tested together, and one by one, where one would seem to miss its SLO by "
                    f"chance {chance:.0%} of the time: {risk:.0%} with Holm's correction, which is made"
                )
                one = doubt("many-tests", text, service=name, tenants=tenants, chance=chance, corrected=risk)
                told.append(dataclasses.replace(one, severity="note"))
        return told

    def _assumed(self, found: list[Density]) -> list[Doubt]:
        """Numbers of the catalogue that nobody has measured, of what binds: the room, or how requests are served."""
        room = any(each.broke is not None and each.broke.cause in ("admission", "memory") for each in found)
        metrics = ("guests.peak",) if room else ("response.p99",)
        scenario = self.axis.at(max((each.most for each in found if each.most is not None), default=self._first))
        platforms = {each.platform: platform_of(scenario, each.platform) for each in found}
        return list(assumed(scenario, platforms, dict.fromkeys(platforms, may_use(scenario)), metrics))

    @property
    def _first(self) -> float:
        return self.axis.grid.value(0)

    def foreseen(self) -> list[Doubt]:
        """Doubts that need no run, of each platform where its search begins."""
        told: list[Doubt] = []
        for name in self.platforms:
            scenario = self.axis.at(self.axis.grid.value(self.hints.get(name, 0)))
            told += foresee(scenario, {name: platform_of(scenario, name)})
        return in_order(told)
