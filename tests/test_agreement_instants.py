"""Events of every kind at one instant: the kernel and its environment against the oracle, exactly."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import numpy as np
from hypothesis import HealthCheck, given, settings

from adapter import ROUTING, assert_same_time
from oracle.instants import PER_REQUEST, Grid, Users, grids
from oracle.oracle import Outcome
from sim.engine import layout
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane

EXAMPLES = 60 if os.environ.get("NUMBA_DISABLE_JIT") else 600


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=grids())
def test_what_meets_at_one_instant_is_taken_in_the_order_of_the_model(case: Grid) -> None:
    run = GridRun(case)
    run.go()
    outcomes, boots = case.expected()
    for service, expected in enumerate(outcomes):
        ours = run.outcomes[service]
        assert sorted(ours) == list(range(len(expected))), f"requests of service {service}"
        for number, theirs in enumerate(expected):
            what = f"request {number} of service {service}"
            assert (ours[number].status, ours[number].guest) == (theirs.status, theirs.guest), what
            assert_same_time(ours[number].start, theirs.start, f"start of {what}")
            assert_same_time(ours[number].finish, theirs.finish, f"finish of {what}")
    for number, done in enumerate(boots):
        assert_same_time(run.boots[number], done, f"boot of guest {number}")


class Clients:
    """A closed loop's lists, drawn from on and on."""

    def __init__(self, users: Users) -> None:
        self.vus, self.pause, self._users, self._at = users.number, users.pause, users, 0

    def draw(self, n: int) -> SimpleNamespace:
        at = np.arange(self._at, self._at + n)
        self._at += n
        thinks, wants = np.array(self._users.thinks), np.array(self._users.wants)
        rows = wants[at % len(wants)]
        return SimpleNamespace(think=thinks[at % len(thinks)], demand=rows[:, 0], u1=rows[:, 1], u2=rows[:, 2])


class GridRun:
    """A case on the kernel. Guests that are started for a request come and go, so that their slots are used again."""

    def __init__(self, case: Grid) -> None:
        self.case = case
        self.outcomes: list[dict[int, Outcome]] = [{} for _ in case.services]
        self.boots = [math.nan] * len(case.guests)
        chunks = iter([self._arrivals()])
        self.plane = DataPlane(case.cores, source=lambda: next(chunks, None), sink=self._sink)
        self.env = HybridEnvironment(self.plane)
        self.slots: dict[int, int] = {}  # by guest, while it is there
        self.numbers: list[int] = []  # guest by its number over the run in the data plane
        self.dead: set[int] = set()
        self.closed: set[int] = set()
        self.open: set[int] = set()
        self.asked: set[int] = set()

    def _arrivals(self) -> SimpleNamespace:
        rows = self.case.arrivals
        columns = {name: np.array([getattr(row, name) for row in rows]) for name in ("time", "demand", "u1", "u2")}
        return SimpleNamespace(service=np.array([row.service for row in rows], np.int32), **columns)

    def _sink(self, rows) -> None:
        for row in rows:
            own = self.outcomes[row["service"]]
            assert int(row["number"]) not in own, "a request ended twice"
            guest = -1 if row["guest"] < 0 else self.numbers[row["guest"]]
            status = layout.STATUS_NAMES[row["status"]]
            own[int(row["number"])] = Outcome(guest, float(row["start"]), float(row["finish"]), status)

    def go(self) -> None:
        for s in self.case.services:
            self.plane.add_service(
                concurrency=s.concurrency,
                queue=s.queue,
                backlog=s.backlog,
                timeout=math.inf if s.timeout is None else s.timeout,
                routing=layout.IDLE_LIFO if s.routing == PER_REQUEST else ROUTING[s.routing],
            )
        for users in self.case.users:
            self.plane.add_closed_loop(users.service, Clients(users))
        self.env.on(layout.GUEST_OOM, self._out_of_memory)
        self.env.on(layout.NEED_GUEST, self._need_guest)
        for number, guest in enumerate(self.case.guests):
            if self.case.services[guest.service].routing != PER_REQUEST:
                self._add(number)
                if guest.boot_work is None and guest.opens <= 0:
                    self._open(number)
                else:
                    self.env.process(self._start(number))
            if guest.closes is not None:
                self.env.process(self._at(guest.closes, self._close, number))
            if guest.dies is not None:
                self.env.process(self._at(guest.dies, self._die, number))
        self.env.run(until=self.case.end)
        self.plane.end()

    def _add(self, number: int) -> None:
        guest = self.case.guests[number]
        self.slots[number] = slot = self.plane.add_guest(guest.service, guest.weight, guest.cap)
        self.numbers.append(number)
        if guest.max_in_service is not None:
            self.plane.set_memory(slot, 0.0, guest.max_in_service)

    def _at(self, time, action, number):
        yield self.env.timeout(time)
        action(number)

    def _start(self, number):
        guest = self.case.guests[number]
        if guest.boot_work is None:
            yield self.env.timeout(guest.opens)
            self._open(number)
            return
        yield self.env.timeout(guest.boot_at)
        if number not in self.dead:
            self._boot(number)

    def _boot(self, number: int) -> None:
        work = self.case.guests[number].boot_work
        done = self.env.compute(self.slots[number], work, layout.WORK_BOOT)
        done.callbacks.append(lambda _: self._booted(number))

    def _booted(self, number: int) -> None:
        self.boots[number] = self.env.now
        self._open(number)

    def _open(self, number: int) -> None:
        if number not in self.dead and number not in self.closed:
            self.open.add(number)
            self.plane.open(self.slots[number])
            service = self.case.guests[number].service
            if self.case.services[service].routing == PER_REQUEST:
                self.env.process(self._expire(number, self.case.keep_alive[service]))

    def _need_guest(self, stop) -> None:
        mine = [n for n, guest in enumerate(self.case.guests) if guest.service == stop.subject]
        spare = [n for n in mine if n not in self.asked and n not in self.dead]
        if spare:
            self.asked.add(spare[0])
            self._add(spare[0])
            self.plane.bind(self.slots[spare[0]])
            self._boot(spare[0])
        else:
            self.plane.bind(-1)

    def _expire(self, number: int, keep_alive: float):
        while number in self.open:
            since = self.plane.idle_since(self.slots[number])
            if since is None:
                yield self.env.idle(self.slots[number])
                continue
            yield self.env.at(since + keep_alive)
            if number in self.open and self.plane.idle_since(self.slots[number]) == since:
                self._close(number)
                self._remove(number)

    def _close(self, number: int) -> None:
        self.closed.add(number)
        self.open.discard(number)
        if number not in self.dead:
            self.env.drained(self.slots[number])

    def _out_of_memory(self, stop) -> None:
        (number,) = (number for number, slot in self.slots.items() if slot == stop.subject)
        self._die(number)

    def _die(self, number: int) -> None:
        if number not in self.dead:
            self.dead.add(number)
            if number in self.slots:
                self._remove(number)

    def _remove(self, number: int) -> None:
        self.open.discard(number)
        self.dead.add(number)
        slot = self.slots.pop(number)
        self.env.forget(slot)
        self.plane.remove(slot)
