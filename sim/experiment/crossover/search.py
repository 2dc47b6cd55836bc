"""Searching an axis for its crossing: few values first, then more where the better platform changes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np

from sim.experiment.crossover.crossing import Crossover, CrossoverError, better_side, crossover
from sim.experiment.replications.runner import Evaluate, evaluate_run
from sim.experiment.study import Progress
from sim.experiment.workers.executor import Executor, SerialExecutor
from sim.terms.records import Array


class Search(TypedDict, total=False):
    """What is searched for, and how; see `find_crossover`."""

    metric: str
    service: str
    points: int
    whole: bool
    progress: Callable[[Progress], None] | None


def find_crossover(
    scenario_at: Callable[[Any], Any],
    a: str,
    b: str,
    low: float,
    high: float,
    *,
    metric: str = "response.p99",
    service: str = "all",
    replications: int = 5,
    points: int = 5,
    refinements: int = 5,
    whole: bool = False,
    executor: Executor | None = None,
    evaluate: Evaluate = evaluate_run,
    progress: Callable[[Progress], None] | None = None,
) -> Crossover:
    """Search between `low` and `high`: `points` values first, then halving around the first crossing.

    It stops when the gap around the crossing is a small part of the interval (more values would only measure noise),
    after `refinements` halvings, or between neighbours when values are `whole`. `progress` is called after each round.
    Raises CrossoverError when a run fails or the metric has no better side.
    """
    side = better_side(metric)
    run = functools.partial(_pairs, scenario_at, (a, b), metric, service, replications)
    executor = executor or SerialExecutor()
    raw = np.linspace(low, high, points)
    seen: dict[float, Array] = run({_rounded(value, whole) for value in raw}, executor, evaluate)
    for halving in range(refinements + 1):
        values = sorted(seen)
        every = np.array([seen[value] for value in values])
        both, shares = every[:, :, :, 0], every[:, :, :, 1].mean(axis=2)
        found = crossover(
            values,
            both[:, 0] - both[:, 1],
            a=a,
            b=b,
            metric=metric,
            better=side,
            runs=2 * replications * len(seen),
        )
        middle = _middle(found, whole)
        if progress is not None:
            progress(Progress(found.runs, state="" if middle is None else f"trying {middle:g}"))
        if middle is None or halving == refinements:
            served = {} if np.isnan(shares).any() else {a: shares[:, 0], b: shares[:, 1]}
            return replace(found, series={a: both[:, 0], b: both[:, 1]}, served=served)
        seen.update(run({middle}, executor, evaluate))
    raise AssertionError("not reached")


def _rounded(value: float, whole: bool) -> float:
    return round(value) if whole else float(value)


def _middle(found: Crossover, whole: bool) -> float | None:
    """The next value to run: between the neighbours of the first crossing; None when that would tell nothing."""
    if not found.crossings:
        return None
    crossing = found.crossings[0]
    right = next(
        index for index, value in enumerate(found.values) if value > crossing.at or index + 1 == len(found.values)
    )
    below, above = found.values[max(right - 1, 0)], found.values[right]
    if whole and above - below <= 1:
        return None
    if crossing.low is not None and crossing.high is not None and above - below < (crossing.high - crossing.low) / 4:
        return None
    middle = _rounded((below + above) / 2, whole)
    return None if middle in (below, above) else middle


def _pairs(
    scenario_at: Callable[[Any], Any],
    platforms: tuple[str, str],
    metric: str,
    service: str,
    replications: int,
    values: set[float],
    executor: Executor,
    evaluate: Evaluate,
) -> dict[float, Array]:
    """The metric and the share of requests completed (2, replications, 2) on both platforms at each value."""
    tasks = [
        ((value, platform, replication), scenario)
        for value in sorted(values)
        for scenario in [scenario_at(value)]
        for platform in platforms
        for replication in range(replications)
    ]
    seen: dict[tuple[float, str, int], tuple[float, float]] = {}
    work = functools.partial(_measure, evaluate=evaluate, metric=metric, service=service)
    for outcome in executor.unordered(work, tasks):
        if outcome is None:
            continue
        key = outcome.task[0]
        if outcome.error is not None:
            raise CrossoverError(f"a run failed ({key[1]}, value {key[0]}): {outcome.error}") from outcome.error
        if outcome.result is None:
            raise CrossoverError(f"{metric} of {service} is missing ({key[1]}, value {key[0]}, replication {key[2]})")
        seen[key] = outcome.result
    return {
        value: np.array([[seen[value, name, each] for each in range(replications)] for name in platforms])
        for value in values
    }


def _measure(
    task: tuple[tuple[float, str, int], Any], evaluate: Evaluate, metric: str, service: str
) -> tuple[float, float] | None:
    """The metric, and completed / arrived (NaN where nothing arrived); None where the run has no such metric."""
    (_, platform, replication), scenario = task
    rows = evaluate(scenario, platform, replication)
    found = {row.metric: float(row.value) for row in rows if row.service == service}
    if metric not in found:
        return None
    arrived = found.get("requests.arrived", 0.0)
    return found[metric], found.get("requests.completed", 0.0) / arrived if arrived else math.nan
