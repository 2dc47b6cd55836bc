"""hostsim: one host that runs the same services as virtual machines or as containers, under the same traffic.

>>> import sim
>>> scenario = sim.load_scenario("scenarios/steady.yaml", replications=3, overrides=["duration=3min"])
>>> result = sim.run(scenario)
>>> print(result.table())                   # the comparison that the command line prints
steady: vm against container · 3 replications · host: 16 cores, 64 GiB
...
>>> print(result.verdict[1])
Response p99: container ... ms, vm ... ms (×1.0). SLO met: by all.
>>> p99 = result.summary.query("metric == 'response.p99' and service == 'all'")    # a pandas DataFrame; also
>>> p99.groupby("platform")["value"].mean() < 0.2                                  # .guests, .timeline, .events …
platform
container    True
vm           True
Name: value, dtype: bool

The same from a terminal: `python -m sim scenarios/burst.yaml`. Names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_TOOLS = ("catalogue", "explain", "init", "page", "platform", "reproduce", "schema", "validate")
__all__ = [
    "RunFailed", "Scenario", "arrivals", "autoscaler", "catalogue", "compare", "crossover", "density", "explain",
    "init", "load_results", "load_scenario", "page", "platform", "reproduce", "run", "schema", "scorecard",
    "sensitivity", "sweep", "validate", "why",
]  # fmt: skip

_HOMES = {
    "arrivals": ".registry", "autoscaler": ".registry", "Scenario": ".scenario", "scorecard": ".scorecard.asking",
    **dict.fromkeys(_TOOLS, ".tools"),
}  # fmt: skip

if TYPE_CHECKING:
    from .api import RunFailed, compare, crossover, density, load_results, load_scenario, run, sensitivity, sweep, why
    from .registry import arrivals, autoscaler
    from .scenario import Scenario
    from .scorecard.asking import scorecard
    from .tools import catalogue, explain, init, page, platform, reproduce, schema, validate

    __version__: str
else:  # a type checker would take this for "every name is there, of type Any"

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name == "__version__":
            return _version()
        if name not in __all__:
            raise AttributeError(f"module 'sim' has no attribute {name!r}")
        module = _HOMES.get(name, ".api")
        return getattr(importlib.import_module(module, __name__), name)


def _version() -> str:
    """The version that is installed, or "(source tree)" where none is."""
    from importlib import metadata

    try:
        return metadata.version("hostsim")
    except metadata.PackageNotFoundError:
        return "(source tree)"


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
