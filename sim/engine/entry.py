"""The one way into compiled code: all operations of the data plane by number.

Each compiled entry point has its own copy of everything that it calls, optimised anew: with one instead of
eighteen, the first start of a machine compiles in half the time. Only `compiling.calling` imports this module, where
there is no machine code yet: that of numba takes twenty times as long as loading it.
"""

from __future__ import annotations

from typing import Any

from sim.engine import control as c
from sim.engine import layout as lay
from sim.engine.compiling.jit import inline
from sim.engine.compiling.rows import arrays_of
from sim.engine.counting import count_bins, count_rows
from sim.engine.kernel import advance
from sim.engine.sampling import sample_on


@inline
def enter(handle: Any, op: int, who: int, i: int, j: int, x: float, y: float, t: float) -> int:
    """Do `op` (`layout`) at `t` to guest, service or pool `who`; what i, j, x, y are is seen below. Most return 0."""
    a = arrays_of(handle)
    if op == lay.ADVANCE:
        return advance(a, x)
    if op == lay.SAMPLE_ON:
        return int(sample_on(a, who, i, j, int(x)))
    if op <= lay.TAKE_SAMPLE:
        a.state[0]["now"] = t
    if op < lay.BOOK_WORK:
        a.state[0]["next"] = t  # control changes something: the forecast is void
    if op == lay.CLOSE_GUEST:
        return int(c.close_guest(a, who))
    if op == lay.START_TASK:
        c.start_task(a, who, x, i, j)
    elif op == lay.OPEN_GUEST:
        c.open_guest(a, who)
    elif op == lay.KILL_GUEST:
        c.kill_guest(a, who)
    elif op == lay.RELEASE_GUEST:
        c.release_guest(a, who)
    elif op == lay.BIND:
        c.bind(a, who)
    elif op == lay.SET_PAUSED:
        c.set_paused(a, who, i != 0)
    elif op == lay.SET_SHARE:
        c.set_share(a, who, x, y, i, j)
    elif op == lay.SET_QUOTA:
        c.set_quota(a, who, x, y)
    elif op == lay.SET_MEMORY:
        c.set_memory(a, who, x, i)
    elif op == lay.SEND_AWAY:
        c.send_away(a, who, i)
    elif op == lay.CHARGE_HOST:
        c.charge_host(a, x)
    elif op == lay.START_CLIENTS:
        c.start_clients(a, who)
    elif op == lay.SET_CAPACITY:
        c.set_capacity(a, who, x)
    elif op == lay.START_FLOW:
        c.start_transfer(a, who, x)
    elif op == lay.STOP_FLOW:
        c.stop_transfer(a, who)
    elif op == lay.BOOK_WORK:
        c.book_work(a)
    elif op == lay.TAKE_SAMPLE:
        c.take_sample(a, who, i, j)
    elif op == lay.END_RUN:
        c.end_run(a, i, j)
    elif op == lay.FREE_SLOTS:
        c.free_slots(a, i, j)
    elif op == lay.REBUILD_TREE:
        c.rebuild_tree(a, who)
    elif op == lay.COUNT_ROWS:
        return int(count_rows(a, x, i))
    elif op == lay.COUNT_BINS:
        count_bins(a, i)
    return 0
