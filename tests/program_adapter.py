"""Runs a stack of the oracle on the product's data plane."""

from __future__ import annotations

import math
from typing import Any

import simpy

from adapter import KernelRun
from oracle import program_steps as o
from oracle.oracle import Outcome
from oracle.program_limits import LimitedStack
from oracle.program_steps import Result
from oracle.programs import Stack
from oracle.quotas import Change
from oracle.storeys import Resize
from quota_adapter import quota_of, resize
from sim.engine import layout, steps
from sim.model.host.bandwidth import PlaneLink


def step_of(step: o.Step, links: list[int]) -> steps.Step:
    match step:
        case o.Cpu(law, overhead):
            return steps.Cpu(_law(law), overhead)
        case o.Wait(law, part):
            return steps.Wait(_law(law), part)
        case o.Move(link, size, part):
            return steps.Move(links[link], size, part)
        case o.Call(service, times, probability, retries):
            return steps.Call(service, times, probability, retries)
        case o.Parallel(branches):
            return steps.Parallel([[step_of(each, links) for each in branch] for branch in branches])


def _law(law: o.Law) -> steps.Law:
    return steps.Law(law.name, law.a, law.b)


class StackKernelRun(KernelRun):
    """One stack on the kernel. `ready`: from when to when each guest was ready, or served what it still held."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.rows: list[dict[int, Outcome]] = [{} for _ in stack.services]
        self.ready: list[list[list[float]]] = [[] for _ in stack.guests]
        self.transfers = [math.nan for _ in stack.transfers]

    def _services_made(self) -> None:
        links = [self.plane.add_link(bandwidth) for bandwidth in self.case.links]
        self.sites = [self.plane.add_site(dict(zip(links, site, strict=True))) for site in self.case.sites]
        self.links = [links, *([twins[link] for link in links] for _, twins in self.sites)]
        for number, program in enumerate(self.case.programs):
            if program is not None:
                kinds = [(share, [step_of(each, links) for each in steps]) for share, steps in program.kinds]
                self.plane.set_programs(number, kinds, program.base)

    def result(self) -> Result:
        self.run()
        services = range(len(self.case.services))
        for service in services:
            numbers = sorted(self.rows[service])
            assert numbers == list(range(self.plane.arrived(service))), f"a request of service {service} was lost"
        outcomes = [[own[number] for number in sorted(own)] for own in self.rows]
        spent = [self.plane.parts(service) for service in services]
        calls = [self.plane.calls(service) for service in services]
        parts = [each for _, each in spent]
        return Result(outcomes, self.boots, calls, [n for n, _ in spent], parts, self.transfers)

    def _all_started(self) -> None:
        for fall in self.case.falls:
            self.env.process(self._at(fall.time, self._fall, fall.guest))
            self.env.process(self._at(fall.again, self._open, fall.guest))
        for number in range(len(self.case.transfers)):
            self.env.process(self._transfer(number))
        for number, away in enumerate(self.case.away):
            self.env.process(self._at(away.time, self._go_away, number))

    def _transfer(self, number: int):
        own = self.case.transfers[number]
        yield self.env.timeout(own.time)
        story = self.env.process(self._moving(number))
        if math.isfinite(own.broken_off):
            yield self.env.timeout(own.broken_off - own.time)
            if story.is_alive:
                story.interrupt()

    def _moving(self, number: int):
        own = self.case.transfers[number]
        link = PlaneLink(self.env, self.links[own.site][own.link], 1.0)
        try:
            yield from link.transfer(own.size, own.rate)
        except simpy.Interrupt:
            return
        self.transfers[number] = self.env.now

    def _go_away(self, number: int) -> None:
        away = self.case.away[number]
        if away.guest not in self.dead:
            self.plane.send_away(self.slots[away.guest], away.site)

    def _sink(self, rows) -> None:
        for row in rows:
            own = self.rows[row["service"]]
            assert int(row["number"]) not in own, "a request ended twice"
            guest = -1 if row["guest"] < 0 else int(row["guest"])
            status = layout.STATUS_NAMES[row["status"]]
            own[int(row["number"])] = Outcome(guest, float(row["start"]), float(row["finish"]), status)

    def _fall(self, number: int) -> None:
        if number not in self.dead:
            self.ready[number][-1][1] = self.env.now
            self.env.forget(self.slots[number])
            self.plane.kill(self.slots[number])

    def _open(self, number: int) -> None:
        if number not in self.dead and number not in self.closed:
            self.ready[number].append([self.env.now, math.inf])
        super()._open(number)

    def _die(self, number: int) -> None:
        if number not in self.dead and self.ready[number]:
            self.ready[number][-1][1] = self.env.now
        super()._die(number)


class LimitedStackKernelRun(StackKernelRun):
    """One stack with limits, threads, other sizes and pools."""

    def __init__(self, limited: LimitedStack) -> None:
        self.limited = limited
        super().__init__(limited.stack)
        self.pools = [self.plane.add_pool(pool.cores, pool.weight) for pool in limited.pools]

    def _service(self, number: int) -> dict[str, Any]:
        return {"threads": self.limited.threads[number]}

    def _guest(self, number: int) -> int:
        guest, limited = self.case.guests[number], self.limited
        cap, limit = limited.cap_and_quota(guest.service, guest.cap, limited.limits[number])
        pool = self.pools[limited.pool_of[number]] if self.pools else 0
        quota = quota_of(limit, limited.threads[guest.service])
        return self.plane.add_guest(guest.service, guest.weight, cap, pool, quota)

    def _all_started(self) -> None:
        super()._all_started()
        for change in self.limited.changes:
            self.env.process(self._at(change.time, self._change, change))
        for each in self.limited.resizes:
            self.env.process(self._at(each.time, self._resize_pool, each))

    def _resize_pool(self, each: Resize) -> None:
        self.plane.set_capacity(each.cores, 0 if each.pool < 0 else self.pools[each.pool])

    def _change(self, change: Change) -> None:
        if change.guest in self.dead:
            return
        slot = self.slots[change.guest]
        if change.what == "resize":
            resize(self, self.limited, change)
        else:
            self.plane.pause(slot, change.what == "pause")
