"""The rule of links: what moves over a disk or a network, for a request or for control (docs/model.md).

A link is a pool of its own whose capacity is in bytes/s. A transfer is a *flow*: a guest of that pool with one job of
so many bytes, so that transfers share a link as guests share cores. Those of requests have no rate of their own; those
of control (starts, moves) may have one, which is the flow's cap.
"""

from __future__ import annotations

from sim.engine.arrays import Arrays
from sim.engine.compiling.jit import inline
from sim.engine.layout import MOVED, word
from sim.engine.rules.bands import guest_sync, pool_clock
from sim.engine.rules.heaps import job_pop, job_push
from sim.engine.rules.queues import note_done
from sim.engine.rules.sharing import changed, guest_place, pool_of


@inline
def link_of(a: Arrays, link: int, guest: int) -> int:
    """The link that a guest uses for this one of the host's: its own site's."""
    for _ in range(a.guests[guest]["site"]):
        link = word(a.pools[link]["twin"])
    return word(link)


@inline
def start_flow(a: Arrays, slot: int, link: int, size: float, t: float) -> None:
    """Move a request's bytes over a link."""
    pool_row = a.pools[link]
    flow = word(pool_row["flow"])
    pool_row["flow"] = a.guests[flow]["idle_next"]
    pool_row["n_flows"] -= 1
    a.acts[slot]["flow"] = flow
    begin(a, flow, size, slot, t)


@inline
def begin(a: Arrays, flow: int, size: float, slot: int, t: float) -> None:
    """A flow that is at rest has `size` bytes to move."""
    guest_row = a.guests[flow]
    pool_clock(a, pool_of(a, flow), t)
    guest_row["v"] = 0.0
    job_push(a.jobs, guest_row["jobs"], word(0), size, slot)
    guest_row["busy"] = 1
    guest_place(a, flow, t)
    changed(a, flow, t)


@inline
def rest(a: Arrays, flow: int, t: float) -> None:
    """A flow, which has been brought up to `t`, has nothing to move any more."""
    a.guests[flow]["busy"] = 0
    guest_place(a, flow, t)
    changed(a, flow, t)


@inline
def release_flow(a: Arrays, flow: int, t: float) -> None:
    """A request's flow, which has been brought up to `t`, has ended or is broken off."""
    rest(a, flow, t)
    guest_row = a.guests[flow]
    pool_row = a.pools[pool_of(a, flow)]
    guest_row["idle_next"] = pool_row["flow"]
    pool_row["flow"] = flow
    pool_row["n_flows"] += 1


@inline
def stop_flow(a: Arrays, slot: int, t: float) -> float:
    """Break off the transfer of a request, if it has one. Returns the bytes that were left to move."""
    flow = word(a.acts[slot]["flow"])
    if flow < 0:
        return 0.0
    guest_row = a.guests[flow]
    a.acts[slot]["flow"] = -1
    pool_clock(a, pool_of(a, flow), t)
    guest_sync(a, flow, t)
    left = a.jobs[guest_row["jobs"]]["tag"] - guest_row["v"]
    release_flow(a, flow, t)
    return max(left, 0.0)


@inline
def control_flow_ends(a: Arrays, flow: int, t: float) -> None:
    """A transfer that control has asked for, which has been brought up to `t`, is done: control is to hear of it."""
    job_pop(a.jobs, a.guests[flow]["jobs"], word(1))
    rest(a, flow, t)
    note_done(a, flow, word(MOVED))


@inline
def change_site(a: Arrays, guest: int, site: int, t: float) -> None:
    """A guest uses another site's links from now on: what its requests are moving goes on there."""
    first = word(a.guests[guest]["held"])
    while first >= 0:
        slot = first
        while True:  # the request and its strands, a branch before its neighbour
            change_link(a, slot, guest, site, t)
            if a.acts[slot]["first_strand"] >= 0:
                slot = word(a.acts[slot]["first_strand"])
                continue
            while slot != first and a.acts[slot]["next_strand"] < 0:
                slot = word(a.acts[slot]["owner"])
            if slot == first:
                break
            slot = word(a.acts[slot]["next_strand"])
        first = word(a.acts[first]["hold_next"])
    a.guests[guest]["site"] = site


@inline
def change_link(a: Arrays, slot: int, guest: int, site: int, t: float) -> None:
    """A transfer under way goes on over the same link of another site."""
    act = a.acts[slot]
    if act["flow"] >= 0:
        left = stop_flow(a, slot, t)
        link = word(a.ops[act["op"]]["where"])
        for _ in range(site):
            link = word(a.pools[link]["twin"])
        start_flow(a, slot, link, left, t)
