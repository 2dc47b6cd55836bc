"""Runs a case with limits by period on the product's data plane."""

from __future__ import annotations

from typing import Any

from adapter import KernelRun
from oracle.program_limits import LimitedStack
from oracle.quotas import Change, Limit, Limited, Still
from sim.engine import layout
from sim.engine.building import Quota


def quota_of(limit: Limit | None, threads: int | None) -> Quota | None:
    if limit is None:
        return None
    return Quota(limit.cores * limit.period, limit.burst, limit.period, limit.phase, limit.extra(threads))


def resize(run: KernelRun, limited: Limited | LimitedStack, change: Change) -> None:
    """Give a guest the size that it changes to."""
    service = run.case.guests[change.guest].service
    cap, limit = limited.cap_and_quota(service, change.cap, change.limit)
    run.plane.resize(run.slots[change.guest], change.weight, cap, quota_of(limit, limited.threads[service]))


class LimitedKernelRun(KernelRun):
    """One case on the kernel; with pools, if it has any."""

    def __init__(self, limited: Limited) -> None:
        super().__init__(limited.case)
        self.limited = limited
        self.pools = [self.plane.add_pool(pool.cores, pool.weight) for pool in limited.pools]
        for each in limited.resizes:
            self.env.process(self._resize_pool(each))

    def stillness(self) -> list[Still]:
        """By service, after the run."""
        services = range(len(self.case.services))
        return [Still(*self.plane.stillness(service), self.plane.lacked(service)) for service in services]

    def _service(self, number: int) -> dict[str, Any]:
        limited = self.limited
        return {"threads": limited.threads[number], "start_threads": limited.start_threads[number]}

    def _all_started(self) -> None:
        for change in self.limited.changes:
            self.env.process(self._at(change.time, self._change, change))

    def _guest(self, number: int) -> int:
        g = self.case.guests[number]
        cap, limit = self.limited.cap_and_quota(g.service, g.cap, self.limited.limits[number])
        pool = self.pools[self.limited.pool_of[number]] if self.pools else 0
        return self.plane.add_guest(g.service, g.weight, cap, pool, quota_of(limit, self.limited.threads[g.service]))

    def _boot_threads(self, number: int) -> int:
        return self.limited.boot_threads[number]

    def _resize_pool(self, each):
        yield self.env.timeout(each.time)
        self.plane.set_capacity(each.cores, 0 if each.pool < 0 else self.pools[each.pool])

    def _change(self, change: Change) -> None:
        if change.guest in self.dead:
            return
        slot = self.slots[change.guest]
        if change.what == "resize":
            resize(self, self.limited, change)
        elif change.what in ("pause", "resume"):
            self.plane.pause(slot, change.what == "pause")
        elif change.what == "send_away":
            self.plane.send_away(slot)
        elif change.what == "fall":
            self.env.forget(slot)
            self.plane.kill(slot)
        else:
            self.env.process(self._again(change, slot))

    def _again(self, change: Change, slot: int):
        yield self.env.compute(slot, change.work, layout.WORK_BOOT, change.threads)
        self.boots[change.guest] = self.env.now
        self._open(change.guest)
