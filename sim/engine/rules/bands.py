"""Bands: guests of equal rho, which share one virtual time (see `sharing`), and the heaps that they stand in."""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import TINY, WORK_BOOT, WORK_REQUEST, word
from sim.engine.rules.heaps import band_move, band_remove, band_up, guest_down, guest_up


@hot
def pool_clock(a: Arrays, pool: int, t: float) -> None:
    """Bring the level time U of `pool` up to clock `t`."""
    pool_row = a.pools[pool]
    if pool_row["n_unsaturated"] > 0:
        pool_row["u"] += pool_row["level"] * (t - pool_row["mark"])
    pool_row["mark"] = t


@hot
def band_v(a: Arrays, band: int, t: float) -> float:
    """Virtual time of band `cls` at clock `t`; its pool's clock stands at `t`."""
    band_row = a.bands[band]
    if band_row["n"] == 0:
        return band_row["v"]
    if band_row["saturated"]:
        return band_row["v"] + band_row["rho"] * (t - band_row["mark"])
    return band_row["v"] + (a.pools[band_row["pool"]]["u"] - band_row["mark"])


@inline
def band_key(a: Arrays, band: int) -> None:
    """Work out when the band's first guest completes: clock if saturated, level time if not."""
    band_row = a.bands[band]
    ahead = a.members[band_row["heap"]]["key"] - band_row["v"]
    if band_row["saturated"]:
        band_row["key"] = band_row["mark"] + ahead / band_row["rho"]
    else:
        band_row["key"] = band_row["mark"] + ahead


@inline
def band_join_heap(a: Arrays, band: int) -> None:
    """Put an active band into the heap of its side and its weight into that side's sum."""
    band_row = a.bands[band]
    pool_row = a.pools[band_row["pool"]]
    base = pool_row["order"]
    band_key(a, band)
    if band_row["saturated"]:
        a.saturated[base + pool_row["n_saturated"]] = band
        pool_row["n_saturated"] += 1
        pool_row["demand"] += band_row["rho"] * band_row["weight"]
        band_up(a.bands, a.saturated, base, word(pool_row["n_saturated"]) - 1)
    else:
        a.unsaturated[base + pool_row["n_unsaturated"]] = band
        pool_row["n_unsaturated"] += 1
        pool_row["unsaturated"] += band_row["weight"]
        band_up(a.bands, a.unsaturated, base, word(pool_row["n_unsaturated"]) - 1)


@inline
def band_leave_heap(a: Arrays, band: int) -> None:
    """Take a band out of the heap of its side and its weight out of that side's sum."""
    band_row = a.bands[band]
    pool_row = a.pools[band_row["pool"]]
    base = pool_row["order"]
    if band_row["saturated"]:
        band_remove(a.bands, a.saturated, base, word(pool_row["n_saturated"]), word(band_row["pos"]))
        pool_row["n_saturated"] -= 1
        pool_row["demand"] -= band_row["rho"] * band_row["weight"]
        if pool_row["n_saturated"] == 0:
            pool_row["demand"] = 0.0
    else:
        band_remove(a.bands, a.unsaturated, base, word(pool_row["n_unsaturated"]), word(band_row["pos"]))
        pool_row["n_unsaturated"] -= 1
        pool_row["unsaturated"] -= band_row["weight"]
        if pool_row["n_unsaturated"] == 0:
            pool_row["unsaturated"] = 0.0
            pool_row["u"] = 0.0  # nobody reads it now: start again with small numbers


@inline
def band_rekey(a: Arrays, band: int) -> None:
    """The band's first guest changed: restore the heap of bands."""
    band_row = a.bands[band]
    pool_row = a.pools[band_row["pool"]]
    band_key(a, band)
    if band_row["saturated"]:
        band_move(a.bands, a.saturated, pool_row["order"], word(pool_row["n_saturated"]), word(band_row["pos"]))
    else:
        band_move(a.bands, a.unsaturated, pool_row["order"], word(pool_row["n_unsaturated"]), word(band_row["pos"]))


@hot
def account(a: Arrays, guest: int, v: float, t: float) -> None:
    """Book the work that `guest` was given up to clock `t`, band virtual time `v`, and what it lacked of its demand."""
    guest_row = a.guests[guest]
    weight = guest_row["weight"]
    work = (v - guest_row["work_mark"]) * weight
    lacked = a.bands[guest_row["band"]]["rho"] * weight * (t - guest_row["time_mark"]) - work
    guest_row["work_mark"] = v
    guest_row["time_mark"] = t
    service_row = a.services[guest_row["service"]]
    if lacked > TINY * work:  # less is rounding
        service_row["lacked"] += lacked
    if guest_row["limited"]:
        quota_row = a.quotas[guest]
        quota_row["left"] -= work
        if work > 0.0:
            quota_row["used"] = 1
    if guest_row["away"]:
        if guest_row["task"] == WORK_REQUEST:
            service_row["work_away"] += work
    elif guest_row["task"] == WORK_REQUEST:
        service_row["work_request"] += work
    elif guest_row["task"] == WORK_BOOT:
        service_row["work_boot"] += work
    else:
        service_row["work_start"] += work


@hot
def guest_sync(a: Arrays, guest: int, t: float) -> None:
    """Bring the guest's per-job work `v` up to clock `t` (before its jobs change)."""
    guest_row = a.guests[guest]
    if guest_row["band"] >= 0:
        v = band_v(a, word(guest_row["band"]), t)
        guest_row["v"] += (v - guest_row["mark"]) * guest_row["weight"] / guest_row["busy"]
        guest_row["mark"] = v
        account(a, guest, v, t)


@hot
def heap_insert(a: Arrays, guest: int, band: int, key: float) -> None:
    """Put a guest into its band's heap and weight; the band is in a heap of its pool afterwards."""
    band_row = a.bands[band]
    base = band_row["heap"]
    n = word(band_row["n"])
    a.members[base + n]["guest"] = guest
    a.members[base + n]["key"] = key
    band_row["n"] = n + 1
    guest_up(a.guests, a.members, base, n)
    weight = a.guests[guest]["weight"]
    band_row["weight"] += weight
    if n == 0:
        band_join_heap(a, band)
        return
    pool_row = a.pools[band_row["pool"]]
    if band_row["saturated"]:
        pool_row["demand"] += band_row["rho"] * weight
    else:
        pool_row["unsaturated"] += weight
    if a.guests[guest]["pos"] == 0:
        band_rekey(a, band)


@hot
def heap_delete(a: Arrays, guest: int, band: int) -> None:
    """Take a guest out of its band's heap and weight."""
    band_row = a.bands[band]
    base = band_row["heap"]
    n = word(band_row["n"]) - 1
    if n == 0:
        band_leave_heap(a, band)
        band_row["n"] = 0
        band_row["weight"] = 0.0
        return
    weight = a.guests[guest]["weight"]
    i = word(a.guests[guest]["pos"])
    band_row["n"] = n
    band_row["weight"] -= weight
    if i < n:
        a.members[base + i]["guest"] = a.members[base + n]["guest"]
        a.members[base + i]["key"] = a.members[base + n]["key"]
        a.guests[a.members[base + i]["guest"]]["pos"] = i
        if i > 0 and a.members[base + i]["key"] < a.members[base + ((i - 1) >> 1)]["key"]:
            guest_up(a.guests, a.members, base, i)
        else:
            guest_down(a.guests, a.members, base, n, i)
    pool_row = a.pools[band_row["pool"]]
    if band_row["saturated"]:
        pool_row["demand"] -= band_row["rho"] * weight
    else:
        pool_row["unsaturated"] -= weight
    if i == 0:
        band_rekey(a, band)


@inline
def band_mark(a: Arrays, band: int, t: float, v: float) -> None:
    """Restart the band's virtual clock at (`t`, `v`)."""
    band_row = a.bands[band]
    band_row["v"] = v
    band_row["mark"] = t if band_row["saturated"] else a.pools[band_row["pool"]]["u"]
