"""The rule of sharing: weighted max-min fair CPU with caps, in O(log) per change (see docs/model.md, CPU).

Guest i with b jobs asks for d = min(cap, b) cores and is given min(d, level·weight). Guests of equal rho = d/weight
form a class: all its members are given min(rho, level) per unit of weight at every moment, so the class has one
virtual time V with dV/dt = min(rho, level) and the order in which its guests finish never changes.
A class with rho <= level is *saturated*: V runs at the constant speed rho, its next completion is a time of the
clock. All others run at the level itself, hence share one virtual time U of the pool, dU/dt = level. So two
heaps of classes, one by clock and one by U, give the next completion, and when the level moves, only the classes
that it crosses change heaps.

Pools are the second storey: each hands out its own capacity to its guests, and shares the host with other pools by
the same rule (containers inside VMs). A flat platform has one pool.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.heaps import class_move, class_remove, class_up, guest_down, guest_up
from sim.engine.jit import inline
from sim.engine.layout import WORK_BOOT, WORK_REQUEST, word

REFRESH = 4096  # updates after which the running sums are summed anew, so that rounding cannot build up


@inline
def pool_clock(a: Arrays, pool: int, t: float) -> None:
    """Bring the level time U of `pool` up to clock `t`."""
    p = a.p[pool]
    if p["n_unsaturated"] > 0:
        p["u"] += p["level"] * (t - p["mark"])
    p["mark"] = t


@inline
def class_v(a: Arrays, cls: int, t: float) -> float:
    """Virtual time of class `cls` at clock `t`; its pool's clock stands at `t`."""
    k = a.k[cls]
    if k["n"] == 0:
        return k["v"]
    if k["saturated"]:
        return k["v"] + k["rho"] * (t - k["mark"])
    return k["v"] + (a.p[k["pool"]]["u"] - k["mark"])


@inline
def class_key(a: Arrays, cls: int) -> None:
    """Work out when the class's first guest completes: clock if saturated, level time if not."""
    k = a.k[cls]
    ahead = a.heap[k["heap"]]["key"] - k["v"]
    if k["saturated"]:
        k["key"] = k["mark"] + ahead / k["rho"]
    else:
        k["key"] = k["mark"] + ahead


@inline
def class_join_heap(a: Arrays, cls: int) -> None:
    """Put an active class into the heap of its side and its weight into that side's sum."""
    k = a.k[cls]
    p = a.p[k["pool"]]
    base = p["order"]
    class_key(a, cls)
    if k["saturated"]:
        a.saturated[base + p["n_saturated"]] = cls
        p["n_saturated"] += 1
        p["demand"] += k["rho"] * k["weight"]
        class_up(a.k, a.saturated, base, word(p["n_saturated"]) - 1)
    else:
        a.unsaturated[base + p["n_unsaturated"]] = cls
        p["n_unsaturated"] += 1
        p["unsaturated"] += k["weight"]
        class_up(a.k, a.unsaturated, base, word(p["n_unsaturated"]) - 1)


@inline
def class_leave_heap(a: Arrays, cls: int) -> None:
    """Take a class out of the heap of its side and its weight out of that side's sum."""
    k = a.k[cls]
    p = a.p[k["pool"]]
    base = p["order"]
    if k["saturated"]:
        class_remove(a.k, a.saturated, base, word(p["n_saturated"]), word(k["pos"]))
        p["n_saturated"] -= 1
        p["demand"] -= k["rho"] * k["weight"]
        if p["n_saturated"] == 0:
            p["demand"] = 0.0
    else:
        class_remove(a.k, a.unsaturated, base, word(p["n_unsaturated"]), word(k["pos"]))
        p["n_unsaturated"] -= 1
        p["unsaturated"] -= k["weight"]
        if p["n_unsaturated"] == 0:
            p["unsaturated"] = 0.0
            p["u"] = 0.0  # nobody reads it now: start again with small numbers


@inline
def class_rekey(a: Arrays, cls: int) -> None:
    """The class's first guest changed: restore the heap of classes."""
    k = a.k[cls]
    p = a.p[k["pool"]]
    class_key(a, cls)
    if k["saturated"]:
        class_move(a.k, a.saturated, p["order"], word(p["n_saturated"]), word(k["pos"]))
    else:
        class_move(a.k, a.unsaturated, p["order"], word(p["n_unsaturated"]), word(k["pos"]))


@inline
def account(a: Arrays, guest: int, v: float) -> None:
    """Book the work that `guest` was given up to class virtual time `v`."""
    g = a.g[guest]
    work = (v - g["work_mark"]) * g["weight"]
    g["work_mark"] = v
    s = a.s[g["service"]]
    if g["away"]:
        if g["task"] == WORK_REQUEST:
            s["work_away"] += work
    elif g["task"] == WORK_REQUEST:
        s["work_request"] += work
    elif g["task"] == WORK_BOOT:
        s["work_boot"] += work
    else:
        s["work_start"] += work


@inline
def guest_sync(a: Arrays, guest: int, t: float) -> None:
    """Bring the guest's per-job work `v` up to clock `t` (before its jobs change)."""
    g = a.g[guest]
    if g["cls"] >= 0:
        v = class_v(a, word(g["cls"]), t)
        g["v"] += (v - g["mark"]) * g["weight"] / g["busy"]
        g["mark"] = v
        account(a, guest, v)


@inline
def heap_insert(a: Arrays, guest: int, cls: int, key: float) -> None:
    """Put a guest into its class's heap and weight; the class is in a heap of its pool afterwards."""
    k = a.k[cls]
    base = k["heap"]
    n = word(k["n"])
    a.heap[base + n]["guest"] = guest
    a.heap[base + n]["key"] = key
    k["n"] = n + 1
    guest_up(a.g, a.heap, base, n)
    weight = a.g[guest]["weight"]
    k["weight"] += weight
    if n == 0:
        class_join_heap(a, cls)
        return
    p = a.p[k["pool"]]
    if k["saturated"]:
        p["demand"] += k["rho"] * weight
    else:
        p["unsaturated"] += weight
    if a.g[guest]["pos"] == 0:
        class_rekey(a, cls)


@inline
def heap_delete(a: Arrays, guest: int, cls: int) -> None:
    """Take a guest out of its class's heap and weight."""
    k = a.k[cls]
    base = k["heap"]
    n = word(k["n"]) - 1
    if n == 0:
        class_leave_heap(a, cls)
        k["n"] = 0
        k["weight"] = 0.0
        return
    weight = a.g[guest]["weight"]
    i = word(a.g[guest]["pos"])
    k["n"] = n
    k["weight"] -= weight
    if i < n:
        a.heap[base + i]["guest"] = a.heap[base + n]["guest"]
        a.heap[base + i]["key"] = a.heap[base + n]["key"]
        a.g[a.heap[base + i]["guest"]]["pos"] = i
        if i > 0 and a.heap[base + i]["key"] < a.heap[base + ((i - 1) >> 1)]["key"]:
            guest_up(a.g, a.heap, base, i)
        else:
            guest_down(a.g, a.heap, base, n, i)
    p = a.p[k["pool"]]
    if k["saturated"]:
        p["demand"] -= k["rho"] * weight
    else:
        p["unsaturated"] -= weight
    if i == 0:
        class_rekey(a, cls)


@inline
def class_mark(a: Arrays, cls: int, t: float, v: float) -> None:
    """Restart the class's virtual clock at (`t`, `v`)."""
    k = a.k[cls]
    k["v"] = v
    k["mark"] = t if k["saturated"] else a.p[k["pool"]]["u"]


@inline
def guest_place(a: Arrays, guest: int, t: float) -> None:
    """Put the guest, whose `v` stands at `t` and whose jobs have changed, where it now belongs."""
    g = a.g[guest]
    busy = g["busy"]
    old = word(g["cls"])
    if busy == 0 or g["paused"]:
        if old >= 0:
            heap_delete(a, guest, old)
            g["cls"] = -1
        return
    new = word(a.profile[g["profile"] + min(busy, g["levels"]) - 1])
    ahead = (a.job[g["jobs"]]["tag"] - g["v"]) * busy / g["weight"]
    if old == new:
        k = a.k[new]
        base = k["heap"]
        i = word(g["pos"])
        a.heap[base + i]["key"] = class_v(a, new, t) + ahead
        if i > 0 and a.heap[base + i]["key"] < a.heap[base + ((i - 1) >> 1)]["key"]:
            guest_up(a.g, a.heap, base, i)
            if g["pos"] == 0:
                class_rekey(a, new)
        else:
            guest_down(a.g, a.heap, base, word(k["n"]), i)
            if i == 0:
                class_rekey(a, new)
        return
    if old >= 0:
        heap_delete(a, guest, old)
    k = a.k[new]
    if k["n"] == 0:  # an idle class starts at zero: small numbers keep their digits
        k["saturated"] = k["rank"] < a.p[k["pool"]]["boundary"]
        class_mark(a, new, t, 0.0)
    v = class_v(a, new, t)
    g["cls"] = new
    g["mark"] = v
    g["work_mark"] = v
    heap_insert(a, guest, new, v + ahead)


@inline
def class_cross(a: Arrays, cls: int, t: float, saturated: bool) -> None:
    """The level has passed this class's rho: move it to the other side."""
    k = a.k[cls]
    if k["n"] == 0:
        return
    v = class_v(a, cls, t)
    class_leave_heap(a, cls)
    k["saturated"] = saturated
    class_mark(a, cls, t, v)
    class_join_heap(a, cls)


@inline
def sum_anew(a: Arrays, pool: int) -> None:
    """Recompute the sums of a pool from its classes."""
    p = a.p[pool]
    demand = 0.0
    weight = 0.0
    for i in range(p["classes"]):
        k = a.k[a.order[p["order"] + i]]
        if k["n"] > 0:
            if k["saturated"]:
                demand += k["rho"] * k["weight"]
            else:
                weight += k["weight"]
    p["demand"] = demand
    p["unsaturated"] = weight


@inline
def level_of(a: Arrays, pool: int) -> float:
    """Water level for the present sides: inf when nobody is short, -inf when the saturated alone overflow."""
    p = a.p[pool]
    if p["n_unsaturated"] > 0:
        return (p["capacity"] - p["demand"]) / p["unsaturated"]
    return np.inf if p["demand"] <= p["capacity"] else -np.inf


@inline
def settle(a: Arrays, pool: int, t: float) -> None:
    """Find the water level after a change at `t`, and move the classes that it has crossed."""
    p = a.p[pool]
    p["updates"] += 1
    if p["updates"] >= REFRESH:
        p["updates"] = 0
        sum_anew(a, pool)
    base = p["order"]
    level = level_of(a, pool)
    while p["n_unsaturated"] > 0 and a.k[a.order[base + p["boundary"]]]["rho"] <= level:
        cls = word(a.order[base + p["boundary"]])
        p["boundary"] += 1
        if a.k[cls]["n"] > 0:
            class_cross(a, cls, t, a.k[cls]["rho"] <= level)
            level = level_of(a, pool)
    while p["boundary"] > 0 and a.k[a.order[base + p["boundary"] - 1]]["rho"] > level:
        p["boundary"] -= 1
        cls = word(a.order[base + p["boundary"]])
        if a.k[cls]["n"] > 0:
            class_cross(a, cls, t, a.k[cls]["rho"] <= level)
            level = level_of(a, pool)
    p["level"] = level


@inline
def wanted(a: Arrays, pool: int) -> float:
    """Cores that the guests of `pool` could use now, within the pool's cap."""
    p = a.p[pool]
    total = p["demand"]
    for i in range(p["n_unsaturated"]):
        k = a.k[a.unsaturated[p["order"] + i]]
        total += k["rho"] * k["weight"]
    return min(p["cap"], total)


@inline
def share_host(a: Arrays, t: float) -> None:
    """Give each pool (index 1 and up) its share of the host, pool 0's capacity, by the same max-min rule.

    A pool that is not short keeps its full cap as capacity (what it cannot use is not missed); a short one is
    given level x weight. O(pools) per pass, as many passes as pools turn out not to be short.
    """
    n = word(a.st[0]["pools"])
    left = a.p[0]["cap"]
    weight = 0.0
    for i in range(1, n):
        a.p[i]["saturated_host"] = a.p[i]["far"]  # it keeps its capacity, and its weight is 0
        weight += a.p[i]["weight"]
    level = np.inf
    moved = True
    while moved and weight > 0.0:
        moved = False
        level = left / weight
        for i in range(1, n):
            p = a.p[i]
            if not p["saturated_host"] and p["wanted"] <= level * p["weight"]:
                p["saturated_host"] = True
                left -= p["wanted"]
                weight -= p["weight"]
                moved = True
                if weight <= 0.0:
                    break
                level = left / weight
    for i in range(1, n):
        p = a.p[i]
        capacity = p["cap"] if p["saturated_host"] else level * p["weight"]
        if capacity != p["capacity"]:
            pool_clock(a, i, t)
            p["capacity"] = capacity
            settle(a, i, t)


@inline
def changed(a: Arrays, guest: int, t: float) -> None:
    """After `guest_place`: let the level of its pool, and of the other pools, find its place."""
    pool = pool_of(a, guest)
    settle(a, pool, t)
    if a.st[0]["pools"] > 1 and pool > 0 and not a.p[pool]["far"]:
        want = wanted(a, pool)
        if want != a.p[pool]["wanted"]:
            a.p[pool]["wanted"] = want
            share_host(a, t)


@inline
def pool_of(a: Arrays, guest: int) -> int:
    """The pool that `guest` draws on."""
    return word(a.k[a.profile[a.g[guest]["profile"]]]["pool"])


@inline
def next_completion(a: Arrays, pool: int) -> float:
    """Clock time of the pool's next completion, inf if none; its level time stands at its `mark`."""
    p = a.p[pool]
    best = np.inf
    if p["n_saturated"] > 0:
        best = a.k[a.saturated[p["order"]]]["key"]
    if p["n_unsaturated"] > 0 and p["level"] > 0.0:
        ahead = a.k[a.unsaturated[p["order"]]]["key"] - p["u"]
        best = min(best, p["mark"] + ahead / p["level"])
    return best


@inline
def next_class(a: Arrays, pool: int) -> int:
    """The class whose first guest completes next in `pool` (there is one)."""
    p = a.p[pool]
    if p["n_saturated"] == 0:
        return word(a.unsaturated[p["order"]])
    first = word(a.saturated[p["order"]])
    if p["n_unsaturated"] > 0 and p["level"] > 0.0:
        ahead = a.k[a.unsaturated[p["order"]]]["key"] - p["u"]
        if p["mark"] + ahead / p["level"] < a.k[first]["key"]:
            return word(a.unsaturated[p["order"]])
    return first
