"""Random small cases, as a Hypothesis strategy.

Hypothesis chooses the shape of a case (how much of everything, and which features are on) and a seed; the
numbers inside come from a NumPy generator with that seed. So a failing case shrinks to few guests, few
requests and few features, while all times are continuous draws and two events never meet by design.
"""

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from .oracle import Arrival, Guest, Outcome, Service, simulate

ROUTINGS = ("round-robin", "random", "least-outstanding", "power-of-two")


@dataclass(frozen=True)
class Shape:
    """What a case is made of; the numbers are drawn by `random_case`."""

    services: int  # 1-3
    guests: int  # services-6, at least one for each service
    arrivals: int  # 10-120
    load: float  # offered work / what the guests can do with all of their threads busy, 0.1-3
    cores: float
    routing: str  # of the first service; the others take the next ones
    concurrency: int  # the largest of any service, 1-5
    unequal: bool = False  # weights and caps differ between guests
    bounded: bool = False  # queues and backlogs are bounded
    timeouts: bool = False
    late: bool = False  # some guests open later
    boots: bool = False  # some guests boot, with work that contends
    drains: bool = False
    deaths: bool = False
    memory: bool = False  # some guests die of too many requests in service
    cut: bool = False  # the run ends while requests are still arriving


@dataclass(frozen=True)
class Case:
    """The arguments of `oracle.simulate`; printed as the call that makes it."""

    shape: Shape
    seed: int
    cores: float
    services: list[Service]
    guests: list[Guest]
    arrivals: list[Arrival]
    end: float

    def __repr__(self) -> str:
        return f"random_case({self.shape!r}, {self.seed})"

    def expected(self) -> tuple[list[Outcome], list[float]]:
        return simulate(self.cores, self.services, self.guests, self.arrivals, self.end)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    services = draw(st.integers(1, 3))
    flags = ("unequal", "bounded", "timeouts", "late", "boots", "drains", "deaths", "memory", "cut")
    return Shape(
        services=services,
        guests=draw(st.integers(services, 6)),
        arrivals=draw(st.integers(10, 120)),
        load=draw(st.sampled_from((0.1, 0.4, 0.7, 0.9, 1.2, 2.0, 3.0))),
        cores=draw(st.sampled_from((1.0, 2.0, 0.7, 3.5, 8.0))),
        routing=draw(st.sampled_from(ROUTINGS)),
        concurrency=draw(st.integers(1, 5)),
        **{flag: draw(st.booleans()) for flag in flags},
    )


def cases() -> st.SearchStrategy[Case]:
    return st.builds(random_case, shapes(), st.integers(0, 2**32 - 1))


def random_case(shape: Shape, seed: int) -> Case:
    """The same case for the same arguments."""
    rng = np.random.default_rng(seed)
    means = [float(rng.uniform(0.05, 0.5)) for _ in range(shape.services)]  # demand, core-seconds
    services = [_service(shape, index, mean, rng) for index, mean in enumerate(means)]
    others = rng.integers(0, shape.services, shape.guests - shape.services)
    owners = [*range(shape.services), *(int(owner) for owner in others)]
    sizes = [_size(shape, rng) for _ in owners]

    most = sum(min(cap, services[owner].concurrency) for owner, (_, cap) in zip(owners, sizes, strict=True))
    shares = rng.dirichlet(np.full(shape.services, 3.0))
    works = [mean * service.overhead for mean, service in zip(means, services, strict=True)]
    rate = shape.load * min(shape.cores, most) / float(shares @ works)
    span = shape.arrivals / rate

    guests = [
        _guest(shape, owner, size, span, services[owner].concurrency, rng)
        for owner, size in zip(owners, sizes, strict=True)
    ]
    times = np.cumsum(rng.exponential(1 / rate, shape.arrivals))
    targets = rng.choice(shape.services, shape.arrivals, p=shares)
    arrivals = [_arrival(float(t), int(target), means, rng) for t, target in zip(times, targets, strict=True)]
    end = float(rng.uniform(0.4, 1.0) if shape.cut else rng.uniform(1.5, 6.0)) * float(times[-1])
    return Case(shape, seed, shape.cores, services, guests, arrivals, end)


def _service(shape: Shape, index: int, mean: float, rng: np.random.Generator) -> Service:
    def bound(largest: int) -> int | None:
        return int(rng.integers(0, largest + 1)) if shape.bounded and rng.random() < 0.8 else None

    return Service(
        concurrency=int(rng.integers(1, shape.concurrency + 1)),
        queue=bound(6),
        backlog=bound(8),
        timeout=float(mean * rng.uniform(1, 12)) if shape.timeouts and rng.random() < 0.8 else None,
        routing=ROUTINGS[(ROUTINGS.index(shape.routing) + index) % len(ROUTINGS)],
        overhead=float(rng.choice([1.0, rng.uniform(1.0, 1.4)])),
    )


def _size(shape: Shape, rng: np.random.Generator) -> tuple[float, float]:
    """(weight, cap): all alike, or mixed from no cap to a fraction of a core."""
    if not shape.unequal:
        return 1.0, math.inf
    weight = float(rng.choice([1.0, 2.0, rng.lognormal(0.0, 1.5)]))
    return weight, float(rng.choice([math.inf, 1.0, 2.0, rng.uniform(0.1, 3.0)]))


def _guest(
    shape: Shape, owner: int, size: tuple[float, float], span: float, threads: int, rng: np.random.Generator
) -> Guest:
    """A guest whose life is laid over the `span` (s) of the arrivals.

    One that boots is never drained: when its boot ends is not known beforehand, and what a drain during the
    boot means is not for this comparison.
    """

    def some(feature: bool, probability: float = 0.5) -> bool:
        return bool(feature and rng.random() < probability)

    opens, closes, dies, boot_work, boot_at, limit = 0.0, None, None, None, 0.0, None
    if some(shape.boots):
        boot_at = float(rng.uniform(0, 0.6) * span)
        boot_work = float(rng.uniform(0.02, 0.4) * span * min(1.0, size[1]))
    else:
        if some(shape.late):
            opens = float(rng.uniform(0, 0.6) * span)
        if some(shape.drains):
            closes = opens + float(rng.uniform(0.05, 1.0) * span)
    if some(shape.deaths):
        dies = max(opens, boot_at) + float(rng.uniform(0.02, 1.0) * span)
    if some(shape.memory):
        limit = int(rng.integers(1, threads + 1))
    return Guest(owner, *size, opens, closes, dies, boot_work, boot_at, limit)


def _arrival(time: float, service: int, means: list[float], rng: np.random.Generator) -> Arrival:
    """Demands from exponential to very variable (lognormal, squared coefficient of variation e^2.25 - 1)."""
    mean = means[service]
    heavy = float(rng.lognormal(math.log(mean) - 1.5**2 / 2, 1.5))
    demand = heavy if service % 2 else float(rng.exponential(mean))
    return Arrival(time, service, demand, float(rng.random()), float(rng.random()))
