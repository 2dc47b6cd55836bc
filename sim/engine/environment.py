"""SimPy's environment with a second plane: before an event of control, the data plane is brought up to its time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any

import numpy as np
import simpy
from simpy.core import SimTime
from simpy.events import NORMAL, URGENT, Event, EventPriority

from sim.engine.layout import BECAME_IDLE, DRAINED, TASK_DONE, TRANSFERRED
from sim.engine.plane import DataPlane, Standstill, Stop

AT_ONCE = EventPriority(URGENT - 1)  # a stop comes before all else of its time: the data plane needs its answer
MOST_STEPS = 5_000_000  # steps at one moment: more, and time is taken to stand still


class HybridEnvironment(simpy.Environment):
    """Two planes, one clock: whenever a process runs, both planes stand at `now`.

    Stops of the data plane become events that are processed next, before anything else may happen in either plane:
    the ends of a start-up task, of a drain and of a guest's last request succeed the event that asked for them, all
    others call what `on` has registered for their reason.
    """

    def __init__(self, plane: DataPlane) -> None:
        super().__init__()
        self.plane = plane
        self._awaited: dict[tuple[int, int], Event] = {}
        self._handlers: dict[int, Callable[[Stop], None]] = {}
        self._steps = 0  # taken at the present time
        self._ticks: list[float] = []
        self._ticked = 0
        self._tick: Event | None = None  # the one that stands for the next sample

    def on(self, reason: int, handler: Callable[[Stop], None]) -> None:
        """Call `handler` with every stop of this reason (codes in `layout`)."""
        self._handlers[reason] = handler

    def compute(self, guest: int, work: float, kind: int, threads: int = 1) -> Event:
        """CPU work (core-seconds) in a guest that has nothing else to do; the event succeeds at its end."""
        done = self.event()
        if work <= 0.0:
            return done.succeed()
        self._awaited[TASK_DONE, guest] = done
        self.plane.start_task(guest, work, kind, threads)
        return done

    def drained(self, guest: int) -> Event:
        """Route nothing more to a guest; the event succeeds when it holds no request."""
        done = self.event()
        if self.plane.drain(guest):
            return done.succeed()
        self._awaited[DRAINED, guest] = done
        return done

    def idle(self, guest: int) -> Event:
        """The event succeeds when a guest that has requests now has none any more."""
        self._awaited[BECAME_IDLE, guest] = done = self.event()
        self.plane.watch(guest)
        return done

    def transferred(self, flow: int) -> Event:
        """The event succeeds when a transfer of the data plane has ended."""
        self._awaited[TRANSFERRED, flow] = done = self.event()
        return done

    def at(self, time: float) -> Event:
        """An event at exactly `time` (s), which is not past; a time-out after a difference may miss it by rounding."""
        event = Event(self)
        event._ok, event._value = True, None
        heappush(self._queue, (time, NORMAL, next(self._eid), event))
        return event

    def forget(self, guest: int) -> None:
        """The guest (or transfer) ends: nobody waits any longer for its task, its drain or its last request."""
        for reason in (TASK_DONE, DRAINED, BECAME_IDLE, TRANSFERRED):
            self._awaited.pop((reason, guest), None)

    def sample_at(self, times: Sequence[float], taken: Callable[[int, int], None], *, together: bool) -> None:
        """Take samples of the data plane at these times (s, ascending, the first now), each an event of its time.

        `taken(first, count)` is told the number of the first and how many were taken; with `together` all those up to
        the next event of control at once, in one go of the data plane.
        """
        self._ticks, self._ticked, self._taken, self._together = list(times), 0, taken, together
        self.plane.sample_at(np.array(times))
        self._await_tick(URGENT)

    def _await_tick(self, priority: EventPriority = NORMAL) -> None:
        self._tick = event = Event(self)
        event._ok, event._value = True, None
        event.callbacks = [self._take_one]
        heappush(self._queue, (self._ticks[self._ticked], priority, next(self._eid), event))

    def _take_one(self, _: Event) -> None:
        """A sample as an event like others, at the end of a run: both planes stand at its time already."""
        self._go_on(1)

    def _go_on(self, most: int) -> Stop | None:
        """Take at most so many samples; returns the stop that came before the next."""
        first = self._ticked
        done, stop = self.plane.sample_on(first, most)
        if done:
            self._ticked += done
            self._now = self._ticks[self._ticked - 1]
            self._steps = 0
            self._taken(first, done)
        if self._ticked < len(self._ticks):
            self._await_tick()
        else:
            self._tick = None
        return stop

    def _sample(self) -> None:
        """The next event is a sample: take it, and those that come before anything else of control."""
        heappop(self._queue)
        most = bisect_left(self._ticks, self.peek(), self._ticked) - self._ticked if self._together else 1
        stop = self._go_on(max(most, 1))
        if stop is not None:
            self._push(stop)
            self._count(stop.time)
            super().step()

    def step(self) -> None:
        """Advance the data plane to the next event of control, then process that (or the stop that came before).

        Raises Standstill when time does not move on.
        """
        if self._queue and self._queue[0][3] is self._tick:
            self._sample()
            return
        plane = self.plane
        at = self.peek()
        if plane.next <= at and at < inf:
            stop = plane.advance(at)
            if stop is not None:
                at = stop.time
                self._push(stop)
        plane.now = at
        self._count(at)
        super().step()

    def _push(self, stop: Stop) -> None:
        heappush(self._queue, (stop.time, AT_ONCE, next(self._eid), self._event_of(stop)))

    def _count(self, at: float) -> None:
        """Notice when time stands still."""
        self._steps = 0 if at > self._now else self._steps + 1
        if self._steps > MOST_STEPS:
            owners = [getattr(call, "__self__", None) for call in self._queue[0][3].callbacks or ()]
            names = [owner.name for owner in owners if isinstance(owner, simpy.Process)]
            what = f"process {names[0]}" if names else "control"
            raise Standstill(f"time stands still at {at:g} s: {what} goes on and on without taking any time")

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
                self._push(stop)
            elif self.peek() > now:
                break
            if self.peek() <= now:
                self._count(now)
                super().step()
        self.plane.now = now
