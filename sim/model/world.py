"""What every part of a run knows: what is asked for, the clock, the data plane, and whom to tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane
from sim.model.chance.streams import generator
from sim.model.signals import Signals
from sim.platforms import Platform
from sim.scenario import Scenario


@dataclass(frozen=True, eq=False)
class World:
    """One run's surroundings. `warmup`: s that are discarded before measuring."""

    scenario: Scenario
    platform: Platform
    replication: int
    warmup: float
    env: HybridEnvironment
    plane: DataPlane
    signals: Signals

    def stream(self, name: str) -> np.random.Generator:
        """The random stream of this name, at its beginning (see `chance.streams`)."""
        return generator(self.scenario.seed, self.replication, name)
