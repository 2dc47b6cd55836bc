"""Arrival rates as functions of time, by the inverse of their integral.

The *mass* of a rate at time t is its integral from 0 to t: the mean number of arrivals until t. Mapping the
points of a unit-rate process (Poisson: sums of exponentials; even: 1, 2, 3, …) through the inverse gives the
arrivals of the process with that rate, exactly (Çınlar, Introduction to Stochastic Processes, 1975, section
4.7; for the even process k6's ramping-arrival-rate is defined in the same way).

Every inverse maps each element by itself, so that the result does not depend on how the masses were cut into
blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim.terms.records import Array

Steps = Sequence[float] | Array

#: Relative slack when asking whether a mass is still within the total: decimal durations and rates are not
#: exact in binary, and the last even arrival may fall on the very end of the last stage.
_MASS_SLACK = 1e-12
#: Masses a segment from which on going through the segments is faster than looking up each mass's own.
_MANY = 256
#: Keeps a division by a slope of zero finite where its result is not used.
_TINY = 1e-300


class Rate(Protocol):
    """The rate of an arrival process, given by the inverse of its mass."""

    def invert(self, mass: Array) -> Array:
        """Return the times [s], f8[m], m <= n, at which the ascending ``mass`` f8[n] is reached.

        Fewer than n times mean that the rest lies beyond the end of the process. May overwrite ``mass``.
        Blocks must be asked for in ascending order.
        """


class FlatRate:
    """The same rate [1/s] for ever."""

    def __init__(self, rate: float) -> None:
        """Take ``rate`` [1/s], 0 or more."""
        self._rate = rate

    def invert(self, mass: Array) -> Array:
        """Return mass / rate; nothing if the rate is 0."""
        if self._rate <= 0.0:
            return mass[:0]
        return np.divide(mass, self._rate, out=mass)


class PiecewiseLinearRate:
    """Rates that run linearly from one value to another, segment after segment, and end with the last one."""

    def __init__(self, durations: Steps, begin: Steps, end: Steps) -> None:
        """Take each segment's duration [s], 0 for a jump, and its rates [1/s] at begin and end."""
        lengths, first, last = (np.asarray(x, dtype=np.float64) for x in (durations, begin, end))
        keep = lengths > 0.0
        lengths, first, last = lengths[keep], first[keep], last[keep]
        self._first = first
        self._slope = (last - first) / lengths
        self._start = np.concatenate(([0.0], np.cumsum(lengths)))
        self._mass = np.concatenate(([0.0], np.cumsum(lengths * (0.5 * (first + last)))))

    @classmethod
    def of_stages(cls, start: float, stages: Sequence[tuple[float, float]]) -> PiecewiseLinearRate:
        """Return the rate of k6's ramping-arrival-rate: ``start`` [1/s], (duration [s], target [1/s])."""
        rates = [start, *(target for _, target in stages)]
        steps = list(pairwise(rates))
        return cls([duration for duration, _ in stages], [a for a, _ in steps], [b for _, b in steps])

    @property
    def total(self) -> float:
        """The mean number of arrivals of all segments."""
        return float(self._mass[-1])

    @property
    def end(self) -> float:
        """The time [s] at which the last segment ends."""
        return float(self._start[-1])

    def invert(self, mass: Array) -> Array:
        """Return the times at which ``mass`` is reached, segment by segment.

        Within a segment that starts at rate a with slope s, mass d is reached after 2 d / (a + sqrt(a² + 2 s
        d)): the root of a t + s t²/2 = d in the form that cancels nowhere and needs no special case at s = 0
        or a = 0.
        """
        total = self._mass[-1]
        mass = mass[: mass.searchsorted(total * (1.0 + _MASS_SLACK), side="right")]
        if mass.size == 0 or total <= 0.0:
            return mass[:0]
        np.minimum(mass, total, out=mass)
        # a mass on a boundary belongs to the segment that it ends, also when the next ones have rate 0
        low = int(self._mass[1:].searchsorted(mass[0], side="left"))
        high = int(self._mass[1:].searchsorted(mass[-1], side="left"))
        if low == high:
            return self._within(low, mass)
        last = mass.searchsorted(self._mass[low + 1 : high + 2], side="right")
        if mass.size < _MANY * last.size:
            return self._within(np.repeat(np.arange(low, high + 1), np.diff(last, prepend=0)), mass)
        first = 0
        for segment, end in enumerate(last.tolist(), low):
            if end > first:
                self._within(segment, mass[first:end])
            first = end
        return mass

    def _within(self, segment: int | NDArray[np.intp], mass: Array) -> Array:
        """Invert in place, in one segment or in each mass's own: the same operations, so the same bits."""
        rest = np.subtract(mass, self._mass[segment], out=mass)
        first, slope = self._first[segment], self._slope[segment]
        if isinstance(segment, int) and slope == 0.0:
            rest /= max(first, _TINY)  # what comes out below for a slope of 0, for less
        else:
            rest += rest
            root = rest * slope
            root += first * first
            np.sqrt(np.maximum(root, 0.0, out=root), out=root)
            root += first
            rest /= np.maximum(root, _TINY, out=root)
        rest += self._start[segment]
        return rest


class SineRate:
    """A rate that swings by a sine around its mean, once a period, for ever.

    rate(t) = mean + (peak - mean) sin(2 pi (t + phase) / period), between 2 mean - peak and peak.

    With e = (peak - mean) / mean and E = 2 pi (t + phase) / period + pi / 2, its mass obeys Kepler's
    equation, M = E - e sin E with M linear in the mass (Meeus, Astronomical Algorithms, 2nd ed., chapter 30),
    which is solved to the last few bits.
    """

    #: Cells of the table of starting points over half a turn; with so many one step is exact to rounding ...
    _CELLS = 2048
    #: ... unless the swing is above this, where the curve all but stops at a trough without traffic ...
    _STEEP = 0.9
    #: ... in E below this [rad], where Newton starts from a bound above the root instead.
    _FLAT = 0.4
    #: Newton's steps there: a cubic's root is reached from 2**(1/3) times the root in five; the rest is
    #: margin.
    _STEPS = 9

    def __init__(self, mean: float, peak: float, period: float, phase: float = 0.0) -> None:
        """Take ``mean`` and ``peak`` [1/s], ``period`` [s], ``phase`` [s].

        Raises ``ValueError`` unless 0 <= mean <= peak <= 2 mean and period > 0.
        """
        if not (0.0 <= mean <= peak <= 2.0 * mean and period > 0.0):
            raise ValueError(f"a diurnal rate needs 0 <= mean <= peak <= 2 mean, found {mean=} {peak=} {period=}")
        self._period_mass = mean * period
        self._period = period
        self._swing = (peak - mean) / mean if mean > 0.0 else 0.0
        self._phase = 2.0 * math.pi * math.fmod(phase / period, 1.0) + 0.5 * math.pi
        self._mass_phase = self._phase - self._swing * math.sin(self._phase)
        self._roots = np.linspace(0.0, math.pi, self._CELLS + 1)
        self._anomalies = self._roots - self._swing * np.sin(self._roots)

    def invert(self, mass: Array) -> Array:
        """Return the times at which ``mass`` is reached: as many as masses, or none if the rate is 0."""
        if self._period_mass <= 0.0:
            return mass[:0]
        mass = np.divide(mass, self._period_mass, out=mass)
        whole = np.floor(mass)
        mass -= whole
        mass *= 2.0 * math.pi
        root = self._solve(np.add(mass, self._mass_phase, out=mass))
        root -= self._phase
        root *= 1.0 / (2.0 * math.pi)
        root += whole
        root *= self._period
        return np.maximum(root, 0.0, out=root)

    def _solve(self, anomaly: Array) -> Array:
        """Solve E - e sin E = M for every M, using that E(M) is odd and advances with M by whole turns."""
        turns = np.rint(anomaly / (2.0 * math.pi)) * (2.0 * math.pi)
        anomaly -= turns
        size = np.abs(anomaly)
        guess = np.interp(size, self._anomalies, self._roots)
        root = self._halley(size, guess)
        if self._swing > self._STEEP:
            flat = np.flatnonzero(guess < self._FLAT)
            root[flat] = self._newton(size[flat])
        np.copysign(root, anomaly, out=root)
        root += turns
        return root

    def _halley(self, anomaly: Array, guess: Array) -> Array:
        sine, slope = self._swing * np.sin(guess), 1.0 - self._swing * np.cos(guess)
        excess = guess - sine - anomaly
        slope -= 0.5 * excess * sine / np.maximum(slope, _TINY)
        excess /= np.maximum(slope, _TINY)
        return guess - excess

    def _newton(self, anomaly: Array) -> Array:
        """Solve for the flat end from above, where Newton falls monotonically: it is convex on [0, pi].

        E - sin E >= E³ / 12 on [0, pi] and E (1 - e) <= M bound the root from above.
        """
        root = np.cbrt(12.0 * anomaly / self._swing)
        if self._swing < 1.0:
            np.minimum(root, anomaly / (1.0 - self._swing), out=root)
        for _ in range(self._STEPS):
            slope = 1.0 - self._swing * np.cos(root)
            excess = root - self._swing * np.sin(root) - anomaly
            root -= np.divide(excess, slope, out=np.zeros_like(root), where=(slope > 0.0) & (excess > 0.0))
        return root


class MarkovModulatedRate:
    """A rate that jumps between states at exponential times (MMPP: Fischer and Meier-Hellstern 1993).

    The states follow each other in the order given and start again; each lasts an exponential time of its own
    mean. The first one is drawn from the stationary law (a state's share of time), so that the mean rate is
    the long-run one from the start.
    """

    _BLOCK = 1024  # states drawn at once; part of the meaning of a seed, as blocks set where sums are rounded

    def __init__(self, states: Sequence[tuple[float, float]], stream: np.random.Generator, duration: float) -> None:
        """Take each state's (rate [1/s], mean duration [s]), the stream of durations and the end [s].

        Raises ``ValueError`` without states or if one's mean duration is not positive.
        """
        if not states or min(mean for _, mean in states) <= 0.0:
            raise ValueError(f"an mmpp needs states of positive mean duration, found {list(states)}")
        self._rates = np.array([rate for rate, _ in states], dtype=np.float64)
        self._means = np.array([mean for _, mean in states], dtype=np.float64)
        self._stream = stream
        self._duration = duration
        share = np.cumsum(self._means)
        self._state = int(np.searchsorted(share, stream.random() * share[-1], side="right"))
        self._time = self._mass = 0.0
        self._block = self._draw()

    def _draw(self) -> PiecewiseLinearRate:
        states = (self._state + np.arange(self._BLOCK)) % self._rates.size
        self._state = (self._state + self._BLOCK) % self._rates.size
        durations = self._stream.standard_exponential(self._BLOCK) * self._means[states]
        return PiecewiseLinearRate(durations, self._rates[states], self._rates[states])

    def invert(self, mass: Array) -> Array:
        """Return the times at which ``mass`` is reached, as far as the duration goes."""
        parts: list[Array] = []
        while mass.size and self._time < self._duration:
            here = int(mass.searchsorted(self._mass + self._block.total, side="right"))
            if here:
                inside = np.minimum(mass[:here] - self._mass, self._block.total)  # the difference is rounded
                parts.append(self._block.invert(inside) + self._time)
                mass = mass[here:]
            if mass.size:
                self._mass += self._block.total
                self._time += self._block.end
                self._block = self._draw()
        return np.concatenate(parts) if parts else mass[:0]
