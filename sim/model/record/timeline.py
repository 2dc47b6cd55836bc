"""The host at evenly spaced moments, and what follows from them: promises that nobody used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.plane import Totals
from sim.model.guests.fleet import Fleet
from sim.model.host.machine import Host
from sim.model.record.guests import GuestLog
from sim.model.world import World
from sim.terms.columns import STATE, Moment
from sim.terms.records import Array

SAMPLES = 500  # of the timeline, over the whole run


class Timeline:
    """Samples of the host. `cpu_stranded`: core-s promised to services and not used by them, over the measured span."""

    def __init__(self, world: World, fleet: Fleet, host: Host, guests: GuestLog) -> None:
        self._world, self._fleet, self._host, self._guests = world, fleet, host, guests
        self._columns: list[list[Array]] = []  # by run of samples
        self._stranded: list[Array] = []
        self._cached: list[Array] = []
        self.cpu_stranded = 0.0
        self._cpu: tuple[Array, Array] = (np.empty(0), np.empty(0))  # cores promised and core-s used, a sample ago
        self._still = 0.0  # guest-s at a standstill, a sample ago
        self._before: tuple[Any, ...] = (0.0, 0, 0)  # work, arrived and completed, a sample ago

    def begin(self) -> None:
        """Sample from now to the end of the run."""
        self._times = np.array(_moments(self._world.scenario.duration))
        self._world.env.sample_at(self._times.tolist(), self._taken, together=self._host.steady)

    def _taken(self, first: int, count: int) -> None:
        """So many samples have been taken, between which control did nothing."""
        host, span = self._host, self._world.scenario.duration / SAMPLES
        rows, work_by_service = self._world.plane.samples(first, count)
        at = self._times[first : first + count]
        now, before = self._totals(rows, host.book_through(at))
        used = (now.work - before.work) / span
        if first == 0:
            used[0] = host.idle_cores
        if used.max() > host.cores:  # the mean of a sum of shares: only rounding can pass the capacity
            assert used.max() < host.cores * (1 + 1e-6), f"{used.max()} of {host.cores} cores used"
            used = np.minimum(used, host.cores)
        cached = host.cache_after(rows["peak"])
        self._stranded.append(now.unused)
        self._cached.append(cached)
        self._strand_cpu(at, work_by_service, first == 0)
        throttled = np.diff(rows["still"], prepend=self._still) / span
        self._still = float(rows["still"][-1])
        moment = Moment(at, self._guests.present, used, cached, throttled, host, now, before)
        self._columns.append([np.broadcast_to(np.asarray(column.get(moment), np.float64), count) for column in STATE])

    def _totals(self, rows: NDArray[Any], idle: Array) -> tuple[Any, Any]:
        """What is used, and totals, at each sample and one before; work of daemons and idle systems is in `work`."""
        away = sum([service.roster.ready_away for service in self._fleet.services])
        now = Totals(
            work=rows["work"] + idle,  # with what the VMs of a pool take to boot
            memory=rows["memory"],
            unused=self._host.stranded(rows["unused"]),
            arrived=rows["arrived"],
            completed=rows["completed"],
            in_flight=rows["in_flight"],
            ready=rows["ready"] - away,
        )
        counted = (now.work, now.arrived, now.completed)
        work, arrived, completed = (np.r_[one, all_[:-1]] for one, all_ in zip(self._before, counted, strict=True))
        self._before = tuple(all_[-1] for all_ in counted)
        return now, now._replace(work=work, arrived=arrived, completed=completed)

    def _strand_cpu(self, at: Array, work_by_service: Array, anew: bool) -> None:
        """Add what services were promised up to each sample and did not use, as far as it is measured."""
        span = self._world.scenario.duration / SAMPLES
        held, used = self._host.cpu_by_service(work_by_service)
        held_before, used_before = self._cpu
        self._cpu = held, used[-1]
        if new := len(held) - len(used_before):  # what daemons and VMs do is booked apart, from their first on
            held_before, used_before = np.pad(held_before, (0, new)), np.pad(used_before, (0, new))
        promised = np.repeat(held[np.newaxis], len(at), 0)
        promised[0] = (held_before + held) / 2
        idle = promised - np.diff(used, axis=0, prepend=used_before[np.newaxis]) / span
        missed = np.maximum(idle, 0.0).sum(axis=1).tolist()
        counted = np.minimum(span, np.maximum(at - self._world.warmup, 0.0)).tolist()
        for i in range(1 if anew else 0, len(at)):
            if counted[i] > 0.0:
                self.cpu_stranded += counted[i] * missed[i]

    def memory_stranded(self) -> float:
        """Byte-seconds promised to guests and not used by them over the span, by trapezia over the samples."""
        return _trapezia(self._times, np.concatenate(self._stranded), self._world.warmup)

    def memory_cached(self) -> float:
        """Byte-seconds of images in the page cache over the span, by trapezia over the samples."""
        return _trapezia(self._times, np.concatenate(self._cached), self._world.warmup)

    def table(self) -> dict[str, NDArray[Any]]:
        """A row a sample."""
        columns = zip(STATE, zip(*self._columns, strict=True), strict=True)
        return {column.name: np.concatenate(parts) for column, parts in columns}


def _moments(duration: float) -> list[float]:
    """When samples are taken, s: each by the time that is left from the one before it."""
    times = [0.0]
    for i in range(1, SAMPLES + 1):
        times.append(times[-1] + (duration * i / SAMPLES - times[-1]))
    return times


def _trapezia(times: Array, values: Array, begin: float) -> float:
    """Integral from `begin` (s) on of a curve through samples (time, value)."""
    times = times[: len(values)]
    if len(times) < 2:
        return 0.0
    inside = times > begin
    return float(np.trapezoid(np.r_[np.interp(begin, times, values), values[inside]], np.r_[begin, times[inside]]))
