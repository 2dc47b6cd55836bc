"""The rule of programs: the steps of requests, one after the other (docs/model.md, A request is a program).

A request of a service with programs has a row in `acts` beside its own. So has each strand: a branch of a `parallel`
step, in a request slot of its own. What follows from the end of something is put into `todo` and done at once, so that
no function here calls itself through another request.
"""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import (
    ADMIT,
    CALLS,
    GIVE_UP,
    GO,
    OP_CALL,
    OP_CPU,
    OP_FORK,
    OP_MOVE,
    OP_STOP,
    OP_WAIT,
    POWER_OF_TWO,
    RANDOM,
    TOLD_FAILED,
    TOLD_OK,
    WAIT_ENDS,
    word,
)
from sim.engine.rules.draws import draw, mix, next_key, next_number
from sim.engine.rules.heaps import job_push
from sim.engine.rules.links import link_of, start_flow, stop_flow
from sim.engine.rules.queues import set_alarm, todo_push


@hot
def take_slot(a: Arrays) -> int:
    """A free request slot; there is one."""
    state = a.state[0]
    slot = word(state["free"])
    state["free"] = a.requests[slot]["next"]
    return slot


@hot
def give_slot(a: Arrays, slot: int) -> None:
    """The slot is free."""
    state = a.state[0]
    a.requests[slot]["number"] = -1
    a.requests[slot]["next"] = state["free"]
    state["free"] = slot


@hot
def begin_act(a: Arrays, slot: int, key: np.uint64, op: int) -> None:
    """A request, or a strand of one, with this key begins at `op`."""
    state = a.state[0]
    state["stamps"] += 1
    act = a.acts[slot]
    act["stamp"] = state["stamps"]
    act["key"] = key
    act["used"] = 0
    act["op"] = op
    act["times"] = -1
    act["parent"] = -1
    act["callee"] = -1
    act["owner"] = -1
    act["strands"] = 0
    act["first_strand"] = -1
    act["next_strand"] = -1
    act["failed"] = 0
    act["flow"] = -1
    for part in range(CALLS + 1):
        a.spent[slot * (CALLS + 1) + part] = 0.0


@hot
def begin_root(a: Arrays, slot: int, service: int) -> None:
    """A request from outside has come to a service with programs."""
    service_row = a.services[service]
    key = mix(service_row["key"], service_row["arrived"] - service_row["called"])
    begin_act(a, slot, key, word(0))
    choose_kind(a, slot, service)


@hot
def choose_kind(a: Arrays, slot: int, service: int) -> None:
    """Which of its service's programs a request runs."""
    service_row = a.services[service]
    kind = word(service_row["kinds"])
    last = kind + word(service_row["n_kinds"]) - 1
    if kind < last:
        u = next_number(a, slot)
        while kind < last and u >= a.kinds[kind]["up_to"]:
            kind += 1
    a.acts[slot]["op"] = a.kinds[kind]["op"]


@hot
def run(a: Arrays, guest: int, slot: int, t: float) -> bool:
    """Go on with a request (or strand) at its step until it has to wait for something; True if it has done the last.

    The guest's `v` stands at `t`; placing it is the caller's.
    """
    act = a.acts[slot]
    while True:
        op = a.ops[act["op"]]
        kind = op["kind"]
        if kind == OP_STOP:
            return True
        if kind == OP_CPU:
            work = draw(a, slot, word(op["law"]), op["a"], op["b"])
            guest_row = a.guests[guest]
            if work > 0.0 and not op["raw"]:
                work = work * a.services[guest_row["service"]]["overhead"] + guest_row["extra"]
            if work > 0.0:
                act["mark"] = t
                act["work"] = work
                job_push(a.jobs, guest_row["jobs"], word(guest_row["busy"]), guest_row["v"] + work, slot)
                guest_row["busy"] += 1
                return False
        elif kind == OP_WAIT:
            seconds = draw(a, slot, word(op["law"]), op["a"], op["b"])
            if seconds > 0.0:
                act["mark"] = t
                set_alarm(a, t + seconds, slot, word(WAIT_ENDS))
                return False
        elif kind == OP_MOVE:
            if op["a"] > 0.0:
                act["mark"] = t
                start_flow(a, slot, link_of(a, word(op["where"]), guest), op["a"], t)
                return False
        elif kind == OP_CALL:
            if act["times"] < 0:
                act["times"] = op["times"]
                act["tries"] = op["tries"]
            while act["times"] > 0 and op["a"] < 1.0 and next_number(a, slot) >= op["a"]:
                act["times"] -= 1
            if act["times"] > 0:
                call(a, slot, word(op["where"]), t)
                return False
            act["times"] = -1
        elif kind == OP_FORK and op["times"] > 0:
            fork(a, slot)
            return False
        act["op"] += 1


@hot
def main_of(a: Arrays, slot: int) -> int:
    """The request that a strand (or itself) belongs to."""
    owner = word(a.acts[slot]["owner"])
    while owner >= 0:
        slot = owner
        owner = word(a.acts[slot]["owner"])
    return slot


@inline
def call(a: Arrays, slot: int, service: int, t: float) -> None:
    """Make a request to another service; the caller is told when it ends. From its own deadline on it fails instead."""
    a.acts[slot]["mark"] = t
    deadline = a.requests[main_of(a, slot)]["deadline"]
    if t >= deadline:
        a.acts[slot]["tries"] = 0
        todo_push(a, slot, word(TOLD_FAILED))
        return
    key = next_key(a, slot)
    child = take_slot(a)
    begin_act(a, child, key, word(0))
    act = a.acts[child]
    act["parent"] = slot
    act["parent_stamp"] = a.acts[slot]["stamp"]
    a.acts[slot]["callee"] = child
    choose_kind(a, child, service)
    service_row = a.services[service]
    request_row = a.requests[child]
    request_row["arrival"] = t
    request_row["deadline"] = min(t + service_row["timeout"], deadline)
    request_row["start"] = np.nan
    request_row["demand"] = 0.0
    request_row["service"] = service
    request_row["guest"] = -1
    request_row["loop"] = -1
    request_row["number"] = -1
    routing = service_row["routing"]
    request_row["u1"] = next_number(a, child) if routing in (RANDOM, POWER_OF_TWO) else 0.0
    request_row["u2"] = next_number(a, child) if routing == POWER_OF_TWO else 0.0
    if request_row["deadline"] < np.inf:
        set_alarm(a, request_row["deadline"], child, word(GIVE_UP))
    todo_push(a, child, word(ADMIT))


@inline
def fork(a: Arrays, slot: int) -> None:
    """Begin the branches of a parallel step."""
    act = a.acts[slot]
    op = word(act["op"])
    n = word(a.ops[op]["times"])
    act["strands"] = n
    last = word(-1)
    for i in range(n):
        key = next_key(a, slot)
        strand = take_slot(a)
        begin_act(a, strand, key, word(a.ops[op + 1 + i]["where"]))
        a.acts[strand]["owner"] = slot
        a.requests[strand]["number"] = -1
        if last < 0:
            act["first_strand"] = strand
        else:
            a.acts[last]["next_strand"] = strand
        last = strand
        todo_push(a, strand, word(GO))


@inline
def end_strand(a: Arrays, slot: int, failed: bool) -> None:
    """A branch has ended; the last one lets the request go on, with where its time went."""
    act = a.acts[slot]
    owner = word(act["owner"])
    whole = a.acts[owner]
    if failed:
        whole["failed"] = 1
    whole["strands"] -= 1
    act["stamp"] = 0
    if whole["strands"] == 0:
        for part in range(CALLS + 1):
            a.spent[owner * (CALLS + 1) + part] += a.spent[slot * (CALLS + 1) + part]
        strand = word(whole["first_strand"])
        while strand >= 0:
            after = word(a.acts[strand]["next_strand"])
            give_slot(a, strand)
            strand = after
        whole["first_strand"] = -1
        if whole["failed"]:
            todo_push(a, owner, word(TOLD_FAILED))
        else:
            whole["op"] = a.ops[whole["op"]]["where"]
            todo_push(a, owner, word(GO))


@inline
def forsake(a: Arrays, slot: int, t: float) -> None:
    """A request ends before its program does: its transfers and strands go, and nobody waits for its calls."""
    act = a.acts[slot]
    drop_out(a, slot, t)
    strand = word(act["first_strand"])
    while strand >= 0:  # strands of strands are behind those that they come from
        inner = word(a.acts[strand]["first_strand"])
        last = inner
        while last >= 0 and a.acts[last]["next_strand"] >= 0:
            last = word(a.acts[last]["next_strand"])
        after = word(a.acts[strand]["next_strand"])
        if last >= 0:
            a.acts[last]["next_strand"] = after
            after = inner
        drop_out(a, strand, t)
        give_slot(a, strand)
        strand = after
    act["first_strand"] = -1


@inline
def drop_out(a: Arrays, slot: int, t: float) -> None:
    """A request (or strand) does nothing any more; to the one that it has called, it is a client that leaves now."""
    act = a.acts[slot]
    stop_flow(a, slot, t)
    callee = word(act["callee"])
    if callee >= 0 and a.acts[callee]["parent"] == slot and a.acts[callee]["parent_stamp"] == act["stamp"]:
        a.requests[callee]["deadline"] = min(a.requests[callee]["deadline"], t)
    act["stamp"] = 0


@hot
def tell_caller(a: Arrays, slot: int, ok: bool) -> None:
    """The one that made this request, if it still waits, is told how it ended."""
    act = a.acts[slot]
    parent = word(act["parent"])
    act["parent"] = -1
    if parent >= 0 and a.acts[parent]["stamp"] == act["parent_stamp"]:
        todo_push(a, parent, word(TOLD_OK if ok else TOLD_FAILED))


@hot
def spend(a: Arrays, slot: int, part: int, seconds: float) -> None:
    """Count seconds of a request's response as spent on `part`."""
    a.spent[slot * (CALLS + 1) + part] += seconds


@hot
def count_parts(a: Arrays, slot: int, start: float) -> None:
    """Add up where the time of a completed response went: parts, waiting for service, and their number."""
    base = word(a.requests[slot]["service"]) * (CALLS + 3)
    for part in range(CALLS + 1):
        a.service_spent[base + part] += a.spent[slot * (CALLS + 1) + part]
    a.service_spent[base + CALLS + 1] += start - a.requests[slot]["arrival"]
    a.service_spent[base + CALLS + 2] += 1.0


@hot
def hold(a: Arrays, guest: int, slot: int) -> None:
    """Put a request with a program into the list of those in service at its guest."""
    first = word(a.guests[guest]["held"])
    act = a.acts[slot]
    act["hold_prev"] = -1
    act["hold_next"] = first
    if first >= 0:
        a.acts[first]["hold_prev"] = slot
    a.guests[guest]["held"] = slot


@hot
def unhold(a: Arrays, guest: int, slot: int) -> None:
    """Take it out of that list."""
    act = a.acts[slot]
    if act["hold_prev"] >= 0:
        a.acts[act["hold_prev"]]["hold_next"] = act["hold_next"]
    else:
        a.guests[guest]["held"] = act["hold_next"]
    if act["hold_next"] >= 0:
        a.acts[act["hold_next"]]["hold_prev"] = act["hold_prev"]
