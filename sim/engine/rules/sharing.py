"""The rule of sharing: weighted max-min fair CPU with caps, in O(log) per change (see docs/model.md, CPU).

Guest i with b jobs asks for d = min(cap, b) cores and is given min(d, level·weight). Guests of equal rho = d/weight
form a band: all its members are given min(rho, level) per unit of weight at every moment, so the band has one
virtual time V with dV/dt = min(rho, level) and the order in which its guests finish never changes.
A band with rho <= level is *saturated*: V runs at the constant speed rho, its next completion is a time of the
clock. All others run at the level itself, hence share one virtual time U of the pool, dU/dt = level. So two
heaps of bands, one by clock and one by U, give the next completion, and when the level moves, only the bands
that it crosses change heaps.

Pools are the second storey: each hands out its own capacity to its guests, and shares the host with other pools by
the same rule (containers inside VMs). A flat platform has one pool.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import TINY, WORK_REQUEST, word
from sim.engine.rules.bands import (
    band_join_heap,
    band_leave_heap,
    band_mark,
    band_rekey,
    band_v,
    heap_delete,
    heap_insert,
    pool_clock,
)
from sim.engine.rules.heaps import guest_down, guest_up
from sim.engine.rules.quotas import begin_periods, stand_still

REFRESH = 4096  # updates after which the running sums are summed anew, so that rounding cannot build up


@hot
def guest_place(a: Arrays, guest: int, t: float) -> None:
    """Put the guest, whose `v` stands at `t` and whose jobs have changed, where it now belongs."""
    guest_row = a.guests[guest]
    busy = guest_row["busy"]
    old = word(guest_row["band"])
    still = False
    if guest_row["limited"] and busy > 0:
        quota_row = a.quotas[guest]
        if not quota_row["timer"]:
            begin_periods(a, guest, t)
        if quota_row["left"] < TINY and not quota_row["still"]:
            due = (a.jobs[guest_row["jobs"]]["tag"] - guest_row["v"]) * busy
            if due > quota_row["left"] + TINY:  # else that job ends first: several may end with the budget
                stand_still(a, guest, t)
        still = quota_row["still"] != 0
    if busy == 0 or guest_row["paused"] or still:
        if old >= 0:
            heap_delete(a, guest, old)
            guest_row["band"] = -1
        return
    level = min(busy, guest_row["levels"]) - 1
    if guest_row["start_levels"] > 0 and guest_row["task"] != WORK_REQUEST:
        level = guest_row["levels"] + min(busy, guest_row["start_levels"]) - 1
    new = word(a.profile[guest_row["profile"] + level])
    ahead = (a.jobs[guest_row["jobs"]]["tag"] - guest_row["v"]) * busy / guest_row["weight"]
    if guest_row["limited"]:
        quota_row = a.quotas[guest]
        quota_row["first"] = quota_row["left"] + TINY < ahead * guest_row["weight"]
        if quota_row["first"]:
            ahead = quota_row["left"] / guest_row["weight"]
    if old == new:
        band_row = a.bands[new]
        base = band_row["heap"]
        i = word(guest_row["pos"])
        a.members[base + i]["key"] = band_v(a, new, t) + ahead
        if i > 0 and a.members[base + i]["key"] < a.members[base + ((i - 1) >> 1)]["key"]:
            guest_up(a.guests, a.members, base, i)
            if guest_row["pos"] == 0:
                band_rekey(a, new)
        else:
            guest_down(a.guests, a.members, base, word(band_row["n"]), i)
            if i == 0:
                band_rekey(a, new)
        return
    if old >= 0:
        heap_delete(a, guest, old)
    band_row = a.bands[new]
    if band_row["n"] == 0:  # an idle band starts at zero: small numbers keep their digits
        band_row["saturated"] = band_row["rank"] < a.pools[band_row["pool"]]["boundary"]
        band_mark(a, new, t, 0.0)
    v = band_v(a, new, t)
    guest_row["band"] = new
    guest_row["mark"] = v
    guest_row["work_mark"] = v
    guest_row["time_mark"] = t
    heap_insert(a, guest, new, v + ahead)


@inline
def band_cross(a: Arrays, band: int, t: float, saturated: bool) -> None:
    """The level has passed this band's rho: move it to the other side."""
    band_row = a.bands[band]
    if band_row["n"] == 0:
        return
    v = band_v(a, band, t)
    band_leave_heap(a, band)
    band_row["saturated"] = saturated
    band_mark(a, band, t, v)
    band_join_heap(a, band)


@inline
def sum_anew(a: Arrays, pool: int) -> None:
    """Recompute the sums of a pool from its bands."""
    pool_row = a.pools[pool]
    demand = 0.0
    weight = 0.0
    for i in range(pool_row["bands"]):
        band_row = a.bands[a.order[pool_row["order"] + i]]
        if band_row["n"] > 0:
            if band_row["saturated"]:
                demand += band_row["rho"] * band_row["weight"]
            else:
                weight += band_row["weight"]
    pool_row["demand"] = demand
    pool_row["unsaturated"] = weight


@hot
def level_of(a: Arrays, pool: int) -> float:
    """Water level for the present sides: inf when nobody is short, -inf when the saturated alone overflow."""
    pool_row = a.pools[pool]
    if pool_row["n_unsaturated"] > 0:
        return (pool_row["capacity"] - pool_row["demand"]) / pool_row["unsaturated"]
    return np.inf if pool_row["demand"] <= pool_row["capacity"] else -np.inf


@hot
def settle(a: Arrays, pool: int, t: float) -> None:
    """Find the water level after a change at `t`, and move the bands that it has crossed."""
    pool_row = a.pools[pool]
    pool_row["updates"] += 1
    if pool_row["updates"] >= REFRESH:
        pool_row["updates"] = 0
        sum_anew(a, pool)
    base = pool_row["order"]
    level = level_of(a, pool)
    while pool_row["n_unsaturated"] > 0 and a.bands[a.order[base + pool_row["boundary"]]]["rho"] <= level:
        band = word(a.order[base + pool_row["boundary"]])
        pool_row["boundary"] += 1
        if a.bands[band]["n"] > 0:
            band_cross(a, band, t, a.bands[band]["rho"] <= level)
            level = level_of(a, pool)
    while pool_row["boundary"] > 0 and a.bands[a.order[base + pool_row["boundary"] - 1]]["rho"] > level:
        pool_row["boundary"] -= 1
        band = word(a.order[base + pool_row["boundary"]])
        if a.bands[band]["n"] > 0:
            band_cross(a, band, t, a.bands[band]["rho"] <= level)
            level = level_of(a, pool)
    pool_row["level"] = level


@inline
def wanted(a: Arrays, pool: int) -> float:
    """Cores that the guests of `pool` could use now, within the pool's cap."""
    pool_row = a.pools[pool]
    total = pool_row["demand"]
    for i in range(pool_row["n_unsaturated"]):
        band_row = a.bands[a.unsaturated[pool_row["order"] + i]]
        total += band_row["rho"] * band_row["weight"]
    return min(pool_row["cap"], total)


@inline
def share_host(a: Arrays, t: float) -> None:
    """Give each pool (index 1 and up) its share of the host, pool 0's capacity, by the same max-min rule.

    A pool that is not short keeps its full cap as capacity (what it cannot use is not missed); a short one is
    given level x weight. O(pools) per pass, as many passes as pools turn out not to be short.
    """
    n = word(a.state[0]["pools"])
    left = a.pools[0]["cap"]
    weight = 0.0
    for i in range(1, n):
        a.pools[i]["saturated_host"] = a.pools[i]["far"]  # it keeps its capacity, and its weight is 0
        weight += a.pools[i]["weight"]
    level = np.inf
    moved = True
    while moved and weight > 0.0:
        moved = False
        level = left / weight
        for i in range(1, n):
            pool_row = a.pools[i]
            if not pool_row["saturated_host"] and pool_row["wanted"] <= level * pool_row["weight"]:
                pool_row["saturated_host"] = True
                left -= pool_row["wanted"]
                weight -= pool_row["weight"]
                moved = True
                if weight <= 0.0:
                    break
                level = left / weight
    for i in range(1, n):
        pool_row = a.pools[i]
        capacity = pool_row["cap"] if pool_row["saturated_host"] else level * pool_row["weight"]
        if capacity != pool_row["capacity"]:
            pool_clock(a, i, t)
            pool_row["capacity"] = capacity
            settle(a, i, t)


@hot
def changed(a: Arrays, guest: int, t: float) -> None:
    """After `guest_place`: let the level of its pool, and of the other pools, find its place."""
    pool = pool_of(a, guest)
    settle(a, pool, t)
    if a.state[0]["pools"] > 1 and pool > 0 and not a.pools[pool]["far"]:
        want = wanted(a, pool)
        if want != a.pools[pool]["wanted"]:
            a.pools[pool]["wanted"] = want
            share_host(a, t)


@hot
def pool_of(a: Arrays, guest: int) -> int:
    """The pool that `guest` draws on."""
    return word(a.bands[a.profile[a.guests[guest]["profile"]]]["pool"])


@hot
def next_completion(a: Arrays, pool: int) -> float:
    """Clock time of the pool's next completion, inf if none; its level time stands at its `mark`."""
    pool_row = a.pools[pool]
    best = np.inf
    if pool_row["n_saturated"] > 0:
        best = a.bands[a.saturated[pool_row["order"]]]["key"]
    if pool_row["n_unsaturated"] > 0 and pool_row["level"] > 0.0:
        ahead = a.bands[a.unsaturated[pool_row["order"]]]["key"] - pool_row["u"]
        best = min(best, pool_row["mark"] + ahead / pool_row["level"])
    return best


@hot
def next_band(a: Arrays, pool: int) -> int:
    """The band whose first guest completes next in `pool` (there is one)."""
    pool_row = a.pools[pool]
    if pool_row["n_saturated"] == 0:
        return word(a.unsaturated[pool_row["order"]])
    first = word(a.saturated[pool_row["order"]])
    if pool_row["n_unsaturated"] > 0 and pool_row["level"] > 0.0:
        ahead = a.bands[a.unsaturated[pool_row["order"]]]["key"] - pool_row["u"]
        if pool_row["mark"] + ahead / pool_row["level"] < a.bands[first]["key"]:
            return word(a.unsaturated[pool_row["order"]])
    return first
