"""Stacks of programs whose guests have limits by period, threads, other sizes and pools, in their plainest form.

Written from docs/model.md alone ("Limits by period", "Threads", "Nesting"), over `programs`. What is counted of limits
is `quotas`' own; here every request, every boot and every part of a response is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .program_guests import Job, Strand
from .program_steps import Parallel, Result, Step
from .programs import CONTROL, Stack, StackRun
from .quotas import INSTANT, Change, Limit
from .storeys import Pool, Resize, two_level_rates

PERIOD, BUDGET = -2, -1  # before everything else of the same instant
CHANGE, RESIZE = "change", "resize"


@dataclass(frozen=True)
class LimitedStack:
    """A stack with what bounds its guests. `pool_of`: by guest; no pools, no storeys."""

    stack: Stack
    limits: list[Limit | None]  # by guest; a guest with a limit has no other cap
    threads: list[int | None]  # by service: requests' jobs that a guest runs at once
    changes: list[Change] = field(default_factory=list)  # resize, pause, resume
    pools: list[Pool] = field(default_factory=list)
    pool_of: list[int] = field(default_factory=list)
    resizes: list[Resize] = field(default_factory=list)

    def expected(self, order: int = 0) -> Result:
        return LimitedStackRun(self, order).run()

    def wants(self, service: int) -> int:
        """Cores that a guest of the service can use at most."""
        program = self.stack.programs[service]
        wide = 1 if program is None else max(width(steps) for _, steps in program.kinds)
        jobs = self.stack.services[service].concurrency * wide
        threads = self.threads[service]
        return jobs if threads is None else min(threads, jobs)

    def cap_and_quota(self, service: int, cap: float, limit: Limit | None) -> tuple[float, Limit | None]:
        """What bounds a guest of the service: a cap, or a limit that it can reach."""
        if limit is None:
            return cap, None
        return (math.inf, limit) if self.wants(service) > limit.cores else (limit.cores, None)


def width(steps: Sequence[Step]) -> int:
    """Branches of one request at once, at most."""
    return max((sum(map(width, step.branches)) for step in steps if isinstance(step, Parallel)), default=1) or 1


@dataclass
class _Budget:
    limit: Limit
    left: float  # core-s
    turn: int  # the next end is phase + turn * period
    still: bool = False
    lifted: bool = False  # the limit does not hold any more, or not yet again

    @property
    def end(self) -> float:
        return self.limit.phase + self.turn * self.limit.period

    @property
    def whole(self) -> float:
        return self.limit.cores * self.limit.period


class LimitedStackRun(StackRun):
    def __init__(self, limited: LimitedStack, order: int) -> None:
        self.limited, self.pools, self.cores = limited, list(limited.pools), limited.stack.cores
        super().__init__(limited.stack, order)
        self.guests = list(limited.stack.guests)
        self.paused = set[int]()
        self.budgets: list[_Budget | None] = [None] * len(self.guests)
        for number, limit in enumerate(limited.limits):
            self._size(number, self.guests[number].weight, self.guests[number].cap, limit)
        own = [(each.time, CHANGE, each) for each in limited.changes]
        self.to_change = sorted([*own, *((each.time, RESIZE, each) for each in limited.resizes)], key=lambda e: e[0])

    def _size(self, number: int, weight: float, cap: float, limit: Limit | None) -> None:
        """Weight and limit of a guest from now on; a new limit begins with a full budget."""
        cap, limit = self.limited.cap_and_quota(self.guests[number].service, cap, limit)
        self.guests[number] = replace(self.guests[number], weight=weight, cap=cap)
        old = self.budgets[number]
        if limit is None:
            if old is not None:
                old.lifted, old.still = True, False
        elif old is None:
            turn = 0
            while limit.phase + turn * limit.period <= self.now:
                turn += 1
            self.budgets[number] = _Budget(limit, limit.cores * limit.period, turn)
        else:
            old.limit, old.left, old.still, old.lifted = limit, limit.cores * limit.period, False, False

    # --- shares --------------------------------------------------------------------------------------------

    def _boots(self, number: int) -> bool:
        return any(job.guest == number and job.strand is None for job in self.jobs)

    def _demand(self, number: int, jobs: int) -> float:
        budget, threads = self.budgets[number], self.limited.threads[self.guests[number].service]
        if number in self.paused or (budget is not None and budget.still):
            return 0.0
        bound = math.inf if threads is None or self._boots(number) else threads
        return min(self.guests[number].cap, bound, jobs)

    def _shared(self, numbers: list[int], demands: list[float]) -> list[float]:
        # one pool for all is one that asks for what they ask for: no bound but the host
        pools = self.pools or [Pool(math.inf, 1.0)]
        own = [self.limited.pool_of[number] if self.pools else 0 for number in numbers]
        return two_level_rates(self.cores, pools, own, demands, [self.guests[number].weight for number in numbers])

    def _extra(self, strand: Strand, guest: int, work: float) -> float:
        budget, service = self.budgets[guest], strand.request.service
        own_demand = self.stack.programs[service] is None
        if budget is None or budget.lifted or (work == 0.0 and not own_demand):
            return 0.0
        return budget.limit.extra(self.limited.threads[service])

    # --- budgets -------------------------------------------------------------------------------------------

    def _next_event(self, rates: list[float]) -> tuple[float, int, Job | None]:
        events = [super()._next_event(rates)]
        for number, budget in enumerate(self.budgets):
            if budget is None:
                continue
            sign = Job(None, number, -1, 0.0, self.now, 0.0)
            events.append((budget.end, PERIOD, sign))
            mine = [(job, rate) for job, rate in zip(self.jobs, rates, strict=True) if job.guest == number]
            rate = math.fsum(each for _, each in mine)
            if rate > 0.0 and not budget.lifted:
                first = min(job.left for job, _ in mine) * len(mine)
                if first > budget.left + INSTANT:
                    events.append((self.now + (0.0 if budget.left < INSTANT else budget.left / rate), BUDGET, sign))
        if self.to_change:
            events.append((self.to_change[0][0], CONTROL + 1, None))
        return min(events, key=lambda event: event[:2])

    def _advance(self, passed: float, rates: list[float]) -> None:
        for job, rate in zip(self.jobs, rates, strict=True):
            budget = self.budgets[job.guest] if job.guest >= 0 else None
            if budget is not None and not budget.lifted:
                budget.left -= rate * passed
        super()._advance(passed, rates)

    def _happens(self, kind: int, job: Job | None) -> None:
        if kind == CONTROL + 1:
            _, what, change = self.to_change.pop(0)
            self._change(change) if what == CHANGE else self._resize(change)
            return
        budget = self.budgets[job.guest] if job is not None and job.guest >= 0 else None
        if kind == BUDGET and budget is not None:
            budget.left, budget.still = 0.0, True
        elif kind == PERIOD and budget is not None:
            budget.still, budget.turn = False, budget.turn + 1
            budget.left = min(budget.whole + budget.limit.burst, budget.left + budget.whole)
        else:
            if budget is not None:
                budget.left = max(budget.left, 0.0)
            super()._happens(kind, job)

    # --- control -------------------------------------------------------------------------------------------

    def _change(self, change: Change) -> None:
        if self.replicas[change.guest].dead:
            return
        if change.what == "resize":
            self._size(change.guest, change.weight, change.cap, change.limit)
        elif change.what == "pause":
            self.paused.add(change.guest)
        else:
            self.paused.discard(change.guest)

    def _resize(self, resize: Resize) -> None:
        if resize.pool < 0:
            self.cores = resize.cores
        else:
            self.pools[resize.pool] = replace(self.pools[resize.pool], cores=resize.cores)

    def _fall(self, number: int) -> None:
        """What is started again is another control group."""
        super()._fall(number)
        budget = self.budgets[number]
        if budget is not None:
            budget.left, budget.still = budget.whole, False

    def _die(self, number: int) -> None:
        super()._die(number)
        self.budgets[number] = None
