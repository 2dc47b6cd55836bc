"""The one line of every comparison: mainly because of what. Few further runs, of the first replication only.

The groups change over from the worse to the better platform in one order, and in its reverse (`shapley.both_ways`).
What is named is true of that replication; `why` says how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.experiment.attribution import shapley
from sim.experiment.attribution.answer import MAIN, MOST_TOLD
from sim.experiment.attribution.asking import Values, farthest, usual, values_of
from sim.experiment.attribution.game import SERVED, Asked, Game, Played, WhyError, play_all
from sim.experiment.attribution.groups import cast
from sim.experiment.replications.runner import platform_of
from sim.experiment.workers.executor import Executor
from sim.report.folder.tables import RunTables
from sim.report.metrics.numbers import listed
from sim.report.metrics.statistics import FEWEST, mean_interval
from sim.scenario import Scenario
from sim.terms.doubts import Doubt, touched

_ASK = "`python -m sim why FILE`"


def because(
    scenario: Scenario, runs: Sequence[RunTables], doubts: Sequence[Doubt], executor: Executor
) -> Mapping[str, Any] | None:
    """Why the best platform of finished runs leads the worst, in the scenario's usual metric; None: nothing to explain.

    `text` is the line, `parts` the shares of the groups (in the metric's unit). No further runs are made where they
    would be more than the runs that were made, or where the metric is doubtful: the line names the command then.
    """
    if len({run.platform for run in runs}) < 2:
        return None
    asked = usual(scenario, runs)
    values = values_of(runs, asked)
    a, b = farthest(scenario, values)
    first = min(values[a])
    apart = _apart(values, a, b)
    if not apart or (len(apart) >= FEWEST and not mean_interval(apart).excludes_zero):
        return None
    chosen = cast(platform_of(scenario, a), platform_of(scenario, b), scenario)
    count = len(chosen.players)
    between = shapley.needed(count)
    metric = "requests.completed" if asked.metric == SERVED else asked.metric
    if len(apart) < FEWEST or len(between) > len(runs) or touched(doubts, metric, asked.service):
        return {"text": f"Why {a} and {b} differ in {asked.label}: {_ASK}."} if count else None
    game, played = Game(scenario, chosen, asked), Played()
    for coalition, name in ((0, a), (chosen.full, b)):
        played.put(coalition, first, values[name][first])
    try:
        play_all(game, played, between, [first], executor)
    except WhyError:  # a run failed, or one of those between has no such metric: `why` tells
        return {"text": f"Why {a} and {b} differ in {asked.label}: {_ASK}."}
    worth = played.arrays((0, *between, chosen.full), [first])
    shares = shapley.both_ways(count, worth)[:, 0]
    parts = {player.name: float(each) for player, each in zip(chosen.players, shares, strict=True)}
    return {
        "platforms": [a, b],
        "metric": asked.name,
        "unit": asked.described.unit,
        "replication": first,
        "difference": float(worth[chosen.full][0] - worth[0][0]),
        "parts": parts,
        "runs": len(between),
        "text": _text(asked, a, b, parts, len(between)),
    }


def _apart(values: Values, a: str, b: str) -> list[float]:
    """The difference in each replication that both have; empty where it is not a number, or nothing."""
    shared = [number for number in values[a] if number in values[b]]
    found = [values[b][number][0] - values[a][number][0] for number in shared]
    return [] if any(map(math.isnan, found)) or not any(found) else found


def _text(asked: Asked, a: str, b: str, parts: Mapping[str, float], runs: int) -> str:
    whole = math.fsum(parts.values())
    along = {name: each / whole for name, each in parts.items() if whole and each / whole >= MAIN}
    named = sorted(along, key=lambda name: -along[name])[:MOST_TOLD]
    how = f"by {runs} further runs of replication 1; {_ASK} says how sure"
    if not named:
        return f"Why {a} and {b} differ in {asked.label}: no group stands out, {how}."
    told = listed(f"{name} ({100 * along[name]:.0f} %)" for name in named)
    return f"{b} and {a} differ in {asked.label} mainly because of {told}, {how}."
