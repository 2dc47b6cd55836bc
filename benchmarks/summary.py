"""From the rounds of a cell to one line: medians, ratios to the reference, and the answer against theory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.harness import Cell, Outcome
from benchmarks.peers import REFERENCE
from benchmarks.theory import mean_response
from benchmarks.workload import Work

# An answer agrees when it is within 4 standard errors (by chance once in 16,000 cells) plus 0.2 % of theory:
# an empty start and the last, unaccompanied requests shift the mean of a short run by that order.
SIGMAS = 4.0
SLACK = 0.002


@dataclass(frozen=True)
class Line:
    """One cell summarised; rates in 1/s, times in s, memory in bytes."""

    cell: Cell
    requests: int
    rate: float
    rate_low: float
    rate_high: float
    ratio: float | None  # reference's rate / this rate, median over rounds
    memory: float
    mean: float
    error: float  # standard error of `mean`
    theory: float

    @property
    def deviation(self) -> float:
        """Relative difference of the mean response from theory."""
        return self.mean / self.theory - 1.0

    @property
    def agrees(self) -> bool:
        """Whether the answer is the theory's."""
        return abs(self.mean - self.theory) <= SIGMAS * self.error + SLACK * self.theory


def standard_error(measured: dict[str, object], theory: float) -> float:
    """A round's standard error, s: the driver's own, else from the number of requests.

    Without batches: 1.6 times theory's mean over the root of the number of requests. The standard deviation of a
    response is about its mean here and requests depend on their neighbours; 1.53 by batch means of 4,000,000
    requests of SimGrid on W, 1.60 of 500,000 of SimPy.
    """
    own = measured["se_response_s"]
    if isinstance(own, float):
        return own
    return 1.6 * theory / math.sqrt(max(1, int(str(measured["requests"]))))


def summarise(outcomes: list[Outcome]) -> list[Line]:
    """One line a cell, in the order of the cells."""
    reference = {(o.cell.guests, o.cell.asked, o.cell.purpose): o for o in outcomes if o.cell.peer.label == REFERENCE}
    return [_line(o, reference.get((o.cell.guests, o.cell.asked, o.cell.purpose))) for o in outcomes]


def _line(outcome: Outcome, reference: Outcome | None) -> Line:
    cell = outcome.cell
    rates = _rates(outcome)
    ratio = None
    if reference is not None:
        ratio = median(ours / theirs for ours, theirs in zip(_rates(reference), rates, strict=False))
    theory = mean_response(cell.peer.model, Work(guests=cell.guests))
    errors = [standard_error(measured, theory) for measured in outcome.rounds]
    return Line(
        cell=cell,
        requests=int(median(measured["requests"] for measured in outcome.rounds)),
        rate=median(rates),
        rate_low=min(rates),
        rate_high=max(rates),
        ratio=ratio,
        memory=median(measured["peak_rss_bytes"] for measured in outcome.rounds),
        mean=fmean(measured["mean_response_s"] for measured in outcome.rounds),
        error=math.sqrt(sum(e * e for e in errors)) / len(errors),
        theory=theory,
    )


def _rates(outcome: Outcome) -> list[float]:
    return [measured["requests"] / measured["wall_s"] for measured in outcome.rounds]
