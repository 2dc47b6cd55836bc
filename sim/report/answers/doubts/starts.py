"""Replicas that never came, came late, or died over and over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sim.report.answers.doubts.evidence import Evidence, floats, kills, refusals
from sim.report.folder.tables import RunTables
from sim.report.metrics.numbers import share
from sim.terms.doubts import Doubt, doubt

MANY_KILLS = 5
"""OOM kills of one guest in one run from which on it is a loop: as often as systemd starts a service again."""
SHAPED = 0.01
"""Share of the requests of the span that decide its p99."""
LOST = 0.001
"""Share of the requests of the span that may be lost while the first replicas start."""
OPENING = 0.01
"""Share of the run in which a first start on demand counts as one of the beginning."""
QUEUE = 10.0
"""Requests beyond twice the usual number in flight that are a queue, when the first replica is ready."""


def never_served(evidence: Evidence) -> Iterator[Doubt]:
    """A service had no ready replica in the span in some replication, or never completed anything."""
    for platform in evidence.platforms:
        readies = [_ready(run, evidence.warmup) for run in evidence.of(platform)]
        for name, full in evidence.tenants.items():
            without = {
                each for each in full if evidence.services[each].least and any(each not in ready for ready in readies)
            }
            silent = {each for each in full if _silent(evidence, platform, each)}
            dead = [each for each in full if each in without or each in silent]
            if not dead:
                continue
            why = _why(evidence, platform, dead, without)
            told = "completed nothing" if not without else "had no ready replica"
            text = f"{told}: {why}"
            if len(full) > 1:
                text = f"{len(dead)} of {len(full)} tenants {told}: {why}"
            yield doubt("never-served", text, platform, name, tenants=len(full), dead=len(dead))


def _silent(evidence: Evidence, platform: str, service: str) -> bool:
    return bool(evidence.services[service].traffic) and evidence.total(platform, "requests.completed", service) == 0


def _ready(run: RunTables, warmup: float) -> set[str]:
    """Services with a replica that was ready at some time in the span."""
    ready, stopped = floats(run.guests["ready"]), floats(run.guests["stopped"])
    serving = ~np.isnan(ready) & ~(stopped < warmup)
    return {str(name) for name in np.asarray(run.guests["service"])[serving]}


def _why(evidence: Evidence, platform: str, dead: list[str], without: set[str]) -> str:
    reasons: Counter[str] = Counter()
    for run in evidence.of(platform):
        refused, killed = refusals(run), kills(run)
        owners = {str(name) for name in run.guests["service"]}
        for service in dead:
            if any(guest.startswith(f"{service}-") for guest in killed):
                reasons["killed for memory whenever it started"] += 1
            elif service in refused and service not in owners:
                reasons[f"no room ({refused[service]})"] += 1
            elif service in without and service in owners:
                reasons["still starting at the end"] += 1
            elif service in without:
                reasons["none was ever asked for"] += 1
            elif evidence.total(platform, "requests.arrived", service) == 0:
                reasons["no request arrived in the measured span"] += 1
            else:
                reasons["no request was answered in the measured span"] += 1
    return reasons.most_common(1)[0][0] if reasons else "unknown"


def partly_placed(evidence: Evidence) -> Iterator[Doubt]:
    """Fewer replicas were ever admitted than the file asks for; what an autoscaler did not get is a note."""
    for platform in evidence.platforms:
        for name, full in evidence.tenants.items():
            asked = sum(evidence.services[each].least for each in full)
            if isinstance(evidence.scenario.services[name].replicas, int) or (
                asked and evidence.scenario.services[name].autoscale is not None
            ):
                yield from _partly(evidence, platform, name, asked)


def _partly(evidence: Evidence, platform: str, name: str, asked: int) -> Iterator[Doubt]:
    full = evidence.tenants[name]
    admitted, why = asked, ""
    for run in evidence.of(platform):
        owners = Counter(str(owner) for owner in run.guests["service"])
        got = sum(min(owners.get(each, 0), evidence.services[each].least) for each in full)
        if got < admitted:
            refused = refusals(run)
            admitted, why = got, next((refused[each] for each in full if each in refused), "")
    if admitted < asked:
        text = f"{admitted} of {asked} replicas were ever admitted" + (f": {why}" if why else "")
        yield doubt("partly-placed", text, platform, name, admitted=admitted, asked=asked, limit=why)


def oom_loop(evidence: Evidence) -> Iterator[Doubt]:
    """The same guest was killed for memory over and over."""
    for platform in evidence.platforms:
        worst: dict[str, int] = {}
        for run in evidence.of(platform):
            for guest, count in kills(run).items():
                service = next((name for name in evidence.tenants if guest.startswith(f"{name}-")), "")
                worst[service] = max(worst.get(service, 0), count)
        for service, count in worst.items():
            if count >= MANY_KILLS:
                text = f"the same replica was killed for memory {count:,} times in a run"
                yield doubt("oom-loop", text, platform, service, kills=count)


def boots_in_span(evidence: Evidence) -> Iterator[Doubt]:
    """Replicas of the start became ready in the span, or left a queue to it: requests waited or were lost meanwhile."""
    for platform in evidence.platforms:
        found = [each for run in evidence.of(platform) if (each := _boots(evidence, run)) is not None]
        worst = max(found, default=None, key=lambda each: (each.met, each.lost))
        if worst is None or (worst.met < SHAPED and worst.lost < LOST):
            continue
        into = f"{worst.until - evidence.warmup:.3g} s into the measured span"
        what = f"the queue that grew while it started is there until {into}" if worst.queue else f"ready {into}"
        text = f"{what}: {share(worst.met)} of the requests came before, {share(worst.lost)} were lost meanwhile"
        yield doubt(
            "boots-in-span", text, platform, worst.service, ready=worst.until, share=worst.met, lost=worst.lost
        )  # fmt: skip


class _Late(NamedTuple):
    """Shares of the span's requests that came before, and that were lost meanwhile; until when (s), whose; a queue?"""

    met: float
    lost: float
    until: float
    service: str
    queue: bool


def _boots(evidence: Evidence, run: RunTables) -> _Late | None:
    time, arrivals = floats(run.timeline["time"]), floats(run.timeline["arrivals"])
    asked = _first_ready(evidence, run)
    first = {
        name: until for name, until in asked.items() if until < evidence.scenario.duration
    }  # the rest: never-served
    total = arrivals[time > evidence.warmup].sum()
    if not first or total == 0:
        return None
    late = {service: until for service, until in first.items() if until > evidence.warmup}
    if late:
        service, part = max(late, key=lambda name: late[name]), len(late) / len(asked)
        until = late[service]
    else:
        service, part = max(first, key=lambda name: first[name]), 1.0
        until = _queue_until(evidence, run, first[service])
        if until <= evidence.warmup:
            return None
    booting = (time[1:] > evidence.warmup) & (time[:-1] < until)
    gone = arrivals[1:] - floats(run.timeline["completed"])[1:] - np.diff(floats(run.timeline["in_flight"]))
    # of a sample that begins before they were ready, the part until then
    share = np.clip((until - time[:-1]) / np.maximum(np.diff(time), 1e-12), 0.0, 1.0)
    met = float((arrivals[1:] * share)[booting].sum() / total) * part
    lost = float(np.maximum(gone, 0.0)[booting].sum() / total)
    return _Late(met, lost, until, _of_file(evidence, service), not late)


def _first_ready(evidence: Evidence, run: RunTables) -> dict[str, float]:
    """Service with traffic → when the first replica of its start was ready, s; the end where none was.

    Of a service that begins with none, the start is the first request's, if that comes at once.
    """
    asked, ready = floats(run.guests["requested"]), floats(run.guests["ready"])
    first: dict[str, float] = {}
    for owner, begun, up in zip(np.asarray(run.guests["service"]), asked, ready, strict=True):
        service = evidence.services[str(owner)]
        at_once = 0.0 if service.least else OPENING * evidence.scenario.duration
        if begun <= at_once and service.traffic:
            until = evidence.scenario.duration if np.isnan(up) else float(up)
            first[str(owner)] = min(first.get(str(owner), np.inf), until)
    return first


def _queue_until(evidence: Evidence, run: RunTables, ready: float) -> float:
    """Until when the queue is there that grew before the first replicas were `ready`; 0 if there was none."""
    time, flying = floats(run.timeline["time"]), floats(run.timeline["in_flight"])
    usual = float(np.median(flying[time >= evidence.warmup + evidence.span / 2]))
    here = (time >= ready) & (time > 0)
    if not here.any() or flying[here][0] < 2 * usual + QUEUE:
        return 0.0
    emptied = time[here & (flying <= 2 * usual + 1)]
    return float(emptied[0]) if emptied.size else evidence.scenario.duration


def _of_file(evidence: Evidence, service: str) -> str:
    return next(name for name, full in evidence.tenants.items() if service in full)
