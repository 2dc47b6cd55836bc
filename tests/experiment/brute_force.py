"""`density` against every value of its grid with every replication, on real scenarios: the same numbers, fewer runs.

    python tests/experiment/brute_force.py

Prints a line a scenario and platform; exit code 1 if an answer differs or more than a quarter of the runs was needed.
The tests do the same on shortened versions of the same scenarios.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from sim.experiment.density.objectives import judge  # noqa: E402
from sim.experiment.density.observing import observe_run  # noqa: E402 (the path must be set first)
from sim.experiment.density.questions import Grid  # noqa: E402
from sim.experiment.density.search import Density, density  # noqa: E402
from sim.experiment.workers.executor import Executor  # noqa: E402
from sim.scenario import Base  # noqa: E402

REPLICATIONS = 10
SCENARIOS = ROOT / "scenarios"


@dataclass(frozen=True)
class Case:
    """A capacity question: the file, what grows, over which grid; `short` makes a version for the tests of it."""

    file: str
    vary: str
    grid: Grid
    unit: str = ""
    overrides: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    short_grid: Grid | None = None
    platforms: tuple[str, ...] = ("vm", "container")
    short_platforms: tuple[str, ...] = ()

    def shortened(self) -> Case:
        """The version for the tests."""
        return replace(
            self,
            grid=self.short_grid or self.grid,
            overrides=(*self.overrides, *self.short),
            platforms=self.short_platforms or self.platforms,
        )

    def scenario_at(self) -> Callable[[float], Any]:
        """Value → scenario, as `density` asks for it."""
        base = Base.load(SCENARIOS / self.file, overrides=self.overrides, platforms=self.platforms)
        return base.along(self.vary, self.unit)

    def values(self) -> list[float]:
        """The grid."""
        return [self.grid.value(index) for index in range(self.grid.last + 1)]


SMALL = "services.small.size.container.memory"
CASES = {
    "tail, by load": Case(
        "steady.yaml",
        "services.api.traffic.constant-arrival-rate.rate",
        Grid(20, 5, 200),
        unit="/s",
        short=("duration=100s", "warmup=60s"),  # VMs are up then: what is lost before they are counts as missed
        short_grid=Grid(20, 10, 200),
    ),
    "admission, by tenants": Case(
        "density.yaml",
        "services.small.tenants",
        Grid(4, 4, 100),
        overrides=("services.small.replicas=1", "duration=60s", "warmup=45s"),
        short=("duration=12s", "warmup=6s", "host.memory=16GiB"),
        short_grid=Grid(1, 1, 18),
        short_platforms=("vm",),
    ),
    # containers that ask for less memory than they use are all admitted, and killed when the host runs out
    "memory, by replicas": Case(
        "density.yaml",
        "services.small.replicas",
        Grid(5, 5, 200),
        overrides=(f"{SMALL}={{request: 32MiB, limit: 512MiB}}", "host.memory=16GiB", "duration=60s", "warmup=30s"),
        short=("duration=12s", "warmup=6s", "host.memory=2GiB"),
        short_grid=Grid(1, 1, 22),
        short_platforms=("container",),
    ),
}


def _observe(task: tuple[Any, str, float, int], observe: Any = observe_run) -> Any:
    scenario, platform, _, replication = task
    return observe(scenario, platform, replication)


def brute_force(case: Case, executor: Executor) -> dict[str, tuple[float | None, int]]:
    """Platform → the last value before the first that does not hold, and the runs made."""
    scenario_at, values = case.scenario_at(), case.values()
    tasks = [
        (scenario_at(value), platform, value, number)
        for platform in case.platforms
        for value in values
        for number in range(REPLICATIONS)
    ]
    seen: dict[tuple[str, float, int], Any] = {}
    for outcome in executor.unordered(_observe, tasks):
        if outcome is not None:
            assert outcome.error is None, outcome.error
            seen[outcome.task[1:]] = outcome.result
    found = {}
    for platform in case.platforms:
        most: float | None = None
        for value in values:
            every = [seen[platform, value, number] for number in range(REPLICATIONS)]
            verdict = judge(scenario_at(value), every, REPLICATIONS)
            assert verdict is not None
            if not verdict.holds:
                break
            most = value
        found[platform] = most, len(values) * REPLICATIONS
    return found


def searched(case: Case, executor: Executor) -> list[Density]:
    """What `density` finds on the same grid."""
    return density(case.scenario_at(), case.platforms, case.grid, replications=REPLICATIONS, executor=executor)


def main() -> int:
    from sim.experiment.workers.choice import available_cores
    from sim.experiment.workers.pool import PoolExecutor
    from sim.model import compiled

    compiled.warm_up()
    good = True
    for name, case in CASES.items():
        with PoolExecutor(available_cores()) as executor:
            found, wanted = searched(case, executor), brute_force(case, executor)
        for each in found:
            most, runs = wanted[each.platform]
            fine = each.most == most and 4 * each.runs <= runs
            good = good and fine
            broke = each.broke.text if each.broke else "nothing"
            print(
                f"{name}, {each.platform}: {each.most} in {each.runs} runs, brute force {most} in {runs} "
                f"({each.runs / runs:.0%}){'' if fine else ' NOT AS ASKED'}; above it {broke}",
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
