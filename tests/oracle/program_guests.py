"""Requests with programs come to guests, wait, are served and end; guests open, drain, fall and die: for `programs`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .oracle import DIE, NAN, Outcome, control_events
from .program_steps import PARTS, Numbers, Result, Step

if TYPE_CHECKING:
    from .programs import Stack

FALL, OPEN_AGAIN, BEGIN, BREAK_OFF, LEAVE = range(DIE + 1, DIE + 6)  # what control does besides


@dataclass(eq=False)
class Request:
    service: int
    arrival: float
    deadline: float
    routing: tuple[float, float]
    steps: Sequence[Step]
    numbers: Numbers
    caller: Strand | None  # who waits for it
    outcome: Outcome
    ended: bool = False
    strands: list[Strand] = field(default_factory=list)


@dataclass(eq=False)
class Strand:
    """One thing after the other: a request's own steps, or those of a branch."""

    request: Request
    numbers: Numbers
    steps: Sequence[Step]
    parent: Strand | None = None
    at: int = 0  # the step
    branches: int = 0  # that have not ended
    broken: bool = False  # one of them has failed
    calls: int = 0  # of the step, begun
    tries: int = 0  # of the call, failed
    late: bool = False  # no more calls: its deadline has come
    made: float = NAN  # the request that is waited for
    callee: Request | None = None
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))


@dataclass(eq=False)
class Job:
    """Work in a guest, or bytes on a link."""

    strand: Strand | None  # None: a boot, or a transfer of control's
    guest: int
    link: int
    amount: float
    since: float
    left: float
    rate: float = math.inf  # bytes/s at most
    site: int = 0  # of a transfer of control's
    number: int = -1


@dataclass
class Replica:
    is_open: bool = False
    closed: bool = False
    dead: bool = False
    serving: list[Request] = field(default_factory=list)
    waiting: list[Request] = field(default_factory=list)

    @property
    def outstanding(self) -> int:
        return len(self.serving) + len(self.waiting)


class GuestsRun:
    def __init__(self, stack: Stack, order: int) -> None:
        self.stack, self.order, self.luck = stack, order, random.Random(order)
        self.now = 0.0
        self.replicas = [Replica() for _ in stack.guests]
        services = range(len(stack.services))
        self.requests: list[list[Request]] = [[] for _ in services]
        self.backlogs: list[list[Request]] = [[] for _ in services]
        self.routed = [0 for _ in services]
        self.outside = [0 for _ in services]  # requests that came from there
        self.boots = [NAN for _ in stack.guests]
        self.site = [0 for _ in stack.guests]
        self.jobs: list[Job] = []  # in the order in which they began
        self.todo: list[tuple[str, Strand | Request]] = []
        self.unrouted: int | None = None  # the service whose backlog's routing has broken off
        self.alarms: list[tuple[float, int, Strand, Request | None]] = []
        self.set = 0  # alarms so far
        self.to_arrive = sorted(stack.arrivals, key=lambda arrival: arrival.time)
        # falls last of one instant: they are what control does, the rest befalls guests by themselves
        self.control = sorted(self._control_events(), key=lambda event: (event[0], event[2] >= FALL, *event[1:]))
        self.result = Result(
            [], self.boots, [0 for _ in services], [0 for _ in services], [dict.fromkeys(PARTS, 0.0) for _ in services],
            [NAN for _ in stack.transfers],
        )  # fmt: skip

    def _control_events(self) -> list[tuple[float, int, int]]:
        events = control_events(self.stack.guests, self.replicas)
        for fall in self.stack.falls:
            events += [(fall.time, fall.guest, FALL), (fall.again, fall.guest, OPEN_AGAIN)]
        for number, transfer in enumerate(self.stack.transfers):
            events.append((transfer.time, number, BEGIN))
            if math.isfinite(transfer.broken_off):
                events.append((transfer.broken_off, number, BREAK_OFF))
        events += [(away.time, number, LEAVE) for number, away in enumerate(self.stack.away)]
        return events

    def _tell(self, request: Request, well: bool) -> None:
        """Who waits for the request learns how it ended."""
        raise NotImplementedError

    # --- requests --------------------------------------------------------------------------------------

    def _arrive(self, request: Request) -> None:
        self.requests[request.service].append(request)
        backlog, bound = self.backlogs[request.service], self.stack.services[request.service].backlog
        if self._ready(request.service):
            self._take(self._route(request), request)
        elif bound is None or len(backlog) < bound:
            backlog.append(request)
        else:
            self._end(request, "rejected", self.now)

    def _ready(self, service: int) -> list[int]:
        numbers = range(len(self.replicas))
        return [n for n in numbers if self.stack.guests[n].service == service and self.replicas[n].is_open]

    def _route(self, request: Request) -> int:
        ready, routing = self._ready(request.service), self.stack.services[request.service].routing
        turn, (u1, u2) = self.routed[request.service], request.routing
        self.routed[request.service] += 1
        if routing == "round-robin":
            return ready[turn % len(ready)]
        if routing == "random":
            return ready[math.floor(u1 * len(ready))]
        if routing == "power-of-two" and len(ready) > 1:
            first, second = math.floor(u1 * len(ready)), math.floor(u2 * (len(ready) - 1))
            ready = [ready[first], ready[second + (second >= first)]]
        return min(ready, key=lambda number: (self.replicas[number].outstanding, number))

    def _take(self, number: int, request: Request) -> None:
        """A replica gets a request: into service, into the line, or turned away."""
        replica, service = self.replicas[number], self.stack.services[request.service]
        if len(replica.serving) < service.concurrency:
            self._start(number, request)
        elif service.queue is None or len(replica.waiting) < service.queue:
            replica.waiting.append(request)
            request.outcome.guest = number
        else:
            self._end(request, "rejected", self.now)

    def _start(self, number: int, request: Request) -> None:
        replica, limit = self.replicas[number], self.stack.guests[number].max_in_service
        replica.serving.append(request)
        request.outcome.guest, request.outcome.start = number, self.now
        strand = Strand(request, request.numbers, request.steps)
        request.strands.append(strand)
        self.todo.append(("goes on", strand))
        if limit is not None and len(replica.serving) > limit:
            self._die(number)

    def _leave(self, request: Request, failed: bool) -> None:
        """A request's program is over: its place is free."""
        replica = self.replicas[request.outcome.guest]
        replica.serving.remove(request)
        if failed:
            self._fail(request)
        else:
            self._end(request, "timed-out" if self.now > request.deadline else "completed", self.now)
        while replica.waiting and len(replica.serving) < self.stack.services[request.service].concurrency:
            self._start_or_drop(request.outcome.guest, replica.waiting.pop(0), self._start)

    def _start_or_drop(self, number: int, request: Request, start: Callable[[int, Request], None]) -> None:
        """Its turn has come: whose client has left is dropped."""
        if self.now >= request.deadline:
            self._end(request, "timed-out", request.deadline)
        else:
            start(number, request)

    def _fail(self, request: Request) -> None:
        if request.deadline <= self.now:
            self._end(request, "timed-out", request.deadline)
        else:
            self._end(request, "failed", self.now)

    def _end(self, request: Request, status: str, finish: float) -> None:
        request.ended = True
        request.outcome.status, request.outcome.finish = status, finish
        if status == "completed" and self.stack.programs[request.service] is not None:
            sums, spent = self.result.parts[request.service], request.strands[0].spent
            spent["waiting"] = request.outcome.start - request.arrival
            self.result.completed[request.service] += 1
            for part in PARTS:
                sums[part] += spent[part]
        self._tell(request, status == "completed")

    def _close_the_books(self) -> None:
        for requests in self.requests:
            for request in requests:
                if not request.ended and request.deadline <= self.stack.end:
                    request.outcome.status, request.outcome.finish = "timed-out", request.deadline
        self.result.outcomes = [[request.outcome for request in requests] for requests in self.requests]

    # --- guests and transfers --------------------------------------------------------------------------

    def _begin_transfer(self, number: int) -> None:
        own = self.stack.transfers[number]
        self.jobs.append(Job(None, -1, own.link, own.size, self.now, own.size, own.rate, own.site, number))

    def _break_off(self, number: int) -> None:
        self.jobs = [job for job in self.jobs if job.strand is not None or job.guest >= 0 or job.number != number]

    def _go_away(self, number: int) -> None:
        """It has its demand there, and what its requests move goes on over that site's links."""
        away = self.stack.away[number]
        self.site[away.guest] = away.site

    def _submit_boot(self, number: int) -> None:
        work = self.stack.guests[number].boot_work
        if not self.replicas[number].dead and work is not None:
            self.jobs.append(Job(None, number, -1, work, self.now, work))

    def _open(self, number: int) -> None:
        if not self.replicas[number].closed:
            self.replicas[number].is_open = True
            self._route_backlog(self.stack.guests[number].service)

    def _route_backlog(self, service: int) -> None:
        """Until one of the guests dies of what it is given: then what that entails comes first."""
        self.unrouted = None
        backlog, dead = self.backlogs[service], [replica.dead for replica in self.replicas]
        while backlog and self._ready(service):
            request = backlog.pop(0)
            self._start_or_drop(-1, request, lambda _, request: self._take(self._route(request), request))
            if [replica.dead for replica in self.replicas] != dead:  # out of memory
                self.unrouted = service
                return

    def _close(self, number: int) -> None:
        self.replicas[number].is_open, self.replicas[number].closed = False, True

    def _die(self, number: int) -> None:
        self._close(number)
        self.replicas[number].dead = True
        self._fall(number)

    def _fall(self, number: int) -> None:
        """All that a guest holds fails; whom these have called go on for nobody."""
        replica = self.replicas[number]
        held = [*replica.serving, *replica.waiting]
        replica.is_open, replica.serving, replica.waiting = False, [], []
        self.jobs = [
            job for job in self.jobs if job.guest != number and (job.strand is None or job.strand.request not in held)
        ]
        for request in held:
            self._fail(request)
            for strand in request.strands:
                if strand.callee is not None:
                    strand.callee.deadline = min(strand.callee.deadline, self.now)
                    strand.callee.caller = strand.callee = None
