"""Book-keeping of the class table: which classes there are, and room for their members."""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays


class ClassTable:
    """Classes by (pool, rho), the rows of classes that guests go through, and the regions they live in."""

    def __init__(self) -> None:
        self._class: dict[tuple[int, float], int] = {}
        self._profile: dict[tuple[int, tuple[float, ...]], int] = {}
        self._members: list[int] = []  # guests that may be in a class at once
        self._room: list[int] = []  # size of its heap's region
        self._heap_used = 0
        self._profile_used = 0
        self._order_used = 0
        self._order_room: list[int] = []  # by pool

    def new_pool(self) -> int:
        """Base of the region of a new pool's classes (empty at first)."""
        self._order_room.append(0)
        return self._order_used

    def profile(self, a: Arrays, pool: int, rhos: list[float]) -> int:
        """Base of the row of classes with these `rhos`, one more member counted in each of them."""
        classes = []
        for rho in rhos:
            if (pool, rho) not in self._class:
                self._new_class(a, pool, rho)
            classes.append(self._class[pool, rho])
        for cls in set(classes):
            self._members[cls] += 1
            if self._members[cls] > self._room[cls]:
                self._more_room(a, cls)
        key = (pool, tuple(rhos))
        if key not in self._profile:
            base = self._profile_used
            self._profile_used += len(rhos)
            a.grow(profile=self._profile_used)
            a.profile[base : self._profile_used] = classes
            self._profile[key] = base
        return self._profile[key]

    def forget_member(self, a: Arrays, base: int, levels: int) -> None:
        """A guest slot leaves the row at `base`."""
        for cls in {int(x) for x in a.profile[base : base + levels]}:
            self._members[cls] -= 1

    def _more_room(self, a: Arrays, cls: int) -> None:
        room = max(4, 2 * self._room[cls])
        base = self._heap_used
        self._heap_used += room
        a.grow(heap=self._heap_used)
        k = a.k[cls]
        n, old = int(k["n"]), int(k["heap"])
        a.heap[base : base + n] = a.heap[old : old + n]
        k["heap"] = base
        self._room[cls] = room

    def _new_class(self, a: Arrays, pool: int, rho: float) -> None:
        """A class of its own for this rho, put in its place in the pool's order."""
        cls = len(self._members)
        self._class[pool, rho] = cls
        self._members.append(0)
        self._room.append(0)
        a.grow(k=cls + 1)
        self._order_space(a, pool)
        p = a.p[pool]
        base, n = int(p["order"]), int(p["classes"])
        row = a.order[base : base + n + 1]
        rank = int(np.searchsorted(a.k["rho"][row[:n]], rho))
        row[rank + 1 :] = row[rank:n].copy()
        row[rank] = cls
        k = a.k[cls]
        a.k[cls] = np.zeros((), a.k.dtype)
        k["rho"], k["pool"] = rho, pool
        a.k["rank"][row] = np.arange(n + 1)
        if rank < int(p["boundary"]) or int(p["n_unsaturated"]) == 0:
            p["boundary"] += 1
        p["classes"] = n + 1

    def _order_space(self, a: Arrays, pool: int) -> None:
        n = int(a.p[pool]["classes"])
        if n < self._order_room[pool]:
            return
        room = max(8, 2 * self._order_room[pool])
        base, old = self._order_used, int(a.p[pool]["order"])
        self._order_used += room
        names = ("order", "saturated", "unsaturated")
        a.grow(**dict.fromkeys(names, self._order_used))
        for name in names:
            array = getattr(a, name)
            array[base : base + n] = array[old : old + n]
        a.p[pool]["order"] = base
        self._order_room[pool] = room
