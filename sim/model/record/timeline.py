"""The host at evenly spaced moments, and what follows from them: promises that nobody used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.plane import Totals
from sim.model.guests.fleet import Fleet
from sim.model.guests.phases import Story
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
        self._samples: list[list[float]] = []
        self._stranded: list[tuple[float, float]] = []
        self._cached: list[tuple[float, float]] = []
        self.cpu_stranded = 0.0
        self._still = 0.0  # guest-s at a standstill, a sample ago
        self._cpu: tuple[Array, Array] = (np.empty(0), np.empty(0))  # cores promised and core-s used, a sample ago

    def begin(self) -> None:
        """Sample from now to the end of the run."""
        self._world.env.process(self._watch())

    def _watch(self) -> Story:
        duration, env = self._world.scenario.duration, self._world.env
        before = self._usage()
        self._sample(before._replace(arrived=0, completed=0), before, 0.0)
        for i in range(1, SAMPLES + 1):
            yield env.timeout(duration * i / SAMPLES - env.now)
            now = self._usage()
            self._sample(before, now, duration / SAMPLES)
            before = now

    def _usage(self) -> Totals:
        """What is used now, and totals up to now; the work of daemons and idle systems is in `work`."""
        host = self._host
        host.book()
        totals = self._world.plane.sample()
        return totals._replace(
            work=totals.work + host.promised["cpu_idle"],  # with what the VMs of a pool take to boot
            unused=host.stranded(totals.unused),
            ready=totals.ready - sum([service.roster.ready_away for service in self._fleet.services]),
        )

    def _sample(self, before: Totals, now: Totals, span: float) -> None:
        host, at = self._host, self._world.env.now
        used = (now.work - before.work) / span if span else host.idle_cores
        if used > host.cores:  # the mean of a sum of shares: only rounding can pass the capacity
            assert used < host.cores * (1 + 1e-6), f"{used} of {host.cores} cores used"
            used = host.cores
        host.trim_cache()
        cached = host.page_cache
        self._stranded.append((at, now.unused))
        self._cached.append((at, cached))
        self._strand_cpu(at, span)
        still = self._world.plane.standstill()
        throttled = (still - self._still) / span if span else 0.0
        self._still = still
        moment = Moment(at, self._guests.present, used, cached, throttled, host, now, before)
        self._samples.append([column.get(moment) for column in STATE])

    def _strand_cpu(self, now: float, span: float) -> None:
        """Add what services were promised over the last sample's `span` s and did not use, as far as it is measured."""
        cpu = self._host.cpu_by_service(self._world.plane.work_by_service())
        counted = min(span, max(now - self._world.warmup, 0.0))
        if counted > 0.0:
            (held, used), (held_before, used_before) = cpu, self._cpu
            if new := len(used) - len(used_before):  # what daemons and VMs do is booked apart, from their first on
                held_before, used_before = np.pad(held_before, (0, new)), np.pad(used_before, (0, new))
            idle = (held_before + held) / 2 - (used - used_before) / span
            self.cpu_stranded += counted * float(np.maximum(idle, 0.0).sum())
        self._cpu = cpu

    def memory_stranded(self) -> float:
        """Byte-seconds promised to guests and not used by them over the span, by trapezia over the samples."""
        return _trapezia(self._stranded, self._world.warmup)

    def memory_cached(self) -> float:
        """Byte-seconds of images in the page cache over the span, by trapezia over the samples."""
        return _trapezia(self._cached, self._world.warmup)

    def table(self) -> dict[str, NDArray[Any]]:
        """A row a sample."""
        rows = np.array(self._samples, np.float64)
        return {column.name: rows[:, i] for i, column in enumerate(STATE)}


def _trapezia(samples: Sequence[tuple[float, float]], begin: float) -> float:
    """Integral from `begin` (s) on of a curve through samples (time, value)."""
    times, values = (np.array(column) for column in zip(*samples, strict=True))
    if len(times) < 2:
        return 0.0
    inside = times > begin
    return float(np.trapezoid(np.r_[np.interp(begin, times, values), values[inside]], np.r_[begin, times[inside]]))
