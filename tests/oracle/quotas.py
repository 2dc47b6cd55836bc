"""Limits by period, threads, stops of the CPU, falls and moves, in their plainest form.

Written from docs/model.md alone ("Limits by period", "Threads"), like `oracle`. Every end of every period of every
guest is an event, also of those that have nothing to do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .cases import Case
from .oracle import BOOT, Outcome, _Run
from .storeys import Pool, Resize, Storeys, _StoreyRun

PERIOD, BUDGET = -2, -1  # before everything else of the same instant
CHANGE = 5  # an action of control, beside those of the oracle and of `storeys`
FIRST_CHANGE = 1000  # at one instant, changes come after what befalls the guests by themselves
INSTANT = 1e-9  # s, or core-s: less decides nothing


@dataclass(frozen=True)
class Limit:
    """A limit of `cores`, by periods of `period` s that end at `phase` + n · `period`; core-s of `burst`.

    `oversubscription`: core-s on top of each job of a request, times (threads - cores) / cores.
    """

    cores: float
    period: float
    phase: float
    burst: float = 0.0
    oversubscription: float = 0.0

    def extra(self, threads: int | None) -> float:
        """Core-s on top of each job of a request, of a service with so many threads."""
        if threads is None or threads <= self.cores:
            return 0.0
        return self.oversubscription * (threads - self.cores) / self.cores


@dataclass(frozen=True)
class Change:
    """What control does to a guest at a time.

    `resize` (another weight and limit, or cap), `pause`, `resume`, `send_away` (to the other host), `fall`, and
    `start_again` after it, with `work` to do before it serves.
    """

    time: float
    guest: int
    what: str
    weight: float = 1.0
    cap: float = math.inf
    limit: Limit | None = None
    work: float = 0.0
    threads: int = 1  # in which that work is done


@dataclass(frozen=True)
class Still:
    """What is counted of a service's guests: ends of periods, those with a guest that stood still, seconds of it.

    `lacked`: core-s that they asked for and others had.
    """

    periods: int
    still: int
    time: float
    lacked: float = 0.0


@dataclass(frozen=True)
class Limited:
    """A case of the oracle with limits by period; in pools, if there are any."""

    case: Case
    limits: list[Limit | None]  # by guest; a guest with a limit has no other cap
    threads: list[int | None]  # by service: requests that a guest runs at once
    start_threads: list[int]  # by service, the most of any start
    boot_threads: list[int]  # by guest, of its boot
    changes: list[Change]
    pools: list[Pool]
    pool_of: list[int]  # by guest
    resizes: list[Resize]

    def expected(self) -> tuple[list[Outcome], list[float], list[Still]]:
        run = LimitedRun(self)
        return *run.run(), run.stillness()

    def wants(self, service: int) -> int:
        """Cores that a guest of the service can use at most."""
        threads, concurrency = self.threads[service], self.case.services[service].concurrency
        return max(concurrency if threads is None else min(threads, concurrency), self.start_threads[service])

    def cap_and_quota(self, service: int, cap: float, limit: Limit | None) -> tuple[float, Limit | None]:
        """What bounds a guest of the service: a cap, or a limit that it can reach."""
        if limit is None:
            return cap, None
        return (math.inf, limit) if self.wants(service) > limit.cores else (limit.cores, None)


@dataclass
class _Bucket:
    """The changing part of a limit."""

    limit: Limit
    left: float  # of the budget, core-s
    turn: int  # the next end is phase + turn * period
    still_since: float | None = None  # it stands still
    timer: bool = False  # ends are counted
    used: bool = False  # it was given CPU since the last end
    lifted: bool = False  # the limit does not hold any more, or not yet again

    @property
    def end(self) -> float:
        return self.limit.phase + self.turn * self.limit.period

    @property
    def quota(self) -> float:
        return self.limit.cores * self.limit.period


class LimitedRun(_StoreyRun):
    """One run. `given`: what a guest got in each of its periods, with the time of the end, for what must hold."""

    def __init__(self, limited: Limited) -> None:
        self.limited = limited
        super().__init__(Storeys(limited.case, limited.pools, limited.pool_of, limited.resizes))
        changes = ((each.time, FIRST_CHANGE + i, CHANGE) for i, each in enumerate(limited.changes))
        self.control = sorted([*self.control, *changes])
        self.paused, self.away = set[int](), set[int]()
        self.boot_threads = list(limited.boot_threads)
        self.buckets: list[_Bucket | None] = [None] * len(self.guests)
        self.guests = list(self.guests)
        for number, limit in enumerate(limited.limits):
            self._size(number, self.guests[number].weight, self.guests[number].cap, limit)
        services = range(len(self.services))
        self.counted = [[0, 0, 0.0, 0.0] for _ in services]
        self.given: dict[int, list[tuple[float, float]]] = {number: [] for number in range(len(self.guests))}
        self.work = [0.0] * len(self.guests)  # given since the last end

    def stillness(self) -> list[Still]:
        return [Still(int(periods), int(still), time, lacked) for periods, still, time, lacked in self.counted]

    def _size(self, number: int, weight: float, cap: float, limit: Limit | None) -> None:
        """Weight and limit of a guest from now on; a new limit begins with a full budget."""
        cap, limit = self.limited.cap_and_quota(self.guests[number].service, cap, limit)
        self.guests[number] = replace(self.guests[number], weight=weight, cap=cap)
        old = self.buckets[number]
        if limit is None:
            if old is not None:
                old.lifted, old.still_since = True, None
        elif old is None:
            turn = 0
            while limit.phase + turn * limit.period <= self.now:  # those that are due now have been
                turn += 1
            self.buckets[number] = _Bucket(limit, limit.cores * limit.period, turn)
        else:
            old.limit, old.left, old.still_since, old.lifted = limit, limit.cores * limit.period, None, False

    def _start(self, number: int, request: int) -> None:
        super()._start(number, request)
        bucket, jobs = self.buckets[number], self.replicas[number].jobs
        if bucket is not None and not bucket.lifted and request in jobs:
            jobs[request] += bucket.limit.extra(self.limited.threads[self.guests[number].service])

    # --- what a guest asks for -----------------------------------------------------------------------------

    def _threads(self, number: int) -> int:
        if BOOT in self.replicas[number].jobs:
            return self.boot_threads[number]
        return super()._threads(number)

    def _demand(self, number: int) -> float:
        bucket, bound = self.buckets[number], self.limited.threads[self.guests[number].service]
        if number in self.paused or (bucket is not None and bucket.still_since is not None):
            return 0.0
        if bound is None or BOOT in self.replicas[number].jobs:
            return super()._demand(number)
        return min(super()._demand(number), bound)

    def _shared(self, busy: list[int], demands: list[float]) -> list[float]:
        """Who has moved away has what it asks for."""
        here = [i for i, number in enumerate(busy) if number not in self.away]
        mine, wanted = [busy[i] for i in here], [demands[i] for i in here]
        shared = super()._shared(mine, wanted) if self.pools else _Run._shared(self, mine, wanted)
        rates = list(demands)
        for i, rate in zip(here, shared, strict=True):
            rates[i] = rate
        return rates

    def _submit_boot(self, number: int) -> None:
        super()._submit_boot(number)
        jobs = self.replicas[number].jobs
        if BOOT in jobs:
            jobs[BOOT] /= self._threads(number)

    # --- budgets -------------------------------------------------------------------------------------------

    def _more_events(self, rates: list[float]) -> list[tuple[float, int, int, int]]:
        events = []
        for number, bucket in enumerate(self.buckets):
            if bucket is None:
                continue
            events.append((bucket.end, PERIOD, number, 0))
            rate, jobs = rates[number] * self._threads(number), self.replicas[number].jobs
            if not jobs or rate == 0.0 or bucket.lifted:
                continue
            if min(jobs.values()) * self._threads(number) > bucket.left + INSTANT:
                used_up = 0.0 if bucket.left < INSTANT else bucket.left / rate
                events.append((self.now + used_up, BUDGET, number, 0))
        return events

    def _advance(self, time: float, rates: list[float]) -> None:
        passed = time - self.now
        for number, bucket in enumerate(self.buckets):
            if self.replicas[number].jobs:
                lacks = self._demand(number) - rates[number] * self._threads(number)
                self.counted[self.guests[number].service][3] += lacks * passed
            if bucket is not None and self.replicas[number].jobs and not bucket.lifted:
                bucket.timer = True
                work = rates[number] * self._threads(number) * passed
                bucket.left -= work
                bucket.used = bucket.used or work > 0.0
                self.work[number] += work
                if bucket.still_since is not None:
                    self.counted[self.guests[number].service][2] += passed
        super()._advance(time, rates)

    def _happens(self, kind: int, number: int, job: int) -> None:
        bucket = self.buckets[number] if kind in (PERIOD, BUDGET) else None
        if bucket is None:
            super()._happens(kind, number, job)
        elif kind == BUDGET:
            bucket.left, bucket.still_since = 0.0, self.now
        else:
            self._period_ends(number, bucket)

    def _period_ends(self, number: int, bucket: _Bucket) -> None:
        counted, idle = self.counted[self.guests[number].service], not self.replicas[number].jobs
        if bucket.timer and not bucket.lifted:
            counted[0] += 1
            counted[1] += bucket.still_since is not None and self.now - bucket.still_since > INSTANT
        bucket.timer = bucket.timer and not bucket.lifted and (bucket.used or not idle)
        self.given[number].append((self.now, self.work[number]))
        self.work[number] = 0.0
        bucket.used, bucket.still_since = False, None
        bucket.left = min(bucket.quota + bucket.limit.burst, bucket.left + bucket.quota)
        bucket.turn += 1

    def _complete(self, number: int, job: int) -> None:
        bucket = self.buckets[number]
        if bucket is not None:
            bucket.left = max(bucket.left, 0.0)
        super()._complete(number, job)

    # --- control -------------------------------------------------------------------------------------------

    def _do(self, number: int, action: int) -> None:
        if action != CHANGE:
            super()._do(number, action)
            return
        change = self.limited.changes[number - FIRST_CHANGE]
        if not self.replicas[change.guest].dead:
            getattr(self, f"_{change.what}")(change.guest, change)

    def _resize(self, number: int, change: Change) -> None:
        self._size(number, change.weight, change.cap, change.limit)

    def _pause(self, number: int, change: Change) -> None:
        self.paused.add(number)

    def _resume(self, number: int, change: Change) -> None:
        self.paused.discard(number)

    def _send_away(self, number: int, change: Change) -> None:
        self.away.add(number)

    def _fall(self, number: int, change: Change) -> None:
        """All that it held fails; what is started again is another control group."""
        self._fail_all(number)
        self.replicas[number].is_open = False
        bucket = self.buckets[number]
        if bucket is not None:
            bucket.left, bucket.still_since = bucket.quota, None

    def _start_again(self, number: int, change: Change) -> None:
        self.guests[number] = replace(self.guests[number], boot_work=change.work)
        self.boot_threads[number] = change.threads
        self._submit_boot(number)

    def _die(self, number: int) -> None:
        super()._die(number)
        self.buckets[number] = None


def total(stills: Sequence[Still]) -> Still:
    """Of all services."""
    time, lacked = math.fsum(each.time for each in stills), math.fsum(each.lacked for each in stills)
    return Still(sum(each.periods for each in stills), sum(each.still for each in stills), time, lacked)
