"""Measured beside predicted: statistics of each repetition, and their medians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.calibration.recordings import Case, Group, Measurements
from validation.predict import RULES, Prediction, predict

STATISTICS: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "p50": lambda values: float(np.median(values)),
    "p99": lambda values: float(np.percentile(values, 99)),
}


@dataclass(frozen=True, slots=True)
class Said:
    """One rule's answer to one repetition of a group: statistics [s], throttled periods (ratio) and time [s]."""

    statistics: dict[str, float]
    ratio: float | None
    time: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One repetition of a group: how many requests, what was measured, and what each rule says to the same ones."""

    requests: int
    measured: Said
    predicted: dict[str, Said]
    background: float
    steal: float

    def error(self, what: str, rule: str = RULES[0]) -> float:
        """Predicted / measured - 1 of a statistic."""
        return self.predicted[rule].statistics[what] / self.measured.statistics[what] - 1


@dataclass(frozen=True, slots=True)
class Line:
    """A group of a case with all its repetitions."""

    case: Case
    group: Group
    pairs: tuple[Pair, ...]

    def median(self, of: Callable[[Pair], float | None]) -> float | None:
        """Median over repetitions; None where a repetition has none."""
        values = [value for value in map(of, self.pairs) if value is not None]
        return float(np.median(values)) if len(values) == len(self.pairs) else None


def compare(measurements: Measurements, rules: Sequence[str] = RULES) -> list[Line]:
    """Predict every repetition of every case by each rule."""
    lines = []
    for case in measurements.cases:
        pairs: dict[str, list[Pair]] = {group.name: [] for group in case.groups}
        for number, seen in enumerate(case.repetitions):
            requests = measurements.of(case, number)
            said = {rule: predict(case, requests, rule) for rule in rules}
            for name, frame in requests.groupby("group", observed=True):
                response = (frame["finish"] - frame["arrival"]).to_numpy()
                counted = seen.throttling.get(str(name))
                own = {rule: each[str(name)] for rule, each in said.items()}
                pairs[str(name)].append(_pair(response, counted, own, seen.machine))
        lines += [Line(case, group, tuple(pairs[group.name])) for group in case.groups]
    return lines


def _pair(
    response: NDArray[np.float64],
    counted: dict[str, float] | None,
    said: dict[str, Prediction],
    machine: dict[str, float],
) -> Pair:
    """Only requests that ended in time everywhere are compared: in reality, and in every replication."""
    ended = np.isfinite(response)
    for each in said.values():
        ended &= np.isfinite(each.response).all(axis=0)
    measured = Said(
        {name: of(response[ended]) for name, of in STATISTICS.items()},
        None if counted is None else counted["throttled"] / max(1, counted["periods"]),
        None if counted is None else counted["time"],
    )
    predicted = {
        rule: Said(
            {name: float(np.mean([of(row[ended]) for row in each.response])) for name, of in STATISTICS.items()},
            each.ratio,
            each.time,
        )
        for rule, each in said.items()
    }
    return Pair(int(ended.sum()), measured, predicted, machine["background"], machine["steal"])
