"""Book-keeping of the band table: which bands there are, and room for their members."""

from __future__ import annotations

import numpy as np

from sim.engine.arrays import Arrays


class BandTable:
    """Bands by (pool, rho), the rows of bands that guests go through, and the regions they live in."""

    def __init__(self) -> None:
        self._band: dict[tuple[int, float], int] = {}
        self._profile: dict[tuple[int, tuple[float, ...]], int] = {}
        self._members: list[int] = []  # guests that may be in a band at once
        self._room: list[int] = []  # size of its heap's region
        self._heap_used = 0
        self._profile_used = 0
        self._order_used = 0
        self._order_room: list[int] = []  # by pool

    def new_pool(self) -> int:
        """Base of the region of a new pool's bands (empty at first)."""
        self._order_room.append(0)
        return self._order_used

    def profile(self, a: Arrays, pool: int, rhos: list[float]) -> int:
        """Base of the row of bands with these `rhos`, one more member counted in each of them."""
        bands = []
        for rho in rhos:
            if (pool, rho) not in self._band:
                self._new_band(a, pool, rho)
            bands.append(self._band[pool, rho])
        for band in set(bands):
            self._members[band] += 1
            if self._members[band] > self._room[band]:
                self._more_room(a, band)
        key = (pool, tuple(rhos))
        if key not in self._profile:
            base = self._profile_used
            self._profile_used += len(rhos)
            a.grow(profile=self._profile_used)
            a.profile[base : self._profile_used] = bands
            self._profile[key] = base
        return self._profile[key]

    def forget_member(self, a: Arrays, base: int, levels: int) -> None:
        """A guest slot leaves the row at `base`."""
        for band in {int(x) for x in a.profile[base : base + levels]}:
            self._members[band] -= 1

    def _more_room(self, a: Arrays, band: int) -> None:
        room = max(4, 2 * self._room[band])
        base = self._heap_used
        self._heap_used += room
        a.grow(members=self._heap_used)
        band_row = a.bands[band]
        n, old = int(band_row["n"]), int(band_row["heap"])
        a.members[base : base + n] = a.members[old : old + n]
        band_row["heap"] = base
        self._room[band] = room

    def _new_band(self, a: Arrays, pool: int, rho: float) -> None:
        """A band of its own for this rho, put in its place in the pool's order."""
        band = len(self._members)
        self._band[pool, rho] = band
        self._members.append(0)
        self._room.append(0)
        a.grow(bands=band + 1)
        self._order_space(a, pool)
        pool_row = a.pools[pool]
        base, n = int(pool_row["order"]), int(pool_row["bands"])
        row = a.order[base : base + n + 1]
        rank = n  # ratios come in ascending order: mostly it is the greatest
        if n and rho <= a.bands[row[n - 1]]["rho"]:
            rank = int(np.searchsorted(a.bands["rho"][row[:n]], rho))
        row[rank + 1 :] = row[rank:n].copy()
        row[rank] = band
        band_row = a.bands[band]
        a.bands[band] = np.zeros((), a.bands.dtype)
        band_row["rho"], band_row["pool"] = rho, pool
        a.bands["rank"][row[rank:]] = np.arange(rank, n + 1)
        if rank < int(pool_row["boundary"]) or int(pool_row["n_unsaturated"]) == 0:
            pool_row["boundary"] += 1
        pool_row["bands"] = n + 1

    def _order_space(self, a: Arrays, pool: int) -> None:
        n = int(a.pools[pool]["bands"])
        if n < self._order_room[pool]:
            return
        room = max(8, 2 * self._order_room[pool])
        base, old = self._order_used, int(a.pools[pool]["order"])
        self._order_used += room
        names = ("order", "saturated", "unsaturated")
        a.grow(**dict.fromkeys(names, self._order_used))
        for name in names:
            array = getattr(a, name)
            array[base : base + n] = array[old : old + n]
        a.pools[pool]["order"] = base
        self._order_room[pool] = room
