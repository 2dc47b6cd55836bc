"""How many replicas: fixed, a ramp, or what a rule decides at every sync: Kubernetes' HPA, Knative's concurrency."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import ceil
from typing import Protocol

from sim.model.guests.fleet import Fleet
from sim.model.guests.phases import Story
from sim.model.guests.service import ServiceRun
from sim.model.world import World
from sim.scenario import Concurrency, Hpa, PerRequest, Ramp


class Autoscaler(Protocol):
    """A rule, asked every `sync` s how many replicas there should be; its spec's `min` and `max` bound the answer."""

    sync: float

    def decide(self, state: State) -> int:
        """Replicas wanted from now on, the present number to leave it at that."""


class State:
    """What a rule may know of its service at a sync. Times in s, CPU in cores."""

    def __init__(self, world: World, service: ServiceRun) -> None:
        self._plane, self._env, self._service = world.plane, world.env, service
        self._asked, self._used = 0.0, self._work()

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
    def cpu_request(self) -> float:
        """Cores that each replica's size asks for."""
        return self._service.share.weight

    def cpu_used(self) -> float:
        """Mean cores that the requests of all replicas took since this was last asked (or since the start)."""
        self._plane.book()
        work, now = self._work(), self._env.now
        used = (work - self._used) / (now - self._asked) if now > self._asked else 0.0
        self._asked, self._used = now, work
        return used

    def _work(self) -> float:
        """CPU of the service's requests so far, also of replicas that have moved to another host (core-s)."""
        index = self._service.index
        return self._plane.work(index)[0] + self._plane.work_away(index)


class HpaRule:
    """Kubernetes' HorizontalPodAutoscaler on CPU (its algorithm and default behaviour: Kubernetes documentation).

    Usage is the requests' CPU since the last sync, over what the replicas' sizes ask for. Replicas that are not ready
    count as idle when scaling up; at most `up_pods` or `up_ratio` (the larger) are added a sync; scaling down goes
    to the highest desire of the stabilization window.
    """

    def __init__(self, rule: Hpa) -> None:
        self.sync = rule.sync
        self._rule = rule
        self._desires: deque[tuple[float, int]] = deque()

    def decide(self, state: State) -> int:
        """Replicas wanted from now on."""
        rule, now = self._rule, state.wanted
        desire = self._desire(state)
        self._desires.append((state.now, desire))
        while self._desires[0][0] < state.now - rule.stabilization:
            self._desires.popleft()
        most = max(now + rule.up_pods, ceil(now * (1 + rule.up_ratio)))
        return min(desire if desire > now else min(now, max(d for _, d in self._desires)), most)

    def _desire(self, state: State) -> int:
        """Replicas for the mean use since the last sync (kube-controller-manager, replica_calculator.go)."""
        cores, ready, now = state.cpu_used(), state.ready, state.wanted
        if ready == 0:
            return now
        each = state.cpu_request * self._rule.target_cpu
        ratio = cores / (ready * each)
        if abs(ratio - 1.0) <= self._rule.tolerance:
            return now
        if ratio > 1.0 and now > ready:
            ratio = cores / (now * each)
            return now if ratio <= 1.0 + self._rule.tolerance else ceil(ratio * now - 1e-9)
        return ceil(ratio * ready - 1e-9)


class ConcurrencyRule:
    """Knative's pod autoscaler: mean concurrency over the window / target, and its panic mode for bursts.

    Panic (Knative documentation: 10 % of the window, threshold 200 %) looks at a window ten times shorter and
    does not scale down. From zero the first waiting request starts one (`on_demand`).
    """

    def __init__(self, rule: Concurrency) -> None:
        self.sync = rule.sync
        self._rule = rule
        self._seen: deque[tuple[float, int]] = deque()
        self._panic_until = -1.0

    def decide(self, state: State) -> int:
        """Replicas wanted from now on."""
        rule, now, seen = self._rule, state.now, self._seen
        seen.append((now, state.in_flight))
        while seen[0][0] <= now - rule.window:
            seen.popleft()
        recent = [n for t, n in seen if t > now - max(rule.window / 10, rule.sync)]
        stable = ceil(sum(n for _, n in seen) / len(seen) / rule.target - 1e-9)
        panic = ceil(sum(recent) / len(recent) / rule.target - 1e-9)
        if panic >= 2 * max(state.ready, 1):
            self._panic_until = now + rule.window
        return max(stable, panic, state.wanted) if now < self._panic_until else stable


RULES: Mapping[str, Callable[..., Autoscaler]] = {"hpa": HpaRule, "concurrency": ConcurrencyRule}


def begin(world: World, fleet: Fleet) -> None:
    """Start every service's first replicas, and the processes that change their number."""
    limit = _Limit(world)
    for service in fleet.services:
        replicas, rule = service.spec.replicas, service.spec.autoscale
        if isinstance(replicas, Ramp):
            world.env.process(_ramp(world, service, replicas, limit))
        elif rule is None:
            service.scale_to(int(replicas or 0))
        elif not isinstance(rule, PerRequest):
            service.scale_to(rule.min)
            world.env.process(_scale(world, service, RULES[rule.rule](rule), (rule.min, rule.max)))


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


def _scale(world: World, service: ServiceRun, rule: Autoscaler, bounds: tuple[int, int]) -> Story:
    state, (least, most) = State(world, service), bounds
    while True:
        yield world.env.timeout(rule.sync)
        change(world, service, max(least, min(most, rule.decide(state))))


def change(world: World, service: ServiceRun, n: int) -> None:
    """Tell the service its number of replicas."""
    if n != service.wanted:
        world.signals.scaled.fire(service, service.wanted, n)
        service.scale_to(n)
