"""Requests that are programs, in their plainest form.

Written from docs/model.md alone ("A request is a program"), like `oracle`: every rate of every job and of every
transfer is formed anew at every event. What requests consist of is in `program_steps`, what befalls them at guests in
`program_guests`.

What goes on at an instant because something has happened there is in `todo`, first come first served; it is done before
the next event is looked for. The order in which jobs and transfers that end at one instant are taken is not laid down
(`order` takes another one): where it matters, the outcome is not laid down either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .oracle import Arrival, Guest, Outcome, Service, max_min_rates
from .program_guests import GuestsRun, Job, Request, Strand
from .program_steps import (
    Away,
    Call,
    Cpu,
    Fall,
    Law,
    Move,
    Numbers,
    Parallel,
    Program,
    Result,
    Step,
    Transfer,
    Wait,
    draw,
    mix,
)

COMPLETION, BOOTED, MOVED, ALARM, ARRIVAL, CONTROL = range(6)  # the order at equal times
SAME = 1e-11  # s: ends no further apart are at one instant on paper


@dataclass(frozen=True)
class Stack:
    """Services that call one another. One without a program takes the demands of its arrivals."""

    cores: float
    services: list[Service]
    programs: list[Program | None]
    guests: list[Guest]
    links: list[float]  # bytes/s
    arrivals: list[Arrival]
    falls: list[Fall]
    end: float
    sites: list[list[float]] = field(default_factory=list)  # the links of other sites, bytes/s
    transfers: list[Transfer] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)

    def expected(self, order: int = 0) -> Result:
        """`order`: of what ends at one instant the first to begin goes on first (0), the last (1), or any."""
        return StackRun(self, order).run()


class StackRun(GuestsRun):
    # --- time ------------------------------------------------------------------------------------------

    def run(self) -> Result:
        while True:
            if self.unrouted is not None:
                self._route_backlog(self.unrouted)
                continue
            if self.todo:
                self._next_thing(*self.todo.pop(0))
                continue
            rates = self._rates()
            time, kind, job = self._next_event(rates)
            self._advance(min(time, self.stack.end) - self.now, rates)
            if time > self.stack.end:
                break
            self.now = time
            self._happens(kind, job)
        self._close_the_books()
        return self.result

    def _advance(self, passed: float, rates: list[float]) -> None:
        for each, rate in zip(self.jobs, rates, strict=True):
            each.left -= rate * passed

    def _demand(self, number: int, jobs: int) -> float:
        """Cores that a guest with so many jobs asks for."""
        return min(self.stack.guests[number].cap, jobs)

    def _shared(self, numbers: list[int], demands: list[float]) -> list[float]:
        """Cores that guests on the host get."""
        return max_min_rates(self.stack.cores, demands, [self.stack.guests[number].weight for number in numbers])

    def _rates(self) -> list[float]:
        """Of each job: cores, or bytes/s."""
        busy = sorted({job.guest for job in self.jobs if job.guest >= 0})
        count = {number: sum(job.guest == number for job in self.jobs) for number in busy}
        given = {number: self._demand(number, count[number]) for number in busy}
        here = [number for number in busy if self.site[number] == 0]
        given.update(zip(here, self._shared(here, [given[number] for number in here]), strict=True))
        speeds: dict[int, float] = {}
        for (site, link), moving in self._moving().items():
            bandwidth = (self.stack.sites[site - 1] if site else self.stack.links)[link]
            rates = max_min_rates(bandwidth, [min(job.rate, bandwidth) for job in moving], [1.0] * len(moving))
            speeds.update({id(job): rate for job, rate in zip(moving, rates, strict=True)})
        return [given[job.guest] / count[job.guest] if job.guest >= 0 else speeds[id(job)] for job in self.jobs]

    def _moving(self) -> dict[tuple[int, int], list[Job]]:
        """Who moves bytes over which link, by site and number."""
        found: dict[tuple[int, int], list[Job]] = {}
        for job in self.jobs:
            if job.link >= 0:
                site = job.site if job.strand is None else self.site[job.strand.request.outcome.guest]
                found.setdefault((site, job.link), []).append(job)
        return found

    def _next_event(self, rates: list[float]) -> tuple[float, int, Job | None]:
        """The earliest event, and the first of those by the order at equal times."""
        ends = [
            (self.now + max(job.left, 0.0) / rate, job) for job, rate in zip(self.jobs, rates, strict=True) if rate > 0
        ]
        found: list[tuple[float, int, Job | None]] = [(math.inf, CONTROL, None)]
        steps = [(time, job) for time, job in ends if job.strand is not None]
        if steps:
            first = min(time for time, _ in steps)
            together = [job for time, job in steps if time <= first + SAME]
            found.append((first, COMPLETION, self._one_of(together)))
        boots = [(time, job) for time, job in ends if job.strand is None and job.guest >= 0]
        if boots:
            time, boot = min(boots, key=lambda each: (each[0], each[1].guest))
            found.append((time, BOOTED, boot))
        moves = [(time, job) for time, job in ends if job.strand is None and job.link >= 0]
        if moves:
            first = min(time for time, _ in moves)
            found.append((first, MOVED, next(job for time, job in moves if time <= first + SAME)))
        if self.alarms:
            found.append((max(min(self.alarms, key=lambda alarm: alarm[:2])[0], self.now), ALARM, None))
        if self.to_arrive:
            found.append((self.to_arrive[0].time, ARRIVAL, None))
        if self.control:
            found.append((self.control[0][0], CONTROL, None))
        return min(found, key=lambda event: event[:2])

    def _one_of(self, together: list[Job]) -> Job:
        return together[-self.order] if self.order < 2 else self.luck.choice(together)

    def _happens(self, kind: int, job: Job | None) -> None:
        if kind == COMPLETION and job is not None and job.strand is not None:
            self.jobs.remove(job)
            self._spend_job(job.strand, job)
            self._step_ended(job.strand)
        elif kind == BOOTED and job is not None:
            self.jobs.remove(job)
            self.boots[job.guest] = self.now
            self._open(job.guest)
        elif kind == MOVED and job is not None:
            self.jobs.remove(job)
            self.result.transfers[job.number] = self.now
        elif kind == ALARM:
            self._alarm()
        elif kind == ARRIVAL:
            self._arrive(self._from_outside(self.to_arrive.pop(0)))
        else:
            _, number, action = self.control.pop(0)
            actions = (
                *(self._submit_boot, self._open, self._close, self._die, self._fall, self._open),
                *(self._begin_transfer, self._break_off, self._go_away),
            )
            actions[action](number)

    # --- programs --------------------------------------------------------------------------------------

    def _next_thing(self, what: str, who: Strand | Request) -> None:
        """A request that was made `comes`; a strand `goes on`, or what it waited for has `failed`."""
        if isinstance(who, Request):
            self.result.calls[who.service] += 1
            self._arrive(who)
        elif not who.request.ended and what == "goes on":
            self._go_on(who)
        elif not who.request.ended and not self._tries_again(who):
            self._strand_ends(who, failed=True)

    def _go_on(self, strand: Strand) -> None:
        while strand.at < len(strand.steps):
            if self._begins(strand, strand.steps[strand.at]):
                return
            strand.at += 1
        self._strand_ends(strand, failed=False)

    def _begins(self, strand: Strand, step: Step) -> bool:
        """Whether the step takes any time, or others first."""
        if isinstance(step, Cpu):
            overhead = self.stack.services[strand.request.service].overhead if step.overhead else 1.0
            work = draw(step.law, strand.numbers)
            own = strand.request.outcome.guest
            return self._job(
                strand, own, -1, work * overhead + (self._extra(strand, own, work) if step.overhead else 0.0)
            )
        if isinstance(step, Move):
            return self._job(strand, -1, step.link, step.size)
        if isinstance(step, Wait):
            time = draw(step.law, strand.numbers)
            if time > 0:
                strand.spent[step.part] += time
                self._set_alarm(self.now + time, strand, None)
            return time > 0
        if isinstance(step, Parallel):
            strand.branches, strand.broken = len(step.branches), False
            for steps in step.branches:
                branch = Strand(strand.request, Numbers(strand.numbers.word()), steps, strand)
                strand.request.strands.append(branch)
                self.todo.append(("goes on", branch))
            return bool(step.branches)
        while strand.calls < step.times:
            strand.calls += 1
            if step.probability < 1 and strand.numbers.u() >= step.probability:
                continue
            strand.tries = 0
            self._make(strand, step.service)
            return True
        strand.calls = 0
        return False

    def _extra(self, strand: Strand, guest: int, work: float) -> float:
        """Work of a job of a request on top of its own."""
        return 0.0

    def _job(self, strand: Strand, guest: int, link: int, amount: float) -> bool:
        if amount > 0:
            self.jobs.append(Job(strand, guest, link, amount, self.now, amount))
        return amount > 0

    def _spend_job(self, strand: Strand, job: Job) -> None:
        took, step = self.now - job.since, strand.steps[strand.at]
        if isinstance(step, Move):
            strand.spent[step.part] += took
        else:
            strand.spent["cpu"] += job.amount
            strand.spent["contention"] += took - job.amount

    def _step_ended(self, strand: Strand) -> None:
        strand.at += 1
        self.todo.append(("goes on", strand))

    def _strand_ends(self, strand: Strand, failed: bool) -> None:
        parent = strand.parent
        if parent is None:
            self._leave(strand.request, failed)
            return
        parent.branches -= 1
        parent.broken = parent.broken or failed
        if parent.branches == 0:
            for part, time in strand.spent.items():
                parent.spent[part] += time
            if parent.broken:
                self.todo.append(("failed", parent))
            else:
                self._step_ended(parent)

    # --- calls -----------------------------------------------------------------------------------------

    def _make(self, strand: Strand, service: int) -> None:
        """A strand calls a service; but not any more at its own deadline."""
        strand.made = self.now
        if self.now >= strand.request.deadline:
            strand.late = True
            self.todo.append(("failed", strand))
            return
        key = Numbers(strand.numbers.word())
        callee = self._new(service, key, strand)
        strand.callee = callee
        if math.isfinite(callee.deadline):
            self._set_alarm(callee.deadline, strand, callee)
        self.todo.append(("comes", callee))

    def _tries_again(self, strand: Strand) -> bool:
        """What a strand waited for has failed: a call is made again, if it may."""
        step = strand.steps[strand.at]
        if not isinstance(step, Call) or strand.late or strand.tries >= step.retries:
            return False
        strand.tries += 1
        self._make(strand, step.service)
        return True

    def _tell(self, request: Request, well: bool) -> None:
        """Who waits for the request learns how it ended."""
        strand = request.caller
        if strand is not None:
            request.caller = strand.callee = None
            strand.spent["calls"] += self.now - strand.made
            self.todo.append(("goes on" if well else "failed", strand))

    def _set_alarm(self, time: float, strand: Strand, callee: Request | None) -> None:
        self.alarms.append((time, self.set, strand, callee))
        self.set += 1

    def _alarm(self) -> None:
        """A wait ends, or a caller gives up."""
        alarm = min(self.alarms, key=lambda each: each[:2])
        self.alarms.remove(alarm)
        _, _, strand, callee = alarm
        if callee is not None:
            self._tell(callee, False)
        elif not strand.request.ended:
            self._step_ended(strand)

    # --- requests --------------------------------------------------------------------------------------

    def _from_outside(self, arrival: Arrival) -> Request:
        service = arrival.service
        program = self.stack.programs[service]
        numbers = Numbers(0 if program is None else mix(program.base, self.outside[service]))
        self.outside[service] += 1
        return self._new(service, numbers, None, arrival)

    def _new(self, service: int, numbers: Numbers, caller: Strand | None, arrival: Arrival | None = None) -> Request:
        """It has drawn its kind, and, if it is called, the numbers that its routing needs."""
        own, program = self.stack.services[service], self.stack.programs[service]
        steps: Sequence[Step]
        if program is None:
            steps = [Cpu(Law("constant", arrival.demand if arrival else 0.0))]
        else:
            steps = self._kind(program, numbers)
        u1, u2 = (arrival.u1, arrival.u2) if arrival else (0.0, 0.0)
        if caller is not None and own.routing in ("random", "power-of-two"):
            u1 = numbers.u()
            u2 = numbers.u() if own.routing == "power-of-two" else 0.0
        deadline = math.inf if own.timeout is None else self.now + own.timeout
        if caller is not None:
            deadline = min(deadline, caller.request.deadline)
        return Request(service, self.now, deadline, (u1, u2), steps, numbers, caller, Outcome(status="in-flight"))

    def _kind(self, program: Program, numbers: Numbers) -> Sequence[Step]:
        if len(program.kinds) == 1:
            return program.kinds[0][1]
        u, up_to, total = numbers.u(), 0.0, sum(share for share, _ in program.kinds)
        for share, steps in program.kinds[:-1]:
            up_to += share / total
            if u < up_to:
                return steps
        return program.kinds[-1][1]
