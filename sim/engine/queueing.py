"""The rule of queueing: where a request goes, how it waits, and how it ends (docs/model.md, Requests)."""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.heaps import job_pop, job_push, timer_push
from sim.engine.jit import inline
from sim.engine.layout import (
    COMPLETED,
    FREED,
    IDLE_LIFO,
    LEAST_OUTSTANDING,
    NO_LEAF,
    RANDOM,
    READY,
    REJECTED,
    ROUND_ROBIN,
    TIMED_OUT,
    word,
)
from sim.engine.memory import charge_guest, check_guest
from sim.engine.sharing import changed, guest_place, guest_sync, pool_clock, pool_of


@inline
def client_thinks(a: Arrays, loop: int, t: float, least: float) -> None:
    """A client of a closed loop begins to think at `t`, for `least` s at least; its timer is the next arrival."""
    drawn = a.loops[loop]
    think = max(a.stock[drawn["stock"] + drawn["think_at"]]["think"], least)
    drawn["think_at"] += 1
    timer_push(a.timers, word(a.st[0]["timers"]), t + think, loop, word(-1), word(0))
    a.st[0]["timers"] += 1


@inline
def short_of_stock(a: Arrays, service: int) -> bool:
    """True when a closed loop of `service` (the state's `subject`) might run out of numbers or of timers in one event.

    At most each client begins to think: requests whose clients have left may be more than there are clients.
    """
    s = a.s[service]
    for loop in range(s["loops"], s["loops"] + s["n_loops"]):
        drawn = a.loops[loop]
        ahead = max(drawn["think_at"] + drawn["clients"], drawn["want_at"]) + 2
        if ahead > drawn["stock_n"] or a.st[0]["timers"] + s["clients"] + 3 > a.timers.shape[0]:
            a.st[0]["subject"] = loop
            return True
    return False


@inline
def finish(a: Arrays, slot: int, start: float, end: float, status: int) -> None:
    """Write the request's row and free its slot."""
    st = a.st[0]
    r = a.r[slot]
    o = a.out[st["out"]]
    st["out"] += 1
    s = a.s[r["service"]]
    o["arrival"] = r["arrival"]
    o["demand"] = r["demand"]
    o["start"] = start
    o["finish"] = end
    o["number"] = r["number"]
    o["service"] = r["service"]
    o["guest"] = r["guest"] if r["guest"] < 0 else a.g[r["guest"]]["uid"]
    o["status"] = status
    s["in_flight"] -= 1
    st["in_flight"] -= 1
    if status == COMPLETED:
        st["completed"] += 1
    loop = word(r["loop"])
    if loop >= 0:
        client_thinks(a, loop, end, a.loops[loop]["pause"] if status == REJECTED else 0.0)
    r["number"] = -1
    r["next"] = st["free"]
    st["free"] = slot


@inline
def expired(a: Arrays, slot: int, t: float) -> bool:
    """True when the client of a request has left by `t`."""
    r = a.r[slot]
    return bool(t >= r["arrival"] + a.s[r["service"]]["timeout"])


@inline
def drop(a: Arrays, slot: int) -> None:
    """End a request whose client left while it waited: its time out is when it left."""
    r = a.r[slot]
    finish(a, slot, np.nan, r["arrival"] + a.s[r["service"]]["timeout"], word(TIMED_OUT))


@inline
def outstanding_changed(a: Arrays, guest: int) -> None:
    """Bring the tree of outstanding counts up to date; only least-outstanding routing keeps one."""
    g = a.g[guest]
    if g["leaf"] < 0:
        return
    s = a.s[g["service"]]
    base = s["tree"]
    i = s["leaves"] + g["leaf"]
    key = NO_LEAF
    if g["state"] == READY:
        key = (word(g["serving"] + g["waiting"]) << 32) | word(g["leaf"])
    a.tree[base + i] = key
    i >>= 1
    while i >= 1:
        best = min(a.tree[base + 2 * i], a.tree[base + 2 * i + 1])
        if a.tree[base + i] == best:
            break
        a.tree[base + i] = best
        i >>= 1


@inline
def idle_push(a: Arrays, guest: int, t: float) -> None:
    """The guest has nothing to do: it is first in line for the next request."""
    g = a.g[guest]
    s = a.s[g["service"]]
    g["idle_since"] = t
    if g["idle"]:
        return
    g["idle"] = 1
    g["idle_prev"] = -1
    g["idle_next"] = s["idle_head"]
    if s["idle_head"] >= 0:
        a.g[s["idle_head"]]["idle_prev"] = guest
    s["idle_head"] = guest


@inline
def idle_remove(a: Arrays, guest: int) -> None:
    """Take the guest out of the list of idle guests, if it is in it."""
    g = a.g[guest]
    if not g["idle"]:
        return
    g["idle"] = 0
    if g["idle_prev"] >= 0:
        a.g[g["idle_prev"]]["idle_next"] = g["idle_next"]
    else:
        a.s[g["service"]]["idle_head"] = g["idle_next"]
    if g["idle_next"] >= 0:
        a.g[g["idle_next"]]["idle_prev"] = g["idle_prev"]


@inline
def route(a: Arrays, service: int, u1: float, u2: float) -> int:
    """The ready guest that a request goes to, -1 if there is none (or none idle, by the per-request rule)."""
    s = a.s[service]
    n = s["n_ready"]
    if n == 0:
        return word(-1)
    rule = s["routing"]
    base = s["ready"]
    if rule == IDLE_LIFO:
        return word(s["idle_head"])
    if rule == LEAST_OUTSTANDING:
        return word(a.leaf[s["tree"] + (a.tree[s["tree"] + 1] & 0xFFFFFFFF)])
    if rule == ROUND_ROBIN:
        turn = s["turn"]
        s["turn"] = turn + 1
        return word(a.ready[base + turn % n])
    if rule == RANDOM or n == 1:
        return word(a.ready[base + min(int(u1 * n), n - 1)])
    first = min(int(u1 * n), n - 1)
    second = min(int(u2 * (n - 1)), n - 2)
    if second >= first:
        second += 1
    one = word(a.ready[base + min(first, second)])
    two = word(a.ready[base + max(first, second)])
    if a.g[two]["serving"] + a.g[two]["waiting"] < a.g[one]["serving"] + a.g[one]["waiting"]:
        return two
    return one


@inline
def serve(a: Arrays, guest: int, slot: int, t: float) -> None:
    """Start service: the request becomes a job of the guest, whose `v` stands at `t`; placing is the caller's."""
    g = a.g[guest]
    r = a.r[slot]
    s = a.s[g["service"]]
    r["start"] = t
    job_push(a.job, g["jobs"], word(g["busy"]), g["v"] + r["demand"] * s["overhead"], slot)
    g["busy"] += 1
    g["serving"] += 1
    if s["per_request"] > 0.0:
        charge_guest(a, guest, t, s["per_request"])
    check_guest(a, guest)


@inline
def give(a: Arrays, guest: int, slot: int, t: float) -> None:
    """Hand a request to a guest: served, or in line, or rejected when the line is full."""
    g = a.g[guest]
    s = a.s[g["service"]]
    a.r[slot]["guest"] = guest
    if g["state"] >= READY and g["serving"] < s["concurrency"]:
        pool = pool_of(a, guest)
        pool_clock(a, pool, t)
        guest_sync(a, guest, t)
        idle_remove(a, guest)
        serve(a, guest, slot, t)
        guest_place(a, guest, t)
        changed(a, guest, t)
    elif g["waiting"] < s["queue"] or g["state"] < READY:
        a.r[slot]["next"] = -1
        if g["waiting"] == 0:
            g["head"] = slot
        else:
            a.r[g["tail"]]["next"] = slot
        g["tail"] = slot
        g["waiting"] += 1
    else:
        a.r[slot]["guest"] = -1
        finish(a, slot, np.nan, t, word(REJECTED))
        return
    outstanding_changed(a, guest)


@inline
def route_backlog(a: Arrays, service: int, t: float) -> None:
    """Route what waits at the service, first come first; it goes on later if memory stops it."""
    st = a.st[0]
    s = a.s[service]
    while s["waiting"] > 0 and s["n_ready"] > 0:
        if st["pending"] > 0 or st["host_oom"] or st["pool_oom"]:
            st["resume"] = 1
            return
        slot = from_backlog(a, service, t)
        if slot >= 0:
            give(a, route(a, service, a.r[slot]["u1"], a.r[slot]["u2"]), slot, t)


@inline
def from_line(a: Arrays, guest: int, t: float) -> int:
    """Take the next request whose client is still there off the guest's line, -1 if there is none."""
    g = a.g[guest]
    while g["waiting"] > 0:
        slot = word(g["head"])
        g["head"] = a.r[slot]["next"]
        g["waiting"] -= 1
        if not expired(a, slot, t):
            return word(slot)
        drop(a, slot)
    return word(-1)


@inline
def from_backlog(a: Arrays, service: int, t: float) -> int:
    """Take the next request whose client is still there off the service's backlog, -1 if there is none."""
    s = a.s[service]
    while s["waiting"] > 0:
        slot = word(s["head"])
        s["head"] = a.r[slot]["next"]
        s["waiting"] -= 1
        if not expired(a, slot, t):
            return word(slot)
        drop(a, slot)
    return word(-1)


@inline
def to_backlog(a: Arrays, service: int, slot: int, t: float) -> None:
    """A request waits at its service, or is rejected when too many do."""
    s = a.s[service]
    a.r[slot]["guest"] = -1
    if s["waiting"] >= s["backlog"]:
        finish(a, slot, np.nan, t, word(REJECTED))
        return
    a.r[slot]["next"] = -1
    if s["waiting"] == 0:
        s["head"] = slot
    else:
        a.r[s["tail"]]["next"] = slot
    s["tail"] = slot
    s["waiting"] += 1


@inline
def fill(a: Arrays, guest: int, t: float) -> None:
    """Start what the guest has room for: its own line first, then (per-request rule) the backlog.

    Its `v` stands at `t`; placing is the caller's.
    """
    g = a.g[guest]
    s = a.s[g["service"]]
    while g["serving"] < s["concurrency"]:
        slot = from_line(a, guest, t)
        if slot < 0 and s["routing"] == IDLE_LIFO and g["state"] == READY:
            slot = from_backlog(a, word(g["service"]), t)
            if slot >= 0:
                a.r[slot]["guest"] = guest
        if slot < 0:
            break
        serve(a, guest, slot, t)


@inline
def complete(a: Arrays, guest: int, t: float) -> None:
    """The guest's first job is a request, and it is done at `t`."""
    g = a.g[guest]
    slot = word(a.job[g["jobs"]]["slot"])
    r = a.r[slot]
    s = a.s[g["service"]]
    job_pop(a.job, g["jobs"], word(g["busy"]))
    g["busy"] -= 1
    g["serving"] -= 1
    if s["per_request"] > 0.0:
        charge_guest(a, guest, t, -s["per_request"])
    late = t > r["arrival"] + s["timeout"]
    finish(a, slot, r["start"], t, word(TIMED_OUT if late else COMPLETED))
    if s["routing"] == IDLE_LIFO and g["state"] == READY:
        note_done(a, guest, word(FREED))
    else:
        fill(a, guest, t)
    outstanding_changed(a, guest)


@inline
def note_done(a: Arrays, guest: int, what: int) -> None:
    """Keep what has ended (a start-up task, or what kept the guest of a per-request service from the next request).

    What follows comes after all completions of this moment, by the guests' numbers.
    """
    if not a.g[guest]["done"]:
        a.done[a.st[0]["done"]] = guest
        a.st[0]["done"] += 1
    a.g[guest]["done"] = what
