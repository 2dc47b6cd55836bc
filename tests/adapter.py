"""Runs a case of the oracle on the product's data plane, through the hybrid environment."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from oracle.cases import Case
from oracle.oracle import Outcome
from sim.engine import layout
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane

ROUTING = {
    "random": layout.RANDOM,
    "round-robin": layout.ROUND_ROBIN,
    "least-outstanding": layout.LEAST_OUTSTANDING,
    "power-of-two": layout.POWER_OF_TWO,
}


TOLERANCE = 1e-9  # s, absolute: the cases last some tens of seconds


def assert_agreement(run: KernelRun, expected: tuple[list[Outcome], list[float]]) -> None:
    """Every request and every boot of a run as the oracle has it."""
    (outcomes, boots), (wanted, wanted_boots) = run.run(), expected
    for i, (ours, theirs) in enumerate(zip(outcomes, wanted, strict=True)):
        assert (ours.status, ours.guest) == (theirs.status, theirs.guest), f"request {i}"
        assert_same_time(ours.start, theirs.start, f"start of request {i}")
        assert_same_time(ours.finish, theirs.finish, f"finish of request {i}")
    for i, (ours_at, theirs_at) in enumerate(zip(boots, wanted_boots, strict=True)):
        assert_same_time(ours_at, theirs_at, f"boot of guest {i}")


def assert_same_time(ours: float, theirs: float, what: str) -> None:
    if math.isnan(theirs):
        assert math.isnan(ours), what
    else:
        assert ours == pytest.approx(theirs, abs=TOLERANCE, rel=0), what


class KernelRun:
    """One case on the kernel: the same guests, the same lives, the same arrivals."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.outcomes = [Outcome() for _ in case.arrivals]
        self.boots = [math.nan] * len(case.guests)
        self.by_number: list[list[int]] = [[] for _ in case.services]
        for i, arrival in enumerate(case.arrivals):
            self.by_number[arrival.service].append(i)
        self.chunks = iter([self._arrivals()])
        self.plane = DataPlane(case.cores, source=lambda: next(self.chunks, None), sink=self._sink)
        self.env = HybridEnvironment(self.plane)
        self.slots: list[int] = []
        self.dead: set[int] = set()
        self.closed: set[int] = set()

    def run(self) -> tuple[list[Outcome], list[float]]:
        for number, s in enumerate(self.case.services):
            self.plane.add_service(
                **self._service(number),
                concurrency=s.concurrency,
                queue=s.queue,
                backlog=s.backlog,
                timeout=math.inf if s.timeout is None else s.timeout,
                routing=ROUTING[s.routing],
                overhead=s.overhead,
            )
        self._services_made()
        self.slots = [self._guest(number) for number in range(len(self.case.guests))]
        for number, g in enumerate(self.case.guests):
            if g.max_in_service is not None:
                self.plane.set_memory(self.slots[number], 0.0, g.max_in_service)
        self.env.on(layout.GUEST_OOM, lambda stop: self._die(self.slots.index(stop.subject)))
        for number, guest in enumerate(self.case.guests):
            if guest.boot_work is None and guest.opens <= 0:
                self._open(number)
            else:
                self.env.process(self._start(number))
            if guest.closes is not None:
                self.env.process(self._at(guest.closes, self._close, number))
            if guest.dies is not None:
                self.env.process(self._at(guest.dies, self._die, number))
        self._all_started()
        self.env.run(until=self.case.end)
        self.plane.end()
        return self.outcomes, self.boots

    def _service(self, number: int) -> dict[str, Any]:
        """What a service has beyond the oracle's."""
        return {}

    def _services_made(self) -> None:
        """All services are there, and no guest."""

    def _all_started(self) -> None:
        """The stories of all guests have begun."""

    def _boot_threads(self, number: int) -> int:
        return 1

    def _guest(self, number: int) -> int:
        g = self.case.guests[number]
        return self.plane.add_guest(g.service, g.weight, g.cap)

    def _arrivals(self):
        rows = self.case.arrivals
        columns = {name: np.array([getattr(row, name) for row in rows]) for name in ("time", "demand", "u1", "u2")}
        return SimpleNamespace(service=np.array([row.service for row in rows], np.int32), **columns)

    def _sink(self, rows) -> None:
        for row in rows:
            outcome = self.outcomes[self.by_number[row["service"]][row["number"]]]
            assert outcome.status == "not-arrived", "a request ended twice"
            outcome.guest, outcome.start, outcome.finish = int(row["guest"]), float(row["start"]), float(row["finish"])
            outcome.status = layout.STATUS_NAMES[row["status"]]

    def _at(self, time, action, number):
        yield self.env.timeout(time)
        action(number)

    def _start(self, number):
        guest = self.case.guests[number]
        if guest.boot_work is None:
            yield self.env.timeout(guest.opens)
        else:
            yield self.env.timeout(guest.boot_at)
            if number in self.dead:
                return
            yield self.env.compute(self.slots[number], guest.boot_work, layout.WORK_BOOT, self._boot_threads(number))
            self.boots[number] = self.env.now
        self._open(number)

    def _open(self, number) -> None:
        if number not in self.dead and number not in self.closed:
            self.plane.open(self.slots[number])

    def _close(self, number) -> None:
        self.closed.add(number)
        if number not in self.dead:
            self.env.drained(self.slots[number])

    def _die(self, number) -> None:
        if number not in self.dead:
            self.dead.add(number)
            self.env.forget(self.slots[number])
            self.plane.remove(self.slots[number])
