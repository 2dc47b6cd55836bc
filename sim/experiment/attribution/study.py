"""The study behind `why`: from a scenario to the parts of a difference, its sentences and its folder."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.experiment.attribution import shapley
from sim.experiment.attribution.answer import Part, Why
from sim.experiment.attribution.asking import farthest, survivors, usual, values_of
from sim.experiment.attribution.game import Asked, Game, Played, WhyError, play_all
from sim.experiment.attribution.groups import Cast, cast
from sim.experiment.effort import limits
from sim.experiment.foresight import foresee
from sim.experiment.provenance import provenance
from sim.experiment.replications.runner import measured, platform_of
from sim.experiment.replications.scenario import RunTask, run_task
from sim.experiment.study import Progress, StudyError, folder_for, most_replications, write_table
from sim.experiment.workers.executor import Executor
from sim.reading.errors import nearest
from sim.report.answers.doubts.evidence import Evidence
from sim.report.answers.doubts.observed import observe
from sim.report.answers.doubts.traffic import ALIKE
from sim.report.folder.place import whole
from sim.report.folder.summary import write_json
from sim.report.folder.tables import RunTables
from sim.report.metrics.known import known
from sim.report.metrics.numbers import share
from sim.report.metrics.statistics import mean_interval
from sim.scenario import Scenario
from sim.terms.doubts import Doubt, doubt, in_order
from sim.terms.metrics import phase_metric

PARTS = "why.csv"
"""The file by which a folder is known as one that this study wrote."""
USUAL_REPLICATIONS = 5
"""Replications unless the scenario asks for more."""
_ANSWERED = ("unequal-promise",)
"""Doubts that an attribution answers."""


@dataclass(frozen=True)
class WhyPlan:
    """What would be run: the groups that are taken apart, runs in all, and about how long (s)."""

    cast: Cast
    asked: Asked
    runs: int
    seconds: float


class WhyStudy:
    """Why two platforms of a scenario differ in `metric` (`response.p99`, `shop/goodput`, `served`; None: the usual).

    Of more than two platforms those are taken whose means are farthest apart. `force`: however long it takes. Raises
    StudyError for one platform, or for a metric that there is not.
    """

    def __init__(
        self, scenario: Scenario, metric: str | None = None, replications: int | None = None, *, force: bool = False
    ) -> None:
        if len(scenario.platforms) < 2:
            raise StudyError("why compares two platforms, here is one: choose with --platforms A,B")
        self.scenario = scenario
        self.asked = None if metric is None else _checked(Asked.of(metric), scenario)
        self.replications = replications or max(most_replications(scenario), USUAL_REPLICATIONS)
        self._forced = force

    def folder(self, out: str | Path | None) -> Path:
        """Where to write. Raises ResultsError when something else is there."""
        return folder_for(out, f"why-{self.scenario.name}", PARTS, "result of why")

    def plan(self, executor: Executor) -> WhyPlan:
        """What would be run; one replication of each platform is made to tell how long it takes."""
        scenario = measured(self.scenario)
        runs = _ends(scenario, 1, executor, Played(), None)
        asked, chosen = self._question(scenario, runs)
        number = (1 << len(chosen.players)) - 2
        total = max(number, 0) * self.replications + len(scenario.platforms) * self.replications
        each = sum(run.wall for run in runs) / len(runs)
        return WhyPlan(chosen, asked, total, total * each / max(executor.slots, 1))

    def run(
        self, executor: Executor, progress: Callable[[Progress], None] | None = None, *, budget: float | None = None
    ) -> Why:
        """Make the runs on an entered executor and split the difference.

        `budget`: s of real time after which it ends with the replications that it has. Raises WhyError when a run
        fails, or when the metric is missing in one.
        """
        began, played = time.perf_counter(), Played()
        scenario = measured(self.scenario)
        ends = _ends(scenario, self.replications, executor, played, progress)
        asked, chosen = self._question(scenario, ends)
        if not self._forced and budget is None:
            each = limits.seconds(scenario) / len(scenario.platforms)
            number = chosen.full * self.replications
            limits.check_runs(f"{len(chosen.players)} groups (--budget ends it in time)", number, each)
        game = Game(scenario, chosen, asked)
        take_ends(game, played, ends)
        left = None if budget is None else budget - (time.perf_counter() - began)
        between = range(1, chosen.full)
        whole = play_all(game, played, between, range(self.replications), executor, budget=left, progress=progress)
        return self._answer(game, played, whole, ends)

    def _question(self, scenario: Scenario, ends: Sequence[RunTables]) -> tuple[Asked, Cast]:
        asked = self.asked or usual(scenario, ends)
        a, b = farthest(scenario, values_of(ends, asked)) if len(scenario.platforms) > 2 else tuple(scenario.platforms)
        return asked, cast(platform_of(scenario, a), platform_of(scenario, b), scenario)

    def _answer(self, game: Game, played: Played, whole: Sequence[int], ends: Sequence[RunTables]) -> Why:
        chosen = game.cast
        coalitions = range(chosen.full + 1)
        worth = played.arrays(coalitions, whole)
        parts = _parts(chosen, worth)
        values = {each.name: mean_interval(worth[at]) for each, at in ((chosen.a, 0), (chosen.b, chosen.full))}
        return Why(
            scenario=game.scenario.name, asked=game.asked, a=chosen.a.name, b=chosen.b.name, values=values,
            difference=mean_interval(worth[chosen.full] - worth[0]), parts=parts,
            worth={chosen.names(each): worth[each] for each in coalitions}, left_out=chosen.left_out,
            notes=[*self._chosen(chosen), *chosen.together],
            doubts=_all_doubts(_served(game, played, whole), _doubts(game, ends)),
            runs=played.runs, wanted=self.replications, complete=played.complete,
        )  # fmt: skip

    def _chosen(self, chosen: Cast) -> list[str]:
        """Which of more than two platforms these are."""
        count = len(self.scenario.platforms)
        told = f"Of {count} platforms those that are farthest apart: {chosen.a.name} and {chosen.b.name}"
        return [f"{told}; --platforms A,B for others."] if count > 2 else []

    def save(self, found: Why, folder: Path, plots: bool = True) -> None:
        """Write the answer (why.json), the parts (why.csv) and a figure; the folder is there when it is whole."""
        with whole(folder) as work:
            write_json(work / "why.json", {**found.to_dict(), "manifest": provenance(self.scenario)})
            write_table(work / PARTS, found.rows())
            if plots:
                found.draw(work / "why.png")


def _checked(asked: Asked, scenario: Scenario) -> Asked:
    if not asked.described.meaning and phase_metric(asked.metric) is None and asked.metric not in known():
        near = nearest(asked.metric, ["served", *known()])
        raise StudyError(f"{asked.metric}: no such metric{f'; did you mean {near}?' if near else ''}")
    names = [name for name, _ in scenario.expanded()]
    if asked.service not in ("all", *names):
        raise StudyError(f"{asked.service}: no such service, one of {', '.join(names[:10])}")
    return asked


def _ends(
    scenario: Scenario,
    replications: int,
    executor: Executor,
    played: Played,
    progress: Callable[[Progress], None] | None,
) -> list[RunTables]:
    """Every replication on the platforms as they are. Raises WhyError."""
    tasks = [RunTask(name, number, None) for number in range(replications) for name in scenario.platforms]
    found: list[RunTables] = []
    for outcome in executor.unordered(functools.partial(run_task, scenario=scenario), tasks):
        if outcome is None:
            continue
        if outcome.result is None:
            raise WhyError(f"a run failed ({outcome.task.platform}): {outcome.error}") from outcome.error
        found.append(outcome.result)
        played.runs += 1
        if progress is not None:
            progress(Progress(played.runs, state="the platforms themselves"))
    places = {name: place for place, name in enumerate(scenario.platforms)}
    return sorted(found, key=lambda run: (places[run.platform], run.replication))


def take_ends(game: Game, played: Played, ends: Sequence[RunTables]) -> None:
    """The two platforms themselves are the coalitions of none and of all."""
    found = values_of(ends, game.asked)
    for coalition, platform in ((0, game.cast.a), (game.cast.full, game.cast.b)):
        for number, each in found[platform.name].items():
            played.put(coalition, number, each)


def _parts(chosen: Cast, worth: dict[int, Any]) -> tuple[Part, ...]:
    count = len(chosen.players)
    shares, first, end = (each(count, worth) for each in (shapley.shapley, shapley.alone, shapley.last))
    return tuple(
        Part(
            player.name, mean_interval(shares[at]), mean_interval(first[at]), mean_interval(end[at]), shares[at],
            player.groups, player.differs,
        )
        for at, player in enumerate(chosen.players)
    )  # fmt: skip


def _served(game: Game, played: Played, whole: Sequence[int]) -> list[Doubt]:
    """A doubt where coalitions served different shares and the metric is of those that got through."""
    found = [(0.0, played.served[each][number]) for each in range(game.cast.full + 1) for number in whole]
    if not survivors(game.asked, found):
        return []
    shares = {each: math.fsum(played.served[each][number] for number in whole) / len(whole) for each in played.served}
    least, most = min(shares, key=lambda each: shares[each]), max(shares, key=lambda each: shares[each])
    if shares[most] - shares[least] <= ALIKE:
        return []
    told = " against ".join(f"{share(shares[each])} ({game.cast.told(each)})" for each in (least, most))
    text = f"served {told}: {game.asked.name} is of those"
    served = {game.cast.told(each): shares[each] for each in (least, most)}
    return [doubt("survivors", text, service=game.asked.service, served=served)]


def _all_doubts(between: Sequence[Doubt], ends: Sequence[Doubt]) -> list[Doubt]:
    """Those about the platforms between, and those about the two themselves that are not the same again."""
    said = {(each.code, each.service) for each in between}
    return in_order([*between, *(each for each in ends if (each.code, each.service) not in said)])


def _doubts(game: Game, ends: Sequence[RunTables]) -> list[Doubt]:
    """What makes the two platforms' own results doubtful."""
    scenario, pair = game.scenario, (game.cast.a, game.cast.b)
    both = scenario.model_copy(update={"platforms": {each.name: scenario.platforms[each.name] for each in pair}})
    warmup = scenario.warmup if isinstance(scenario.warmup, float) else 0.0
    runs = [run for run in ends if run.platform in both.platforms]
    found = observe(Evidence(both, runs, warmup), foresee(both, {each.name: each for each in pair}))
    return [each for each in found if each.code not in _ANSWERED]
