"""All of a calibration: what can be measured here, measured, fitted, predicted; and what is to be said about it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sim.calibration import boots, cgroups, machine, runtimes
from sim.calibration.cgroups import Groups, Missing
from sim.calibration.disk import Disk, Unpacking, measure_disk, measure_unpacking
from sim.calibration.fit import FITTED, Line, Measured, fit, lines, verdict
from sim.calibration.limits import Limited, measure_limits
from sim.calibration.predict import Model, Predictor
from sim.calibration.storm import Batch, storm
from sim.reading.errors import HostsimError

PARTS: Final = ("starts", "unpack", "disk", "cpu", "boots")
AT_ONCE: Final = {1: 40, 2: 20, 4: 14, 8: 10, 16: 8, 32: 6}
"""Starts at once → repetitions."""
_QUICK: Final = {1: 10, 2: 5, 4: 4, 8: 3, 16: 2, 32: 2}
_BOOTS_AT_ONCE: Final = {"KVM": {1: 12, 2: 6, 4: 4, 8: 3, 16: 2}, "TCG": {1: 4, 2: 2, 4: 1, 8: 1, 16: 1}}
_QUICK_BOOTS: Final = {"KVM": {1: 4, 2: 2, 4: 1, 8: 1, 16: 1}, "TCG": {1: 2, 2: 1, 4: 1}}
NOISY: Final = 0.05
"""Share of the CPUs' time for others from which on a measurement is doubted."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Found:
    """What a calibration found; a part that was not measured is None, and `left_out` says why, part by part."""

    host: dict[str, object]
    cpus: int
    load: float
    runtime: str = ""
    version: str = ""
    count: int = 0
    model: Model | None = None
    error: float = 0.0
    works: tuple[float, float] = (0.0, 0.0)
    lines: list[Line] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    unpacking: Unpacking | None = None
    disk: Disk | None = None
    limits: list[Limited] = field(default_factory=list)
    accelerator: str = ""
    """KVM or TCG, where the starts are boots of a virtual machine."""
    boots: Found | None = None
    """The same of boots: its starts, model and lines."""
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def measured_on(self) -> str:
        """Where and when, for a source: no name of the machine, no user, no paths."""
        kind = "virtual machine" if self.host.get("virtual") else "machine"
        return (
            f"measured on {self.host['date']}, {kind} with {self.cpus} CPUs ({self.host['cpu']}), Linux "
            f"{self.host['kernel']}, load {self.load:.1f}"
        )

    @property
    def doubts(self) -> list[str]:
        """What makes the numbers less sure."""
        told = []
        noisy = [f"{line.others:.0%} at {line.k} at once" for line in self.lines if line.others > NOISY]
        if noisy:
            told.append(f"others had a part of the CPUs ({', '.join(noisy)}): measure again when the machine is quiet")
        if self.model and self.model.share < 1:
            told.append(
                f"the predictions are for {self.model.share:.0%} of the CPUs, as here; the platform has no others"
            )
        if self.lines and not any(line.fitted and line.k >= self.cpus for line in self.lines):
            told.append(
                f"never more than {FITTED} starts on {self.cpus} CPUs were fitted: nothing here waited for a CPU"
            )
        if self.accelerator == "TCG":
            told.append("the processor was emulated (TCG): with KVM, boots take a fraction of this work")
        if self.error > 0.15:
            told.append(f"the model misses what it was fitted to by {self.error:.0%} (root mean square)")
        return told

    @property
    def verdict(self) -> str:
        """How well the starts that were kept aside were predicted."""
        return verdict(self.lines) if self.lines else ""

    def to_dict(self) -> dict[str, Any]:
        """For machines: SI."""
        from dataclasses import asdict

        told = asdict(self)
        del told["batches"]
        told["lines"] = [{**asdict(line), "error": line.off} for line in self.lines]
        boots = None if self.boots is None else self.boots.to_dict()
        return {**told, "boots": boots, "doubts": self.doubts, "verdict": self.verdict}


def check(runtime: str, kernel: str | None = None, parts: Sequence[str] = PARTS) -> dict[str, str]:
    """Part → what is missing to measure it here; empty: nothing. It really starts a container, and boots a machine."""
    return {part: _missing(part, runtime, kernel) for part in parts}


def _missing(part: str, runtime: str, kernel: str | None) -> str:
    try:
        if part == "starts":
            with tempfile.TemporaryDirectory(prefix="hostsim-") as folder, Groups() as groups:
                try:
                    with runtimes.prepared(runtime, Path(folder), groups.name) as starter:
                        storm(starter, groups, 1, 0)
                finally:
                    cgroups.sweep(groups.name)
        elif part == "cpu":
            from sim.calibration.servers import missing

            return missing()
        elif part == "boots":
            with tempfile.TemporaryDirectory(prefix="hostsim-") as folder:
                boots.prepared(Path(folder), kernel)
        elif part == "unpack":
            from sim.calibration.disk import tools

            tools()
    except HostsimError as error:
        return str(error)
    return ""


def calibrate(
    runtime: str,
    parts: Sequence[str] = PARTS,
    *,
    quick: bool = False,
    kernel: str | None = None,
    say: Say = lambda _: None,
) -> Found:
    """Measure `parts` here; what is missing is left out, and told. Containers and groups are gone at the end.

    `kernel`: the file that boots (None: the newest of /boot).
    """
    cgroups.sweep_stale()
    found = Found(machine.describe(_version()), machine.cpus(), os.getloadavg()[0])
    steps: dict[str, Callable[[], None]] = {
        "starts": lambda: _starts(found, runtime, _QUICK if quick else AT_ONCE, say),
        "unpack": lambda: _unpack(found, say),
        "disk": lambda: _disk(found, quick, say),
        "cpu": lambda: _cpu(found, quick, say),
        "boots": lambda: _boots(found, kernel, quick, say),
    }
    for part in parts:
        try:
            steps[part]()
        except HostsimError as error:
            found.left_out[part] = str(error)
    return found


def from_rows(batches: Sequence[Batch], runtime: str, cpus: int) -> Found:
    """The same from starts that were measured before, on a machine of `cpus` CPUs."""
    found = Found({"date": "an earlier day", "cpu": "unknown", "kernel": "unknown"}, cpus, batches[0].load, runtime)
    _fit(found, list(batches))
    return found


def _version() -> int:
    try:
        return cgroups.find().version
    except Missing:
        return 0


def _starts(found: Found, runtime: str, at_once: dict[int, int], say: Say) -> None:
    """Repetitions go round the numbers at once, so that a slow change of the machine is not taken for one of theirs."""
    with tempfile.TemporaryDirectory(prefix="hostsim-") as folder, Groups() as groups:
        try:
            with runtimes.prepared(runtime, Path(folder), groups.name) as starter:
                batches = _rounds(starter, groups, at_once, lambda told: say(f"starts: {told}"))
                found.runtime, found.version = runtime, starter.version
        finally:
            cgroups.sweep(groups.name)
    _fit(found, batches)


def _rounds(starter: runtimes.Starter, groups: Groups, at_once: dict[int, int], say: Say) -> list[Batch]:
    batches = []
    idle = _idle() if not starter.grouped else 0.0
    storm(starter, groups, 1, -1)  # the first one finds cold caches
    for rep in range(max(at_once.values())):
        for k in (k for k, repetitions in at_once.items() if rep < repetitions):
            batches.append(storm(starter, groups, k, rep, idle))
        say(f"round {rep + 1} of {max(at_once.values())}")
    return batches


def _boots(found: Found, kernel: str | None, quick: bool, say: Say) -> None:
    """Boots one by one and at once, fitted as starts are."""
    with tempfile.TemporaryDirectory(prefix="hostsim-") as folder, Groups() as groups:
        try:
            boot = boots.prepared(Path(folder), kernel)
            at_once = (_QUICK_BOOTS if quick else _BOOTS_AT_ONCE)[boot.accelerator]
            batches = _rounds(boot, groups, at_once, lambda told: say(f"boots with {boot.accelerator}: {told}"))
        finally:
            cgroups.sweep(groups.name)
    own = Found(found.host, found.cpus, found.load, boot.name, boot.version, accelerator=boot.accelerator)
    _fit(own, batches)
    found.boots = own


def _idle() -> float:
    """Cores that are busy while nothing of ours runs."""
    cpus = machine.allowed()
    before = machine.look(cpus)
    time.sleep(2.0)
    after = machine.look(cpus)
    return (after.busy - before.busy) / (after.time - before.time)


def _fit(found: Found, batches: list[Batch]) -> None:
    measured = Measured(batches, found.cpus)
    predictor = Predictor(found.cpus)
    found.batches, found.count = batches, measured.count
    found.model, found.error = fit(measured, predictor)
    works = [measured.work(k) for k in measured.fitted]
    found.works = min(works), max(works)
    found.lines = lines(found.model, measured, predictor)


def _unpack(found: Found, say: Say) -> None:
    say("unpacking a layer")
    found.unpacking = measure_unpacking()


def _disk(found: Found, quick: bool, say: Say) -> None:
    say("disk")
    found.disk = measure_disk(64 if quick else 512)


def _cpu(found: Found, quick: bool, say: Say) -> None:
    say("limits and weights")
    found.limits = measure_limits(4.0 if quick else 12.0)
