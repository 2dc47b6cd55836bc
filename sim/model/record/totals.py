"""Integrals and counters over the measured span, and when a service came to what it was to become."""

from __future__ import annotations

from math import isnan, nan

from sim.model.guests.fleet import Fleet
from sim.model.guests.guest import Guest
from sim.model.guests.service import ServiceRun
from sim.model.host.machine import Host
from sim.model.record.guests import GuestLog
from sim.model.world import World


class SpanTotals:
    """What is counted from the start, and what is measured from `restart` on. `density`: guests at the first limit."""

    def __init__(self, world: World, fleet: Fleet, host: Host, guests: GuestLog) -> None:
        self._world, self._fleet, self._host, self._guests = world, fleet, host, guests
        self.refusals = 0
        self.kills = 0
        self.density: int | None = None  # guests when the host first refused, or memory first ran out
        services = fleet.services
        self._first_scale_up = [nan] * len(services)
        self._last_ready = [nan] * len(services)
        self._before: dict[str, float] = {}
        self._pulled_before = 0.0
        signals = world.signals
        signals.start_refused.connect(self._refused)
        signals.memory_ran_out.connect(self._reached)
        signals.oom_kill.connect(self._kill)
        signals.scaled.connect(self._scaled)
        signals.guest_ready.connect(self._ready)

    def _refused(self, service: str, why: str, down: bool) -> None:
        self.refusals += 1
        if not down:
            self._reached()

    def _reached(self) -> None:
        """The host has come to its limit: how many guests did it hold, the first time?"""
        if self.density is None:
            self.density = self._guests.present

    def _kill(self) -> None:
        self.kills += 1

    def _scaled(self, service: ServiceRun, before: int, after: int) -> None:
        if after > before and isnan(self._first_scale_up[service.index]):
            self._first_scale_up[service.index] = self._world.env.now

    def _ready(self, guest: Guest) -> None:
        if guest.ready == guest.ready_since:  # for the first time
            self._last_ready[guest.recipe.index] = guest.ready

    # over the span

    def restart(self) -> None:
        """The measured span begins: a scale-out is measured from the first decision in it."""
        self._before = self._integrals() | {"memory_used": self._memory()}
        self._pulled_before = self._host.pulled
        self._first_scale_up = [nan] * len(self._first_scale_up)

    def span(self) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        """Integrals since `restart`: of the host, and of each service."""
        after = self._integrals() | {"memory_used": self._memory()}
        whole: dict[str, float] = {}
        services: dict[str, dict[str, float]] = {}
        for name, value in after.items():
            service, slash, what = name.rpartition("/")
            (services.setdefault(service, {}) if slash else whole)[what] = value - self._before[name]
        return whole, services

    @property
    def pulled(self) -> float:
        """Bytes of images that came over the network since `restart`."""
        return self._host.pulled - self._pulled_before

    def _memory(self) -> float:
        self._world.plane.book()
        return self._world.plane.memory_integral

    def _integrals(self) -> dict[str, float]:
        """Every integral from the start up to now; `service/name` for those of one service."""
        plane, host = self._world.plane, self._host
        plane.book()
        host.book()
        totals = dict(host.promised)
        totals["guests"] = self._guests.seconds()
        sums = {"cpu_request": 0.0, "cpu_tax": 0.0, "cpu_boot": host.boot_work, "cpu_start": 0.0}
        for service in self._fleet.services:
            request, boot, start = plane.work(service.index)
            tax = request * (1.0 - 1.0 / self._world.platform.cpu.overhead)
            parts = {"cpu_request": request - tax, "cpu_tax": tax, "cpu_boot": boot, "cpu_start": start}
            for name, value in parts.items():
                sums[name] += value
                totals[f"{service.name}/{name}"] = value
            periods, still, seconds = plane.stillness(service.index)
            counts = {"periods": periods, "still_periods": still, "still_time": seconds}
            for name, count in (counts | {"cpu_lacked": plane.lacked(service.index)}).items():
                sums[name] = sums.get(name, 0.0) + count
                totals[f"{service.name}/{name}"] = float(count)
        return totals | sums

    def scale_out(self) -> dict[str, float]:
        """Seconds from the first decision to grow to the last new guest ready, of the services that grew."""
        return {
            s.name: self._last_ready[s.index] - self._first_scale_up[s.index]
            for s in self._fleet.services
            if self._last_ready[s.index] > self._first_scale_up[s.index]
        }
