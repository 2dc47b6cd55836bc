"""A limit by period, in plain Python and apart from the engine: one group alone, its threads on a few CPUs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf


@dataclass
class Bucket:
    """K threads that serve first come first served; at most `cpus` of them run at once, on equal shares.

    Budget: `quota` core-seconds a `period`, whole again at `phase` + k · `period`; used up, nothing runs until then.
    The kernel's period timer runs on for one period without work and then stops, and counts that one too: `periods`.
    `stood_still` adds up over the CPUs that had something to run.
    """

    threads: int
    cpus: int
    quota: float
    period: float
    phase: float
    periods: int = 0
    throttled: int = 0
    stood_still: float = 0.0
    finish: list[float] = field(default_factory=list)

    def serve(self, arrival: Sequence[float], demand: Sequence[float]) -> Bucket:
        """Serve requests in the order of arrival; `finish` is then when each ended."""
        self.finish = [0.0] * len(arrival)
        running: dict[int, float] = {}
        waiting: deque[int] = deque()
        coming, now, left, boundary = 0, 0.0, self.quota, self.phase or self.period
        timer = used = False
        while running or coming < len(arrival):
            busy = min(len(running), self.cpus)
            rate = busy if left > 0 else 0
            first = min(running, key=running.__getitem__, default=None)
            ends = {
                "boundary": boundary,
                "arrival": arrival[coming] if coming < len(arrival) else inf,
                "end": now + running[first] * len(running) / rate if first is not None and rate else inf,
                "dry": now + left / rate if rate else inf,
            }
            what = min(ends, key=ends.__getitem__)
            passed, now = ends[what] - now, ends[what]
            if rate:
                timer = used = True
                left -= rate * passed
                for each in running:
                    running[each] -= rate * passed / len(running)
            elif busy:
                timer = used = True
                self.stood_still += busy * passed
            if what == "boundary":
                self.periods += timer
                self.throttled += bool(busy) and left <= 0
                timer, used, left, boundary = used, False, self.quota, boundary + self.period
            elif what == "dry":
                left = 0.0
            elif what == "end" and first is not None:
                self.finish[first] = now
                del running[first]
                if waiting:
                    running[waiting[0]] = demand[waiting[0]]
                    waiting.popleft()
            elif len(running) < self.threads:
                running[coming] = demand[coming]
                coming += 1
            else:
                waiting.append(coming)
                coming += 1
        return self
