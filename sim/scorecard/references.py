"""Values that another program gives for the very same requests: the oracle of our tests, and SimGrid.

A scenario that they can say something about has services of one replica each on `native`, recorded requests (time and
demand, each recording beginning at 0 s), one request in service at a time, a weight (CPU request), perhaps a cap
(limit), and no start-up: a guest is a queue that shares the host's cores. `response` is the mean over all requests that
came to an end.
"""

from __future__ import annotations

import atexit
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.reading.errors import HostsimError, nearest
from sim.reading.units import UnitError

if TYPE_CHECKING:
    from sim.scenario import Scenario

ROOT: Final = Path(__file__).parents[2]
"""The source tree, where hostsim is run from one: scenarios and the oracle lie there."""
DRIVER: Final = Path(__file__).parent / "simgrid_queues.cpp"
NAMES: Final = ("oracle", "simgrid")


class NotHere(HostsimError):
    """A reference is not on this machine; the text says what is missing."""


class CannotStand(HostsimError):
    """A reference knows nothing of what a scenario has in it."""


@dataclass(frozen=True)
class Queue:
    """A guest as the references see it; `requests` are (arrival, core-seconds), in the order of arrival."""

    weight: float
    cap: float
    requests: Sequence[tuple[float, float]]


def known(name: object) -> str:
    """The name of a reference. Raises UnitError."""
    if name in NAMES:
        return str(name)
    raise UnitError(repr(name), f"one of {', '.join(NAMES)}", nearest(name, NAMES))


def response(name: str, scenario: Scenario) -> float:
    """Mean response of all requests, s, as the reference `name` has it. Raises NotHere, CannotStand."""
    queues = queues_of(scenario)
    return (_oracle if name == "oracle" else _simgrid)(scenario.host.cores, queues, scenario.duration)


def queues_of(scenario: Scenario) -> list[Queue]:
    """The guests of a scenario. Raises CannotStand."""
    from sim.platforms import load_platform
    from sim.scenario import Trace

    lineage = load_platform("native").size_lineage
    queues = []
    for name, service in scenario.expanded():
        size, sources = service.size_on(lineage), service.traffic
        if size is None or service.replicas != 1 or service.concurrency != 1 or len(sources) != 1:
            raise CannotStand(f"{name}: the references need one replica, concurrency 1 and one recording")
        source = sources[0]
        recording = source.recording() if isinstance(source, Trace) else None
        if recording is None or recording.demands is None:
            raise CannotStand(f"{name}: the references need a recording of times and demands")
        pairs = [(float(t), float(d)) for t, d in zip(recording.times, recording.demands, strict=True)]
        queues.append(Queue(size.cpu_request, math.inf if size.cpu_limit is None else size.cpu_limit, pairs))
    return queues


# ---------------------------------------------------------------- the oracle


def _oracle(cores: float, queues: Sequence[Queue], end: float) -> float:
    """Every event of the whole host computed anew, in plain Python (tests/oracle)."""
    oracle = _import_oracle()
    services = [oracle.Service(1, None, None, None, "least-outstanding") for _ in queues]
    guests = [oracle.Guest(number, queue.weight, queue.cap) for number, queue in enumerate(queues)]
    arrivals = [
        oracle.Arrival(time, number, demand, 0.0, 0.0)
        for number, queue in enumerate(queues)
        for time, demand in queue.requests
    ]
    outcomes, _ = oracle.simulate(cores, services, guests, arrivals, end)
    took = [
        each.finish - arrival.time
        for each, arrival in zip(outcomes, arrivals, strict=True)
        if each.status == "completed"
    ]
    return math.fsum(took) / len(took)


@cache
def _import_oracle() -> Any:
    tests = ROOT / "tests"
    if not (tests / "oracle" / "oracle.py").is_file():
        raise NotHere("the oracle is part of the source tree (tests/oracle)")
    sys.path.append(str(tests))
    try:
        from importlib import import_module

        return import_module("oracle.oracle")
    finally:
        sys.path.remove(str(tests))


# ---------------------------------------------------------------- SimGrid


def _simgrid(cores: float, queues: Sequence[Queue], end: float) -> float:
    """SimGrid (S4U): an actor a guest, a task a request, with the guest's priority and bound on one host."""
    if cores != int(cores):
        raise CannotStand(f"host.cores is {cores:g}, and SimGrid's are whole")
    program = simgrid_program()
    lines = [f"{cores:g} {len(queues)} {end!r}"]
    for queue in queues:
        cap = queue.cap if math.isfinite(queue.cap) else 0.0
        lines.append(f"{queue.weight!r} {cap!r} {len(queue.requests)}")
        lines += [f"{time!r} {demand!r}" for time, demand in queue.requests]
    done = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"SimGrid failed: {(done.stderr or 'no word').strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


@cache
def simgrid_program() -> str:
    """The driver, compiled once a process. Raises NotHere with what is missing."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise NotHere("no C++ compiler (g++ or clang++) for SimGrid's driver")
    folder = tempfile.mkdtemp(prefix="hostsim-simgrid-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder) / "simgrid_queues"
    flags = ["-O2", "-std=c++17", "-o", str(target), str(DRIVER), "-lsimgrid"]
    built = subprocess.run([compiler, *flags], capture_output=True, text=True, check=False)
    if built.returncode == 0:
        return str(target)
    if "simgrid/s4u.hpp" in built.stderr and "No such file" in built.stderr:
        raise NotHere("SimGrid is not installed (apt-get install libsimgrid-dev)")
    first = next((line for line in built.stderr.splitlines() if "error" in line), "see the compiler")
    raise NotHere(f"SimGrid's driver does not compile: {first.rsplit('error:', 1)[-1].strip()}")
