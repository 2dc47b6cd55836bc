"""What is to be done at once, what follows from completions, and alarms (waits that end, calls given up)."""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import word
from sim.engine.rules.heaps import alarm_push


@hot
def todo_push(a: Arrays, slot: int, what: int) -> None:
    """Do `what` (`layout`) about a request, at this instant."""
    state = a.state[0]
    row = a.todo[(state["todo_head"] + state["todo_n"]) & (a.todo.shape[0] - 1)]
    row["slot"] = slot
    row["what"] = what
    row["stamp"] = a.acts[slot]["stamp"]
    state["todo_n"] += 1


@inline
def set_alarm(a: Arrays, time: float, slot: int, what: int) -> None:
    """Do `what` about a request at `time`, if it is still there; equal times in the order in which they were set."""
    state = a.state[0]
    state["alarmed"] += 1
    order, n = word(state["alarmed"]), word(state["alarms"])
    state["alarms"] = n + 1
    alarm_push(a.alarms, n, time, order, slot, a.acts[slot]["stamp"], what)


@inline
def note_done(a: Arrays, guest: int, what: int) -> None:
    """Keep what has ended: a start-up task, a transfer of control's, or what kept a per-request guest from the next.

    What follows comes after all completions of this moment, by the guests' numbers.
    """
    if not a.guests[guest]["done"]:
        a.done[a.state[0]["done"]] = guest
        a.state[0]["done"] += 1
    a.guests[guest]["done"] = what
