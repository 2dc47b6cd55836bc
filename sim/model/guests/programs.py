"""What requests take on a platform: the scenario's steps with the platform's numbers, as the data plane has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.engine import steps as engine
from sim.engine.steps import Law
from sim.model.guests.service import ServiceRun
from sim.model.world import World
from sim.platforms import Platform
from sim.reading.distribution import Distribution
from sim.scenario.amounts import Amount, LinkName, amount
from sim.scenario.calls import names_called
from sim.scenario.requests import CallStep, CpuStep, ParallelStep, Step, SyscallsStep, WaitStep


def begin(world: World, services: Sequence[ServiceRun], links: Mapping[LinkName, int]) -> None:
    """Give the data plane the programs of the services that have one: they take more than one job, or are called.

    `links`: numbers in the data plane of the links that they use.
    """
    called = {name for service in services for name in names_called(service.spec.programs)}
    numbers = {service.name: service.index for service in services}
    resolve = Resolver(world.platform, numbers, links)
    for service in services:
        if service.spec.plain is None or service.name in called:
            kinds = [(share, resolve.program(steps)) for share, steps in service.spec.programs]
            base = world.stream(f"program/{service.name}").integers(0, 2**64, dtype=np.uint64)
            world.plane.set_programs(service.index, kinds, int(base))


@dataclass(frozen=True)
class Resolver:
    """Makes steps of the data plane. `services`: numbers by name; `links`: numbers of read, write and network."""

    platform: Platform
    services: Mapping[str, int]
    links: Mapping[LinkName, int]

    def program(self, steps: Sequence[Step]) -> list[engine.Step]:
        """The steps in order; one of the scenario may become several."""
        return [each for step in steps for each in self._resolved(step)]

    def _resolved(self, step: Step) -> list[engine.Step]:
        match step:
            case CpuStep(cpu=work):
                return [engine.Cpu(law_of(work))]
            case WaitStep(wait=time):
                return [engine.Wait(law_of(time))]
            case SyscallsStep(syscalls=n):
                return [engine.Cpu(Law("constant", n * self.platform.cpu.per_syscall), overhead=False)]
            case CallStep(call=call):
                number = self.services[call.service]
                return [engine.Call(number, call.times, call.probability, call.retries)]
            case ParallelStep(parallel=branches):
                return [engine.Parallel([self.program(branch) for branch in branches])]
        moves = amount(step)
        return [] if moves is None else self._moved(moves)

    def _moved(self, moves: Amount) -> list[engine.Step]:
        """The platform's CPU (no overhead on top), its latency, and the bytes; nothing for no bytes."""
        if moves.size <= 0.0:
            return []
        part: Literal["disk", "network"] = "network" if moves.link == "network" else "disk"
        work, time = self.platform.io_costs(moves.link, moves.units, moves.size)
        cpu, wait = engine.Cpu(Law("constant", work), overhead=False), engine.Wait(Law("constant", time), part)
        return [cpu, wait, engine.Move(self.links[moves.link], moves.size, part)]


def law_of(distribution: Distribution) -> Law:
    """A distribution of the scenario by the two numbers that the data plane draws from (see `chance.sampling`)."""
    numbers = distribution.parameters
    match distribution.kind:
        case "constant" | "exponential" as kind:
            return Law(kind, numbers["mean"])
        case "uniform":
            return Law("uniform", numbers["min"], numbers["max"])
        case "lognormal":
            variance = math.log1p(numbers["cv"] ** 2)
            return Law("lognormal", math.log(numbers["mean"]) - 0.5 * variance, math.sqrt(variance))
        case "weibull":
            return Law("weibull", numbers["mean"] / math.gamma(1.0 + 1.0 / numbers["shape"]), numbers["shape"])
        case "pareto":
            return Law("pareto", numbers["mean"] * (numbers["shape"] - 1.0) / numbers["shape"], numbers["shape"])
        case "gamma":
            return Law("gamma", 1.0 / numbers["cv"] ** 2, numbers["mean"] * numbers["cv"] ** 2)
