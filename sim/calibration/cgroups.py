"""Control groups of the kernel, version 1 and 2: weights, limits, and what the kernel counts of throttling."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sim.reading.errors import HostsimError

PERIOD = 0.1
"""Period of a limit [s]: the kernel's default, 100 ms (Linux, *CFS Bandwidth Control*)."""


class Missing(HostsimError):
    """What the machine does not have, or does not allow."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """What the kernel counted: periods with work in them, those in which the group ran dry, and for how long [s].

    `time` adds up over CPUs: two CPUs with something to run in a group that stands still count twice.
    """

    periods: int
    throttled: int
    time: float


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where the `cpu` controller is: the folder of its root group, and the version (1 or 2)."""

    root: Path
    version: int


PREFIX = "hostsim"
"""What the names of all our groups begin with; the number of the process that made them is behind it."""


def find(mounts: str | None = None) -> Hierarchy:
    """Find the mounted hierarchy that has the `cpu` controller; `mounts` is the text of /proc/self/mounts.

    Version 1 is looked for first: where both are mounted, a controller is in one of them. Raises Missing.
    """
    lines = [line.split() for line in (_mounts() if mounts is None else mounts).splitlines()]
    for fields in lines:
        if len(fields) > 3 and fields[2] == "cgroup" and "cpu" in fields[3].split(","):
            return Hierarchy(Path(fields[1]), 1)
    for fields in lines:
        if len(fields) > 3 and fields[2] == "cgroup2":
            controllers = Path(fields[1]) / "cgroup.controllers"
            if controllers.is_file() and "cpu" in controllers.read_text("utf-8").split():
                return Hierarchy(Path(fields[1]), 2)
    raise Missing("control groups: no hierarchy with the cpu controller is mounted")


class Groups:
    """Groups below one parent of great weight, so that what else runs on the machine takes little from them.

    A context: the parent is made on entry, and it and all groups are removed at the end. Raises Missing where that
    is not allowed.
    """

    def __init__(self, hierarchy: Hierarchy | None = None) -> None:
        self.hierarchy = find() if hierarchy is None else hierarchy
        self.name = f"{PREFIX}-{os.getpid()}"
        self.parent = self.hierarchy.root / self.name
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        """Make the parent."""
        version = self.hierarchy.version
        try:
            if version == 2:
                _write(self.hierarchy.root / "cgroup.subtree_control", "+cpu")
            self.parent.mkdir()
            self._made.append(self.parent)
            _write(self.parent / ("cpu.shares" if version == 1 else "cpu.weight"), 262144 if version == 1 else 10000)
            if version == 2:
                _write(self.parent / "cgroup.subtree_control", "+cpu")
        except OSError as error:
            self.close()
            raise Missing(
                f"control groups: {error.filename}: {error.strerror} (root, and a writable mount?)"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove everything."""
        self.close()

    def make(self, name: str, weight: float, limit: float | None, burst: float = 0.0) -> Path:
        """Make a group: weight (1: a request of one core), limit [cores], burst [core-s]; return its folder.

        Only ratios of weights matter, as all groups are siblings: the numbers are as large as the files allow for
        requests of up to 6 cores, so that rounding them to whole numbers is below 1 % from 0.01 cores on.
        """
        folder = self.parent / name
        folder.mkdir()
        self._made.append(folder)
        quota = None if limit is None else round(limit * PERIOD * 1e6)
        period = round(PERIOD * 1e6)
        if self.hierarchy.version == 1:
            _write(folder / "cpu.shares", max(2, round(weight * 32768)))
            _write(folder / "cpu.cfs_period_us", period)
            _write(folder / "cpu.cfs_quota_us", -1 if quota is None else quota)
        else:
            _write(folder / "cpu.weight", min(10000, max(1, round(weight * 1600))))
            _write(folder / "cpu.max", f"{'max' if quota is None else quota} {period}")
        if burst:
            _write(
                folder / ("cpu.cfs_burst_us" if self.hierarchy.version == 1 else "cpu.max.burst"), round(burst * 1e6)
            )
        return folder

    def throttling(self, folder: Path) -> Throttling:
        """What the kernel has counted for a group since it was made."""
        counted = dict(line.split() for line in (folder / "cpu.stat").read_text("utf-8").splitlines())
        spent = (
            int(counted["throttled_time"]) / 1e9
            if self.hierarchy.version == 1
            else int(counted["throttled_usec"]) / 1e6
        )
        return Throttling(int(counted["nr_periods"]), int(counted["nr_throttled"]), spent)

    def clear(self) -> None:
        """Remove the groups, not the parent; whoever ran in them has ended."""
        while len(self._made) > 1:
            _remove(self._made.pop())

    def close(self) -> None:
        """Remove the groups and the parent."""
        self.clear()
        while self._made:
            _remove(self._made.pop())


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text("utf-8")
    except OSError as error:
        raise Missing(f"control groups: no /proc/self/mounts ({error.strerror}); Linux only") from error


def hierarchies() -> list[Path]:
    """The root of every mounted hierarchy of control groups, of both versions. Raises Missing."""
    lines = (line.split() for line in _mounts().splitlines())
    return [Path(fields[1]) for fields in lines if len(fields) > 2 and fields[2] in ("cgroup", "cgroup2")]


def sweep(name: str) -> None:
    """Kill what runs in the group `name` of any hierarchy, and in the groups below, and remove them all.

    A runtime makes groups in every hierarchy; it removes its own, not those that lead to it.
    """
    if not name.startswith(f"{PREFIX}-"):
        raise ValueError(f"{name} is not a group of ours")
    for root in hierarchies():
        below = sorted((root / name).rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for folder in (*below, root / name):
            if folder.is_dir():
                _kill(folder)
                _remove(folder)


def sweep_stale() -> None:
    """Remove the groups of processes of ours that are no more: killed, they could not do it themselves."""
    names = {path.name for root in hierarchies() for path in root.glob(f"{PREFIX}-*")}
    for name in names:
        found = re.fullmatch(rf"{PREFIX}-(\d+)", name)
        if found and not Path("/proc", found[1]).exists():
            sweep(name)


def _kill(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for number in (folder / "cgroup.procs").read_text("utf-8").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)


def _write(path: Path, value: object) -> None:
    path.write_text(f"{value}\n", encoding="utf-8")


def _remove(folder: Path) -> None:
    for _ in range(50):  # a process that has just ended may still be listed
        with contextlib.suppress(FileNotFoundError):
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.02)
                continue
        return
