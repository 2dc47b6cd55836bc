"""The compiled event loop of the data plane.

Everything here is plain Python over the arrays of `layout`, compiled by numba; `plane.DataPlane` owns the arrays and
is the only caller, through `entry` (what control may do to the arrays is in `control`). The loop knows four kinds
of event, at equal times in this order: a job completes, what follows from that, a closed-loop client's timer goes
off, a request arrives. It returns when the asked time is reached or when control must act (the reason codes).
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.heaps import job_pop, timer_pop, timer_push
from sim.engine.jit import inline
from sim.engine.layout import (
    BECAME_IDLE,
    BOOTED,
    DRAINED,
    DRAINING,
    FREED,
    GUEST_OOM,
    HOST_OOM,
    IDLE_LIFO,
    NEED_ARRIVALS,
    NEED_GUEST,
    NEED_ROOM,
    NEED_SLOTS,
    NEED_STOCK,
    POOL_OOM,
    REACHED,
    READY,
    STANDSTILL,
    TASK_DONE,
    WAITING,
    WORK_REQUEST,
    word,
)
from sim.engine.queueing import (
    client_thinks,
    complete,
    fill,
    give,
    idle_push,
    note_done,
    route,
    route_backlog,
    short_of_stock,
    to_backlog,
)
from sim.engine.sharing import changed, guest_place, guest_sync, next_class, next_completion, pool_clock, pool_of


@inline
def advance(a: Arrays, until: float) -> int:
    """Run the data plane up to and including clock `until`; return why it stopped (`st.subject`: of whom)."""
    st = a.st[0]
    while True:
        if st["pending"] > 0 or st["pool_oom"] or st["host_oom"] or st["resume"]:
            reason = pending_stop(a)
            if reason != REACHED:
                return reason
            continue
        if st["arrival"] >= st["arrivals"] and not st["exhausted"]:
            return NEED_ARRIVALS
        pool = first_pool(a)
        at = next_completion(a, pool)
        if at < st["now"]:
            at = st["now"]
        if st["done"] > 0 and at > st["now"]:
            reason = on_done(a)
            if reason != REACHED:
                return reason
            continue
        arrival = a.time[st["arrival"]] if st["arrival"] < st["arrivals"] else np.inf
        timer = a.timers[0]["time"] if st["timers"] > 0 else np.inf
        if min(at, arrival, timer) > until:
            st["next"] = min(at, arrival, timer)
            break
        if at <= arrival and at <= timer:
            reason = on_completion(a, pool, at)
        elif timer <= arrival:
            reason = on_timer(a, timer)
        else:
            reason = on_arrival(a, arrival)
        if reason != REACHED:
            return reason
    if until > st["now"]:
        st["now"] = until
    return REACHED


@inline
def first_pool(a: Arrays) -> int:
    """The pool whose next completion comes first."""
    best = word(0)
    if a.st[0]["pools"] > 1:
        at = next_completion(a, word(0))
        for pool in range(1, a.st[0]["pools"]):
            other = next_completion(a, pool)
            if other < at:
                at = other
                best = pool
    return best


@inline
def pending_stop(a: Arrays) -> int:
    """Hand out what memory has noted, one stop at a time."""
    st = a.st[0]
    if st["pending"] > 0:
        st["subject"] = a.pending[0]
        st["pending"] -= 1
        for i in range(st["pending"]):
            a.pending[i] = a.pending[i + 1]
        return GUEST_OOM
    if st["pool_oom"]:
        for pool in range(word(st["pools"])):
            p = a.p[pool]
            if p["oom"]:
                p["oom"] = 0
                if p["memory"] > p["memory_limit"]:  # control may have given some back meanwhile
                    st["subject"] = pool
                    return POOL_OOM
        st["pool_oom"] = 0
        return REACHED
    if st["host_oom"]:
        st["host_oom"] = 0
        if st["memory"] > st["memory_limit"]:
            st["subject"] = -1
            return HOST_OOM
        return REACHED
    if st["resume"]:
        st["resume"] = 0
        for service in range(word(st["services"])):
            if a.s[service]["routing"] != IDLE_LIFO:
                route_backlog(a, service, st["now"])
    return REACHED


@inline
def on_completion(a: Arrays, pool: int, t: float) -> int:
    """The first job of the first guest of the first class of `pool` is done at `t`."""
    st = a.st[0]
    pool_clock(a, pool, t)
    guest = word(a.heap[a.k[next_class(a, pool)]["heap"]]["guest"])
    g = a.g[guest]
    reason = need(a, word(g["service"]), word(g["waiting"]) + word(a.s[g["service"]]["waiting"]) + 2)
    if reason != REACHED:
        return reason
    st["now"] = t
    guest_sync(a, guest, t)
    g["v"] = a.job[g["jobs"]]["tag"]
    if g["task"] == WORK_REQUEST:
        complete(a, guest, t)
    else:
        job_pop(a.job, g["jobs"], word(g["busy"]))
        g["busy"] -= 1
    guest_place(a, guest, t)
    changed(a, guest, t)
    if g["task"] != WORK_REQUEST:
        g["task"] = WORK_REQUEST
        note_done(a, guest, word(BOOTED))
    elif g["state"] == DRAINING and g["serving"] + g["waiting"] == 0:
        st["subject"] = guest
        return DRAINED
    return REACHED


@inline
def on_done(a: Arrays) -> int:
    """No more completions at this moment: what follows from those there were, lowest guest number first.

    Control hears of a start-up task; a guest of a per-request service takes what waits, or is idle.
    """
    st = a.st[0]
    first = 0
    for i in range(1, st["done"]):
        if a.g[a.done[i]]["uid"] < a.g[a.done[first]]["uid"]:
            first = i
    guest = word(a.done[first])
    st["subject"] = guest
    g = a.g[guest]
    what = g["done"]
    if what == FREED:
        reason = need(a, word(g["service"]), word(a.s[g["service"]]["waiting"]) + 2)
        if reason != REACHED:
            return reason
    st["done"] -= 1
    a.done[first] = a.done[st["done"]]
    g["done"] = 0
    if what == BOOTED:
        return TASK_DONE
    t = st["now"]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    fill(a, guest, t)
    guest_place(a, guest, t)
    changed(a, guest, t)
    if g["busy"] == 0 and g["state"] == READY:
        idle_push(a, guest, t)
        if g["watched"]:
            g["watched"] = 0
            return BECAME_IDLE
    return REACHED


@inline
def need(a: Arrays, service: int, rows: int) -> int:
    """What is missing before `rows` requests of a service may end in one event; REACHED if nothing."""
    st = a.st[0]
    if st["out"] + rows > a.out.shape[0]:
        st["room"] = rows
        return NEED_ROOM
    if short_of_stock(a, service):
        return NEED_STOCK
    return REACHED


@inline
def admit(a: Arrays, service: int, t: float, demand: float, u1: float, u2: float, loop: int) -> int:
    """A request arrives at `t` (a slot and room for a row are there): route it. Returns a reason to stop.

    `loop`: the closed loop whose client it is from, or -1.
    """
    st = a.st[0]
    s = a.s[service]
    slot = word(st["free"])
    r = a.r[slot]
    st["free"] = r["next"]
    r["arrival"] = t
    r["start"] = np.nan
    r["demand"] = demand
    r["u1"] = u1
    r["u2"] = u2
    r["number"] = s["arrived"]
    r["service"] = service
    r["guest"] = -1
    r["loop"] = loop
    s["arrived"] += 1
    if t >= st["measure_from"]:
        s["measured"] += 1
    s["in_flight"] += 1
    st["in_flight"] += 1
    guest = route(a, service, u1, u2)
    if guest >= 0:
        give(a, guest, slot, t)
        return REACHED
    if s["routing"] == IDLE_LIFO:
        st["held"] = slot
        st["subject"] = service
        return NEED_GUEST
    to_backlog(a, service, slot, t)
    if s["notify"] and s["waiting"] == 1:
        st["subject"] = service
        return WAITING
    return REACHED


@inline
def on_arrival(a: Arrays, t: float) -> int:
    """The next open arrival."""
    st = a.st[0]
    if st["free"] < 0:
        return NEED_SLOTS
    if st["out"] + 2 > a.out.shape[0]:
        st["room"] = 2
        return NEED_ROOM
    i = st["arrival"]
    st["arrival"] = i + 1
    st["now"] = t
    return admit(a, word(a.service[i]), t, a.demand[i], a.u1[i], a.u2[i], word(-1))


@inline
def on_timer(a: Arrays, t: float) -> int:
    """A closed-loop client's next request, or the moment at which it gives one up."""
    st = a.st[0]
    timer = a.timers[0]
    loop = word(timer["loop"])
    drawn = a.loops[loop]
    service = word(drawn["service"])
    slot = word(timer["slot"])
    number = timer["number"]
    reason = need(a, service, word(2))
    if reason != REACHED:
        return reason
    if st["free"] < 0:
        return NEED_SLOTS
    if t > st["timer_mark"]:
        st["timer_mark"] = t
        st["at_once"] = 0
    st["at_once"] += 1
    if st["at_once"] > st["most_at_once"]:
        st["subject"] = service
        return STANDSTILL
    st["now"] = t
    timer_pop(a.timers, word(st["timers"]))
    st["timers"] -= 1
    if slot >= 0:  # patience is at an end, if that request is still there
        if a.r[slot]["number"] == number and a.r[slot]["service"] == service:
            a.r[slot]["loop"] = -1
            client_thinks(a, loop, t, 0.0)
        return REACHED
    s = a.s[service]
    row = drawn["stock"] + drawn["want_at"]
    drawn["want_at"] += 1
    slot = word(st["free"])
    number = s["arrived"]
    reason = admit(a, service, t, a.stock[row]["demand"], a.stock[row]["u1"], a.stock[row]["u2"], loop)
    if s["timeout"] < np.inf and a.r[slot]["number"] == number and a.r[slot]["service"] == service:
        timer_push(a.timers, word(st["timers"]), t + s["timeout"], loop, slot, number)
        st["timers"] += 1
    return reason
