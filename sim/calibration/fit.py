"""From measured starts to what a start consists of: CPU work, waits, locks.

CPU work is what the kernel counted, never what latencies suggest: with few starts at once, waits of one are hidden
behind the work of another, and the work comes out 26 to 42 % too low (runc on two CPUs, from 1 to 8 at once). What is
fitted is only where the rest of a start's time goes:

- `work`: mean core-s of a start at the greatest number at once of those fitted; a storm's starts find warm caches.
- `wait`: s that nothing shortens, lognormal, by a factor on the median of what single starts took beyond their work.
- `pieces`: in how many equal parts waits and work take turns: while one waits, another works.
- `lock`: the share of the waits in which only one start at a time can be. It must halve the error to be believed: on
  few CPUs a lock and a lack of CPUs look alike, but they do not go on alike.
- `share`: of the CPUs, what the starts could have; the rest went to others, and may not be more than the kernel counted
  of them. It is a circumstance of the measurement, not a property of a start: platforms do not have it.

Held against each other are the 10th, 50th and 90th percentile of each number at once, by the logarithm of their ratio;
the median counts twice, and numbers nearer to those that are to be predicted count more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim.calibration.predict import Model, Predictor
from sim.calibration.storm import Batch, CalibrationError

Array = NDArray[np.float64]
FITTED: Final = 8
"""The greatest number at once that is fitted; what is above is kept aside."""
WITHIN: Final = 0.15
"""How far off the median of what was kept aside may be to count as predicted."""
QUANTILES: Final = (10, 50, 90)
_WEIGHTS: Final = (1, 2, 1)
_PIECES: Final = (1, 2, 3)
_FACTORS: Final = (0.6, 0.8, 1.0)
_FINER: Final = (0.85, 0.93, 1.0, 1.07, 1.15)
_TAKEN: Final = (0.0, 0.25, 0.5)
"""Of what others had, the share that was taken from the starts; what is idle while starts wait costs them nothing."""
_LOCKS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
_BELIEVED: Final = 0.5


class Measured:
    """Starts by their number at once, on `cpus` CPUs. Raises CalibrationError without single ones and some at once."""

    def __init__(self, batches: Iterable[Batch], cpus: int) -> None:
        self.cpus = cpus
        self.batches: dict[int, list[Batch]] = {}
        for batch in batches:
            self.batches.setdefault(batch.starts[0].k, []).append(batch)
        if 1 not in self.batches or not any(1 < k <= FITTED for k in self.batches):
            raise CalibrationError(f"starts one by one and some of 2 to {FITTED} at once are needed to fit anything")

    @property
    def fitted(self) -> list[int]:
        """Numbers at once that are fitted, ascending."""
        return sorted(k for k in self.batches if k <= FITTED)

    def latency(self, k: int) -> Array:
        """Latencies at `k` at once, s."""
        return np.array([start.latency for batch in self.batches[k] for start in batch.starts])

    def work(self, k: int) -> float:
        """Mean CPU work of a start at `k` at once, core-s."""
        return float(np.mean([start.work for batch in self.batches[k] for start in batch.starts]))

    def others(self, k: int) -> float:
        """Share of the CPUs' time that others took, mean over the batches."""
        return float(np.mean([batch.others(self.cpus) for batch in self.batches[k]]))

    def interval(self, k: int) -> tuple[float, float]:
        """95 % of the median at `k` at once, s: batches drawn anew with replacement (bootstrap)."""
        parts = [np.array([start.latency for start in batch.starts]) for batch in self.batches[k]]
        draw = np.random.default_rng(1)
        drawn = (draw.integers(0, len(parts), len(parts)) for _ in range(500))
        medians = [np.median(np.concatenate([parts[i] for i in chosen])) for chosen in drawn]
        low, high = np.percentile(medians, (2.5, 97.5))
        return float(low), float(high)

    @cached_property
    def count(self) -> int:
        """Starts that are fitted."""
        return sum(len(batch.starts) for k in self.fitted for batch in self.batches[k])


@dataclass(frozen=True, slots=True)
class Line:
    """Some starts at once, measured and predicted: p50 [s] with 95 % intervals; `fitted`: known before.

    `n` starts, `work` the mean of theirs [core-s], `others` the share of the CPUs that others had.
    """

    k: int
    n: int
    measured: float
    low: float
    high: float
    predicted: float
    predicted_low: float
    predicted_high: float
    work: float
    others: float
    fitted: bool

    @property
    def off(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1


def fit(measured: Measured, predictor: Predictor) -> tuple[Model, float]:
    """The model that fits what was measured up to FITTED at once, and its error (root mean square of the log ratio)."""
    work = measured.work(measured.fitted[-1])
    low, median, high = np.percentile(np.maximum(measured.latency(1) - work, 0.0), (25, 50, 75))
    cv = _cv(float(low), float(high))
    start = Model(work, float(median) * (1 + cv**2) ** 0.5, cv)
    others = measured.others(measured.fitted[-1])
    tried = (replace(start, wait=start.wait * factor, pieces=pieces, share=1 - others * taken)
             for pieces, factor, taken in product(_PIECES, _FACTORS, _TAKEN))  # fmt: skip
    best = _best(dict.fromkeys(tried), measured, predictor)
    best = _best((replace(best[0], wait=best[0].wait * factor) for factor in _FINER), measured, predictor)
    if not start.wait:
        return best
    locked = _best((replace(best[0], lock=lock) for lock in _LOCKS), measured, predictor)
    return locked if locked[1] < _BELIEVED * best[1] else best


def _cv(low: float, high: float) -> float:
    """Coefficient of variation of a lognormal with these quartiles: σ = ln(high / low) / 1.349, cv² = exp(σ²) - 1."""
    if low <= 0 or high <= low:
        return 0.0
    sigma = min(1.0, float(np.log(high / low)) / 1.349)
    return float(np.sqrt(np.expm1(sigma**2)))


def _best(models: Iterable[Model], measured: Measured, predictor: Predictor) -> tuple[Model, float]:
    found = [(misfit(model, measured, predictor), number, model) for number, model in enumerate(models)]
    least, _, model = min(found, key=lambda each: each[:2])
    return model, least


def misfit(model: Model, measured: Measured, predictor: Predictor) -> float:
    """Weighted root mean square over numbers at once and QUANTILES of ln(predicted / measured)."""
    ratios, weights = [], []
    for k in measured.fitted:
        said = np.percentile(np.concatenate(predictor.latencies(model, k)), QUANTILES)
        ratios.append(np.log(said / np.percentile(measured.latency(k), QUANTILES)))
        weights.append(np.array(_WEIGHTS) * (1 + np.log2(k)))
    return float(np.sqrt(np.average(np.square(ratios), weights=np.array(weights))))


def lines(model: Model, measured: Measured, predictor: Predictor) -> list[Line]:
    """What was measured beside what the simulator says, by the number at once."""
    return [_line(k, model, measured, predictor) for k in sorted(measured.batches)]


def _line(k: int, model: Model, measured: Measured, predictor: Predictor) -> Line:
    said = predictor.latencies(model, k)
    low, high = np.percentile([np.median(each) for each in said], (2.5, 97.5))
    own = measured.latency(k)
    predicted = float(np.median(np.concatenate(said)))
    return Line(
        k, own.size, float(np.median(own)), *measured.interval(k), predicted, float(low), float(high),
        measured.work(k), measured.others(k), k <= FITTED,
    )  # fmt: skip


def verdict(found: Sequence[Line]) -> str:
    """How well what was kept aside was predicted, in a sentence."""
    aside = [line for line in found if not line.fitted]
    if not aside:
        return f"Nothing was kept aside: how well this predicts more than {FITTED} at once is not known."
    numbers = ", ".join(f"{line.k} at once {line.off:+.0%}" for line in aside)
    if all(abs(line.off) <= WITHIN for line in aside):
        return f"It predicts what it was not fitted to: {numbers} in the median (within {WITHIN:.0%})."
    most = max((line.k for line in found if line.fitted), default=1)
    return (
        f"It does NOT predict what it was not fitted to: {numbers} in the median (more than {WITHIN:.0%}); "
        f"do not use it for more than {most} at once."
    )
