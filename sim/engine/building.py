"""How the data plane's arrays are made and grown: pools, services, guests, and the regions that they live in."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sim.engine import layout as lay
from sim.engine.arrays import Arrays
from sim.engine.closedloop import ClosedLoop, Stock
from sim.engine.entry import enter
from sim.engine.regions import ClassTable

OUT_ROWS = 8192  # finished requests handed to the sink at once: about half a MB, stays in the cache
REQUESTS = 1024  # request slots at first; doubled when all are in use
MOST_AT_ONCE = 10_000_000  # turns of closed-loop clients at one moment: more, and time is taken to stand still

Record = npt.NDArray[Any]

NEW_GUEST = np.zeros((), lay.guest_dtype)
for _name, _value in {"state": lay.STARTING, "max_serving": lay.UNBOUNDED}.items():
    NEW_GUEST[_name] = _value
for _name in ("cls", "idle_next", "idle_prev", "leaf"):
    NEW_GUEST[_name] = -1


class Chunk(Protocol):
    """Arrivals as columns of one length: `time` f8 (s), `service` i4, `demand` f8 (core-s), `u1`, `u2` f8 in [0, 1)."""

    @property
    def time(self) -> Record:
        """When they arrive, s, ascending."""

    @property
    def service(self) -> Record:
        """Index of the service."""

    @property
    def demand(self) -> Record:
        """CPU work before the platform's overhead, core-s."""

    @property
    def u1(self) -> Record:
        """First routing number."""

    @property
    def u2(self) -> Record:
        """Second routing number."""


def _bound(value: int | None) -> int:
    return lay.UNBOUNDED if value is None else value


class Building:
    """The arrays, and what adds to them; `plane.DataPlane` says what the arguments are."""

    def __init__(
        self,
        cores: float,
        *,
        source: Callable[[], Chunk | None] = lambda: None,
        sink: Callable[[Record], None] = lambda rows: None,
        memory_limit: float = inf,
        measure_from: float = 0.0,
    ) -> None:
        self.now = 0.0
        self.guests = 0
        self.services = 0
        self._storeys = False  # whether there are pools on the host
        self._far: int | None = None
        self._source, self._sink = source, sink
        self._stocks: list[Stock] = []  # by closed loop
        self._names: list[str] = []
        self._spare: dict[int, list[int]] = {}
        self._uid = 0
        self._used = {"ready": 0, "tree": 0, "job": 0, "stock": 0}
        self._ready_size: list[int] = []
        self._leaf_next: list[int] = []
        self.a = Arrays()
        self.a.grow(r=REQUESTS, out=OUT_ROWS)
        st = self.a.st[0]
        self._classes = ClassTable()
        st["free"] = st["held"] = -1
        st["measure_from"] = measure_from
        st["timer_mark"], st["most_at_once"] = -1.0, MOST_AT_ONCE
        st["memory_limit"] = memory_limit
        self._do(lay.FREE_SLOTS, i=0, j=REQUESTS)
        self.add_pool(cores)

    @property
    def _st(self) -> Any:
        return self.a.st[0]

    def _do(self, op: int, who: int = -1, *, i: int = 0, j: int = 0, x: float = 0.0, y: float = 0.0) -> int:
        """An operation of the compiled code (`entry.enter`); int() as each type of number would be compiled anew."""
        return enter(self.a.handle, op, int(who), int(i), int(j), float(x), float(y), self.now)

    # building

    def add_pool(self, cores: float, weight: float = 1.0, memory_limit: float = inf) -> int:
        """A pool of `cores` and bytes; pool 0 is the host, others are VMs whose vCPUs their containers share.

        Guests of the host itself and further pools exclude each other: ValueError.
        """
        if self.guests and not self._storeys:
            raise ValueError("pools are for a host that has no guests of its own")
        self._storeys = int(self._st["pools"]) > 0
        return self._new_pool(cores, weight, memory_limit)

    def far_pool(self) -> int:
        """The pool of another host, for guests that have moved there: each has min(cap, jobs in service) cores."""
        if self._far is None:
            self._far = self._new_pool(inf, 0.0, inf)
            self.a.p[self._far]["far"] = 1
        return self._far

    def _new_pool(self, cores: float, weight: float, memory_limit: float) -> int:
        pool = int(self._st["pools"])
        self.a.grow(p=pool + 1)
        p = self.a.p[pool]
        p["cap"] = p["capacity"] = cores
        p["weight"], p["level"], p["memory_limit"] = weight, inf, memory_limit
        p["order"], p["mark"] = self._classes.new_pool(), self.now
        self._st["pools"] = pool + 1
        return pool

    def add_service(
        self,
        *,
        concurrency: int = 1,
        queue: int | None = None,
        backlog: int | None = None,
        timeout: float = inf,
        routing: int = lay.LEAST_OUTSTANDING,
        overhead: float = 1.0,
        per_request: float = 0.0,
        notify: bool = False,
        name: str = "",
    ) -> int:
        """A service without guests; `queue` and `backlog` None mean no bound. Returns its index."""
        service = self.services
        self._names.append(name or str(service))
        self.services += 1
        self._st["services"] = self.services
        self.a.grow(s=self.services)
        s = self.a.s[service]
        s["concurrency"], s["queue"], s["backlog"] = concurrency, _bound(queue), _bound(backlog)
        s["timeout"], s["routing"], s["overhead"] = timeout, routing, overhead
        s["per_request"], s["notify"], s["idle_head"] = per_request, notify, -1
        self._spare[service] = []
        self._ready_size.append(0)
        self._leaf_next.append(0)
        self._ready_room(service, 4)
        if routing == lay.LEAST_OUTSTANDING:
            self._new_tree(service, 4)
        return service

    def add_closed_loop(self, service: int, clients: ClosedLoop) -> None:
        """Closed-loop clients of a service; each starts by thinking, from the present time.

        Raises ValueError for one more loop of a service after another service's.
        """
        loop, stock = len(self._stocks), Stock(clients)
        s = self.a.s[service]
        if s["n_loops"] and int(s["loops"]) + int(s["n_loops"]) != loop:
            raise ValueError("the closed loops of a service are added one after the other")
        s["loops"] = s["loops"] if s["n_loops"] else loop
        s["n_loops"] += 1
        s["clients"] += clients.vus
        self._stocks.append(stock)
        base = self._used["stock"]
        self._used["stock"] += stock.size
        timers = int(self._st["timers"]) + 4 * clients.vus + 16
        self.a.grow(loops=loop + 1, stock=self._used["stock"], timers=timers)
        drawn = self.a.loops[loop]
        drawn["service"], drawn["clients"], drawn["pause"] = service, clients.vus, clients.pause
        drawn["stock"] = base
        self._refill(loop)
        self._do(lay.START_CLIENTS, loop)

    def add_guest(self, service: int, weight: float, cap: float, pool: int = 0) -> int:
        """A guest of a service in state STARTING with CPU `weight` and `cap` (cores). Returns its slot.

        Raises ValueError for a guest of the host itself where there are pools.
        """
        if pool == 0 and self._storeys:
            raise ValueError("the host is shared by pools: a guest must be in one of them")
        concurrency = int(self.a.s[service]["concurrency"])
        if self._spare[service]:
            guest = self._spare[service].pop()
            jobs = int(self.a.g[guest]["jobs"])
        else:
            guest, jobs = self.guests, self._used["job"]
            self.guests += 1
            self._used["job"] += concurrency
            self.a.grow(g=self.guests, pending=self.guests, done=self.guests, job=jobs + concurrency)
        g = self.a.g[guest]
        self.a.g[guest] = NEW_GUEST
        g["weight"], g["cap"], g["service"], g["jobs"], g["uid"] = weight, cap, service, jobs, self._uid
        self._uid += 1
        g["profile"], g["levels"] = self._profile(weight, cap, pool, concurrency)
        if int(self.a.s[service]["routing"]) == lay.LEAST_OUTSTANDING:
            self._new_leaf(service, guest)
        return guest

    def uid(self, guest: int) -> int:
        """Number of the guest over the whole run; slots are reused."""
        return int(self.a.g[guest]["uid"])

    def _profile(self, weight: float, cap: float, pool: int, concurrency: int) -> tuple[int, int]:
        """Base and length of the row of classes that a guest goes through as it gets busier."""
        levels = max(1, ceil(min(cap, concurrency)))
        rhos = [min(cap, float(busy)) / weight for busy in range(1, levels + 1)]
        base = self._classes.profile(self.a, pool, rhos)
        return base, levels

    def _ready_room(self, service: int, size: int) -> None:
        if size <= self._ready_size[service]:
            return
        s = self.a.s[service]
        size = max(size, 2 * self._ready_size[service])
        base = self._used["ready"]
        self._used["ready"] += size
        self.a.grow(ready=base + size)
        n, old = int(s["n_ready"]), int(s["ready"])
        self.a.ready[base : base + n] = self.a.ready[old : old + n]
        self.a.s[service]["ready"] = base
        self._ready_size[service] = size

    def _new_tree(self, service: int, leaves: int) -> None:
        base = self._used["tree"]
        self._used["tree"] += 2 * leaves
        self.a.grow(tree=base + 2 * leaves, leaf=base + 2 * leaves)
        s = self.a.s[service]
        s["tree"], s["leaves"] = base, leaves
        self.a.leaf[base : base + 2 * leaves] = -1
        self._do(lay.REBUILD_TREE, service)

    def _new_leaf(self, service: int, guest: int) -> None:
        """Give a guest the next leaf; when they are used up, close the gaps that dead guests left."""
        s = self.a.s[service]
        if self._leaf_next[service] == int(s["leaves"]):
            live = [int(x) for x in self.a.leaf[int(s["tree"]) : int(s["tree"]) + int(s["leaves"])] if x >= 0]
            leaves = int(s["leaves"])
            if 2 * len(live) >= leaves:
                leaves *= 2
                self._new_tree(service, leaves)
                s = self.a.s[service]
            base = int(s["tree"])
            self.a.leaf[base : base + leaves] = -1
            self.a.leaf[base : base + len(live)] = live
            for i, member in enumerate(live):
                self.a.g[member]["leaf"] = i
            self._leaf_next[service] = len(live)
            self._do(lay.REBUILD_TREE, service)
        leaf = self._leaf_next[service]
        self._leaf_next[service] = leaf + 1
        self.a.leaf[int(s["tree"]) + leaf] = guest
        self.a.g[guest]["leaf"] = leaf

    def _refill(self, loop: int) -> None:
        """Fill the closed loop's stock: what is left of each of its two queues, then newly drawn numbers."""
        drawn, stock = self.a.loops[loop], self._stocks[loop]
        base, n = int(drawn["stock"]), int(drawn["stock_n"])
        size = stock.size
        rows = self.a.stock[base : base + n]
        stock.keep(rows["think"][int(drawn["think_at"]) :], rows[["demand", "u1", "u2"]][int(drawn["want_at"]) :])
        stock.take(self.a.stock[base : base + size])
        drawn["stock_n"], drawn["think_at"], drawn["want_at"] = size, 0, 0
        if int(self._st["timers"]) + int(self.a.s[int(drawn["service"])]["clients"]) + 3 > len(self.a.timers):
            self.a.grow(timers=2 * len(self.a.timers))
