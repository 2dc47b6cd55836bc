"""What the control plane may do to the data plane at clock time `st.now`, a function each (called through `entry`)."""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import inline
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
from sim.engine.rules.bands import account, band_v, guest_sync, pool_clock
from sim.engine.rules.heaps import job_push
from sim.engine.rules.links import begin, change_site, rest
from sim.engine.rules.memory import charge, charge_guest, forgive_guest
from sim.engine.rules.queueing import (
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
from sim.engine.rules.quotas import book_stillness, new_budget
from sim.engine.rules.sharing import changed, guest_place, pool_of, settle, share_host, wanted
from sim.engine.rules.stepping import forsake_all


@inline
def start_task(a: Arrays, guest: int, work: float, kind: int, threads: int) -> None:
    """Give a guest without jobs CPU work in equal threads (a start-up phase); the end of the last stops `advance`."""
    t = a.state[0]["now"]
    guest_row = a.guests[guest]
    pool_clock(a, pool_of(a, guest), t)
    guest_row["task"] = kind
    for i in range(threads):
        job_push(a.jobs, guest_row["jobs"], word(i), guest_row["v"] + work / threads, word(-1))
    guest_row["busy"] = threads
    guest_place(a, guest, t)
    changed(a, guest, t)


@inline
def open_guest(a: Arrays, guest: int) -> None:
    """The guest is ready: it serves what is bound to it, then its service's backlog is routed in order.

    Its place in `ready` and its leaf are made by the caller; `out` has a row for each request in the backlog.
    """
    t = a.state[0]["now"]
    guest_row = a.guests[guest]
    service = word(guest_row["service"])
    service_row = a.services[service]
    guest_row["state"] = READY
    pool_clock(a, pool_of(a, guest), t)
    fill(a, guest, t)
    guest_place(a, guest, t)
    changed(a, guest, t)
    outstanding_changed(a, guest)
    if service_row["routing"] == IDLE_LIFO:
        if guest_row["serving"] == 0:
            idle_push(a, guest, t)
        return
    route_backlog(a, service, t)


@inline
def close_guest(a: Arrays, guest: int) -> bool:
    """Route nothing more to a guest (the caller has taken it off `ready`); True if it is empty already."""
    guest_row = a.guests[guest]
    guest_row["state"] = DRAINING
    idle_remove(a, guest)
    outstanding_changed(a, guest)
    return bool(guest_row["serving"] + guest_row["waiting"] == 0)


@inline
def kill_guest(a: Arrays, guest: int) -> None:
    """The guest's process dies now: all that it holds fails, its CPU work stops. State STARTING afterwards."""
    state = a.state[0]
    t = state["now"]
    guest_row = a.guests[guest]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    idle_remove(a, guest)
    if guest_row["serving"] > 0:
        charge_guest(a, guest, t, -guest_row["serving"] * a.services[guest_row["service"]]["per_request"])
    end_all(a, guest, t, word(FAILED))
    guest_row["busy"] = 0
    guest_place(a, guest, t)
    changed(a, guest, t)
    guest_row["serving"] = 0
    guest_row["task"] = WORK_REQUEST
    guest_row["state"] = STARTING
    guest_row["watched"] = 0
    forget_task(a, guest)
    forgive_guest(a, guest)
    guest_row["v"] = 0.0
    if guest_row["limited"]:  # what starts next is another control group
        new_budget(a, guest, t, a.quotas[guest]["budget"], a.quotas[guest]["burst"])
    outstanding_changed(a, guest)


@inline
def forget_task(a: Arrays, guest: int) -> None:
    """The end of the guest's start-up task concerns nobody any more."""
    if not a.guests[guest]["done"]:
        return
    a.guests[guest]["done"] = 0
    kept = 0
    for i in range(a.state[0]["done"]):
        if a.done[i] != guest:
            a.done[kept] = a.done[i]
            kept += 1
    a.state[0]["done"] = kept


@inline
def end_all(a: Arrays, guest: int, t: float, status: int) -> None:
    """Write a row for every request that the guest holds: `status`, or timed out if its client has left."""
    guest_row = a.guests[guest]
    if a.services[guest_row["service"]]["n_kinds"] > 0:
        if status == FAILED:  # else the run is over, and nobody leaves anybody
            forsake_all(a, guest, t)
        slot = last = word(guest_row["held"])
        guest_row["held"] = -1
        while slot >= 0:
            last = slot
            slot = word(a.acts[slot]["hold_next"])
        while last >= 0:  # the list begins with the last to start, who is told last
            before = word(a.acts[last]["hold_prev"])
            end_one(a, last, a.requests[last]["start"], t, status)
            last = before
    elif guest_row["task"] == WORK_REQUEST:
        for i in range(guest_row["busy"]):
            slot = word(a.jobs[guest_row["jobs"] + i]["slot"])
            end_one(a, slot, a.requests[slot]["start"], t, status)
    while guest_row["waiting"] > 0:
        slot = word(guest_row["head"])
        guest_row["head"] = a.requests[slot]["next"]
        guest_row["waiting"] -= 1
        end_one(a, slot, np.nan, t, status)


@inline
def end_one(a: Arrays, slot: int, start: float, t: float, status: int) -> None:
    """Write the row of a request that ends without being done."""
    if status == IN_FLIGHT:
        a.requests[slot]["loop"] = -1  # the run is over
    if expired(a, slot, t):
        finish(a, slot, start, a.requests[slot]["deadline"], word(TIMED_OUT))
    else:
        finish(a, slot, start, np.nan if status == IN_FLIGHT else t, status)


@inline
def release_guest(a: Arrays, guest: int) -> None:
    """The slot is free for another guest."""
    a.guests[guest]["state"] = FREE
    outstanding_changed(a, guest)


@inline
def bind(a: Arrays, guest: int) -> None:
    """The request that control was asked about goes to `guest`; with -1 to the backlog."""
    state = a.state[0]
    slot = word(state["held"])
    state["held"] = -1
    if guest >= 0:
        give(a, guest, slot, state["now"])
    else:
        to_backlog(a, word(a.requests[slot]["service"]), slot, state["now"])


@inline
def set_paused(a: Arrays, guest: int, paused: bool) -> None:
    """Stop or resume all CPU of a guest (a migration's downtime); it keeps what it holds."""
    t = a.state[0]["now"]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    a.guests[guest]["paused"] = paused
    guest_place(a, guest, t)
    changed(a, guest, t)


@inline
def set_share(a: Arrays, guest: int, weight: float, cap: float, profile: int, levels: int) -> None:
    """Change a guest's weight and cap (vertical resize)."""
    t = a.state[0]["now"]
    guest_row = a.guests[guest]
    old = pool_of(a, guest)
    pool_clock(a, old, t)
    guest_sync(a, guest, t)
    paused = guest_row["paused"]
    guest_row["paused"] = True
    guest_place(a, guest, t)
    changed(a, guest, t)
    guest_row["weight"] = weight
    guest_row["cap"] = cap
    guest_row["profile"] = profile
    guest_row["levels"] = levels
    guest_row["paused"] = paused
    pool_clock(a, pool_of(a, guest), t)
    guest_place(a, guest, t)
    changed(a, guest, t)


@inline
def set_quota(a: Arrays, guest: int, budget: float, burst: float) -> None:
    """Give a guest another limit by period (core-s a period; 0: none). Its share is set anew afterwards."""
    t = a.state[0]["now"]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    new_budget(a, guest, t, budget, burst)


@inline
def set_memory(a: Arrays, guest: int, amount: float, max_serving: int) -> None:
    """Charge the host `amount` bytes for a guest, and bound the requests in service that its own memory carries."""
    guest_row = a.guests[guest]
    charge_guest(a, guest, a.state[0]["now"], amount - guest_row["memory"])
    guest_row["memory"] = amount
    guest_row["max_serving"] = max_serving
    if guest_row["serving"] <= max_serving:  # it has been given more: it may run out of memory another time
        forgive_guest(a, guest)


@inline
def send_away(a: Arrays, guest: int, site: int) -> None:
    """The guest goes on at another site: nothing it uses from now on is this host's. The caller moves its pool."""
    t = a.state[0]["now"]
    guest_row = a.guests[guest]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    charge_guest(
        a, guest, t, -(guest_row["memory"] + guest_row["serving"] * a.services[guest_row["service"]]["per_request"])
    )
    guest_row["memory"] = 0.0
    guest_row["away"] = 1
    change_site(a, guest, site, t)


@inline
def start_transfer(a: Arrays, flow: int, size: float) -> None:
    """A flow of control's has so many bytes to move; its end stops `advance`."""
    begin(a, flow, size, word(-1), a.state[0]["now"])


@inline
def stop_transfer(a: Arrays, flow: int) -> None:
    """Break a flow of control's off; nothing for one that has ended."""
    t = a.state[0]["now"]
    forget_task(a, flow)
    if a.guests[flow]["busy"] > 0:
        pool_clock(a, pool_of(a, flow), t)
        guest_sync(a, flow, t)
        rest(a, flow, t)


@inline
def charge_host(a: Arrays, amount: float) -> None:
    """Charge the host `amount` bytes that belong to no guest."""
    charge(a, a.state[0]["now"], amount)


@inline
def start_clients(a: Arrays, loop: int) -> None:
    """The clients of a closed loop begin, thinking first."""
    for _ in range(a.loops[loop]["clients"]):
        client_thinks(a, loop, a.state[0]["now"], 0.0)


@inline
def set_capacity(a: Arrays, pool: int, cores: float) -> None:
    """Change what a pool may hand out (pool 0: the host)."""
    t = a.state[0]["now"]
    pool_row = a.pools[pool]
    pool_clock(a, pool, t)
    pool_row["cap"] = cores
    pool_row["capacity"] = cores
    settle(a, pool, t)
    if a.state[0]["pools"] > 1:
        pool_row["wanted"] = wanted(a, pool)
        share_host(a, t)


@inline
def book_work(a: Arrays) -> None:
    """Book all CPU work up to now to the services, and memory to its integral."""
    t = a.state[0]["now"]
    charge(a, t, 0.0)
    for i in range(a.state[0]["ends"]):
        guest = word(a.ends[i]["slot"])
        if a.guests[guest]["uid"] == a.ends[i]["stamp"] and a.guests[guest]["state"] != FREE:
            book_stillness(a, guest, t)
    for pool in range(word(a.state[0]["pools"])):
        pool_clock(a, pool, t)
        pool_row = a.pools[pool]
        for i in range(pool_row["bands"]):
            band = word(a.order[pool_row["order"] + i])
            band_row = a.bands[band]
            if band_row["n"] > 0:
                v = band_v(a, band, t)
                for j in range(band_row["n"]):
                    account(a, word(a.members[band_row["heap"] + j]["guest"]), v, t)


@inline
def take_sample(a: Arrays, row: int, guests: int, services: int) -> None:
    """Book all work, and sum up what the timeline shows, in a row of `sample` and `sample_work`."""
    book_work(a)
    sample_row = a.sample[row]
    sample_row["memory"] = a.state[0]["memory"]
    sample_row["completed"] = a.state[0]["completed"]
    sample_row["in_flight"] = a.state[0]["in_flight"]
    sample_row["work"] = 0.0
    sample_row["arrived"] = 0
    sample_row["still"] = 0.0
    sample_row["ready"] = 0
    for service in range(services):
        service_row = a.services[service]
        work = service_row["work_request"] + service_row["work_boot"] + service_row["work_start"]
        a.sample_work[row * services + service] = work
        sample_row["work"] += work
        sample_row["arrived"] += service_row["arrived"]
        sample_row["still"] += service_row["still_time"]
        sample_row["ready"] += service_row["n_ready"]
    sample_row["unused"] = 0.0
    for guest in range(guests):
        guest_row = a.guests[guest]
        left = guest_row["promised"] - (
            guest_row["memory"] + guest_row["serving"] * a.services[guest_row["service"]]["per_request"]
        )
        if left > 0.0:
            sample_row["unused"] += left


@inline
def end_run(a: Arrays, guests: int, services: int) -> None:
    """Write a row for every request that is still in the house; `out` has room for them."""
    t = a.state[0]["now"]
    for guest in range(guests):
        if a.guests[guest]["state"] != FREE:
            end_all(a, guest, t, word(IN_FLIGHT))
    for service in range(services):
        service_row = a.services[service]
        while service_row["waiting"] > 0:
            slot = word(service_row["head"])
            service_row["head"] = a.requests[slot]["next"]
            service_row["waiting"] -= 1
            end_one(a, slot, np.nan, t, word(IN_FLIGHT))


@inline
def free_slots(a: Arrays, first: int, last: int) -> None:
    """Put the request slots `first` … `last` - 1 on the free list, lowest first."""
    for slot in range(last - 1, first - 1, -1):
        a.requests[slot]["number"] = -1
        a.requests[slot]["next"] = a.state[0]["free"]
        a.state[0]["free"] = slot


@inline
def rebuild_tree(a: Arrays, service: int) -> None:
    """Fill a service's tree of outstanding counts anew from its leaves."""
    service_row = a.services[service]
    for leaf in range(service_row["leaves"]):
        a.tree[service_row["tree"] + service_row["leaves"] + leaf] = NO_LEAF
    for i in range(service_row["leaves"] - 1, 0, -1):
        a.tree[service_row["tree"] + i] = NO_LEAF
    for leaf in range(service_row["leaves"]):
        guest = word(a.leaf[service_row["tree"] + leaf])
        if guest >= 0:
            outstanding_changed(a, guest)
