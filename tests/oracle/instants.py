"""Cases in which everything happens on a grid of times, so that events of every kind meet; and the oracle for them.

Written from docs/model.md alone, like `oracle`. It adds what is not in the continuous cases: closed-loop clients, and
services with a guest for each request. All times and works are whole numbers, rates are 1, 1/2, 1/4 ... of a core:
sums and quotients are exact in binary, so that what meets on paper meets in the computer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from .oracle import BOOT, Arrival, Guest, Outcome, Service, _Run

PER_REQUEST = "per-request"
EXPIRE = 5  # an action of control, beside those of the oracle and of `storeys`
GIVES_UP, SENDS = range(2)  # clients of one instant: those who give up come first
ROUTINGS = ("round-robin", "random", "least-outstanding", "power-of-two")


@dataclass(frozen=True)
class Users:
    """Closed-loop clients of a service: the k-th pause of any of them is the k-th of `thinks`, over and over again."""

    service: int
    number: int
    pause: float  # at least this long after a rejection
    thinks: tuple[float, ...]
    wants: tuple[tuple[float, float, float], ...]  # (demand, u1, u2) of the k-th request, over and over again


@dataclass(frozen=True)
class Grid:
    """A case on the grid. Guests of a `per-request` service start when they are asked for, in order."""

    seed: int
    cores: float
    services: list[Service]
    keep_alive: list[float]  # by service; of the `per-request` ones
    guests: list[Guest]
    arrivals: list[Arrival]
    users: list[Users]
    end: float

    def __repr__(self) -> str:
        return f"grid({self.seed})"

    def expected(self) -> tuple[list[list[Outcome]], list[float]]:
        """By service what became of its requests, in the order in which they arrived; and the ends of boots."""
        run = _GridRun(self)
        outcomes, boots = run.run()
        return [[outcomes[request] for request in own] for own in run.arrived], boots


@dataclass
class _Demand:
    """The changing part of a guest that is started for a request."""

    asked: bool = False
    idle_since: float = math.nan  # NaN while it is not idle
    order: int = 0  # of those that became idle, one after the other


@dataclass(eq=False)
class _Loop:
    """How far a closed loop has come in its lists."""

    users: Users
    thought: int = 0
    sent: int = 0


class _GridRun(_Run):
    def __init__(self, grid: Grid) -> None:
        self.keep_alive = grid.keep_alive
        super().__init__(grid.cores, grid.services, grid.guests, list(grid.arrivals), grid.end)
        self.demand = [_Demand() for _ in grid.guests]
        self.became_idle = 0
        self.arrived: list[list[int]] = [[] for _ in grid.services]
        self.loops = [_Loop(users) for users in grid.users]
        self.loop_of: dict[int, _Loop] = {}  # by request of a client that still waits for it
        for index, loop in enumerate(self.loops):
            for _ in range(loop.users.number):
                self._think(index, 0.0, 0.0)

    def _is_per_request(self, service: int) -> bool:
        return self.services[service].routing == PER_REQUEST

    def _control_events(self) -> list[tuple[float, int, int]]:
        """Guests of `per-request` services do not start by themselves."""
        whole = super()._control_events()
        for number, guest in enumerate(self.guests):
            if self._is_per_request(guest.service):
                self.replicas[number].is_open = False
                whole = [event for event in whole if event[1] != number or event[0] == guest.dies]
        return whole

    # --- clients ---------------------------------------------------------------------------------------

    def _think(self, index: int, now: float, least: float) -> None:
        loop = self.loops[index]
        pause = max(loop.users.thinks[loop.thought % len(loop.users.thinks)], least)
        loop.thought += 1
        self.clients.append((now + pause, SENDS, index))

    def _client(self) -> None:
        moment = min(self.clients)
        self.clients.remove(moment)
        _, what, which = moment
        if what == GIVES_UP:
            loop = self.loop_of.pop(which, None)
            if loop is not None:
                self._think(self.loops.index(loop), self.now, 0.0)
            return
        loop = self.loops[which]
        demand, u1, u2 = loop.users.wants[loop.sent % len(loop.users.wants)]
        loop.sent += 1
        request = len(self.arrivals)
        self.arrivals.append(Arrival(self.now, loop.users.service, demand, u1, u2))
        self.outcomes.append(Outcome())
        self.loop_of[request] = loop
        if math.isfinite(self._deadline(request)):
            self.clients.append((self._deadline(request), GIVES_UP, request))
        self._arrive(request)

    def _end(self, request: int, status: str, finish: float) -> None:
        super()._end(request, status, finish)
        loop = self.loop_of.pop(request, None)
        if loop is not None:
            self._think(self.loops.index(loop), finish, loop.users.pause if status == "rejected" else 0.0)

    # --- a guest for a request -------------------------------------------------------------------------

    def _arrive(self, request: int) -> None:
        service = self.arrivals[request].service
        self.arrived[service].append(request)
        if not self._is_per_request(service):
            super()._arrive(request)
            return
        self.outcomes[request].status = "in-flight"
        mine = [n for n, guest in enumerate(self.guests) if guest.service == service]
        idle = [n for n in mine if not math.isnan(self.demand[n].idle_since)]
        spare = [n for n in mine if not self.demand[n].asked and not self.replicas[n].dead]
        backlog, bound = self.backlogs[service], self.services[service].backlog
        if idle:
            number = max(idle, key=lambda n: self.demand[n].order)
            self.demand[number].idle_since = math.nan
            self._start(number, request)
        elif spare:
            self.demand[spare[0]].asked = True
            self.replicas[spare[0]].waiting.append(request)
            self.outcomes[request].guest = spare[0]
            self._submit_boot(spare[0])
        elif bound is None or len(backlog) < bound:
            backlog.append(request)
        else:
            self._reject(request)

    def _open(self, number: int) -> None:
        if not self._is_per_request(self.guests[number].service):
            super()._open(number)
        elif not self.replicas[number].closed:
            self.replicas[number].is_open = True
            self._next_for(number)

    def _complete(self, number: int, job: int) -> None:
        super()._complete(number, job)
        if self._is_per_request(self.guests[number].service) and self.replicas[number].is_open and job != BOOT:
            self.freed.add(number)

    def _next_for(self, number: int) -> None:
        """A guest that has room takes the request it was started for, else the oldest that waits, else it is idle."""
        self.freed.discard(number)
        replica = self.replicas[number]
        for line in (replica.waiting, self.backlogs[self.guests[number].service]):
            while line and not replica.jobs:
                request = line.pop(0)
                if self.now >= self._deadline(request):
                    self._end(request, "timed-out", self._deadline(request))
                else:
                    self._start(number, request)
        if not replica.jobs and math.isnan(self.demand[number].idle_since):
            self.demand[number].idle_since, self.demand[number].order = self.now, self.became_idle
            self.became_idle += 1
            self.control.append((self.now + self.keep_alive[self.guests[number].service], number, EXPIRE))
            self.control.sort()

    def _do(self, number: int, action: int) -> None:
        if action != EXPIRE:
            super()._do(number, action)
        elif self.demand[number].idle_since + self.keep_alive[self.guests[number].service] == self.now:
            self._close(number)

    def _close(self, number: int) -> None:
        super()._close(number)
        self.demand[number].idle_since = math.nan
        self.freed.discard(number)


# --- cases ---------------------------------------------------------------------------------------------


def grids() -> st.SearchStrategy[Grid]:
    return st.builds(grid, st.integers(0, 2**32 - 1))


def grid(seed: int) -> Grid:
    """The same case for the same seed."""
    rng = np.random.default_rng(seed)
    tight = bool(rng.random() < 0.3)  # two guests on one core: a half and a quarter of it for a job
    n = int(rng.integers(1, 3 if tight else 4))
    services = [_service(rng, tight) for _ in range(n)]
    owners = [i % n for i in range(2 if tight else int(rng.integers(n, 7)))]
    guests = [_guest(rng, owner, services[owner], tight) for owner in owners]
    last = int(rng.integers(6, 16))
    times = sorted(int(t) for t in rng.integers(0, last + 1, int(rng.integers(5, 40))))
    arrivals = [Arrival(float(t), int(rng.integers(n)), *_want(rng)) for t in times]
    users = [_users(rng, service) for service in range(n) for _ in range(int(rng.choice([0, 0, 1, 2])))]
    keep_alive = [float(rng.integers(0, 4)) for _ in services]
    return Grid(seed, 1.0 if tight else 64.0, services, keep_alive, guests, arrivals, users, float(last + 3))


def _want(rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.integers(1, 4)), float(rng.integers(8)) / 8, float(rng.integers(8)) / 8


def _users(rng: np.random.Generator, service: int) -> Users:
    thinks = tuple(float(t) for t in rng.integers(0, 4, 7))
    wants = tuple(_want(rng) for _ in range(11))
    return Users(service, int(rng.integers(1, 5)), float(rng.integers(1, 3)), thinks, wants)


def _service(rng: np.random.Generator, tight: bool) -> Service:
    def bound() -> int | None:
        return None if rng.random() < 0.4 else int(rng.integers(0, 4))

    plain = Service(
        concurrency=int(rng.integers(1, 3)),
        queue=bound(),
        backlog=bound(),
        timeout=None if rng.random() < 0.4 else float(rng.integers(1, 5)),
        routing=ROUTINGS[int(rng.integers(len(ROUTINGS)))],
    )
    if tight or rng.random() < 0.6:
        return plain
    return replace(plain, routing=PER_REQUEST, concurrency=1)


def _guest(rng: np.random.Generator, owner: int, service: Service, tight: bool) -> Guest:
    """Caps and weights are powers of two; lives are whole seconds."""

    def moment() -> float:
        return float(rng.integers(0, 12))

    cap = math.inf if tight else float(rng.choice([1.0, 2.0, math.inf]))
    weight = 1.0 if tight else float(rng.choice([1.0, 2.0, 4.0]))
    boots = bool(rng.random() < 0.4) or service.routing == PER_REQUEST
    opens = 0.0 if boots or rng.random() < 0.5 else moment()
    boot_at = moment() if boots and service.routing != PER_REQUEST else 0.0
    dies = max(opens, boot_at) + moment() if rng.random() < 0.3 else None
    closes = opens + moment() if not boots and rng.random() < 0.3 else None
    limit = 1 if service.concurrency == 2 and rng.random() < 0.2 else None
    return Guest(owner, weight, cap, opens, closes, dies, float(rng.integers(1, 4)) if boots else None, boot_at, limit)
