"""Samples of the timeline, many in one call: between two events of control only the data plane changes."""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import inline
from sim.engine.control import take_sample
from sim.engine.kernel import advance
from sim.engine.layout import REACHED, word


@inline
def sample_on(a: Arrays, first: int, guests: int, services: int, count: int) -> int:
    """Advance to `count` times of `sample_time` from `first` on, and take a sample at each (`state.sampled`: so many).

    Returns why it stopped, as `advance` does.
    """
    state = a.state[0]
    state["sampled"] = 0
    for i in range(count):
        row = word(first + i)
        t = a.sample_time[row]
        if state["next"] <= t:
            reason = advance(a, t)
            if reason != REACHED:
                return reason
        state["now"] = t
        take_sample(a, row, guests, services)
        a.sample[row]["peak"] = state["memory_peak"]
        state["memory_peak"] = state["memory"]
        state["sampled"] = i + 1
    return REACHED
