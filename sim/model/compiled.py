"""Whether the kernel of the data plane is compiled on this machine: what those who start runs need to know."""

from sim.engine.compiling.cache import is_compiled
from sim.engine.warming import warm_up

__all__ = ["is_compiled", "warm_up"]
