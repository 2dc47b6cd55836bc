"""The rule of memory: what requests in service add to their guest, its pool and the host (docs/model.md, Memory).

Only sums are kept here; who is killed when memory runs out is for the model to decide, so the kernel notes the
guest (or the pool, or the host) and stops.
"""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.jit import inline
from sim.engine.sharing import pool_of


@inline
def charge(a: Arrays, t: float, amount: float) -> None:
    """Add `amount` bytes (negative: give back) to the host's use at `t`."""
    st = a.st[0]
    st["memory_integral"] += st["memory"] * (t - st["memory_mark"])
    st["memory_mark"] = t
    st["memory"] += amount
    if st["memory"] > st["memory_peak"]:
        st["memory_peak"] = st["memory"]
    if amount > 0.0 and st["memory"] > st["memory_limit"]:
        st["host_oom"] = 1


@inline
def charge_guest(a: Arrays, guest: int, t: float, amount: float) -> None:
    """Add `amount` bytes to the host's use for `guest`; where there are storeys, to its pool's too."""
    if a.g[guest]["away"]:
        return
    charge(a, t, amount)
    st = a.st[0]
    if st["pools"] > 1:
        p = a.p[pool_of(a, guest)]
        p["memory"] += amount
        if amount > 0.0 and p["memory"] > p["memory_limit"]:
            p["oom"] = 1
            st["pool_oom"] = 1


@inline
def check_guest(a: Arrays, guest: int) -> None:
    """Note a guest whose requests in service need more memory than it may have."""
    g = a.g[guest]
    if g["serving"] > g["max_serving"] and not g["oom"]:
        g["oom"] = 1
        a.pending[a.st[0]["pending"]] = guest
        a.st[0]["pending"] += 1


@inline
def forgive_guest(a: Arrays, guest: int) -> None:
    """The guest is not out of memory, or no longer there: control need not hear of it any more."""
    if not a.g[guest]["oom"]:
        return
    a.g[guest]["oom"] = 0
    kept = 0
    for i in range(a.st[0]["pending"]):
        if a.pending[i] != guest:
            a.pending[kept] = a.pending[i]
            kept += 1
    a.st[0]["pending"] = kept
