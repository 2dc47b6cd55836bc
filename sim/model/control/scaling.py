"""How many replicas: fixed, a ramp, or what a rule decides at every sync: Kubernetes' HPA, Knative's concurrency."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from sim import registry
from sim.model.guests.fleet import Fleet
from sim.model.guests.phases import Story
from sim.model.guests.service import ServiceRun
from sim.model.world import World
from sim.registry import Autoscaler, ServiceState
from sim.scenario import PerRequest, Ramp


class State:
    """What a rule may know of its service (`registry.ServiceState`), worked out when it is asked for."""

    def __init__(self, world: World, service: ServiceRun) -> None:
        self._plane, self._env, self._service = world.plane, world.env, service
        self.rule: Any = service.spec.autoscale

    @property
    def now(self) -> float:
        """Time of the clock, s."""
        return self._env.now

    @property
    def wanted(self) -> int:
        """Replicas asked for: those alive and those that wait for room."""
        return self._service.wanted

    @property
    def ready(self) -> int:
        """Replicas that serve."""
        return self._service.ready

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and not ended."""
        return self._plane.in_flight(self._service.index)

    @property
    def work(self) -> float:
        """CPU of the service's requests so far, also of replicas that have moved to another host (core-s)."""
        self._plane.book()
        index = self._service.index
        return self._plane.work(index)[0] + self._plane.work_away(index)

    @property
    def cpu_each(self) -> float:
        """Cores that each replica's size asks for."""
        return self._service.share.weight


class HpaRule:
    """Kubernetes' HorizontalPodAutoscaler on CPU (its algorithm and default behaviour: Kubernetes documentation).

    Usage is the requests' CPU since the last sync, over what the replicas' sizes ask for. Replicas that are not ready
    count as idle when scaling up; at most `up_pods` or `up_ratio` (the larger) are added a sync; scaling down goes
    to the highest desire of the stabilization window.
    """

    def __init__(self) -> None:
        self._desires: deque[tuple[float, int]] = deque()
        self._work = 0.0  # core-s of requests up to the last sync
        self._added: deque[tuple[float, int]] = deque()  # s, replicas added: at each sync
        self._seen: deque[tuple[float, float, int]] = deque()  # s, core-s of requests so far, ready: at each sync

    def decide(self, state: ServiceState) -> int:
        """Replicas wanted from now on."""
        rule, now = state.rule, state.wanted
        desire = self._desire(state)
        self._desires.append((state.now, desire))
        while self._desires[0][0] < state.now - rule.stabilization:
            self._desires.popleft()
        before = now - self._lately(state)
        most = max(before + rule.up_pods, ceil(before * (1 + rule.up_ratio)), now)
        decided = int(min(desire if desire > now else min(now, max(d for _, d in self._desires)), most))
        self._added.append((state.now, max(decided - now, 0)))
        return decided

    def _lately(self, state: ServiceState) -> int:
        """Replicas that it has added within the last `up_period`."""
        while self._added and self._added[0][0] <= state.now - state.rule.up_period + 1e-9:
            self._added.popleft()
        return sum(n for _, n in self._added)

    def _desire(self, state: ServiceState) -> int:
        """Replicas for the mean use since the last sync (kube-controller-manager, replica_calculator.go)."""
        rule, now = state.rule, state.wanted
        cores, ready = self._metric(state)
        if ready == 0:
            return now
        each: float = state.cpu_each * rule.target_cpu
        ratio = cores / (ready * each)
        if abs(ratio - 1.0) <= rule.tolerance:
            return now
        if ratio > 1.0 and now > ready:
            ratio = cores / (now * each)
            return now if ratio <= 1.0 + rule.tolerance else ceil(ratio * now - 1e-9)
        return ceil(ratio * ready - 1e-9)

    def _metric(self, state: ServiceState) -> tuple[float, int]:
        """Cores used over one `sync`, and replicas ready at its end, `metric_delay` ago; nobody while there is none.

        Between two syncs work is taken to go on evenly.
        """
        rule = state.rule
        if rule.metric_delay == 0.0:
            before, self._work = self._work, state.work
            return (self._work - before) / rule.sync, state.ready
        if not self._seen:
            self._seen.append((state.now - rule.sync, 0.0, 0))
        seen, end = self._seen, state.now - rule.metric_delay
        seen.append((state.now, state.work, state.ready))
        while len(seen) > 2 and seen[1][0] <= end - rule.sync + 1e-9:
            seen.popleft()
        if seen[0][0] > end - rule.sync + 1e-9:
            return 0.0, 0
        ready = [n for t, _, n in seen if t <= end + 1e-9][-1]
        return (_at(seen, end) - _at(seen, end - rule.sync)) / rule.sync, ready


def _at(seen: Sequence[tuple[float, float, int]], time: float) -> float:
    """Work up to a time, from what was seen at syncs."""
    times, work, _ = zip(*seen, strict=True)
    return float(np.interp(time, times, work))


class ConcurrencyRule:
    """Knative's pod autoscaler: mean concurrency over the window / target, and its panic mode for bursts.

    Panic (Knative documentation: 10 % of the window, threshold 200 %) looks at a window ten times shorter and
    does not scale down. From zero the first waiting request starts one (`on_demand`).
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._panic_until = -1.0

    def decide(self, state: ServiceState) -> int:
        """Replicas wanted from now on."""
        rule, now, seen = state.rule, state.now, self._seen
        seen.append((now, state.in_flight))
        while seen[0][0] <= now - rule.window:
            seen.popleft()
        recent = [n for t, n in seen if t > now - max(rule.window / 10, rule.sync)]
        stable: int = ceil(sum(n for _, n in seen) / len(seen) / rule.target - 1e-9)
        panic: int = ceil(sum(recent) / len(recent) / rule.target - 1e-9)
        if panic >= 2 * max(state.ready, 1):
            self._panic_until = now + rule.window
        return max(stable, panic, state.wanted) if now < self._panic_until else stable


registry.builtin("autoscalers", "hpa", behaviour=HpaRule)
registry.builtin("autoscalers", "concurrency", behaviour=ConcurrencyRule)


def begin(world: World, fleet: Fleet) -> None:
    """Start every service's first replicas, and the processes that change their number."""
    limit = _Limit(world)
    _start_first(fleet)
    for service in fleet.services:
        replicas, rule = service.spec.replicas, service.spec.autoscale
        if isinstance(replicas, Ramp):
            world.env.process(_ramp(world, service, replicas, limit))
        elif rule is not None and not isinstance(rule, PerRequest):
            world.env.process(_scale(world, service, registry.behaviour("autoscalers", rule.rule)()))


def _start_first(fleet: Fleet) -> None:
    """One replica of each service, then the second of each …; a tenant of a stack is placed when its first is due."""
    of = {service: whole for whole in fleet.wholes for service in whole.services}
    for service in of:
        service.scale_to(_first(service))
    most = max((_first(service) for service in fleet.services), default=0)
    for number in range(1, max(most, 1) + 1):
        for service in fleet.services:
            if service in of:
                if service is of[service].services[0] and number == 1:
                    of[service].ask()
            elif number <= _first(service):
                service.scale_to(number)


def _first(service: ServiceRun) -> int:
    """Replicas that are asked for at time 0; those of a ramp are its own."""
    return 0 if isinstance(service.spec.replicas, Ramp) else service.spec.least


class _Limit:
    """Whether the host has refused a guest, or memory has run out."""

    def __init__(self, world: World) -> None:
        self.reached = False
        world.signals.start_refused.connect(self._refused)
        world.signals.memory_ran_out.connect(self._come)

    def _refused(self, service: str, why: str, down: bool) -> None:
        if not down:
            self._come()

    def _come(self) -> None:
        self.reached = True


def _ramp(world: World, service: ServiceRun, rule: Ramp, limit: _Limit) -> Story:
    """Add replicas until there are as many as asked, or the host refuses one (or memory has run out)."""
    while not limit.reached:
        for _ in range(rule.add):
            if rule.max is not None and service.wanted >= rule.max:
                return
            if service.start_one() is None:
                return
        yield world.env.timeout(rule.every)


def _scale(world: World, service: ServiceRun, scaler: Autoscaler) -> Story:
    state = State(world, service)
    while True:
        yield world.env.timeout(state.rule.sync)
        change(world, service, max(state.rule.min, min(state.rule.max, int(scaler.decide(state)))))


def change(world: World, service: ServiceRun, n: int) -> None:
    """Tell the service its number of replicas."""
    if n != service.wanted:
        world.signals.scaled.fire(service, service.wanted, n)
        service.scale_to(n)
