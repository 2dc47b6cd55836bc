"""What is asked: units, the schema of scenario files, their loader, and the design of sweeps."""

from sim.scenario.coverage import coverage
from sim.scenario.design import Sweep, load_sweep, numeric, points
from sim.scenario.distribution import Distribution, parse_distribution
from sim.scenario.document import Document, apply_overrides
from sim.scenario.errors import Finding, Problem, ScenarioError
from sim.scenario.incidents import Fault, Move, Resize
from sim.scenario.loader import load_document, load_scenario, scenario_from_text
from sim.scenario.placement import Image, Layer, Size
from sim.scenario.schema import Disk, Host, Scenario, Until, json_schema
from sim.scenario.services import Concurrency, Hpa, Memory, PerRequest, Ramp, Service, Slo
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
    "Concurrency",
    "ConstantRate",
    "ConstantUsers",
    "Disk",
    "Distribution",
    "Diurnal",
    "Document",
    "Fault",
    "Finding",
    "Host",
    "Hpa",
    "Image",
    "Layer",
    "Memory",
    "Mmpp",
    "MmppState",
    "Move",
    "PerRequest",
    "Problem",
    "Ramp",
    "RampingRate",
    "Resize",
    "Scenario",
    "ScenarioError",
    "Service",
    "Size",
    "Slo",
    "Source",
    "Stage",
    "Sweep",
    "Trace",
    "Until",
    "apply_overrides",
    "coverage",
    "json_schema",
    "load_document",
    "load_scenario",
    "load_sweep",
    "numeric",
    "parse_distribution",
    "points",
    "scenario_from_text",
]
