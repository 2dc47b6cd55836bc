"""The compiled event loop of the data plane.

Everything here is plain Python over the arrays of `layout`, compiled by numba; `plane.DataPlane` owns the arrays and
is the only caller, through `entry` (what control may do to the arrays is in `control`). The loop knows four kinds
of event, at equal times in this order: a job completes, what follows from that, a closed-loop client's timer goes
off, a request arrives. It returns when the asked time is reached or when control must act (the reason codes).
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import (
    BECAME_IDLE,
    BOOTED,
    DRAINED,
    DRAINING,
    FREE,
    FREED,
    GUEST_OOM,
    HOST_OOM,
    IDLE_LIFO,
    MOVED,
    NEED_ARRIVALS,
    NEED_ROOM,
    NEED_SLOTS,
    OF_REQUEST,
    POOL_OOM,
    REACHED,
    READY,
    STANDSTILL,
    TASK_DONE,
    TRANSFERRED,
    WORK_REQUEST,
    word,
)
from sim.engine.rules.bands import guest_sync, pool_clock
from sim.engine.rules.heaps import alarm_pop, job_pop, timer_pop, timer_push
from sim.engine.rules.links import control_flow_ends
from sim.engine.rules.programs import begin_root, take_slot
from sim.engine.rules.queueing import (
    client_thinks,
    complete,
    enter,
    fill,
    idle_push,
    need,
    route_backlog,
)
from sim.engine.rules.queues import note_done
from sim.engine.rules.quotas import refill, stand_still
from sim.engine.rules.sharing import changed, guest_place, next_band, next_completion, pool_of
from sim.engine.rules.stepping import flow_ends, on_alarm, on_todo, short, step_ends


@hot
def advance(a: Arrays, until: float) -> int:
    """Run the data plane up to and including clock `until`; return why it stopped (`state.subject`: of whom)."""
    state = a.state[0]
    while True:
        if state["pending"] > 0 or state["pool_oom"] or state["host_oom"] or state["resume"]:
            reason = pending_stop(a)
            if reason != REACHED:
                return reason
            continue
        if state["todo_n"] > 0:
            reason = on_todo(a)
            if reason != REACHED:
                return reason
            continue
        if state["arrival"] >= state["arrivals"] and not state["exhausted"]:
            return NEED_ARRIVALS
        pool = first_pool(a)
        at = next_completion(a, pool)
        if at < state["now"]:
            at = state["now"]
        end = a.ends[0]["time"] if state["ends"] > 0 else np.inf
        alarm = a.alarms[0]["time"] if state["alarms"] > 0 else np.inf
        if state["done"] > 0 and at > state["now"] and end > state["now"]:
            reason = on_done(a)
            if reason != REACHED:
                return reason
            continue
        arrival = a.arrival_time[state["arrival"]] if state["arrival"] < state["arrivals"] else np.inf
        timer = a.timers[0]["time"] if state["timers"] > 0 else np.inf
        soonest = min(at, arrival, timer, end, alarm)
        if soonest > until:
            state["next"] = soonest
            break
        if end <= soonest:
            reason = on_period_end(a, end)
        elif at <= soonest:
            reason = on_completion(a, pool, at)
        elif alarm <= soonest:
            reason = on_alarm(a, alarm)
        elif timer <= arrival:
            reason = on_timer(a, timer)
        else:
            reason = on_arrival(a, arrival)
        if reason != REACHED:
            return reason
    if until > state["now"]:
        state["now"] = until
    return REACHED


@hot
def first_pool(a: Arrays) -> int:
    """The pool whose next completion comes first."""
    best = word(0)
    if a.state[0]["pools"] > 1:
        at = next_completion(a, word(0))
        for pool in range(1, a.state[0]["pools"]):
            other = next_completion(a, pool)
            if other < at:
                at = other
                best = pool
    return best


@inline
def pending_stop(a: Arrays) -> int:
    """Hand out what memory has noted, one stop at a time."""
    state = a.state[0]
    if state["pending"] > 0:
        state["subject"] = a.pending[0]
        state["pending"] -= 1
        for i in range(state["pending"]):
            a.pending[i] = a.pending[i + 1]
        return GUEST_OOM
    if state["pool_oom"]:
        for pool in range(word(state["pools"])):
            pool_row = a.pools[pool]
            if pool_row["oom"]:
                pool_row["oom"] = 0
                if pool_row["memory"] > pool_row["memory_limit"]:  # control may have given some back meanwhile
                    state["subject"] = pool
                    return POOL_OOM
        state["pool_oom"] = 0
        return REACHED
    if state["host_oom"]:
        state["host_oom"] = 0
        if state["memory"] > state["memory_limit"]:
            state["subject"] = -1
            return HOST_OOM
        return REACHED
    if state["resume"]:
        state["resume"] = 0
        for service in range(word(state["services"])):
            if a.services[service]["routing"] != IDLE_LIFO:
                route_backlog(a, service, state["now"])
    return REACHED


@hot
def on_completion(a: Arrays, pool: int, t: float) -> int:
    """The first job of the first guest of the first band of `pool` is done at `t`."""
    state = a.state[0]
    pool_clock(a, pool, t)
    guest = word(a.members[a.bands[next_band(a, pool)]["heap"]]["guest"])
    guest_row = a.guests[guest]
    service = word(guest_row["service"])
    programmed = a.services[service]["n_kinds"] > 0
    rows = word(guest_row["waiting"]) + word(a.services[service]["waiting"]) + 2
    reason = short(a, service, rows) if programmed else need(a, service, rows)
    if reason != REACHED:
        return reason
    state["now"] = t
    guest_sync(a, guest, t)
    if guest_row["limited"] and a.quotas[guest]["first"]:
        stand_still(a, guest, t)
        guest_place(a, guest, t)
        changed(a, guest, t)
        return REACHED
    guest_row["v"] = a.jobs[guest_row["jobs"]]["tag"]
    if guest_row["flow"]:
        if guest_row["flow"] == OF_REQUEST:
            flow_ends(a, guest, t)
        else:
            control_flow_ends(a, guest, t)
        return REACHED
    if guest_row["task"] == WORK_REQUEST:
        if programmed:
            step_ends(a, guest, t)
        else:
            complete(a, guest, t)
    else:
        job_pop(a.jobs, guest_row["jobs"], word(guest_row["busy"]))
        guest_row["busy"] -= 1
    guest_place(a, guest, t)
    changed(a, guest, t)
    if guest_row["task"] != WORK_REQUEST:
        if guest_row["busy"] == 0:
            guest_row["task"] = WORK_REQUEST
            note_done(a, guest, word(BOOTED))
    elif guest_row["state"] == DRAINING and guest_row["serving"] + guest_row["waiting"] == 0:
        state["subject"] = guest
        return DRAINED
    return REACHED


@inline
def on_period_end(a: Arrays, t: float) -> int:
    """The period of a guest with a quota ends; the guest may have gone meanwhile."""
    state = a.state[0]
    guest = word(a.ends[0]["slot"])
    uid = a.ends[0]["stamp"]
    alarm_pop(a.ends, word(state["ends"]))
    state["ends"] -= 1
    guest_row = a.guests[guest]
    if guest_row["uid"] != uid or guest_row["state"] == FREE:
        return REACHED
    if not guest_row["limited"]:  # its limit has been taken from it
        a.quotas[guest]["timer"] = 0
        return REACHED
    t = max(t, state["now"])
    state["now"] = t
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    still = a.quotas[guest]["still"]
    refill(a, guest, t)
    guest_place(a, guest, t)
    if still:
        changed(a, guest, t)
    return REACHED


@inline
def on_done(a: Arrays) -> int:
    """No more completions at this moment: what follows from those there were, lowest guest number first.

    Control hears of a start-up task; a guest of a per-request service takes what waits, or is idle.
    """
    state = a.state[0]
    first = 0
    for i in range(1, state["done"]):
        if a.guests[a.done[i]]["uid"] < a.guests[a.done[first]]["uid"]:
            first = i
    guest = word(a.done[first])
    state["subject"] = guest
    guest_row = a.guests[guest]
    what = guest_row["done"]
    if what == FREED:
        reason = need(a, word(guest_row["service"]), word(a.services[guest_row["service"]]["waiting"]) + 2)
        if reason != REACHED:
            return reason
    state["done"] -= 1
    a.done[first] = a.done[state["done"]]
    guest_row["done"] = 0
    if what == BOOTED:
        return TASK_DONE
    if what == MOVED:
        return TRANSFERRED
    t = state["now"]
    pool_clock(a, pool_of(a, guest), t)
    guest_sync(a, guest, t)
    fill(a, guest, t)
    guest_place(a, guest, t)
    changed(a, guest, t)
    if guest_row["serving"] == 0 and guest_row["state"] == READY:
        idle_push(a, guest, t)
        if guest_row["watched"]:
            guest_row["watched"] = 0
            return BECAME_IDLE
    return REACHED


@hot
def admit(a: Arrays, service: int, t: float, demand: float, u1: float, u2: float, loop: int) -> int:
    """A request arrives at `t` (a slot and room for a row are there): route it. Returns a reason to stop.

    `loop`: the closed loop whose client it is from, or -1.
    """
    state = a.state[0]
    service_row = a.services[service]
    slot = take_slot(a)
    request_row = a.requests[slot]
    request_row["arrival"] = t
    request_row["deadline"] = t + service_row["timeout"]
    request_row["start"] = np.nan
    request_row["demand"] = demand
    request_row["u1"] = u1
    request_row["u2"] = u2
    request_row["number"] = service_row["arrived"]
    request_row["service"] = service
    request_row["guest"] = -1
    request_row["loop"] = loop
    if service_row["n_kinds"] > 0:
        begin_root(a, slot, service)
    service_row["arrived"] += 1
    if t >= state["measure_from"]:
        service_row["measured"] += 1
    service_row["in_flight"] += 1
    state["in_flight"] += 1
    return enter(a, slot, t)


@hot
def on_arrival(a: Arrays, t: float) -> int:
    """The next open arrival."""
    state = a.state[0]
    if state["free"] < 0:
        return NEED_SLOTS
    if state["out"] + 2 > a.out.shape[0]:
        state["room"] = 2
        return NEED_ROOM
    i = state["arrival"]
    state["arrival"] = i + 1
    state["now"] = t
    return admit(a, word(a.arrival_service[i]), t, a.arrival_demand[i], a.arrival_u1[i], a.arrival_u2[i], word(-1))


@inline
def on_timer(a: Arrays, t: float) -> int:
    """A closed-loop client's next request, or the moment at which it gives one up."""
    state = a.state[0]
    timer = a.timers[0]
    loop = word(timer["loop"])
    drawn = a.loops[loop]
    service = word(drawn["service"])
    slot = word(timer["slot"])
    number = timer["number"]
    reason = need(a, service, word(2))
    if reason != REACHED:
        return reason
    if state["free"] < 0:
        return NEED_SLOTS
    if t > state["timer_mark"]:
        state["timer_mark"] = t
        state["at_once"] = 0
    state["at_once"] += 1
    if state["at_once"] > state["most_at_once"]:
        state["subject"] = service
        return STANDSTILL
    state["now"] = t
    timer_pop(a.timers, word(state["timers"]))
    state["timers"] -= 1
    if slot >= 0:  # patience is at an end, if that request is still there
        if a.requests[slot]["number"] == number and a.requests[slot]["service"] == service:
            a.requests[slot]["loop"] = -1
            client_thinks(a, loop, t, 0.0)
        return REACHED
    service_row = a.services[service]
    row = drawn["stock"] + drawn["want_at"]
    drawn["want_at"] += 1
    slot = word(state["free"])
    number = service_row["arrived"]
    reason = admit(a, service, t, a.stock[row]["demand"], a.stock[row]["u1"], a.stock[row]["u2"], loop)
    if (
        service_row["timeout"] < np.inf
        and a.requests[slot]["number"] == number
        and a.requests[slot]["service"] == service
    ):
        timer_push(a.timers, word(state["timers"]), t + service_row["timeout"], loop, slot, number)
        state["timers"] += 1
    return reason
