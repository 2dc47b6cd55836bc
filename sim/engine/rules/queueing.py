"""The rule of queueing: where a request goes, how it waits, and how it ends (docs/model.md, Requests)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import (
    COMPLETED,
    FREED,
    GO,
    IDLE_LIFO,
    LEAST_OUTSTANDING,
    NEED_GUEST,
    NEED_ROOM,
    NEED_STOCK,
    NO_LEAF,
    RANDOM,
    REACHED,
    READY,
    REJECTED,
    ROUND_ROBIN,
    TIMED_OUT,
    WAITING,
    word,
)
from sim.engine.rules.bands import guest_sync, pool_clock
from sim.engine.rules.heaps import job_pop, job_push, timer_push
from sim.engine.rules.memory import charge_guest, check_guest
from sim.engine.rules.programs import count_parts, give_slot, hold, tell_caller
from sim.engine.rules.queues import note_done, todo_push
from sim.engine.rules.sharing import changed, guest_place, pool_of


@inline
def client_thinks(a: Arrays, loop: int, t: float, least: float) -> None:
    """A client of a closed loop begins to think at `t`, for `least` s at least; its timer is the next arrival."""
    drawn = a.loops[loop]
    think = max(a.stock[drawn["stock"] + drawn["think_at"]]["think"], least)
    drawn["think_at"] += 1
    timer_push(a.timers, word(a.state[0]["timers"]), t + think, loop, word(-1), word(0))
    a.state[0]["timers"] += 1


@hot
def short_of_stock(a: Arrays, service: int) -> bool:
    """True when a closed loop of `service` (the state's `subject`) might run out of numbers or of timers in one event.

    At most each client begins to think: requests whose clients have left may be more than there are clients.
    """
    service_row = a.services[service]
    for loop in range(service_row["loops"], service_row["loops"] + service_row["n_loops"]):
        drawn = a.loops[loop]
        ahead = max(drawn["think_at"] + drawn["clients"], drawn["want_at"]) + 2
        if ahead > drawn["stock_n"] or a.state[0]["timers"] + service_row["clients"] + 3 > a.timers.shape[0]:
            a.state[0]["subject"] = loop
            return True
    return False


@hot
def finish(a: Arrays, slot: int, start: float, end: float, status: int) -> None:
    """Write the request's row and free its slot."""
    state = a.state[0]
    request_row = a.requests[slot]
    out_row = a.out[state["out"]]
    state["out"] += 1
    service_row = a.services[request_row["service"]]
    out_row["arrival"] = request_row["arrival"]
    out_row["demand"] = request_row["demand"]
    out_row["start"] = start
    out_row["finish"] = end
    out_row["number"] = request_row["number"]
    out_row["service"] = request_row["service"]
    out_row["guest"] = request_row["guest"] if request_row["guest"] < 0 else a.guests[request_row["guest"]]["uid"]
    out_row["status"] = status
    service_row["in_flight"] -= 1
    state["in_flight"] -= 1
    if status == COMPLETED:
        state["completed"] += 1
    loop = word(request_row["loop"])
    if loop >= 0:
        client_thinks(a, loop, end, a.loops[loop]["pause"] if status == REJECTED else 0.0)
    if service_row["n_kinds"] > 0:
        if status == COMPLETED and request_row["arrival"] >= state["measure_from"]:
            count_parts(a, slot, start)
        tell_caller(a, slot, status == COMPLETED)
        a.acts[slot]["stamp"] = 0
    give_slot(a, slot)


@hot
def expired(a: Arrays, slot: int, t: float) -> bool:
    """True when the client of a request has left by `t`."""
    return bool(t >= a.requests[slot]["deadline"])


@inline
def drop(a: Arrays, slot: int) -> None:
    """End a request whose client left while it waited: its time out is when it left."""
    finish(a, slot, np.nan, a.requests[slot]["deadline"], word(TIMED_OUT))


@hot
def outstanding_changed(a: Arrays, guest: int) -> None:
    """Bring the tree of outstanding counts up to date; only least-outstanding routing keeps one."""
    guest_row = a.guests[guest]
    if guest_row["leaf"] < 0:
        return
    service_row = a.services[guest_row["service"]]
    base = service_row["tree"]
    i = service_row["leaves"] + guest_row["leaf"]
    key = NO_LEAF
    if guest_row["state"] == READY:
        key = (word(guest_row["serving"] + guest_row["waiting"]) << 32) | word(guest_row["leaf"])
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
    guest_row = a.guests[guest]
    service_row = a.services[guest_row["service"]]
    guest_row["idle_since"] = t
    if guest_row["idle"]:
        return
    guest_row["idle"] = 1
    guest_row["idle_prev"] = -1
    guest_row["idle_next"] = service_row["idle_head"]
    if service_row["idle_head"] >= 0:
        a.guests[service_row["idle_head"]]["idle_prev"] = guest
    service_row["idle_head"] = guest


@hot
def idle_remove(a: Arrays, guest: int) -> None:
    """Take the guest out of the list of idle guests, if it is in it."""
    guest_row = a.guests[guest]
    if not guest_row["idle"]:
        return
    guest_row["idle"] = 0
    if guest_row["idle_prev"] >= 0:
        a.guests[guest_row["idle_prev"]]["idle_next"] = guest_row["idle_next"]
    else:
        a.services[guest_row["service"]]["idle_head"] = guest_row["idle_next"]
    if guest_row["idle_next"] >= 0:
        a.guests[guest_row["idle_next"]]["idle_prev"] = guest_row["idle_prev"]


@hot
def route(a: Arrays, service: int, u1: float, u2: float) -> int:
    """The ready guest that a request goes to, -1 if there is none (or none idle, by the per-request rule)."""
    service_row = a.services[service]
    n = service_row["n_ready"]
    if n == 0:
        return word(-1)
    rule = service_row["routing"]
    base = service_row["ready"]
    if rule == IDLE_LIFO:
        return word(service_row["idle_head"])
    if rule == LEAST_OUTSTANDING:
        return word(a.leaf[service_row["tree"] + (a.tree[service_row["tree"] + 1] & 0xFFFFFFFF)])
    if rule == ROUND_ROBIN:
        turn = service_row["turn"]
        service_row["turn"] = turn + 1
        return word(a.ready[base + turn % n])
    if rule == RANDOM or n == 1:
        return word(a.ready[base + min(int(u1 * n), n - 1)])
    first = min(int(u1 * n), n - 1)
    second = min(int(u2 * (n - 1)), n - 2)
    if second >= first:
        second += 1
    one = word(a.ready[base + min(first, second)])
    two = word(a.ready[base + max(first, second)])
    if a.guests[two]["serving"] + a.guests[two]["waiting"] < a.guests[one]["serving"] + a.guests[one]["waiting"]:
        return two
    return one


@hot
def serve(a: Arrays, guest: int, slot: int, t: float) -> None:
    """Start service: the request becomes a job of the guest, whose `v` stands at `t`; placing is the caller's."""
    guest_row = a.guests[guest]
    request_row = a.requests[slot]
    service_row = a.services[guest_row["service"]]
    request_row["start"] = t
    if service_row["n_kinds"] > 0:
        hold(a, guest, slot)
        todo_push(a, slot, word(GO))
    else:
        work = request_row["demand"] * service_row["overhead"] + guest_row["extra"]
        job_push(a.jobs, guest_row["jobs"], word(guest_row["busy"]), guest_row["v"] + work, slot)
        guest_row["busy"] += 1
    guest_row["serving"] += 1
    if service_row["per_request"] > 0.0:
        charge_guest(a, guest, t, service_row["per_request"])
    check_guest(a, guest)


@hot
def enter(a: Arrays, slot: int, t: float) -> int:
    """A request comes to its service, which has counted it: it is routed, or waits there. Returns a reason to stop."""
    state = a.state[0]
    request_row = a.requests[slot]
    service = word(request_row["service"])
    service_row = a.services[service]
    guest = route(a, service, request_row["u1"], request_row["u2"])
    if guest >= 0:
        give(a, guest, slot, t)
        return REACHED
    if service_row["routing"] == IDLE_LIFO:
        state["held"] = slot
        state["subject"] = service
        return NEED_GUEST
    to_backlog(a, service, slot, t)
    if service_row["notify"] and service_row["waiting"] == 1:
        state["subject"] = service
        return WAITING
    return REACHED


@hot
def need(a: Arrays, service: int, rows: int) -> int:
    """What is missing before `rows` requests of a service may end in one event; REACHED if nothing."""
    state = a.state[0]
    if state["out"] + rows > a.out.shape[0]:
        state["room"] = rows
        return NEED_ROOM
    if short_of_stock(a, service):
        return NEED_STOCK
    return REACHED


@hot
def give(a: Arrays, guest: int, slot: int, t: float) -> None:
    """Hand a request to a guest: served, or in line, or rejected when the line is full."""
    guest_row = a.guests[guest]
    service_row = a.services[guest_row["service"]]
    a.requests[slot]["guest"] = guest
    if guest_row["state"] >= READY and guest_row["serving"] < service_row["concurrency"]:
        idle_remove(a, guest)
        if service_row["n_kinds"] > 0:  # its jobs are as they were until its program begins
            serve(a, guest, slot, t)
        else:
            pool_clock(a, pool_of(a, guest), t)
            guest_sync(a, guest, t)
            serve(a, guest, slot, t)
            guest_place(a, guest, t)
            changed(a, guest, t)
    elif guest_row["waiting"] < service_row["queue"] or guest_row["state"] < READY:
        a.requests[slot]["next"] = -1
        if guest_row["waiting"] == 0:
            guest_row["head"] = slot
        else:
            a.requests[guest_row["tail"]]["next"] = slot
        guest_row["tail"] = slot
        guest_row["waiting"] += 1
    else:
        a.requests[slot]["guest"] = -1
        finish(a, slot, np.nan, t, word(REJECTED))
        return
    outstanding_changed(a, guest)


@inline
def route_backlog(a: Arrays, service: int, t: float) -> None:
    """Route what waits at the service, first come first; it goes on later if memory stops it."""
    state = a.state[0]
    service_row = a.services[service]
    while service_row["waiting"] > 0 and service_row["n_ready"] > 0:
        if state["pending"] > 0 or state["host_oom"] or state["pool_oom"]:
            state["resume"] = 1
            return
        slot = from_backlog(a, service, t)
        if slot >= 0:
            give(a, route(a, service, a.requests[slot]["u1"], a.requests[slot]["u2"]), slot, t)


@hot
def from_line(a: Arrays, guest: int, t: float) -> int:
    """Take the next request whose client is still there off the guest's line, -1 if there is none."""
    return first_waiting(a, a.guests[guest], t)


@inline
def from_backlog(a: Arrays, service: int, t: float) -> int:
    """Take the next request whose client is still there off the service's backlog, -1 if there is none."""
    return first_waiting(a, a.services[service], t)


@hot
def first_waiting(a: Arrays, row: Any, t: float) -> int:
    """Take requests off the line of `row`, a guest's or a service's, up to one whose client is still there (or -1)."""
    while row["waiting"] > 0:
        slot = word(row["head"])
        row["head"] = a.requests[slot]["next"]
        row["waiting"] -= 1
        if not expired(a, slot, t):
            return word(slot)
        drop(a, slot)
    return word(-1)


@inline
def to_backlog(a: Arrays, service: int, slot: int, t: float) -> None:
    """A request waits at its service, or is rejected when too many do."""
    service_row = a.services[service]
    a.requests[slot]["guest"] = -1
    if service_row["waiting"] >= service_row["backlog"]:
        finish(a, slot, np.nan, t, word(REJECTED))
        return
    a.requests[slot]["next"] = -1
    if service_row["waiting"] == 0:
        service_row["head"] = slot
    else:
        a.requests[service_row["tail"]]["next"] = slot
    service_row["tail"] = slot
    service_row["waiting"] += 1


@hot
def fill(a: Arrays, guest: int, t: float) -> None:
    """Start what the guest has room for: its own line first, then (per-request rule) the backlog.

    Its `v` stands at `t`; placing is the caller's.
    """
    guest_row = a.guests[guest]
    service_row = a.services[guest_row["service"]]
    while guest_row["serving"] < service_row["concurrency"]:
        slot = from_line(a, guest, t)
        if slot < 0 and service_row["routing"] == IDLE_LIFO and guest_row["state"] == READY:
            slot = from_backlog(a, word(guest_row["service"]), t)
            if slot >= 0:
                a.requests[slot]["guest"] = guest
        if slot < 0:
            break
        serve(a, guest, slot, t)


@hot
def complete(a: Arrays, guest: int, t: float) -> None:
    """The guest's first job is a request, and it is done at `t`."""
    guest_row = a.guests[guest]
    slot = word(a.jobs[guest_row["jobs"]]["slot"])
    request_row = a.requests[slot]
    service_row = a.services[guest_row["service"]]
    job_pop(a.jobs, guest_row["jobs"], word(guest_row["busy"]))
    guest_row["busy"] -= 1
    guest_row["serving"] -= 1
    if service_row["per_request"] > 0.0:
        charge_guest(a, guest, t, -service_row["per_request"])
    late = t > request_row["deadline"]
    finish(a, slot, request_row["start"], t, word(TIMED_OUT if late else COMPLETED))
    if service_row["routing"] == IDLE_LIFO and guest_row["state"] == READY:
        note_done(a, guest, word(FREED))
    else:
        fill(a, guest, t)
    outstanding_changed(a, guest)
