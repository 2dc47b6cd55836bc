"""Random small stacks for `programs`, as Hypothesis strategies; and stacks on a grid of times, so that events meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from .cases import ROUTINGS
from .oracle import Arrival, Guest, Service
from .program_steps import Away, Call, Cpu, Fall, Law, Move, Parallel, Program, Step, Transfer, Wait
from .programs import Stack

FEATURES = (
    "mixes",
    "parallel",
    "retries",
    "links",
    "laws",
    "plain",
    "unequal",
    "bounded",
    "timeouts",
    "late",
    "boots",
    "drains",
    "deaths",
    "falls",
    "memory",
    "cut",
    "transfers",
    "moves",
)


@dataclass(frozen=True)
class Shape:
    """What a stack is made of; the numbers are drawn by `random_stack`."""

    services: int  # 1-4
    guests: int  # at least one for each service
    arrivals: int
    steps: int  # at most, in a row
    load: float
    concurrency: int
    features: frozenset[str]


@dataclass(frozen=True)
class RandomStack(Stack):
    """Printed as the call that makes it."""

    made: str = ""

    def __repr__(self) -> str:
        return self.made


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    services = draw(st.integers(1, 4))
    return Shape(
        services=services,
        guests=draw(st.integers(services, services + 4)),
        arrivals=draw(st.integers(1, 40)),
        steps=draw(st.integers(1, 4)),
        load=draw(st.sampled_from((0.2, 0.7, 2.0))),
        concurrency=draw(st.integers(1, 5)),
        features=frozenset(name for name in FEATURES if draw(st.booleans())),
    )


def stacks() -> st.SearchStrategy[Stack]:
    return st.builds(random_stack, shapes(), st.integers(0, 2**32 - 1))


def grids() -> st.SearchStrategy[Stack]:
    return st.builds(grid_stack, shapes(), st.integers(0, 2**32 - 1))


def random_stack(shape: Shape, seed: int) -> Stack:
    """The same stack for the same arguments; all times and works are draws of continuous laws."""
    return _Maker(shape, seed).stack(f"random_stack({shape!r}, {seed})")


def grid_stack(shape: Shape, seed: int) -> Stack:
    """All times and works are whole numbers, and a job has a core; so sums are exact, and events of all kinds meet."""
    return _GridMaker(shape, seed).stack(f"grid_stack({shape!r}, {seed})")


class _Maker:
    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape, self.rng = shape, np.random.default_rng(seed)
        links = int(self.rng.integers(1, 3)) if "links" in shape.features else 0
        self.links = [float(self.rng.uniform(0.5, 3.0)) for _ in range(links)]
        self.span = shape.arrivals * 0.5 / shape.load
        self.plain = "plain" in shape.features and shape.services > 1 and shape.services - 1

    def stack(self, made: str) -> Stack:
        shape, rng = self.shape, self.rng
        numbers = range(shape.services)
        programs = [None if number == self.plain else self._program(number) for number in numbers]
        services = [self._service() for _ in numbers]
        owners = [*numbers, *(int(rng.integers(shape.services)) for _ in range(shape.guests - shape.services))]
        guests = [self._guest(owner, services[owner].concurrency) for owner in owners]
        falls = [fall for number, guest in enumerate(guests) for fall in self._falls(number, guest)]
        arrivals = sorted((self._arrival() for _ in range(shape.arrivals)), key=lambda arrival: arrival.time)
        end = self.moment(0.4, 1.0) if self.has("cut") else self.moment(1.5, 4.0)
        sites, transfers, away = self._elsewhere()
        return RandomStack(
            self.cores(), services, programs, guests, self.links, arrivals, falls, end, sites, transfers, away, made
        )  # fmt: skip

    def _elsewhere(self) -> tuple[list[list[float]], list[Transfer], list[Away]]:
        """Other sites, what control moves over links, and who goes there: drawn behind all else."""
        rng = self.rng
        count = int(rng.integers(1, 3)) if self.has("moves") else 0
        sites = [[float(rng.uniform(0.3, 4.0)) for _ in self.links] for _ in range(count)]
        away = [
            Away(number, self.moment(0.05, 1.0), int(rng.integers(1, count + 1)))
            for number in range(self.shape.guests if count else 0)
            if rng.random() < 0.5
        ]
        transfers = [self._transfer(count) for _ in range(8 if self.links and self.has("transfers") else 0)]
        return sites, transfers, away

    def _transfer(self, sites: int) -> Transfer:
        rng, time = self.rng, self.moment(0, 1)
        rate = math.inf if rng.random() < 0.4 else float(rng.choice([0.2, 0.5, rng.uniform(0.05, 2.0)]))
        broken_off = math.inf if rng.random() < 0.7 else time + self.moment(0.01, 0.3)
        site = int(rng.integers(sites + 1))
        return Transfer(time, int(rng.integers(len(self.links))), 3 * self.length(), rate, broken_off, site)

    def has(self, feature: str, probability: float = 1.0) -> bool:
        return feature in self.shape.features and bool(self.rng.random() < probability)

    # numbers

    def moment(self, low: float, high: float) -> float:
        """A time of so much of the span."""
        return float(self.rng.uniform(low, high) * self.span)

    def length(self) -> float:
        """Of a step, s."""
        return float(self.rng.uniform(0.02, 0.4))

    def cores(self) -> float:
        return float(self.rng.choice([0.7, 1.5, 4.0, 30.0]))

    def law(self, zero: bool = True) -> Law:
        mean, kind = self.length(), self.rng.random()
        if zero and kind < 0.05:
            return Law("constant", 0.0)
        if not self.has("laws"):
            return Law("exponential", mean) if kind < 0.7 else Law("constant", mean)
        b = float(self.rng.uniform(0.3, 3.0))
        return {
            "uniform": Law("uniform", mean, mean * (1 + b)),
            "lognormal": Law("lognormal", math.log(mean) - 0.5, min(b, 1.5)),
            "weibull": Law("weibull", mean, b),
            "pareto": Law("pareto", mean / 3, 1 + b),
            "gamma": Law("gamma", b, mean / b),
        }[str(self.rng.choice(["uniform", "lognormal", "weibull", "pareto", "gamma"]))]

    # programs

    def _program(self, service: int) -> Program:
        count = int(self.rng.integers(2, 4)) if self.has("mixes") else 1
        kinds = [(float(self.rng.integers(1, 6)), self._steps(service, 0)) for _ in range(count)]
        return Program(kinds, int(self.rng.integers(0, 2**64, dtype=np.uint64)))

    def _steps(self, service: int, depth: int) -> list[Step]:
        count = int(self.rng.integers(0 if self.rng.random() < 0.1 else 1, self.shape.steps + 1))
        return [self._step(service, depth) for _ in range(count)]

    def _step(self, service: int, depth: int) -> Step:
        callees = [other for other in range(service + 1, self.shape.services) if other != self.plain]
        what = self.rng.random()
        if what < 0.4 and callees:
            return self._call(int(self.rng.choice(callees)))
        if what < 0.55 and depth < 2 and self.has("parallel"):
            count = int(self.rng.integers(0 if self.rng.random() < 0.1 else 1, 4))
            return Parallel([self._steps(service, depth + 1) for _ in range(count)])
        if what < 0.7 and self.links:
            size = 0.0 if self.rng.random() < 0.05 else self.length()
            return Move(int(self.rng.integers(len(self.links))), size, str(self.rng.choice(["disk", "network"])))
        if what < 0.8:
            return Wait(self.law(), str(self.rng.choice(["wait", "disk", "network"])))
        return Cpu(self.law(), bool(self.rng.random() < 0.7))

    def _call(self, service: int) -> Call:
        times = int(self.rng.choice([0, 1, 1, 1, 2, 3]))
        probability = float(self.rng.choice([0.0, 0.3, 0.8, 1.0, 1.0, 1.0]))
        return Call(service, times, probability, int(self.rng.integers(0, 3)) if self.has("retries") else 0)

    # the rest

    def _service(self) -> Service:
        def bound(largest: int) -> int | None:
            return int(self.rng.integers(0, largest + 1)) if self.has("bounded", 0.7) else None

        return Service(
            concurrency=int(self.rng.integers(1, self.shape.concurrency + 1)),
            queue=bound(5),
            backlog=bound(6),
            timeout=self.timeout() if self.has("timeouts", 0.6) else None,
            routing=ROUTINGS[int(self.rng.integers(4))],
            overhead=self.overhead(),
        )

    def timeout(self) -> float:
        return self.length() * float(self.rng.uniform(0.5, 12))

    def overhead(self) -> float:
        return float(self.rng.choice([1.0, self.rng.uniform(1.0, 1.4)]))

    def size(self) -> tuple[float, float]:
        """(weight, cap)."""
        if not self.has("unequal"):
            return 1.0, math.inf
        weight = float(self.rng.choice([1.0, 2.0, self.rng.lognormal(0.0, 1.5)]))
        return weight, float(self.rng.choice([math.inf, 1.0, 2.0, self.rng.uniform(0.1, 3.0)]))

    def _guest(self, owner: int, concurrency: int) -> Guest:
        """As in `cases`: one that boots is never drained."""
        opens, closes, dies, work, boot_at, limit = 0.0, None, None, None, 0.0, None
        if self.has("boots", 0.4):
            boot_at, work = self.moment(0, 0.5), self.work()
        else:
            opens = self.moment(0, 0.6) if self.has("late", 0.5) else 0.0
            closes = opens + self.moment(0.05, 1.0) if self.has("drains", 0.4) else None
        if self.has("deaths", 0.4):
            dies = max(opens, boot_at) + self.moment(0.02, 1.0)
        if self.has("memory", 0.4):
            limit = int(self.rng.integers(1, concurrency + 1))
        return Guest(owner, *self.size(), opens, closes, dies, work, boot_at, limit)

    def work(self) -> float:
        return float(self.rng.uniform(0.02, 0.3) * self.span)

    def _falls(self, number: int, guest: Guest) -> list[Fall]:
        plain = guest.closes is None and guest.dies is None and guest.boot_work is None
        if not plain or guest.max_in_service is not None or not self.has("falls", 0.6):
            return []
        time = guest.opens + self.moment(0.02, 0.8)
        return [Fall(number, time, time + self.moment(0.02, 0.4))]

    def _arrival(self) -> Arrival:
        first = self.rng.random() < 0.6
        service = 0 if first else int(self.rng.integers(self.shape.services))
        u1, u2 = self.us()
        return Arrival(self.moment(0, 1), service, self.length(), u1, u2)

    def us(self) -> tuple[float, float]:
        return float(self.rng.random()), float(self.rng.random())


class _GridMaker(_Maker):
    """Whole numbers; no links, whose shares need not be exact."""

    def __init__(self, shape: Shape, seed: int) -> None:
        super().__init__(shape, seed)
        self.links = []
        self.span = float(math.ceil(self.span) + 8)

    def moment(self, low: float, high: float) -> float:
        return float(round(super().moment(low, high)))

    def length(self) -> float:
        return float(self.rng.integers(1, 4))

    def cores(self) -> float:
        return 64.0

    def law(self, zero: bool = True) -> Law:
        return Law("constant", 0.0 if zero and self.rng.random() < 0.05 else self.length())

    def timeout(self) -> float:
        return float(self.rng.integers(1, 9))

    def overhead(self) -> float:
        return 1.0

    def size(self) -> tuple[float, float]:
        return 1.0, math.inf

    def work(self) -> float:
        return float(self.rng.integers(1, 6))

    def us(self) -> tuple[float, float]:
        return float(self.rng.integers(8)) / 8, float(self.rng.integers(8)) / 8
