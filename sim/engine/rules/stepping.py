"""Programs of requests from event to event: what is to be done at once, alarms, jobs and transfers that end."""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import (
    ADMIT,
    CALLS,
    COMPLETED,
    CONTENTION,
    CPU,
    DRAINED,
    DRAINING,
    FAILED,
    FREED,
    GO,
    IDLE_LIFO,
    NEED_ALARMS,
    NEED_FLOWS,
    NEED_SLOTS,
    OP_CALL,
    REACHED,
    READY,
    TIMED_OUT,
    TOLD_FAILED,
    TOLD_OK,
    WAIT_ENDS,
    word,
)
from sim.engine.rules.bands import guest_sync, pool_clock
from sim.engine.rules.heaps import alarm_pop, job_pop
from sim.engine.rules.links import release_flow
from sim.engine.rules.memory import charge_guest
from sim.engine.rules.programs import call, end_strand, forsake, main_of, run, spend, tell_caller, unhold
from sim.engine.rules.queueing import enter, expired, fill, finish, need, outstanding_changed
from sim.engine.rules.queues import note_done, todo_push
from sim.engine.rules.sharing import changed, guest_place, pool_of


@hot
def short(a: Arrays, service: int, rows: int) -> int:
    """What is missing before a request of a service with programs may go on and `rows` end; REACHED if nothing."""
    state = a.state[0]
    reason = need(a, service, rows)
    if reason != REACHED:
        return reason
    slot = word(state["free"])
    for _ in range(state["widest"]):
        if slot < 0:
            return NEED_SLOTS
        slot = word(a.requests[slot]["next"])
    if state["alarms"] + state["widest"] + 2 > a.alarms.shape[0]:
        return NEED_ALARMS
    if state["todo_n"] + state["widest"] + 8 > a.todo.shape[0]:
        return NEED_ALARMS
    for pool in range(1, state["pools"]):
        if a.pools[pool]["link"] and a.pools[pool]["n_flows"] < state["widest"]:
            state["subject"] = pool
            return NEED_FLOWS
    return REACHED


@hot
def on_todo(a: Arrays) -> int:
    """The first thing that is to be done at once."""
    state = a.state[0]
    row = a.todo[state["todo_head"]]
    slot = word(row["slot"])
    what = row["what"]
    there = a.acts[slot]["stamp"] == row["stamp"]
    owner = main_of(a, slot) if there else slot
    if there:
        service = word(a.requests[owner]["service"])
        rows = word(a.services[service]["waiting"]) + 2
        if what != ADMIT:
            rows += word(a.guests[a.requests[owner]["guest"]]["waiting"])
        reason = short(a, service, rows)
        if reason != REACHED:
            return reason
    state["todo_head"] = (state["todo_head"] + 1) & (a.todo.shape[0] - 1)
    state["todo_n"] -= 1
    if not there:
        return REACHED
    t = state["now"]
    if what == ADMIT:
        return enter_call(a, slot, t)
    guest = word(a.requests[owner]["guest"])
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    go_on(a, guest, slot, word(what), t)
    go_on_with_next(a, guest, t)
    guest_place(a, guest, t)
    changed(a, guest, t)
    guest_row = a.guests[guest]
    if guest_row["state"] == DRAINING and guest_row["serving"] + guest_row["waiting"] == 0:
        state["subject"] = guest
        return DRAINED
    return REACHED


@inline
def enter_call(a: Arrays, slot: int, t: float) -> int:
    """A request that another one makes comes to its service."""
    state = a.state[0]
    service = word(a.requests[slot]["service"])
    service_row = a.services[service]
    a.requests[slot]["number"] = service_row["arrived"]
    service_row["arrived"] += 1
    service_row["called"] += 1
    if t >= state["measure_from"]:
        service_row["measured"] += 1
        service_row["measured_calls"] += 1
    service_row["in_flight"] += 1
    state["in_flight"] += 1
    return enter(a, slot, t)


@hot
def go_on(a: Arrays, guest: int, slot: int, what: int, t: float) -> None:
    """A request (or strand) goes on: begins, has done a step, or is told how its call or its branches ended."""
    act = a.acts[slot]
    if what in (TOLD_OK, TOLD_FAILED):
        op = a.ops[act["op"]]
        if op["kind"] == OP_CALL:
            spend(a, slot, word(CALLS), t - act["mark"])
            if what == TOLD_FAILED:
                if act["tries"] > 0:
                    act["tries"] -= 1
                    call(a, slot, word(op["where"]), t)
                    return
            else:
                act["times"] -= 1
                act["tries"] = op["tries"]
        if what == TOLD_FAILED:
            conclude(a, guest, slot, True, t)
            return
    if run(a, guest, slot, t):
        conclude(a, guest, slot, False, t)


@hot
def conclude(a: Arrays, guest: int, slot: int, failed: bool, t: float) -> None:
    """A program (or a branch) has come to its end: the request leaves its place to the next."""
    if a.acts[slot]["owner"] >= 0:
        end_strand(a, slot, failed)
        return
    guest_row = a.guests[guest]
    service_row = a.services[guest_row["service"]]
    request_row = a.requests[slot]
    unhold(a, guest, slot)
    guest_row["serving"] -= 1
    if service_row["per_request"] > 0.0:
        charge_guest(a, guest, t, -service_row["per_request"])
    if failed:
        late = expired(a, slot, t)
        status = word(TIMED_OUT if late else FAILED)
        end = request_row["deadline"] if late else t
        finish(a, slot, request_row["start"], end, status)
    else:
        status = word(TIMED_OUT if t > request_row["deadline"] else COMPLETED)
        finish(a, slot, request_row["start"], t, status)
    if service_row["routing"] == IDLE_LIFO and guest_row["state"] == READY:
        note_done(a, guest, word(FREED))
    else:
        fill(a, guest, t)
    outstanding_changed(a, guest)


@hot
def step_ends(a: Arrays, guest: int, t: float) -> None:
    """The guest's first job, a step of a request, is done at `t`; placing is the caller's."""
    guest_row = a.guests[guest]
    slot = word(a.jobs[guest_row["jobs"]]["slot"])
    job_pop(a.jobs, guest_row["jobs"], word(guest_row["busy"]))
    guest_row["busy"] -= 1
    act = a.acts[slot]
    spend(a, slot, word(CPU), act["work"])
    spend(a, slot, word(CONTENTION), max(t - act["mark"] - act["work"], 0.0))  # less is rounding
    act["op"] += 1
    if a.state[0]["todo_n"] > 0:
        todo_push(a, slot, word(GO))
    else:
        go_on(a, guest, slot, word(GO), t)
        go_on_with_next(a, guest, t)


@hot
def go_on_with_next(a: Arrays, guest: int, t: float) -> None:
    """If all that is to be done is to begin the guest's next request, do so before it is placed: it is cheaper."""
    state = a.state[0]
    while state["todo_n"] == 1:
        row = a.todo[state["todo_head"]]
        slot = word(row["slot"])
        act = a.acts[slot]
        request_row = a.requests[slot]
        if row["what"] != GO or act["stamp"] != row["stamp"] or act["owner"] >= 0 or request_row["guest"] != guest:
            break
        guest_row = a.guests[guest]
        rows = word(a.services[guest_row["service"]]["waiting"]) + word(guest_row["waiting"]) + 2
        if short(a, word(guest_row["service"]), rows) != REACHED:
            break
        state["todo_head"] = (state["todo_head"] + 1) & (a.todo.shape[0] - 1)
        state["todo_n"] = 0
        go_on(a, guest, slot, word(GO), t)


@inline
def flow_ends(a: Arrays, flow: int, t: float) -> None:
    """A transfer of a request, which has been brought up to `t`, is done."""
    guest_row = a.guests[flow]
    slot = word(a.jobs[guest_row["jobs"]]["slot"])
    release_flow(a, flow, t)
    act = a.acts[slot]
    act["flow"] = -1
    spend(a, slot, word(a.ops[act["op"]]["part"]), t - act["mark"])
    act["op"] += 1
    todo_push(a, slot, word(GO))


@inline
def on_alarm(a: Arrays, t: float) -> int:
    """A wait ends, or a caller gives its call up."""
    state = a.state[0]
    alarm = a.alarms[0]
    slot = word(alarm["slot"])
    there = a.acts[slot]["stamp"] == alarm["stamp"]
    what = alarm["what"]
    if state["todo_n"] + 4 > a.todo.shape[0]:
        return NEED_ALARMS
    alarm_pop(a.alarms, word(state["alarms"]))
    state["alarms"] -= 1
    if not there:
        return REACHED
    state["now"] = t
    act = a.acts[slot]
    if what == WAIT_ENDS:
        spend(a, slot, word(a.ops[act["op"]]["part"]), t - act["mark"])
        act["op"] += 1
        todo_push(a, slot, word(GO))
    else:
        tell_caller(a, slot, False)
    return REACHED


@inline
def forsake_all(a: Arrays, guest: int, t: float) -> None:
    """The programs of all requests in service at a guest end here; their rows are the caller's to write."""
    slot = word(a.guests[guest]["held"])
    while slot >= 0:
        forsake(a, slot, t)
        slot = word(a.acts[slot]["hold_next"])
