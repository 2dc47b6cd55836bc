"""How the data plane's arrays are made and grown: pools, services, guests, and the regions that they live in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, inf
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sim.engine import layout as lay
from sim.engine.arrays import Arrays
from sim.engine.closedloop import ClosedLoop, Stock
from sim.engine.compiling.calling import entry
from sim.engine.regions import BandTable
from sim.engine.steps import Step, flattened, forks, width

OUT_ROWS = 8192  # finished requests handed to the sink at once: about half a MB, stays in the cache
REQUESTS = 1024  # request slots at first; doubled when all are in use
MOST_AT_ONCE = 10_000_000  # turns of closed-loop clients at one moment: more, and time is taken to stand still

Record = npt.NDArray[Any]

NEW_GUEST = np.zeros((), lay.guest_dtype)
for _name, _value in {"state": lay.STARTING, "max_serving": lay.UNBOUNDED}.items():
    NEW_GUEST[_name] = _value
for _name in ("band", "idle_next", "idle_prev", "leaf", "held"):
    NEW_GUEST[_name] = -1


class Quota(NamedTuple):
    """A CPU limit by period (docs/model.md): core-s a period, and of burst; periods end at `phase` + n `period` s.

    `extra`: core-s on top of each job of a request.
    """

    budget: float
    burst: float
    period: float
    phase: float
    extra: float = 0.0


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
    return lay.UNBOUNDED if value is None else min(value, lay.UNBOUNDED)


def _rhos(cap: float, jobs: int, weight: float, speed: float = 1.0) -> list[float]:
    """Ratios of demand and weight with 1, 2, … jobs, up to where they do not grow any more.

    A job asks for `speed` cores: less than one where it stands still now and then, for pages to come from the swap.
    """
    most = ceil(min(cap if speed == 1.0 else cap / speed, jobs))
    return [min(cap, busy * speed) / weight for busy in range(1, max(1, most) + 1)]


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
        self._source, self._sink = source, sink
        self._stocks: list[Stock] = []  # by closed loop
        self._names: list[str] = []
        self._spare: dict[int, list[int]] = {}
        self._speed: dict[int, float] = {}  # cores that a job asks for, of guests whose jobs ask for less than one
        self._uid = 0
        self._used = {"ready": 0, "tree": 0, "job": 0, "stock": 0, "kinds": 0, "ops": 0}
        self._ready_size: list[int] = []
        self._leaf_next: list[int] = []
        self.a = Arrays()
        self._enter = entry()
        self.a.grow(requests=REQUESTS, out=OUT_ROWS)
        self._resting: dict[int, list[int]] = {}  # by link: flows of control that are not in use
        self._widest: dict[int, float] = {}  # by link: cap of a transfer without one, bytes/s
        self._made: dict[int, int] = {}  # by link: flows of requests that there are
        self._width: dict[int, int] = {}  # most strands of a request, of services with programs
        state = self.a.state[0]
        self._bands = BandTable()
        state["free"] = state["held"] = -1
        state["measure_from"] = measure_from
        state["timer_mark"], state["most_at_once"] = -1.0, MOST_AT_ONCE
        state["memory_limit"] = memory_limit
        self._do(lay.FREE_SLOTS, i=0, j=REQUESTS)
        self.add_pool(cores)

    @property
    def _state(self) -> Any:
        return self.a.state[0]

    def _do(self, op: int, who: int = -1, *, i: int = 0, j: int = 0, x: float = 0.0, y: float = 0.0) -> int:
        """An operation of the compiled code (`entry.enter`)."""
        return self._enter(self.a.handle, op, who, i, j, x, y, self.now)

    # building

    def add_pool(self, cores: float, weight: float = 1.0, memory_limit: float = inf) -> int:
        """A pool of `cores` and bytes; pool 0 is the host, others are VMs whose vCPUs their containers share.

        Guests of the host itself and further pools exclude each other: ValueError.
        """
        if self.guests and not self._storeys:
            raise ValueError("pools are for a host that has no guests of its own")
        self._storeys = int(self._state["pools"]) > 0
        return self._new_pool(cores, weight, memory_limit)

    def _new_pool(self, cores: float, weight: float, memory_limit: float) -> int:
        pool = int(self._state["pools"])
        self.a.grow(pools=pool + 1)
        pool_row = self.a.pools[pool]
        pool_row["cap"] = pool_row["capacity"] = cores
        pool_row["weight"], pool_row["level"], pool_row["memory_limit"] = weight, inf, memory_limit
        pool_row["order"], pool_row["mark"] = self._bands.new_pool(), self.now
        self._state["pools"] = pool + 1
        return pool

    def add_service(
        self,
        *,
        concurrency: int = 1,
        threads: int | None = None,
        start_threads: int = 1,
        queue: int | None = None,
        backlog: int | None = None,
        timeout: float = inf,
        routing: int = lay.LEAST_OUTSTANDING,
        overhead: float = 1.0,
        per_request: float = 0.0,
        notify: bool = False,
        name: str = "",
    ) -> int:
        """A service without guests; `queue`, `backlog` and `threads` None mean no bound. Returns its index.

        `threads`: requests that a guest runs at once; `start_threads`: most threads of a start-up task.
        """
        service = self.services
        self._names.append(name or str(service))
        self.services += 1
        self._state["services"] = self.services
        self.a.grow(services=self.services)
        service_row = self.a.services[service]
        service_row["threads"], service_row["start_threads"] = _bound(threads), _bound(start_threads)
        service_row["concurrency"], service_row["queue"], service_row["backlog"] = (
            _bound(concurrency),
            _bound(queue),
            _bound(backlog),
        )
        service_row["timeout"], service_row["routing"], service_row["overhead"] = timeout, routing, overhead
        service_row["per_request"], service_row["notify"], service_row["idle_head"] = per_request, notify, -1
        self._spare[service] = []
        self._ready_size.append(0)
        self._leaf_next.append(0)
        self._ready_room(service, 4)
        if routing == lay.LEAST_OUTSTANDING:
            self._new_tree(service, 4)
        return service

    def set_programs(self, service: int, kinds: Sequence[tuple[float, Sequence[Step]]], base: int) -> None:
        """Give a service without guests its kinds of requests: (share, steps) each. `base`: 64 bits, of its numbers."""
        service_row = self.a.services[service]
        first, ops = self._used["kinds"], self._used["ops"]
        self._used["kinds"] += len(kinds)
        self.a.grow(kinds=first + len(kinds))
        up_to, total = 0.0, sum(share for share, _ in kinds)
        for i, (share, steps) in enumerate(kinds):
            rows = flattened(steps, ops)
            self.a.grow(ops=ops + len(rows))
            for row in rows:
                self.a.ops[ops] = np.zeros((), lay.op_dtype)
                for name, value in row.items():
                    self.a.ops[ops][name] = value
                ops += 1
            up_to += share / total
            self.a.kinds[first + i] = (up_to, ops - len(rows))
        self._used["ops"] = ops
        service_row["kinds"], service_row["n_kinds"], service_row["key"] = first, len(kinds), base
        self._width[service] = max(width(steps) for _, steps in kinds)
        widest = 1 + max(max(forks(steps), 1) for _, steps in kinds)
        self._state["widest"] = max(int(self._state["widest"]), widest)
        self.a.grow(service_spent=(self.services + 1) * (lay.CALLS + 3), alarms=1024)
        self._room_for_acts()

    def _room_for_acts(self) -> None:
        """As many acts as requests, and a ring that takes two things to do for each (its length a power of two)."""
        n = len(self.a.requests)
        self.a.grow(acts=n, spent=n * (lay.CALLS + 1))
        size = 1 << (4 * n + 64).bit_length()
        if len(self.a.todo) < size:
            state, old = self._state, self.a.todo
            head, count = int(state["todo_head"]), int(state["todo_n"])
            ring = np.zeros(size, old.dtype)
            ring[:count] = old[(head + np.arange(count)) % len(old)]
            self.a.put("todo", ring)
            state["todo_head"] = 0

    def add_closed_loop(self, service: int, clients: ClosedLoop) -> None:
        """Closed-loop clients of a service; each starts by thinking, from the present time.

        Raises ValueError for one more loop of a service after another service's.
        """
        loop, stock = len(self._stocks), Stock(clients)
        service_row = self.a.services[service]
        if service_row["n_loops"] and int(service_row["loops"]) + int(service_row["n_loops"]) != loop:
            raise ValueError("the closed loops of a service are added one after the other")
        service_row["loops"] = service_row["loops"] if service_row["n_loops"] else loop
        service_row["n_loops"] += 1
        service_row["clients"] += clients.vus
        self._stocks.append(stock)
        base = self._used["stock"]
        self._used["stock"] += stock.size
        timers = int(self._state["timers"]) + 4 * clients.vus + 16
        self.a.grow(loops=loop + 1, stock=self._used["stock"], timers=timers)
        drawn = self.a.loops[loop]
        drawn["service"], drawn["clients"], drawn["pause"] = service, clients.vus, clients.pause
        drawn["stock"] = base
        self._refill(loop)
        self._do(lay.START_CLIENTS, loop)

    def add_guest(
        self,
        service: int,
        weight: float,
        cap: float,
        pool: int = 0,
        quota: Quota | None = None,
        *,
        numbered: bool = True,
    ) -> int:
        """A guest of a service in state STARTING with CPU `weight` and `cap` (cores). Returns its slot.

        What serves no request and has no name (a daemon at work) is not `numbered` among the guests of the run.
        Raises ValueError for a guest of the host itself where there are pools.
        """
        if pool == 0 and self._storeys:
            raise ValueError("the host is shared by pools: a guest must be in one of them")
        service_row = self.a.services[service]
        strands = int(service_row["concurrency"]) * self._width.get(service, 1)
        jobs_room = max(strands, int(service_row["start_threads"]))
        if self._spare[service]:
            guest = self._spare[service].pop()
            jobs = int(self.a.guests[guest]["jobs"])
        else:
            guest, jobs = self.guests, self._used["job"]
            self.guests += 1
            self._used["job"] += jobs_room
            self.a.grow(guests=self.guests, pending=self.guests, done=self.guests, jobs=jobs + jobs_room)
        guest_row = self.a.guests[guest]
        self.a.guests[guest] = NEW_GUEST
        guest_row["weight"], guest_row["cap"], guest_row["service"] = weight, cap, service
        guest_row["jobs"], guest_row["uid"] = jobs, self._uid if numbered else -1
        self._uid += numbered
        self._profile(guest, weight, cap, pool)
        if quota is not None:
            self._limit(guest, quota, fresh=True)
        if int(service_row["routing"]) == lay.LEAST_OUTSTANDING:
            self._new_leaf(service, guest)
        return guest

    def _limit(self, guest: int, quota: Quota | None, *, fresh: bool) -> None:
        """Give a guest a limit by period, or none; a `fresh` one is not known to the heap of ends."""
        self.a.grow(quotas=self.guests, ends=int(self._state["ends"]) + self.guests + 2)
        if fresh:
            self.a.quotas[guest] = np.zeros((), lay.quota_dtype)
        self.a.guests[guest]["extra"] = 0.0 if quota is None else quota.extra
        if quota is None:
            self._do(lay.SET_QUOTA, guest)
            return
        quota_row = self.a.quotas[guest]
        quota_row["period"], quota_row["phase"] = quota.period, quota.phase
        self._do(lay.SET_QUOTA, guest, x=quota.budget, y=quota.burst)

    def uid(self, guest: int) -> int:
        """Number of the guest over the whole run; slots are reused."""
        return int(self.a.guests[guest]["uid"])

    def _profile(self, guest: int, weight: float, cap: float, pool: int) -> tuple[int, int]:
        """Choose the row of bands that a guest goes through as it gets busier; return base and length of its old row.

        Behind the levels for requests are those for start-up work, where that is done in several threads.
        """
        guest_row = self.a.guests[guest]
        service_row = self.a.services[int(guest_row["service"])]
        old = int(guest_row["profile"]), int(guest_row["levels"]) + int(guest_row["start_levels"])
        jobs = int(service_row["concurrency"]) * self._width.get(int(guest_row["service"]), 1)
        threads, speed = service_row["threads"], self._speed.get(guest, 1.0)
        if threads < jobs and speed < 1.0:  # so many run, at this speed
            jobs = int(threads)
        rhos = _rhos(min(cap, float(threads)), jobs, weight, speed)
        start = int(service_row["start_threads"])
        starts = _rhos(cap, start, weight, speed) if start > 1 else []
        guest_row["profile"] = self._bands.profile(self.a, pool, rhos + starts)
        guest_row["levels"], guest_row["start_levels"] = len(rhos), len(starts)
        return old

    def _ready_room(self, service: int, size: int) -> None:
        if size <= self._ready_size[service]:
            return
        service_row = self.a.services[service]
        size = max(size, 2 * self._ready_size[service])
        base = self._used["ready"]
        self._used["ready"] += size
        self.a.grow(ready=base + size)
        n, old = int(service_row["n_ready"]), int(service_row["ready"])
        self.a.ready[base : base + n] = self.a.ready[old : old + n]
        self.a.services[service]["ready"] = base
        self._ready_size[service] = size

    def _new_tree(self, service: int, leaves: int) -> None:
        base = self._used["tree"]
        self._used["tree"] += 2 * leaves
        self.a.grow(tree=base + 2 * leaves, leaf=base + 2 * leaves)
        service_row = self.a.services[service]
        service_row["tree"], service_row["leaves"] = base, leaves
        self.a.leaf[base : base + 2 * leaves] = -1
        self._do(lay.REBUILD_TREE, service)

    def _new_leaf(self, service: int, guest: int) -> None:
        """Give a guest the next leaf; when they are used up, close the gaps that dead guests left."""
        service_row = self.a.services[service]
        if self._leaf_next[service] == int(service_row["leaves"]):
            live = [
                int(x)
                for x in self.a.leaf[int(service_row["tree"]) : int(service_row["tree"]) + int(service_row["leaves"])]
                if x >= 0
            ]
            leaves = int(service_row["leaves"])
            if 2 * len(live) >= leaves:
                leaves *= 2
                self._new_tree(service, leaves)
                service_row = self.a.services[service]
            base = int(service_row["tree"])
            self.a.leaf[base : base + leaves] = -1
            self.a.leaf[base : base + len(live)] = live
            for i, member in enumerate(live):
                self.a.guests[member]["leaf"] = i
            self._leaf_next[service] = len(live)
            self._do(lay.REBUILD_TREE, service)
        leaf = self._leaf_next[service]
        self._leaf_next[service] = leaf + 1
        self.a.leaf[int(service_row["tree"]) + leaf] = guest
        self.a.guests[guest]["leaf"] = leaf

    def _refill(self, loop: int) -> None:
        """Fill the closed loop's stock: what is left of each of its two queues, then newly drawn numbers."""
        drawn, stock = self.a.loops[loop], self._stocks[loop]
        base, n = int(drawn["stock"]), int(drawn["stock_n"])
        size = stock.size
        rows = self.a.stock[base : base + n]
        stock.keep(rows["think"][int(drawn["think_at"]) :], rows[["demand", "u1", "u2"]][int(drawn["want_at"]) :])
        stock.take(self.a.stock[base : base + size])
        drawn["stock_n"], drawn["think_at"], drawn["want_at"] = size, 0, 0
        if int(self._state["timers"]) + int(self.a.services[int(drawn["service"])]["clients"]) + 3 > len(self.a.timers):
            self.a.grow(timers=2 * len(self.a.timers))
