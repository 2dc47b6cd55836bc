"""SimPy's environment with a second plane: before an event of control, the data plane is brought up to its time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from math import inf
from typing import Any

import simpy
from simpy.core import SimTime
from simpy.events import URGENT, Event

from sim.engine.layout import DRAINED, TASK_DONE
from sim.engine.plane import DataPlane, Stop


class HybridEnvironment(simpy.Environment):
    """Two planes, one clock: whenever a process runs, both planes stand at `now`.

    Stops of the data plane become ordinary events: the end of a start-up task and of a drain succeed the event
    that asked for them, all others call what `on` has registered for their reason.
    """

    def __init__(self, plane: DataPlane) -> None:
        super().__init__()
        self.plane = plane
        self._awaited: dict[tuple[int, int], Event] = {}
        self._handlers: dict[int, Callable[[Stop], None]] = {}

    def on(self, reason: int, handler: Callable[[Stop], None]) -> None:
        """Call `handler` with every stop of this reason (codes in `layout`)."""
        self._handlers[reason] = handler

    def compute(self, guest: int, work: float, kind: int) -> Event:
        """CPU work (core-seconds) in a guest that has nothing else to do; the event succeeds at its end."""
        done = self.event()
        if work <= 0.0:
            return done.succeed()
        self._awaited[TASK_DONE, guest] = done
        self.plane.start_task(guest, work, kind)
        return done

    def drained(self, guest: int) -> Event:
        """Route nothing more to a guest; the event succeeds when it holds no request."""
        done = self.event()
        if self.plane.drain(guest):
            return done.succeed()
        self._awaited[DRAINED, guest] = done
        return done

    def forget(self, guest: int) -> None:
        """The guest dies: nobody waits any longer for its task or its drain."""
        self._awaited.pop((TASK_DONE, guest), None)
        self._awaited.pop((DRAINED, guest), None)

    def step(self) -> None:
        """Advance the data plane to the next event of control, then process that (or what came in between)."""
        plane = self.plane
        at = self.peek()
        if plane.next <= at and at < inf:
            stop = plane.advance(at)
            if stop is not None:
                at = stop.time
                heappush(self._queue, (at, URGENT, next(self._eid), self._event_of(stop)))
        plane.now = at
        super().step()

    def _event_of(self, stop: Stop) -> Event:
        event = self._awaited.pop((stop.reason, stop.subject), None)
        if event is None:
            event = Event(self)
            handler = self._handlers.get(stop.reason)
            if handler is not None:
                event.callbacks = [lambda _: handler(stop)]
        event._ok, event._value = True, None
        return event

    def run(self, until: SimTime | Event | None = None) -> Any:
        """As in SimPy; with a time, both planes stand at it afterwards."""
        result = super().run(until)
        if isinstance(until, (int, float)):
            self.finish()
        return result

    def finish(self) -> None:
        """Let the data plane, and what it wakes, go through all that happens up to and including `now`.

        SimPy ends `run(until)` before the ordinary events of that time; requests and wake-ups due then still count.
        """
        now = self._now
        while self.plane.next <= now or self.peek() <= now:
            stop = self.plane.advance(now) if self.plane.next <= now else None
            if stop is not None:
                heappush(self._queue, (stop.time, URGENT, next(self._eid), self._event_of(stop)))
            elif self.peek() > now:
                break
            if self.peek() <= now:
                super().step()
        self.plane.now = now
