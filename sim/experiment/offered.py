"""How much a scenario asks for, on the mean: requests from outside, the length of a start. Nothing is run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from sim.platforms import Phase, Platform
from sim.reading.recording import UNITS
from sim.scenario import ConstantRate, Diurnal, Mmpp, RampingRate, Scenario, Service, Source, Stage, Trace


def requests(service: Service, scenario: Scenario, begin: float, end: float) -> float | None:
    """Mean number of requests of one tenant in [begin, end] (s); None where it cannot be told (users, plug-ins)."""
    total = 0.0
    for source in service.traffic:
        number = arrivals(source, begin, end)
        if number is None:
            return None
        total += number
    return total


def arrivals(source: Source, begin: float, end: float) -> float | None:
    """Mean number of requests of a source in [begin, end] (s); None where it cannot be told."""
    match source:
        case ConstantRate():
            return source.rate * (end - begin)
        case RampingRate():
            return _ramp(source.start, source.stages, begin, end)
        case Mmpp():
            stay = sum(state.mean_duration for state in source.states)
            return (end - begin) * sum(state.rate * state.mean_duration for state in source.states) / stay
        case Diurnal():
            turn = 2 * math.pi / source.period
            swing = (source.peak - source.mean) / turn
            ends = (math.cos(turn * (time + source.phase)) for time in (begin, end))
            return source.mean * (end - begin) + swing * (next(ends) - next(ends))
        case Trace():
            times = source.recording().times * source.scale + source.shift
            if source.repeat and times.size > 1:
                return float(times.size / (times[-1] - times[0]) * (end - begin)) if times[-1] > times[0] else None
            return float(np.count_nonzero((times >= begin) & (times < end)))
    return None


def _ramp(rate: float, stages: Sequence[Stage], begin: float, end: float) -> float:
    total = now = 0.0
    for stage in stages:
        low, high = max(begin, now), min(end, now + stage.duration)
        if high > low:
            slope = (stage.target - rate) / stage.duration
            total += (high - low) * (rate + slope * ((low + high) / 2 - now))
        now, rate = now + stage.duration, stage.target
    return total


def start_up(platform: Platform, service: Service, scenario: Scenario) -> float:
    """About how long one replica takes to start on an idle host, s: the phases' means and the application's own start.

    What the catalogue leaves to contention (locks, shared links) is taken as if it were alone.
    """
    beside = sum(float(law.mean) for each in platform.beside if (law := each.hold or each.duration) is not None)
    before = sum(sum(each.values()) for _, each in phases(platform, service, scenario))
    return max(service.start_cpu, beside) + before


def phases(platform: Platform, service: Service, scenario: Scenario) -> Iterator[tuple[Phase, dict[str, float]]]:
    """Each phase that a start goes through, and what it takes on an idle host: field of the phase → s, on the mean."""
    image = service.image_on(platform.image_lineage)
    disk, network = scenario.host.disk, scenario.host.network
    speeds = {"pull": network, "read": disk.read, "clone": disk.write, "install": disk.write}
    for phase in platform.startup:
        if phase.kind == "install" and (image is None or image.ready_made):
            continue
        if phase.kind == "pull" and (image is None or image.cached or not image.ready_made):
            continue
        drawn = {"duration": phase.duration, "hold": phase.hold}
        takes = {field: float(each.mean) for field, each in drawn.items() if each is not None}
        if phase.work:
            takes["work"] = phase.work
        speed = speeds.get(phase.kind)
        if speed is not None:
            moving = phase.amount(0.0 if image is None else image.bytes) / min(phase.rate or math.inf, speed)
            takes["rate" if phase.rate is not None and phase.rate < speed else "bytes"] = moving
        yield phase, takes


def end_of(source: Trace) -> float:
    """When a recording ends, s after its beginning; 0 for an empty one."""
    times = source.recording().times
    return float(times[-1]) * source.scale if times.size else 0.0


def likely_unit(source: Trace, duration: float) -> str:
    """The unit that the times of a recording probably have; empty where nothing speaks for one."""
    found = source.recording().looks_like
    if found or source.unit != "s":
        return found
    last = end_of(source)
    return next((unit for unit, part in UNITS.items() if 0.01 * duration <= last * float(part) <= 2 * duration), "")
