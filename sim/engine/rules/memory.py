"""The rule of memory: what requests in service add to their guest, its pool and the host (docs/model.md, Memory).

Only sums are kept here; who is killed when memory runs out is for the model to decide, so the kernel notes the
guest (or the pool, or the host) and stops.
"""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.rules.sharing import pool_of


@inline
def charge(a: Arrays, t: float, amount: float) -> None:
    """Add `amount` bytes (negative: give back) to the host's use at `t`."""
    state = a.state[0]
    state["memory_integral"] += state["memory"] * (t - state["memory_mark"])
    state["memory_mark"] = t
    state["memory"] += amount
    if state["memory"] > state["memory_peak"]:
        state["memory_peak"] = state["memory"]
    if amount > 0.0 and state["memory"] > state["memory_limit"]:
        state["host_oom"] = 1


@inline
def charge_guest(a: Arrays, guest: int, t: float, amount: float) -> None:
    """Add `amount` bytes to the host's use for `guest`; where there are storeys, to its pool's too."""
    if a.guests[guest]["away"]:
        return
    charge(a, t, amount)
    state = a.state[0]
    if state["pools"] > 1:
        pool_row = a.pools[pool_of(a, guest)]
        pool_row["memory"] += amount
        if amount > 0.0 and pool_row["memory"] > pool_row["memory_limit"]:
            pool_row["oom"] = 1
            state["pool_oom"] = 1


@hot
def check_guest(a: Arrays, guest: int) -> None:
    """Note a guest whose requests in service need more memory than it may have."""
    guest_row = a.guests[guest]
    if guest_row["serving"] > guest_row["max_serving"] and not guest_row["oom"]:
        guest_row["oom"] = 1
        a.pending[a.state[0]["pending"]] = guest
        a.state[0]["pending"] += 1


@inline
def forgive_guest(a: Arrays, guest: int) -> None:
    """The guest is not out of memory, or no longer there: control need not hear of it any more."""
    if not a.guests[guest]["oom"]:
        return
    a.guests[guest]["oom"] = 0
    kept = 0
    for i in range(a.state[0]["pending"]):
        if a.pending[i] != guest:
            a.pending[kept] = a.pending[i]
            kept += 1
    a.state[0]["pending"] = kept
