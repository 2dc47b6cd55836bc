"""The rule of memory: what requests in service add to their guest and to the host (docs/model.md, Memory).

Only sums are kept here; who is killed when memory runs out is for the model to decide, so the kernel notes the
guest (or the host) and stops.
"""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.jit import inline


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
def check_guest(a: Arrays, guest: int) -> None:
    """Note a guest whose requests in service need more memory than it may have."""
    g = a.g[guest]
    if g["serving"] > g["max_serving"] and not g["oom"]:
        g["oom"] = 1
        a.pending[a.st[0]["pending"]] = guest
        a.st[0]["pending"] += 1
