"""What is to be done at once, first come first served, and alarms of requests (waits that end, calls given up)."""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import inline
from sim.engine.layout import word


@inline
def todo_push(a: Arrays, slot: int, what: int) -> None:
    """Do `what` (`layout`) about a request, at this instant."""
    state = a.state[0]
    row = a.todo[(state["todo_head"] + state["todo_n"]) & (a.todo.shape[0] - 1)]
    row["slot"] = slot
    row["what"] = what
    row["stamp"] = a.acts[slot]["stamp"]
    state["todo_n"] += 1


@inline
def alarm_push(a: Arrays, time: float, slot: int, what: int) -> None:
    """Do `what` about a request at `time`, if it is still there; equal times in the order in which they were set."""
    state = a.state[0]
    state["alarmed"] += 1
    order = word(state["alarmed"])
    i = word(state["alarms"])
    state["alarms"] = i + 1
    while i > 0:
        up = (i - 1) >> 1
        if a.alarms[up]["time"] <= time:
            break
        _copy(a, up, i)
        i = up
    row = a.alarms[i]
    row["time"] = time
    row["order"] = order
    row["slot"] = slot
    row["what"] = what
    row["stamp"] = a.acts[slot]["stamp"]


@inline
def _copy(a: Arrays, source: int, target: int) -> None:
    one = a.alarms[source]
    other = a.alarms[target]
    other["time"] = one["time"]
    other["order"] = one["order"]
    other["slot"] = one["slot"]
    other["what"] = one["what"]
    other["stamp"] = one["stamp"]


@inline
def _before(a: Arrays, i: int, j: int) -> bool:
    one = a.alarms[i]
    other = a.alarms[j]
    return bool(one["time"] < other["time"] or (one["time"] == other["time"] and one["order"] < other["order"]))


@inline
def alarm_pop(a: Arrays) -> None:
    """Take the first alarm off."""
    state = a.state[0]
    last = word(state["alarms"]) - 1
    state["alarms"] = last
    i = word(0)
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        if child + 1 < last and _before(a, child + 1, child):
            child += 1
        if not _before(a, child, last):
            break
        _copy(a, child, i)
        i = child
    _copy(a, last, i)
