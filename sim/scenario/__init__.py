"""What is asked: the schema of scenario files, their loader, and the design of sweeps."""

from sim.scenario.design import Sweep, load_sweep, numeric, points
from sim.scenario.hosts import Disk, Host
from sim.scenario.incidents import Fault, HostFault, Move, Resize
from sim.scenario.loader import Base, Options, load_document, load_scenario, scenario_from_text
from sim.scenario.scaling import Concurrency, Hpa, PerRequest, Ramp, Rule
from sim.scenario.schema import Scenario, Until, json_schema
from sim.scenario.services import Memory, Service, Slo, Warm
from sim.scenario.sizes import Image, Layer, Size
from sim.scenario.stacks import Stack
from sim.scenario.traffic import (
    ConstantRate,
    ConstantUsers,
    Diurnal,
    Mmpp,
    MmppState,
    RampingRate,
    Source,
    Stage,
    Trace,
)

__all__ = [
    "Base", "Concurrency", "ConstantRate", "ConstantUsers", "Disk", "Diurnal", "Fault", "Host", "HostFault", "Hpa",
    "Image", "Layer", "Memory", "Mmpp", "MmppState", "Move", "Options", "PerRequest", "Ramp", "RampingRate",
    "Resize", "Rule", "Scenario", "Service", "Size", "Slo", "Source", "Stack", "Stage", "Sweep", "Trace", "Until",
    "Warm", "json_schema", "load_document", "load_scenario", "load_sweep", "numeric", "points", "scenario_from_text",
]  # fmt: skip
