"""Binary heaps over array regions: guests in a class, classes in a pool, jobs in a guest, client timers.

Textbook sift operations (Cormen et al., Introduction to Algorithms, ch. 6); the first two heaps keep each member's
position in its record, so that any member can be moved or removed in O(log n).
"""

from __future__ import annotations

from sim.engine.arrays import Array
from sim.engine.jit import inline


@inline
def guest_up(g: Array, heap: Array, base: int, i: int) -> None:
    """Move the guest at position `i` of the class heap at `base` up to its place."""
    item = heap[base + i]["guest"]
    key = heap[base + i]["key"]
    while i > 0:
        up = (i - 1) >> 1
        if heap[base + up]["key"] <= key:
            break
        heap[base + i]["guest"] = heap[base + up]["guest"]
        heap[base + i]["key"] = heap[base + up]["key"]
        g[heap[base + i]["guest"]]["pos"] = i
        i = up
    heap[base + i]["guest"] = item
    heap[base + i]["key"] = key
    g[item]["pos"] = i


@inline
def guest_down(g: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Move the guest at position `i` of the class heap of `n` at `base` down to its place."""
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
        g[heap[base + i]["guest"]]["pos"] = i
        i = child
    heap[base + i]["guest"] = item
    heap[base + i]["key"] = key
    g[item]["pos"] = i


@inline
def class_up(k: Array, heap: Array, base: int, i: int) -> None:
    """Move the class at position `i` of a pool's heap up to its place."""
    item = heap[base + i]
    key = k[item]["key"]
    while i > 0:
        up = (i - 1) >> 1
        if k[heap[base + up]]["key"] <= key:
            break
        heap[base + i] = heap[base + up]
        k[heap[base + i]]["pos"] = i
        i = up
    heap[base + i] = item
    k[item]["pos"] = i


@inline
def class_down(k: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Move the class at position `i` of a pool's heap of `n` down to its place."""
    item = heap[base + i]
    key = k[item]["key"]
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and k[heap[base + child + 1]]["key"] < k[heap[base + child]]["key"]:
            child += 1
        if k[heap[base + child]]["key"] >= key:
            break
        heap[base + i] = heap[base + child]
        k[heap[base + i]]["pos"] = i
        i = child
    heap[base + i] = item
    k[item]["pos"] = i


@inline
def class_move(k: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Restore the order after the key of the class at position `i` changed either way."""
    if i > 0 and k[heap[base + i]]["key"] < k[heap[base + ((i - 1) >> 1)]]["key"]:
        class_up(k, heap, base, i)
    else:
        class_down(k, heap, base, n, i)


@inline
def class_remove(k: Array, heap: Array, base: int, n: int, i: int) -> None:
    """Take the class at position `i` out of a heap of `n`; the caller lowers its own count."""
    last = heap[base + n - 1]
    if i < n - 1:
        heap[base + i] = last
        k[last]["pos"] = i
        class_move(k, heap, base, n - 1, i)


@inline
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


@inline
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
def timer_push(timers: Array, n: int, time: float, service: int, slot: int, number: int) -> None:
    """Add a closed-loop client's timer to the heap of `n` timers."""
    i = n
    while i > 0:
        up = (i - 1) >> 1
        if timers[up]["time"] <= time:
            break
        timers[i]["time"] = timers[up]["time"]
        timers[i]["service"] = timers[up]["service"]
        timers[i]["slot"] = timers[up]["slot"]
        timers[i]["number"] = timers[up]["number"]
        i = up
    timers[i]["time"] = time
    timers[i]["service"] = service
    timers[i]["slot"] = slot
    timers[i]["number"] = number


@inline
def timer_pop(timers: Array, n: int) -> None:
    """Take the first timer off the heap of `n` timers."""
    time = timers[n - 1]["time"]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n - 1:
            break
        if child + 1 < n - 1 and timers[child + 1]["time"] < timers[child]["time"]:
            child += 1
        if timers[child]["time"] >= time:
            break
        timers[i]["time"] = timers[child]["time"]
        timers[i]["service"] = timers[child]["service"]
        timers[i]["slot"] = timers[child]["slot"]
        timers[i]["number"] = timers[child]["number"]
        i = child
    timers[i]["time"] = time
    timers[i]["service"] = timers[n - 1]["service"]
    timers[i]["slot"] = timers[n - 1]["slot"]
    timers[i]["number"] = timers[n - 1]["number"]
