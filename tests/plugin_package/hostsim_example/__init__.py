"""One plug-in of each kind: what a package beside hostsim looks like. The platform is the file `edge.yaml`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sim.platforms import Phase
from sim.platforms.schema import Seconds
from sim.reading.fields import count, quantity
from sim.registry import FaultMeans, ServiceState
from sim.scenario import Fault, Rule, Source
from sim.terms.metrics import FITS, Measured, Metric


class Staircase:
    """Some replicas more at every sync, whatever happens."""

    class Spec(Rule):
        """Replicas are added `step` at a time, from `min` to `max`."""

        step: Annotated[int, count(1)] = Field(1, description="replicas added at a sync")

    def decide(self, state: ServiceState) -> int:
        """The number of replicas from now on."""
        return state.wanted + int(state.rule.step)


class Attest:
    """A guest proves to somebody what it is before it starts."""

    class Spec(Phase):
        """It takes `patience` s."""

        patience: Seconds

    @staticmethod
    def run(guest: Any, phase: Attest.Spec) -> Generator[Any, Any, None]:
        """Wait for the answer."""
        yield guest.env.timeout(phase.patience)


class Flood:
    """Water in the room: all applications die, again after each pause."""

    class Spec(Fault):
        """It comes `waves` times, `pause` s apart."""

        waves: Annotated[int, count(1)] = Field(1, description="how often it comes")
        pause: Annotated[float, quantity("duration", above=0)] = Field(1.0, description="time between waves")

    @staticmethod
    def happen(means: FaultMeans, fault: Flood.Spec, guest: Any) -> Generator[Any, Any, None]:
        """Strike every guest."""
        for wave in range(fault.waves):
            means.crash(means.guests(), "flood", f"wave {wave}")
            yield means.env.timeout(fault.pause)


class Pulses:
    """Requests that come in bunches."""

    class Spec(Source):
        """`size` requests at once, every `every` s."""

        every: Annotated[float, quantity("duration", above=0)] = Field(description="time between bunches, such as 10s")
        size: Annotated[int, count(1)] = Field(1, description="requests in a bunch")

    @staticmethod
    def arrivals(rng: np.random.Generator, duration: float, source: Pulses.Spec) -> NDArray[np.float64]:
        """Times of arrival, s."""
        return np.repeat(np.arange(0.0, duration, source.every), source.size)


def _each(run: Measured) -> float | None:
    return sum(tally.completed for tally in run.tallies) / len(run.services) if run.tallies else None


EACH = Metric(
    "example.each", "1", "requests a service", FITS, "higher", _each, "requests completed / number of services"
)
