"""How many replicas: fixed, a ramp, Kubernetes' HPA, Knative's concurrency rule, and one guest a request."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from math import ceil
from typing import Any

from simpy.events import Event

from sim.model.service import ServiceRun
from sim.scenario import Concurrency, Hpa, Ramp

Story = Generator[Event, Any, None]


def begin(service: ServiceRun) -> None:
    """Start the service's first replicas, and the process that changes their number."""
    spec = service.spec
    if isinstance(spec.replicas, Ramp):
        service.env.process(ramp(service, spec.replicas))
    elif isinstance(spec.autoscale, Hpa):
        service.scale_to(spec.autoscale.min)
        service.env.process(hpa(service, spec.autoscale))
    elif isinstance(spec.autoscale, Concurrency):
        service.scale_to(spec.autoscale.min)
        service.env.process(concurrency(service, spec.autoscale))
    elif spec.autoscale is None:
        service.scale_to(int(spec.replicas or 0))


def ramp(service: ServiceRun, rule: Ramp) -> Story:
    """Add replicas until there are as many as asked, or the host refuses one (or memory has run out)."""
    while service.simulation.density is None:
        for _ in range(rule.add):
            if rule.max is not None and service.wanted >= rule.max:
                return
            if service.start_one() is None:
                return
        yield service.env.timeout(rule.every)


def hpa(service: ServiceRun, rule: Hpa) -> Story:
    """Kubernetes' HorizontalPodAutoscaler on CPU (its algorithm and default behaviour: Kubernetes documentation).

    Usage is the requests' CPU since the last sync, over what the replicas' sizes ask for. Replicas that are not ready
    count as idle when scaling up; at most `up_pods` or `up_ratio` (the larger) are added a sync; scaling down goes
    to the highest desire of the stabilization window.
    """
    desires: deque[tuple[float, int]] = deque()
    before = _work(service)
    while True:
        yield service.env.timeout(rule.sync)
        service.env.plane.book()
        used = _work(service)
        desire = _hpa_desire(service, rule, (used - before) / rule.sync)
        before = used
        desires.append((service.env.now, desire))
        while desires[0][0] < service.env.now - rule.stabilization:
            desires.popleft()
        now = service.wanted
        most = max(now + rule.up_pods, ceil(now * (1 + rule.up_ratio)))
        target = desire if desire > now else min(now, max(d for _, d in desires))
        change(service, max(rule.min, min(rule.max, target, most)))


def _work(service: ServiceRun) -> float:
    """CPU of the service's requests so far, also of replicas that have moved to another host (core-s)."""
    plane = service.env.plane
    return plane.work(service.index)[0] + plane.work_away(service.index)


def _hpa_desire(service: ServiceRun, rule: Hpa, cores: float) -> int:
    """Replicas for a mean use of `cores` (kube-controller-manager, replica_calculator.go)."""
    ready, now = service.ready, service.wanted
    if ready == 0:
        return now
    each = service.share.weight * rule.target_cpu
    ratio = cores / (ready * each)
    if abs(ratio - 1.0) <= rule.tolerance:
        return now
    if ratio > 1.0 and now > ready:
        ratio = cores / (now * each)
        return now if ratio <= 1.0 + rule.tolerance else ceil(ratio * now - 1e-9)
    return ceil(ratio * ready - 1e-9)


def concurrency(service: ServiceRun, rule: Concurrency) -> Story:
    """Knative's pod autoscaler: mean concurrency over the window / target, and its panic mode for bursts.

    Panic (Knative documentation: 10 % of the window, threshold 200 %) looks at a window ten times shorter and
    does not scale down. From zero the first waiting request starts one (the simulation calls `scale_to`).
    """
    seen: deque[tuple[float, int]] = deque()
    panic_until = -1.0
    while True:
        yield service.env.timeout(rule.sync)
        now = service.env.now
        seen.append((now, service.env.plane.in_flight(service.index)))
        while seen[0][0] <= now - rule.window:
            seen.popleft()
        recent = [n for t, n in seen if t > now - max(rule.window / 10, rule.sync)]
        stable = ceil(sum(n for _, n in seen) / len(seen) / rule.target - 1e-9)
        panic = ceil(sum(recent) / len(recent) / rule.target - 1e-9)
        if panic >= 2 * max(service.ready, 1):
            panic_until = now + rule.window
        wish = max(stable, panic, service.wanted) if now < panic_until else stable
        change(service, max(rule.min, min(rule.max, wish)))


def change(service: ServiceRun, n: int) -> None:
    """Tell the service its number of replicas, and remember the first decision to grow."""
    if n == service.wanted:
        return
    detail = f"{service.wanted} to {n}"
    if n > service.wanted and service.first_scale_up != service.first_scale_up:
        service.first_scale_up = service.env.now
    service.simulation.observer.event(None, "scale", f"{service.name}: {detail}", service.env.now)
    service.scale_to(n)
