"""What is written down during a run: guests, events, samples of the host, and what became of the requests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from sim.engine.layout import COMPLETED
from sim.engine.tally import Tally
from sim.model.guest import APP, Guest
from sim.terms.columns import STATE
from sim.terms.records import RequestTally, Sample

if TYPE_CHECKING:
    from sim.model.simulation import Simulation

SAMPLES = 500  # of the timeline, over the whole run
Sink = Callable[[dict[str, NDArray[Any]], Sequence[str], Sequence[str]], None]


class Usage(NamedTuple):
    """The host at a moment: CPU (core-s) and requests so far; memory (bytes), requests and guests now."""

    cpu: float
    memory: float
    stranded: float
    arrived: int
    completed: int
    in_flight: int
    ready: int


class Observer:
    """Collects the raw records of one run."""

    def __init__(self, services: Sequence[str], warmup: float, sink: Sink | None) -> None:
        self.guests: list[Guest] = []
        self.present = 0
        self.peak = 0.0
        self._names: list[str] = []
        self._services = list(services)
        self._events: list[tuple[float, str, str, str]] = []
        self._samples: list[tuple[float, ...]] = []
        self._answered = np.full(len(services), nan)  # time of each service's first completed request, s
        self._unanswered = len(services)
        self._tally = Tally(len(services), warmup)
        self._sink = sink
        self.watchers: list[Callable[[NDArray[Any]], None]] = []  # are shown the rows of requests too
        self._stranded: list[tuple[float, float]] = []
        self._cached: list[tuple[float, float]] = []
        self.cpu_stranded = 0.0  # core-s promised to services and not used by them, over the measured span
        self._cpu = (np.empty(0), np.empty(0))  # promised cores and core-s used by each service, one sample ago
        self._warmup = warmup
        self._guest_seconds = 0.0
        self._guest_mark = 0.0

    # guests and events

    def appeared(self, guest: Guest) -> None:
        """A guest has been admitted."""
        self.guests.append(guest)
        self.numbered(guest.name)
        if guest.here:
            self.count(1, guest.service.env.now)
        self.event(guest, "requested", "" if guest.here else "on another host")

    def left(self, guest: Guest) -> None:
        """A guest has moved to another host, where it goes on."""
        self.count(-1, guest.service.env.now)
        self.event(guest, "moved")

    def numbered(self, name: str) -> None:
        """The data plane has given its next number to a guest of this name (or to a VM that holds guests)."""
        self._names.append(name)

    def count(self, change: int, now: float) -> None:
        """Guests on the host have become more or fewer."""
        self._guest_seconds += self.present * (now - self._guest_mark)
        self._guest_mark = now
        self.present += change
        self.peak = max(self.peak, self.present)

    def event(self, guest: Guest | None, event: str, detail: str = "", now: float | None = None) -> None:
        """Something happened to a guest, or (None) to the host."""
        if guest is not None:
            now = guest.service.env.now
            if event == "stopped" and guest.here:
                self.count(-1, now)
        self._events.append((nan if now is None else now, "" if guest is None else guest.name, event, detail))

    def guest_seconds(self, now: float) -> float:
        """Guest-seconds up to `now`."""
        return self._guest_seconds + self.present * (now - self._guest_mark)

    # requests

    def ended(self, rows: NDArray[Any]) -> None:
        """Take the rows of requests that have ended (`layout.out_dtype`)."""
        self._tally.add(rows)
        if self._unanswered:
            self._note_answers(rows)
        for watcher in self.watchers:
            watcher(rows)
        if self._sink is not None:
            names = ("service", "guest", "status", "arrival", "demand", "start", "finish")
            columns = {name: rows[name].copy() for name in names}
            self._sink(columns | {"request": rows["number"].copy()}, self._services, self._names)

    def _note_answers(self, rows: NDArray[Any]) -> None:
        """Note the first completed request of every service that had none; rows come in order of their end."""
        done = rows[rows["status"] == COMPLETED]
        for service in np.unique(done["service"]).tolist():
            if np.isnan(self._answered[service]):
                self._answered[service] = done["finish"][done["service"] == service].min()
                self._unanswered -= 1

    def first_answers(self) -> dict[str, float]:
        """Time of the first completed request, s, of the services that have one."""
        return {name: at for name, at in zip(self._services, self._answered.tolist(), strict=True) if not np.isnan(at)}

    def requests(self, arrived: Sequence[int], asked: Sequence[bool]) -> dict[str, RequestTally]:
        """The tally of each service that was asked anything; `arrived` is counted by the kernel on its own."""
        tallies, samples = {}, self._tally.samples()
        for i, name in enumerate(self._services):
            if not asked[i]:
                continue
            completed, rejected, timed_out, failed, in_flight = self._tally.counts[i].tolist()
            total, waiting, starts = self._tally.sums[i].tolist()
            values, edges, counts = samples[i]
            tallies[name] = RequestTally(
                arrived=arrived[i],
                completed=completed,
                rejected=rejected,
                timed_out=timed_out,
                failed=failed,
                in_flight=in_flight,
                response=Sample(completed, total, values, edges, counts),
                waiting_sum=waiting,
                waiting_count=int(starts),
            )
        return tallies

    # samples

    def watch(self, simulation: Simulation) -> Generator[Event, Any, None]:
        """Sample the host `SAMPLES` times over the run, from 0 to its end."""
        duration = simulation.scenario.duration
        before = simulation.usage()
        self._sample(simulation, before, before, 0.0)
        for i in range(1, SAMPLES + 1):
            at = duration * i / SAMPLES
            yield simulation.env.timeout(at - simulation.env.now)
            now = simulation.usage()
            self._sample(simulation, before, now, duration / SAMPLES)
            before = now

    def _sample(self, simulation: Simulation, before: Usage, now: Usage, span: float) -> None:
        machine, at = simulation.machine, simulation.env.now
        used = (now.cpu - before.cpu) / span if span else machine.idle_cores
        if used > machine.cores:  # the mean of a sum of shares: only rounding can pass the capacity
            assert used < machine.cores * (1 + 1e-6), f"{used} of {machine.cores} cores used"
            used = machine.cores
        machine.trim_cache()
        cached = machine.page_cache
        self._stranded.append((at, now.stranded))
        self._cached.append((at, cached))
        self._strand_cpu(simulation.cpu_by_service(), at, span)
        self._samples.append(
            (
                at,
                float(self.present),
                float(now.ready),
                used,
                machine.cpu_held,
                machine.cores,
                now.memory,
                machine.memory_allocated,
                machine.memory,
                float(now.in_flight),
                float(now.arrived - before.arrived),
                float(now.completed - before.completed),
                cached,
            )
        )

    def _strand_cpu(self, cpu: tuple[NDArray[np.float64], NDArray[np.float64]], now: float, span: float) -> None:
        """Add what services were promised over the last sample's `span` s and did not use, as far as it is measured."""
        counted = min(span, max(now - self._warmup, 0.0))
        if counted > 0.0:
            (held_before, used_before), (held, used) = self._cpu, cpu
            idle = (held_before + held) / 2 - (used - used_before) / span
            self.cpu_stranded += counted * float(np.maximum(idle, 0.0).sum())
        self._cpu = cpu

    def stranded_integral(self, warmup: float) -> float:
        """Byte-seconds promised to guests and not used by them over the span, by trapezia over the samples."""
        return _trapezia(self._stranded, warmup)

    def cached_integral(self, warmup: float) -> float:
        """Byte-seconds of images in the page cache over the span, by trapezia over the samples."""
        return _trapezia(self._cached, warmup)

    # tables

    def guest_table(self) -> dict[str, NDArray[Any]]:
        """A row a guest."""
        guests = self.guests
        text, time = np.dtype(object), np.dtype("f8")
        table: dict[str, NDArray[Any]] = {
            "service": np.array([g.service.name for g in guests], text),
            "guest": np.array([g.name for g in guests], text),
            "requested": np.array([g.requested for g in guests], time),
            "ready": np.array([g.ready for g in guests], time),
            "stopped": np.array([g.stopped for g in guests], time),
            "stop_reason": np.array([g.stop_reason for g in guests], text),
        }
        for phase in dict.fromkeys([*(name for g in guests for name in g.phases if name != APP), APP]):
            table[f"startup_{phase}"] = np.array([g.phases.get(phase, nan) for g in guests], time)
        return table

    def event_table(self) -> dict[str, NDArray[Any]]:
        """A row an event."""
        columns: list[Any] = list(zip(*self._events, strict=True)) if self._events else [(), (), (), ()]
        names = ("time", "guest", "event", "detail")
        return {
            name: np.array(column, np.dtype("f8") if name == "time" else np.dtype(object))
            for name, column in zip(names, columns, strict=True)
        }

    def timeline(self) -> dict[str, NDArray[Any]]:
        """A row a sample."""
        rows = np.array(self._samples)
        return {name: rows[:, i] for i, name in enumerate(STATE)}


def _trapezia(samples: Sequence[tuple[float, float]], begin: float) -> float:
    """Integral from `begin` (s) on of a curve through samples (time, value)."""
    times, values = (np.array(column) for column in zip(*samples, strict=True))
    if len(times) < 2:
        return 0.0
    inside = times > begin
    return float(np.trapezoid(np.r_[np.interp(begin, times, values), values[inside]], np.r_[begin, times[inside]]))
