"""Point processes: where the arrivals of one traffic source lie in time.

A process hands out its arrival times in ascending order, n at a time. What it hands out does not depend on
how it is asked: twice n gives what 2 n gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.model.traffic.rates import Rate
from sim.reading.recording import Recording
from sim.scenario import Trace
from sim.terms.records import Array


@dataclass(slots=True)
class Block:
    """Arrivals of a source or service: ``time`` f8[n] [s], ascending; ``demand`` f8[n] [core-s] if recorded.

    NaN in ``demand`` stands for a demand that is still to be drawn.
    """

    time: Array
    demand: Array | None = None

    def __getitem__(self, part: slice) -> Block:
        """Return a part of the block, as views."""
        return Block(self.time[part], None if self.demand is None else self.demand[part])


class Process(Protocol):
    """The arrivals of one source."""

    def take(self, n: int) -> Block:
        """Return the next n arrivals; fewer mean that there are no more after them."""


class PoissonProcess:
    """A Poisson process: sums of unit exponentials, through the inverse of the rate's mass."""

    def __init__(self, rate: Rate, stream: np.random.Generator) -> None:
        self._rate = rate
        self._stream = stream
        self._mass = 0.0

    def take(self, n: int) -> Block:
        """Return the next n arrivals."""
        mass = self._stream.standard_exponential(n)
        if n:
            mass[0] += self._mass  # accumulate adds from the left, so that blocks round as one sum would
            np.add.accumulate(mass, out=mass)
            self._mass = float(mass[-1])
        return Block(self._rate.invert(mass))


class EvenProcess:
    """Arrivals where the mass of the rate reaches ``first``, ``first`` + 1, …, without chance, as k6 does.

    k6 starts a constant-arrival-rate at time 0 (first = 0) and then every 1 / rate; a ramping-arrival-rate
    where the integral of the rate reaches 1, 2, … (first = 1): lib/executor/constant_arrival_rate.go,
    ramping_arrival_rate.go.
    """

    def __init__(self, rate: Rate, first: int) -> None:
        self._rate = rate
        self._next = first

    def take(self, n: int) -> Block:
        """Return the next n arrivals."""
        mass = np.arange(self._next, self._next + n, dtype=np.float64)
        self._next += n
        return Block(self._rate.invert(mass))


class TraceProcess:
    """Recorded arrivals."""

    def __init__(self, recorded: Block) -> None:
        self._recorded = recorded
        self._next = 0

    def take(self, n: int) -> Block:
        """Return the next n arrivals."""
        self._next += n
        return self._recorded[self._next - n : self._next]


def replay(recording: Recording, source: Trace, offset: float, stream: np.random.Generator, duration: float) -> Block:
    """Recorded arrivals as a source replays them: `offset` s after the first row of all of the scenario's traces.

    Times are counted × `scale`, then moved by `shift`; with `repeat` they come again until `duration`. A tenant's copy
    (`per_tenant`) begins at a row of its own and goes around (`shift`), or is as many rows drawn anew (`draw`).
    """
    times, demands = recording.times * source.scale, recording.demands
    if times.size == 0:
        return Block(times, demands)
    turn = _turn(times)
    if source.copies == "shift":
        times = (times + stream.random() * turn) % turn
    elif source.copies == "draw":
        rows = stream.integers(0, times.size, stream.poisson(times.size))
        times = (times[rows] + stream.random(rows.size) * turn / times.size) % turn
        demands = None if demands is None else demands[rows]
    if source.copies != "same":
        order = np.argsort(times, kind="stable")
        times, demands = times[order], None if demands is None else demands[order]
    begin = offset * source.scale + source.shift
    rounds = max(1, math.ceil((duration - begin) / turn)) if source.repeat and turn > 0.0 else 1
    if rounds > 1:
        times = np.concatenate([times + number * turn for number in range(rounds)])
        demands = None if demands is None else np.tile(demands, rounds)
    return Block(times + begin, demands)


def _turn(times: Array) -> float:
    """How long a recording lasts, s: until the row that would follow its last one at the mean distance."""
    last = float(times[-1])
    return last + last / (times.size - 1) if times.size > 1 else last
