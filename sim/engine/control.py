"""What the control plane may do to the data plane at clock time `st.now`, a function each (called through `entry`)."""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.heaps import job_push
from sim.engine.jit import inline
from sim.engine.layout import (
    DRAINING,
    FAILED,
    FREE,
    IDLE_LIFO,
    IN_FLIGHT,
    NO_LEAF,
    READY,
    STARTING,
    TIMED_OUT,
    WORK_REQUEST,
    word,
)
from sim.engine.memory import charge, charge_guest, forgive_guest
from sim.engine.queueing import (
    client_thinks,
    expired,
    fill,
    finish,
    give,
    idle_push,
    idle_remove,
    outstanding_changed,
    route_backlog,
    to_backlog,
)
from sim.engine.sharing import (
    account,
    changed,
    class_v,
    guest_place,
    guest_sync,
    pool_clock,
    pool_of,
    settle,
    share_host,
    wanted,
)


@inline
def start_task(a: Arrays, guest: int, work: float, kind: int) -> None:
    """Give a guest without jobs one thread of CPU work (a start-up phase); its end stops `advance`."""
    t = a.st[0]["now"]
    g = a.g[guest]
    pool_clock(a, pool_of(a, guest), t)
    g["task"] = kind
    job_push(a.job, g["jobs"], word(0), g["v"] + work, word(-1))
    g["busy"] = 1
    guest_place(a, guest, t)
    changed(a, guest, t)


@inline
def open_guest(a: Arrays, guest: int) -> None:
    """The guest is ready: it serves what is bound to it, then its service's backlog is routed in order.

    Its place in `ready` and its leaf are made by the caller; `out` has a row for each request in the backlog.
    """
    t = a.st[0]["now"]
    g = a.g[guest]
    service = word(g["service"])
    s = a.s[service]
    g["state"] = READY
    pool_clock(a, pool_of(a, guest), t)
    fill(a, guest, t)
    guest_place(a, guest, t)
    changed(a, guest, t)
    outstanding_changed(a, guest)
    if s["routing"] == IDLE_LIFO:
        if g["busy"] == 0:
            idle_push(a, guest, t)
        return
    route_backlog(a, service, t)


@inline
def close_guest(a: Arrays, guest: int) -> bool:
    """Route nothing more to a guest (the caller has taken it off `ready`); True if it is empty already."""
    g = a.g[guest]
    g["state"] = DRAINING
    idle_remove(a, guest)
    outstanding_changed(a, guest)
    return bool(g["serving"] + g["waiting"] == 0)


@inline
def kill_guest(a: Arrays, guest: int) -> None:
    """The guest's process dies now: all that it holds fails, its CPU work stops. State STARTING afterwards."""
    st = a.st[0]
    t = st["now"]
    g = a.g[guest]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    idle_remove(a, guest)
    if g["serving"] > 0:
        charge_guest(a, guest, t, -g["serving"] * a.s[g["service"]]["per_request"])
    end_all(a, guest, t, word(FAILED))
    g["busy"] = 0
    guest_place(a, guest, t)
    changed(a, guest, t)
    g["serving"] = 0
    g["task"] = WORK_REQUEST
    g["state"] = STARTING
    g["watched"] = 0
    forget_task(a, guest)
    forgive_guest(a, guest)
    g["v"] = 0.0
    outstanding_changed(a, guest)


@inline
def forget_task(a: Arrays, guest: int) -> None:
    """The end of the guest's start-up task concerns nobody any more."""
    if not a.g[guest]["done"]:
        return
    a.g[guest]["done"] = 0
    kept = 0
    for i in range(a.st[0]["done"]):
        if a.done[i] != guest:
            a.done[kept] = a.done[i]
            kept += 1
    a.st[0]["done"] = kept


@inline
def end_all(a: Arrays, guest: int, t: float, status: int) -> None:
    """Write a row for every request that the guest holds: `status`, or timed out if its client has left."""
    g = a.g[guest]
    if g["task"] == WORK_REQUEST:
        for i in range(g["busy"]):
            slot = word(a.job[g["jobs"] + i]["slot"])
            end_one(a, slot, a.r[slot]["start"], t, status)
    while g["waiting"] > 0:
        slot = word(g["head"])
        g["head"] = a.r[slot]["next"]
        g["waiting"] -= 1
        end_one(a, slot, np.nan, t, status)


@inline
def end_one(a: Arrays, slot: int, start: float, t: float, status: int) -> None:
    """Write the row of a request that ends without being done."""
    if status == IN_FLIGHT:
        a.r[slot]["loop"] = -1  # the run is over
    if expired(a, slot, t):
        finish(a, slot, start, a.r[slot]["arrival"] + a.s[a.r[slot]["service"]]["timeout"], word(TIMED_OUT))
    else:
        finish(a, slot, start, np.nan if status == IN_FLIGHT else t, status)


@inline
def release_guest(a: Arrays, guest: int) -> None:
    """The slot is free for another guest."""
    a.g[guest]["state"] = FREE
    outstanding_changed(a, guest)


@inline
def bind(a: Arrays, guest: int) -> None:
    """The request that control was asked about goes to `guest`; with -1 to the backlog."""
    st = a.st[0]
    slot = word(st["held"])
    st["held"] = -1
    if guest >= 0:
        give(a, guest, slot, st["now"])
    else:
        to_backlog(a, word(a.r[slot]["service"]), slot, st["now"])


@inline
def set_paused(a: Arrays, guest: int, paused: bool) -> None:
    """Stop or resume all CPU of a guest (a migration's downtime); it keeps what it holds."""
    t = a.st[0]["now"]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    a.g[guest]["paused"] = paused
    guest_place(a, guest, t)
    changed(a, guest, t)


@inline
def set_share(a: Arrays, guest: int, weight: float, cap: float, profile: int, levels: int) -> None:
    """Change a guest's weight and cap (vertical resize)."""
    t = a.st[0]["now"]
    g = a.g[guest]
    old = pool_of(a, guest)
    pool_clock(a, old, t)
    guest_sync(a, guest, t)
    paused = g["paused"]
    g["paused"] = True
    guest_place(a, guest, t)
    changed(a, guest, t)
    g["weight"] = weight
    g["cap"] = cap
    g["profile"] = profile
    g["levels"] = levels
    g["paused"] = paused
    pool_clock(a, pool_of(a, guest), t)
    guest_place(a, guest, t)
    changed(a, guest, t)


@inline
def set_memory(a: Arrays, guest: int, amount: float, max_serving: int) -> None:
    """Charge the host `amount` bytes for a guest, and bound the requests in service that its own memory carries."""
    g = a.g[guest]
    charge_guest(a, guest, a.st[0]["now"], amount - g["memory"])
    g["memory"] = amount
    g["max_serving"] = max_serving
    if g["serving"] <= max_serving:  # it has been given more: it may run out of memory another time
        forgive_guest(a, guest)


@inline
def send_away(a: Arrays, guest: int) -> None:
    """The guest goes on running elsewhere: nothing it uses from now on is this host's. The caller moves its pool."""
    t = a.st[0]["now"]
    g = a.g[guest]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    charge_guest(a, guest, t, -(g["memory"] + g["serving"] * a.s[g["service"]]["per_request"]))
    g["memory"] = 0.0
    g["away"] = 1


@inline
def charge_host(a: Arrays, amount: float) -> None:
    """Charge the host `amount` bytes that belong to no guest."""
    charge(a, a.st[0]["now"], amount)


@inline
def start_clients(a: Arrays, loop: int) -> None:
    """The clients of a closed loop begin, thinking first."""
    for _ in range(a.loops[loop]["clients"]):
        client_thinks(a, loop, a.st[0]["now"], 0.0)


@inline
def set_capacity(a: Arrays, pool: int, cores: float) -> None:
    """Change what a pool may hand out (pool 0: the host)."""
    t = a.st[0]["now"]
    p = a.p[pool]
    pool_clock(a, pool, t)
    p["cap"] = cores
    p["capacity"] = cores
    settle(a, pool, t)
    if a.st[0]["pools"] > 1:
        p["wanted"] = wanted(a, pool)
        share_host(a, t)


@inline
def book_work(a: Arrays) -> None:
    """Book all CPU work up to now to the services, and memory to its integral."""
    t = a.st[0]["now"]
    charge(a, t, 0.0)
    for pool in range(word(a.st[0]["pools"])):
        pool_clock(a, pool, t)
        p = a.p[pool]
        for i in range(p["classes"]):
            cls = word(a.order[p["order"] + i])
            k = a.k[cls]
            if k["n"] > 0:
                v = class_v(a, cls, t)
                for j in range(k["n"]):
                    account(a, word(a.heap[k["heap"] + j]["guest"]), v)


@inline
def take_sample(a: Arrays, guests: int, services: int) -> None:
    """Book all work, and sum up what the timeline shows, in the record `sample`."""
    book_work(a)
    x = a.sample[0]
    x["memory"] = a.st[0]["memory"]
    x["completed"] = a.st[0]["completed"]
    x["in_flight"] = a.st[0]["in_flight"]
    x["work"] = 0.0
    x["arrived"] = 0
    x["ready"] = 0
    for service in range(services):
        s = a.s[service]
        x["work"] += s["work_request"] + s["work_boot"] + s["work_start"]
        x["arrived"] += s["arrived"]
        x["ready"] += s["n_ready"]
    x["unused"] = 0.0
    for guest in range(guests):
        g = a.g[guest]
        left = g["promised"] - (g["memory"] + g["serving"] * a.s[g["service"]]["per_request"])
        if left > 0.0:
            x["unused"] += left


@inline
def end_run(a: Arrays, guests: int, services: int) -> None:
    """Write a row for every request that is still in the house; `out` has room for them."""
    t = a.st[0]["now"]
    for guest in range(guests):
        if a.g[guest]["state"] != FREE:
            end_all(a, guest, t, word(IN_FLIGHT))
    for service in range(services):
        s = a.s[service]
        while s["waiting"] > 0:
            slot = word(s["head"])
            s["head"] = a.r[slot]["next"]
            s["waiting"] -= 1
            end_one(a, slot, np.nan, t, word(IN_FLIGHT))


@inline
def free_slots(a: Arrays, first: int, last: int) -> None:
    """Put the request slots `first` … `last` - 1 on the free list, lowest first."""
    for slot in range(last - 1, first - 1, -1):
        a.r[slot]["number"] = -1
        a.r[slot]["next"] = a.st[0]["free"]
        a.st[0]["free"] = slot


@inline
def rebuild_tree(a: Arrays, service: int) -> None:
    """Fill a service's tree of outstanding counts anew from its leaves."""
    s = a.s[service]
    for leaf in range(s["leaves"]):
        a.tree[s["tree"] + s["leaves"] + leaf] = NO_LEAF
    for i in range(s["leaves"] - 1, 0, -1):
        a.tree[s["tree"] + i] = NO_LEAF
    for leaf in range(s["leaves"]):
        guest = word(a.leaf[s["tree"] + leaf])
        if guest >= 0:
            outstanding_changed(a, guest)
