"""The catalogue of platforms: what a VM, a container, a microVM costs. Data and its reader, no behaviour."""

from sim.platforms.catalogue import describe, load_platform, names
from sim.platforms.problems import PlatformError
from sim.platforms.reader import Row
from sim.platforms.schema import Phase, Platform

__all__ = ["Phase", "Platform", "PlatformError", "Row", "describe", "load_platform", "names"]
