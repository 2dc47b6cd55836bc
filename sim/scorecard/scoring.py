"""From samples to a line of the scorecard: predicted with its interval, known with its own, error and verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from sim.report.metrics.statistics import t_quantile
from sim.scorecard.building import Part, Plan
from sim.scorecard.measures import Sample, find
from sim.scorecard.running import Runs
from sim.scorecard.specs import Case

SAME: Final = 1e-9
"""Relative difference below which an exact answer is met: rounding."""
NEAR: Final = 0.20
"""Error up to which a prediction is called near where the source's own uncertainty does not cover it."""
NARROW: Final = 0.05
"""Half an interval / the value, at most, where the known value is exact: else agreement would mean nothing."""
BOOTSTRAPS: Final = 400

AGREES, NEARBY, MISSES, FAILED = "agrees", "near", "misses", "failed"
SCORED: Final = (AGREES, NEARBY, MISSES)
CALIBRATES, CONTEXT, UNCOVERED, NOT_RUN = "calibrates", "context", "not expressible", "not run"
VERDICTS: Final = {
    AGREES: "the known value, with the source's own uncertainty, meets the prediction's interval",
    NEARBY: f"it does not, or the source gives no uncertainty, but the error is at most {NEAR:.0%}",
    MISSES: "neither; the reason stands with it, where one is known",
    CALIBRATES: "the catalogue was fitted to it, so it is shown and not scored",
    CONTEXT: "for scale only: the source's conditions are too far away or not known",
    UNCOVERED: "no scenario can say this yet; it counts against coverage",
    FAILED: "it ran and gave no number; it counts against coverage",
    NOT_RUN: "what it is compared with is not on this machine, or --quick left it out; not counted",
}


@dataclass(frozen=True)
class Score:
    """A line of the scorecard. Values are SI; None where there is none. `error` is predicted / known − 1."""

    case: str
    kind: str
    topic: str
    platform: str
    source: str
    trust: str
    use: str
    calibrated_on: str
    predicted: float | None
    low: float | None
    high: float | None
    known: float | None
    bound: str
    unit: str
    error: float | None
    uncertainty: float | None
    uncertainty_of: str
    verdict: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(self.__dict__)


def unscored(case: Case, verdict: str, reason: str, known: float | None = None) -> Score:
    """A line without a prediction."""
    given = known if known is not None or case.known is None else case.known.value
    return _line(case, None, (None, None), given, None, own_uncertainty(case), verdict, reason)


def score(case: Case, plans: Sequence[Plan], runs: Runs, replications: int, known: float) -> Score:
    """The line of a case that was run. `plans`: one, or one a repetition of a measurement, whose mean counts."""
    for part in (part for plan in plans for part in plan.parts):
        if (broken := runs.error(part)) is not None:
            return unscored(case, FAILED, broken, known)
    found = [_value(case, plan, runs, replications) for plan in plans]
    middle = float(np.mean([each[0] for each in found]))
    if not math.isfinite(middle):
        told = f"no {case.predicted.measure if case.predicted else 'value'} came out of the runs"
        return unscored(case, FAILED, case.note or told, known)
    # means of independent repetitions: the half-widths add up in squares
    half = tuple(math.sqrt(sum(each[side] ** 2 for each in found)) / len(found) for side in (1, 2))
    low, high = middle - half[0], middle + half[1]
    error = middle / known - 1 if known else None
    uncertainty = own_uncertainty(case) if len(plans) == 1 else _spread(plans, [each[0] for each in found])
    verdict, why = judge(case, middle, (low, high), known, uncertainty)
    if case.use != "check":
        verdict, why = CALIBRATES if case.use == "calibrate" else CONTEXT, case.note or ""
    elif verdict != AGREES and case.note:
        why = case.note
    return _line(case, middle, (low, high), known, None if case.bound else error, uncertainty, verdict, why)


def own_uncertainty(case: Case) -> float | None:
    """The source's own, relative: 0 of what is exact; half its range; None where it gives none."""
    if case.uncertainty is not None:
        return case.uncertainty
    known = case.known
    if known is not None and known.low is not None and known.high is not None and known.value:
        return (known.high - known.low) / 2 / known.value
    return 0.0 if case.trust == "exact" else None


def _spread(plans: Sequence[Plan], values: Sequence[float]) -> float:
    """How far repetitions of a measurement differ from one another, arrivals apart: sd of measured / predicted."""
    ratios = [plan.known / value for plan, value in zip(plans, values, strict=True) if plan.known is not None]
    return float(np.std(ratios, ddof=1) / np.mean(ratios))


def judge(
    case: Case, value: float, ends: tuple[float, float], known: float, uncertainty: float | None
) -> tuple[str, str]:
    """Verdict and reason of a prediction."""
    low, high = ends
    slack = SAME * abs(known)
    if case.bound is not None:
        holds = low <= known + slack if case.bound == "at most" else high >= known - slack
        return (AGREES, "") if holds else (MISSES, "the bound does not hold")
    error = abs(value / known - 1) if known else math.inf
    own = (uncertainty or 0.0) * abs(known)
    if uncertainty is not None and low - slack <= known + own and high + slack >= known - own:
        if uncertainty == 0.0 and (high - low) / 2 > NARROW * abs(known):
            return MISSES, f"its interval is wider than ±{NARROW:.0%}, so that meeting it means little"
        return AGREES, ""
    if uncertainty == 0.0 or error > NEAR:
        return MISSES, ""
    return NEARBY, "the source gives no uncertainty" if uncertainty is None else "outside the source's uncertainty"


def _value(case: Case, plan: Plan, runs: Runs, replications: int) -> tuple[float, float, float]:
    """Prediction of a plan, and how far its interval reaches below and above it."""
    wanted = case.predicted
    assert wanted is not None
    factor = wanted.times / wanted.per
    terms = [
        None if part is None else _Term(part, runs.samples(part, replications))
        for part in (plan.value, plan.less, plan.over)
    ]

    def combined(number: Callable[[_Term], float]) -> float:
        value, less, over = (None if term is None else number(term) for term in terms)
        assert value is not None
        return factor * (value - (less or 0.0)) / (1.0 if over is None else over)

    with np.errstate(divide="ignore", invalid="ignore"):
        middle = combined(_Term.number)
        if replications > 1 and any(term.pooled for term in terms if term is not None):
            low, high = _bootstrapped(combined, replications, case.level)
            return middle, max(0.0, middle - low), max(0.0, high - middle)
        each = [combined(partial(_Term.of, replication=number)) for number in range(replications)]
    half = _half(each, case.level)
    return middle, half, half


class _Term:
    """A part's samples, one a replication."""

    def __init__(self, part: Part, samples: Sequence[Sample]) -> None:
        self.samples = samples
        measure = find(part.asked.measure)
        self.pooled, self._number = measure.pooled, measure.number

    def number(self) -> float:
        """Of all replications."""
        return self._number(np.concatenate(self.samples))

    def of(self, replication: int) -> float:
        """Of one replication."""
        return self._number(self.samples[replication])

    def drawn(self, rows: Sequence[int]) -> float:
        """Of replications drawn with repeats."""
        return self._number(np.concatenate([self.samples[row] for row in rows]))


def _bootstrapped(
    combined: Callable[[Callable[[_Term], float]], float], replications: int, level: float
) -> tuple[float, float]:
    """Percentile interval (Efron and Tibshirani 1993, chapter 13), replications being drawn as a whole."""
    generator = np.random.default_rng(1)
    values = []
    for _ in range(BOOTSTRAPS):
        rows = generator.integers(0, replications, replications).tolist()
        values.append(combined(partial(_Term.drawn, rows=rows)))
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _half(values: Sequence[float], level: float) -> float:
    """Half the t interval of a mean of replications; 0 where there is one, or all are the same."""
    found = np.asarray(values)
    found = found[np.isfinite(found)]
    if found.size < 2 or float(np.ptp(found)) <= SAME * float(np.abs(found).max()):
        return 0.0
    return float(t_quantile((1 + level) / 2, found.size - 1) * found.std(ddof=1) / math.sqrt(found.size))


def _line(
    case: Case,
    predicted: float | None,
    ends: tuple[float | None, float | None],
    known: float | None,
    error: float | None,
    uncertainty: float | None,
    verdict: str,
    reason: str,
) -> Score:
    return Score(
        case.case, case.kind, case.topic, case.platform, case.source, case.trust, case.use, case.calibrated_on or "",
        predicted, ends[0], ends[1], known, case.bound or "", unit_of(case), error, uncertainty,
        case.uncertainty_of or "", verdict, reason,
    )  # fmt: skip


def unit_of(case: Case) -> str:
    """What the numbers of a case are in: s, B, 1/s, ratio, 1, or the case's own word."""
    if case.predicted is None:
        return ""
    if case.predicted.unit is not None:
        return case.predicted.unit
    unit = "1" if case.predicted.over is not None else find(case.predicted.measure).unit
    return {"core-s": "s", "0/1": "1"}.get(unit, unit)
