"""What the simulator says to some starts at once: a platform whose start is the model's, on a host like this one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sim.scenario import Scenario

Array = NDArray[np.float64]
BASE: Final = "container"
"""What a measured platform is based on."""
_SINGLE: Final = 40
"""Single starts of one run, each on a core of its own."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a start consists of: `work` [core-s], `wait` [s] (mean, of it the share `lock` under a lock), `cv`.

    Waits and work take turns in `pieces`. `share`: of the CPUs of the measurement, for the starts.
    """

    work: float
    wait: float
    cv: float
    pieces: int = 1
    lock: float = 0.0
    share: float = 1.0

    def phases(self) -> list[dict[str, Any]]:
        """The phases of a platform, in text with units."""
        told: list[dict[str, Any]] = []
        free = self.wait * (1 - self.lock) / self.pieces
        for piece in range(1, self.pieces + 1):
            tail = "" if self.pieces == 1 else f"-{piece}"
            if free > 0:
                told.append({"name": f"wait{tail}", "kind": "delay", "duration": _spread(free, self.cv, self.pieces)})
            if piece == 1 and self.lock and self.wait:
                told.append({"name": "lock", "kind": "lock", "lock": "start", "hold": ms(self.wait * self.lock)})
            told.append({"name": f"work{tail}", "kind": "cpu", "work": ms(self.work / self.pieces)})
        return told


def ms(seconds: float) -> str:
    """A time as text."""
    return f"{seconds * 1e3:.3f}ms"


def _spread(mean: float, cv: float, pieces: int) -> Any:
    """The wait of one of the pieces, whose sum has this `cv`."""
    if cv < 0.01:
        return ms(mean)
    return {"lognormal": {"mean": ms(mean), "cv": round(cv * pieces**0.5, 3)}}


class Predictor:
    """Runs the simulator on `cpus` cores with nothing else on them; `replications` of each storm."""

    def __init__(self, cpus: int, replications: int = 6) -> None:
        self._cpus, self._replications = cpus, replications
        self._scenarios: dict[tuple[Model, int, float], Scenario] = {}

    def latencies(self, model: Model, k: int) -> list[Array]:
        """Latencies [s] of `k` starts at once, an array a replication; of single ones, one array with many."""
        cores = self._cpus * model.share
        if k == 1:  # alone, a lock is a wait like another
            return [self._run(replace(model, lock=0.0), _SINGLE, _SINGLE * min(1.0, cores), 0)]
        return [self._run(model, k, cores, replication) for replication in range(self._replications)]

    def _run(self, model: Model, k: int, cores: float, replication: int) -> Array:
        from sim.experiment.replications.runner import run_one
        from sim.scenario import scenario_from_text

        key = (model, k, cores)
        if key not in self._scenarios:
            tree = storm_scenario(bare_platform(model.phases()), k, cores)
            self._scenarios = {key: scenario_from_text(json.dumps(tree))}
        guests = run_one(self._scenarios[key], "measured", replication).guests
        return np.asarray(guests["ready"], np.float64) - np.asarray(guests["requested"], np.float64)


def bare_platform(phases: list[dict[str, Any]]) -> dict[str, Any]:
    """A platform whose start is `phases` and nothing else."""
    return {
        "based_on": BASE,
        "cpu": {"host": 0},
        "startup": phases,
        "restart": {"phases": []},
        "isolation": {"panic_phases": []},
    }


def storm_scenario(own: Mapping[str, Any], k: int, cores: float) -> dict[str, Any]:
    """The scenario of `k` starts at once of an image that is there, on a host of `cores`."""
    return {
        "name": "starts",
        "seed": 1,
        "duration": "10min",
        "warmup": "0s",
        "host": {
            "cores": cores,
            "memory": "64GiB",
            "disk": {"read": "1GB/s", "write": "1GB/s"},
            "network": "1Gbit/s",
        },
        "platforms": {"measured": dict(own)},
        "services": {
            "app": {
                "image": {BASE: "1MB", "cached": True},
                "memory": {"base": "1MiB"},
                "request_cpu": "1ms",
                "size": {BASE: {"cpu": {"request": 0.001}, "memory": {"request": "1MiB"}}},
                "replicas": k,
            }
        },
    }
