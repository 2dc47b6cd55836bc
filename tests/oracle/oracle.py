"""The model in its plainest form: the reference that the compiled kernel is compared with.

Written from the definitions only (docs/model.md), with nothing of the simulator's code. Everything is
recomputed at every event: the water level of the whole host, the rate of every job, the next event of every
kind. Work is quadratic in the number of jobs, so it is for small cases.

Time is in seconds, work in core-seconds (at the reference speed), rates in cores. Guests and requests are
known by their position in the lists passed in; the guest number decides ties in routing.

What happens at one instant is taken in this order: completions of requests, what follows from them (of the lowest
guest first; the ends of boots), clients (`instants`), arrivals, then control (a boot is submitted, a guest opens,
drains or dies). Which event is next is decided by comparing computed times; there are no tolerances.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

BOOT = -1  # the key of the start-up task among the jobs of a guest; requests are 0, 1, ...
FREE = -2  # instead of a job: the guest has none any more
NAN = math.nan

COMPLETION, FOLLOWS, CLIENT, ARRIVAL, CONTROL = range(5)  # the order at equal times
SUBMIT_BOOT, OPEN, CLOSE, DIE = range(4)


@dataclass(frozen=True)
class Guest:
    """One replica of `service`: its share of the CPU and what befalls it when."""

    service: int
    weight: float  # > 0
    cap: float  # cores; math.inf = no limit
    opens: float = 0.0  # ready from then on; not looked at when there is a boot
    closes: float | None = None  # takes no new request from then on, serves what it holds
    dies: float | None = None  # all that it holds fails then
    boot_work: float | None = None  # core-seconds of one thread; the guest opens when they are done
    boot_at: float = 0.0  # when the boot is submitted
    max_in_service: int | None = None  # memory: to start one more kills the guest


@dataclass(frozen=True)
class Service:
    concurrency: int  # requests in service at once at one replica
    queue: int | None  # waiting at one replica; None = unbounded
    backlog: int | None  # waiting while no replica is ready; None = unbounded
    timeout: float | None  # seconds after its arrival at which a client leaves
    routing: str  # round-robin | random | power-of-two | least-outstanding
    overhead: float = 1.0  # CPU work = demand * overhead


@dataclass(frozen=True)
class Arrival:
    time: float
    service: int
    demand: float  # core-seconds, before the overhead
    u1: float  # in [0, 1), for the routing
    u2: float


@dataclass
class Outcome:
    """What became of a request: completed, rejected, timed-out, failed, in-flight; not-arrived by the end."""

    guest: int = -1  # -1: no guest ever took it
    start: float = NAN  # of its service; NaN if it never started
    finish: float = NAN  # NaN if in flight
    status: str = "not-arrived"


@dataclass
class _Replica:
    """The changing part of a guest."""

    is_open: bool = False
    closed: bool = False  # draining or dead: never opens again
    dead: bool = False
    jobs: dict[int, float] = field(default_factory=dict)  # in service: request or BOOT -> work left
    waiting: list[int] = field(default_factory=list)  # first come first

    @property
    def outstanding(self) -> int:
        return len(self.jobs) + len(self.waiting)


def max_min_rates(cores: float, demands: list[float], weights: list[float]) -> list[float]:
    """r_i = min(d_i, level * w_i), the level such that the sum is min(cores, sum of d), by its definition.

    Going up in d_i / w_i, a guest that wants less than its weight's share of what is left gets all it wants;
    the first that does not sets the level for itself and for all after it.
    """
    rates = list(demands)
    if math.fsum(demands) <= cores:
        return rates
    order = sorted(range(len(demands)), key=lambda i: demands[i] / weights[i])
    left = cores
    for position, i in enumerate(order):
        level = left / math.fsum(weights[j] for j in order[position:])
        if demands[i] > level * weights[i]:
            for j in order[position:]:
                rates[j] = level * weights[j]
            return rates
        left -= demands[i]
    return rates  # rounding only: the demands add up to the cores


def simulate(
    cores: float, services: list[Service], guests: list[Guest], arrivals: list[Arrival], end: float
) -> tuple[list[Outcome], list[float]]:
    """One outcome per arrival, and per guest when its boot was done (NaN: none, or not by `end`)."""
    return _Run(cores, services, guests, arrivals, end).run()


def control_events(guests: Sequence[Guest], replicas: Sequence[Any]) -> list[tuple[float, int, int]]:
    """(time, guest, action). Guests that open at 0 are open before anything happens."""
    events = []
    for number, guest in enumerate(guests):
        if guest.boot_work is not None:
            events.append((guest.boot_at, number, SUBMIT_BOOT))
        elif guest.opens > 0:
            events.append((guest.opens, number, OPEN))
        else:
            replicas[number].is_open = True
        if guest.closes is not None:
            events.append((guest.closes, number, CLOSE))
        if guest.dies is not None:
            events.append((guest.dies, number, DIE))
    return events


class _Run:
    def __init__(
        self, cores: float, services: list[Service], guests: list[Guest], arrivals: list[Arrival], end: float
    ) -> None:
        self.cores, self.services, self.guests = cores, services, guests
        self.arrivals, self.end = arrivals, end
        self.now = 0.0
        self.replicas = [_Replica() for _ in guests]
        self.backlogs: list[list[int]] = [[] for _ in services]
        self.routed = [0] * len(services)  # the round-robin counter
        self.outcomes = [Outcome() for _ in arrivals]
        self.boots = [NAN] * len(guests)
        self.to_arrive = sorted(range(len(arrivals)), key=lambda request: arrivals[request].time)
        self.control = sorted(self._control_events())
        self.clients: list[tuple[float, int, int]] = []  # (time, ...) of the closed loops, see `instants`
        self.freed: set[int] = set()  # guests of `per-request` services that may take the next one, see there

    def _control_events(self) -> list[tuple[float, int, int]]:
        return control_events(self.guests, self.replicas)

    # --- time ------------------------------------------------------------------------------------------

    def run(self) -> tuple[list[Outcome], list[float]]:
        while True:
            rates = self._job_rates()
            time, kind, number, job = self._next_event(rates)
            if time > self.end:
                self._advance(self.end, rates)
                break
            self._advance(time, rates)
            self._happens(kind, number, job)
        self._close_the_books()
        return self.outcomes, self.boots

    def _happens(self, kind: int, number: int, job: int) -> None:
        if kind == FOLLOWS and job == FREE:
            self._next_for(number)
        elif kind in (COMPLETION, FOLLOWS):
            self._complete(number, job)
        elif kind == CLIENT:
            self._client()
        elif kind == ARRIVAL:
            self._arrive(self.to_arrive.pop(0))
        else:
            _, number, action = self.control.pop(0)
            self._do(number, action)

    def _client(self) -> None:
        """The next of `clients` has its moment."""
        raise NotImplementedError

    def _next_for(self, number: int) -> None:
        """A guest of `freed` takes the next request."""
        raise NotImplementedError

    def _do(self, number: int, action: int) -> None:
        (self._submit_boot, self._open, self._close, self._die)[action](number)

    def _job_rates(self) -> list[float]:
        """Per guest, the rate (cores) of each of its jobs; 0 if it has none."""
        busy = [number for number, replica in enumerate(self.replicas) if replica.jobs]
        demands = [self._demand(number) for number in busy]
        rates = [0.0] * len(self.guests)
        for number, rate in zip(busy, self._shared(busy, demands), strict=True):
            rates[number] = rate / self._threads(number)
        return rates

    def _threads(self, number: int) -> int:
        """Among how many a busy guest divides what it is given."""
        return len(self.replicas[number].jobs)

    def _demand(self, number: int) -> float:
        """Cores that a busy guest asks for."""
        return min(self.guests[number].cap, self._threads(number))

    def _shared(self, busy: list[int], demands: list[float]) -> list[float]:
        """The rates of the busy guests, which ask for `demands`."""
        return max_min_rates(self.cores, demands, [self.guests[number].weight for number in busy])

    def _next_event(self, rates: list[float]) -> tuple[float, int, int, int]:
        """(time, kind, guest, job) of the earliest event; the kind, guest and job decide between equals."""
        events = [(math.inf, CONTROL, 0, 0)]
        for number, replica in enumerate(self.replicas):
            for job, left in replica.jobs.items():
                if rates[number] > 0:
                    # rounding may have left an amount just below nothing of a job that is due now
                    kind = FOLLOWS if job == BOOT else COMPLETION
                    events.append((self.now + max(left, 0.0) / rates[number], kind, number, job))
        events += [(self.now, FOLLOWS, number, FREE) for number in self.freed]
        events += self._more_events(rates)
        if self.clients:
            events.append((min(self.clients)[0], CLIENT, 0, 0))
        if self.to_arrive:
            events.append((self.arrivals[self.to_arrive[0]].time, ARRIVAL, 0, 0))
        if self.control:
            events.append((self.control[0][0], CONTROL, 0, 0))
        return min(events)

    def _more_events(self, rates: list[float]) -> list[tuple[float, int, int, int]]:
        """Further kinds of events, see `quotas`."""
        return []

    def _advance(self, time: float, rates: list[float]) -> None:
        for number, replica in enumerate(self.replicas):
            for job in replica.jobs:
                replica.jobs[job] -= rates[number] * (time - self.now)
        self.now = time

    # --- requests --------------------------------------------------------------------------------------

    def _service_of(self, request: int) -> Service:
        return self.services[self.arrivals[request].service]

    def _deadline(self, request: int) -> float:
        timeout = self._service_of(request).timeout
        return math.inf if timeout is None else self.arrivals[request].time + timeout

    def _arrive(self, request: int) -> None:
        backlog, bound = self.backlogs[self.arrivals[request].service], self._service_of(request).backlog
        self.outcomes[request].status = "in-flight"
        if self._ready(self.arrivals[request].service):
            self._take(self._route(request), request)
        elif bound is None or len(backlog) < bound:
            backlog.append(request)
        else:
            self._reject(request)

    def _ready(self, service: int) -> list[int]:
        """The numbers of the open replicas of a service, ascending."""
        numbers = range(len(self.guests))
        return [n for n in numbers if self.guests[n].service == service and self.replicas[n].is_open]

    def _route(self, request: int) -> int:
        """The replica for a request, of at least one that is ready."""
        arrival = self.arrivals[request]
        ready, routing = self._ready(arrival.service), self._service_of(request).routing
        turn = self.routed[arrival.service]
        self.routed[arrival.service] += 1
        if routing == "round-robin":
            return ready[turn % len(ready)]
        if routing == "random":
            return ready[math.floor(arrival.u1 * len(ready))]
        if routing == "power-of-two" and len(ready) > 1:
            first = math.floor(arrival.u1 * len(ready))
            second = math.floor(arrival.u2 * (len(ready) - 1))
            if second >= first:
                second += 1
            ready = [ready[first], ready[second]]
        elif routing not in ("power-of-two", "least-outstanding"):
            raise ValueError(f"unknown routing {routing!r}")
        return min(ready, key=lambda number: (self.replicas[number].outstanding, number))

    def _take(self, number: int, request: int) -> None:
        """A replica gets a request: into service, into the line, or turned away."""
        replica, service = self.replicas[number], self._service_of(request)
        if len(replica.jobs) < service.concurrency:
            self._start(number, request)
        elif service.queue is None or len(replica.waiting) < service.queue:
            replica.waiting.append(request)
            self.outcomes[request].guest = number
        else:
            self._reject(request)

    def _start(self, number: int, request: int) -> None:
        replica, limit = self.replicas[number], self.guests[number].max_in_service
        replica.jobs[request] = self.arrivals[request].demand * self._service_of(request).overhead
        self.outcomes[request].guest, self.outcomes[request].start = number, self.now
        if limit is not None and len(replica.jobs) > limit:
            self._die(number)

    def _complete(self, number: int, job: int) -> None:
        replica = self.replicas[number]
        del replica.jobs[job]
        if job == BOOT:
            self.boots[number] = self.now
            self._open(number)
            return
        self._end(job, "timed-out" if self.now > self._deadline(job) else "completed", self.now)
        concurrency = self._service_of(job).concurrency
        while replica.waiting and len(replica.jobs) < concurrency:
            request = replica.waiting.pop(0)
            if self.now >= self._deadline(request):
                self._end(request, "timed-out", self._deadline(request))
            else:
                self._start(number, request)

    def _end(self, request: int, status: str, finish: float) -> None:
        self.outcomes[request].status, self.outcomes[request].finish = status, finish

    def _reject(self, request: int) -> None:
        self._end(request, "rejected", self.now)

    def _close_the_books(self) -> None:
        """At the end, whoever has left counts as timed out, in service or not; the others are in flight."""
        for request, outcome in enumerate(self.outcomes):
            if outcome.status == "in-flight" and self._deadline(request) <= self.end:
                self._end(request, "timed-out", self._deadline(request))

    # --- guests ----------------------------------------------------------------------------------------

    def _submit_boot(self, number: int) -> None:
        work = self.guests[number].boot_work
        if not self.replicas[number].dead and work is not None:
            self.replicas[number].jobs[BOOT] = work

    def _open(self, number: int) -> None:
        """The guest is ready; what waits at its service is routed in order, each as if it arrived now.

        One that was told to drain, or died, before it was ready never opens.
        """
        if self.replicas[number].closed:
            return
        self.replicas[number].is_open = True
        service = self.guests[number].service
        backlog = self.backlogs[service]
        while backlog and self._ready(service):  # a guest may die of the requests it is given
            request = backlog.pop(0)
            if self.now >= self._deadline(request):
                self._end(request, "timed-out", self._deadline(request))
            else:
                self._take(self._route(request), request)

    def _close(self, number: int) -> None:
        self.replicas[number].is_open, self.replicas[number].closed = False, True

    def _die(self, number: int) -> None:
        self._fail_all(number)
        self._close(number)
        self.replicas[number].dead = True

    def _fail_all(self, number: int) -> None:
        replica = self.replicas[number]
        for request in [*replica.jobs, *replica.waiting]:
            if request != BOOT and self._deadline(request) <= self.now:  # its client had left already
                self._end(request, "timed-out", self._deadline(request))
            elif request != BOOT:
                self._end(request, "failed", self.now)
        replica.jobs.clear()
        replica.waiting.clear()
