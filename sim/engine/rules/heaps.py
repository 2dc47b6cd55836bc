"""Binary heaps over array regions: guests in a band, bands in a pool, jobs in a guest, client timers, alarms.

Textbook sift operations (Cormen et al., Introduction to Algorithms, ch. 6); the first two heaps keep each member's
position in its record, so that any member can be moved or removed in O(log n).
"""

from __future__ import annotations

from sim.engine.arrays import Array
from sim.engine.compiling.jit import hot, inline
from sim.engine.layout import word


@hot
def guest_up(guests: Array, heap: Array, base: int, i: int) -> None:
    """Move the guest at position `i` of the band heap at `base` up to its place."""
    item = heap[base + i]["guest"]
    key = heap[base + i]["key"]
    while i > 0:
        up = (i - 1) >> 1
        if heap[base + up]["key"] <= key:
            break
        heap[base + i]["guest"] = heap[base + up]["guest"]
        heap[base + i]["key"] = heap[base + up]["key"]
        guests[heap[base + i]["guest"]]["pos"] = i
        i = up
    heap[base + i]["guest"] = item
    heap[base + i]["key"] = key
    guests[item]["pos"] = i


@hot
def guest_down(guests: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Move the guest at position `i` of the band heap of `n` at `base` down to its place."""
    item = heap[base + i]["guest"]
    key = heap[base + i]["key"]
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and heap[base + child + 1]["key"] < heap[base + child]["key"]:
            child += 1
        if heap[base + child]["key"] >= key:
            break
        heap[base + i]["guest"] = heap[base + child]["guest"]
        heap[base + i]["key"] = heap[base + child]["key"]
        guests[heap[base + i]["guest"]]["pos"] = i
        i = child
    heap[base + i]["guest"] = item
    heap[base + i]["key"] = key
    guests[item]["pos"] = i


@inline
def band_up(bands: Array, heap: Array, base: int, i: int) -> None:
    """Move the band at position `i` of a pool's heap up to its place."""
    item = heap[base + i]
    key = bands[item]["key"]
    while i > 0:
        up = (i - 1) >> 1
        if bands[heap[base + up]]["key"] <= key:
            break
        heap[base + i] = heap[base + up]
        bands[heap[base + i]]["pos"] = i
        i = up
    heap[base + i] = item
    bands[item]["pos"] = i


@inline
def band_down(bands: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Move the band at position `i` of a pool's heap of `n` down to its place."""
    item = heap[base + i]
    key = bands[item]["key"]
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and bands[heap[base + child + 1]]["key"] < bands[heap[base + child]]["key"]:
            child += 1
        if bands[heap[base + child]]["key"] >= key:
            break
        heap[base + i] = heap[base + child]
        bands[heap[base + i]]["pos"] = i
        i = child
    heap[base + i] = item
    bands[item]["pos"] = i


@inline
def band_move(bands: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Restore the order after the key of the band at position `i` changed either way."""
    if i > 0 and bands[heap[base + i]]["key"] < bands[heap[base + ((i - 1) >> 1)]]["key"]:
        band_up(bands, heap, base, i)
    else:
        band_down(bands, heap, base, n, i)


@inline
def band_remove(bands: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Take the band at position `i` out of a heap of `n`; the caller lowers its own count."""
    last = heap[base + n - 1]
    if i < n - 1:
        heap[base + i] = last
        bands[last]["pos"] = i
        band_move(bands, heap, base, n - 1, i)


@hot
def job_push(jobs: Array, base: int, n: int, tag: float, slot: int) -> None:
    """Add a job to a guest's heap of `n` jobs at `base`."""
    i = n
    while i > 0:
        up = (i - 1) >> 1
        if jobs[base + up]["tag"] <= tag:
            break
        jobs[base + i]["tag"] = jobs[base + up]["tag"]
        jobs[base + i]["slot"] = jobs[base + up]["slot"]
        i = up
    jobs[base + i]["tag"] = tag
    jobs[base + i]["slot"] = slot


@hot
def job_pop(jobs: Array, base: int, n: int) -> None:
    """Take the first job off a guest's heap of `n` jobs."""
    tag = jobs[base + n - 1]["tag"]
    slot = jobs[base + n - 1]["slot"]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n - 1:
            break
        if child + 1 < n - 1 and jobs[base + child + 1]["tag"] < jobs[base + child]["tag"]:
            child += 1
        if jobs[base + child]["tag"] >= tag:
            break
        jobs[base + i]["tag"] = jobs[base + child]["tag"]
        jobs[base + i]["slot"] = jobs[base + child]["slot"]
        i = child
    jobs[base + i]["tag"] = tag
    jobs[base + i]["slot"] = slot


@inline
def sooner(timers: Array, i: int, time: float, loop: int, slot: int) -> bool:
    """Whether the timer at `i` goes off before another; at equal times: who gives up first, then by the loop."""
    timer = timers[i]
    if timer["time"] != time:
        return bool(timer["time"] < time)
    if (timer["slot"] >= 0) != (slot >= 0):
        return bool(timer["slot"] >= 0)
    return bool(timer["loop"] < loop)


@inline
def later(timers: Array, i: int, time: float, loop: int, slot: int) -> bool:
    """Whether the timer at `i` goes off after another: the order of `sooner`."""
    timer = timers[i]
    if timer["time"] != time:
        return bool(timer["time"] > time)
    if (timer["slot"] >= 0) != (slot >= 0):
        return bool(timer["slot"] < 0)
    return bool(timer["loop"] > loop)


@inline
def timer_copy(timers: Array, i: int, other: int) -> None:
    """Put a copy of the timer at `other` at `i`."""
    timers[i]["time"] = timers[other]["time"]
    timers[i]["loop"] = timers[other]["loop"]
    timers[i]["slot"] = timers[other]["slot"]
    timers[i]["number"] = timers[other]["number"]


@inline
def timer_push(timers: Array, n: int, time: float, loop: int, slot: int, number: int) -> None:
    """Add a closed-loop client's timer to the heap of `n` timers."""
    i = n
    while i > 0:
        up = (i - 1) >> 1
        if not later(timers, up, time, loop, slot):
            break
        timer_copy(timers, i, up)
        i = up
    timers[i]["time"] = time
    timers[i]["loop"] = loop
    timers[i]["slot"] = slot
    timers[i]["number"] = number


@inline
def timer_pop(timers: Array, n: int) -> None:
    """Take the first timer off the heap of `n` timers."""
    last = n - 1
    time = timers[last]["time"]
    loop = word(timers[last]["loop"])
    slot = word(timers[last]["slot"])
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        if child + 1 < last:
            other = timers[child]
            if sooner(timers, child + 1, other["time"], word(other["loop"]), word(other["slot"])):
                child += 1
        if not sooner(timers, child, time, loop, slot):
            break
        timer_copy(timers, i, child)
        i = child
    timer_copy(timers, i, last)


@inline
def alarm_before(rows: Array, i: int, j: int) -> bool:
    """Whether the alarm at `i` goes off before the one at `j`: by time, then by order."""
    one = rows[i]
    other = rows[j]
    return bool(one["time"] < other["time"] or (one["time"] == other["time"] and one["order"] < other["order"]))


@inline
def alarm_copy(rows: Array, source: int, target: int) -> None:
    """Copy an alarm."""
    one = rows[source]
    other = rows[target]
    other["time"] = one["time"]
    other["order"] = one["order"]
    other["slot"] = one["slot"]
    other["what"] = one["what"]
    other["stamp"] = one["stamp"]


@inline
def alarm_push(rows: Array, n: int, time: float, order: int, slot: int, stamp: int, what: int) -> None:
    """Add an alarm to the heap of `n`: `what` is due about `slot` at `time`, if it still has that stamp."""
    i = n
    while i > 0:
        up = (i - 1) >> 1
        above = rows[up]
        if above["time"] < time or (above["time"] == time and above["order"] <= order):
            break
        alarm_copy(rows, up, i)
        i = up
    row = rows[i]
    row["time"] = time
    row["order"] = order
    row["slot"] = slot
    row["what"] = what
    row["stamp"] = stamp


@inline
def alarm_pop(rows: Array, n: int) -> None:
    """Take the first alarm off the heap of `n`."""
    last = n - 1
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        if child + 1 < last and alarm_before(rows, child + 1, child):
            child += 1
        if not alarm_before(rows, child, last):
            break
        alarm_copy(rows, child, i)
        i = child
    alarm_copy(rows, last, i)
