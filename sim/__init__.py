"""hostsim: one host that runs the same services as virtual machines or as containers, under the same traffic.

    import sim

    scenario = sim.load_scenario("scenarios/burst.yaml", replications=3)
    result = sim.run(scenario)
    print(result.table())
    result.summary                                   # a pandas DataFrame; also .guests, .timeline, .verdict …

The same from a terminal: `python -m sim scenarios/burst.yaml`. Names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["RunFailed", "compare", "crossover", "density", "load_results", "load_scenario", "run", "sweep"]

if TYPE_CHECKING:
    from .api import RunFailed, compare, crossover, density, load_results, load_scenario, run, sweep

    __version__: str
else:  # a type checker would take this for "every name is there, of type Any"

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name == "__version__":
            return _version()
        if name not in __all__:
            raise AttributeError(f"module 'sim' has no attribute {name!r}")
        return getattr(importlib.import_module(".api", __name__), name)


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
