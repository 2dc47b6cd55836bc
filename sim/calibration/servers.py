"""Runs servers of real threads in control groups: compiles the worker, starts one a group, and reads what it did."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sim.calibration import machine
from sim.calibration.cgroups import Groups, Missing
from sim.calibration.recordings import Group, Job, Repetition

LEAD = 0.3
"""Time between the last server being ready and second 0 [s]: all threads are asleep by then."""


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a group's requests: `start` and `finish` f8[n] [s], NaN for what had not ended in time."""

    start: NDArray[np.float64]
    finish: NDArray[np.float64]


class Runner:
    """A compiled worker and a parent group; a context. Raises Missing where compiler or groups are not to be had."""

    def __init__(self) -> None:
        self.groups = Groups()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Compile, and make the parent group."""
        with self._stack as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hostsim-")))
            self.worker = compile_worker(folder)
            stack.enter_context(self.groups)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove groups and worker."""
        self._stack.close()

    def run(self, jobs: Sequence[Job], cpus: Sequence[int], until: float) -> tuple[list[Served], Repetition]:
        """Serve all jobs side by side on `cpus` until second `until`. Raises RuntimeError if a server fails."""
        before = machine.look(cpus)
        running: list[subprocess.Popen[bytes]] = []
        try:
            folders = [self._make(job.group) for job in jobs]
            for job, folder in zip(jobs, folders, strict=True):
                running.append(self._start(job, folder, cpus))
            for process, job in zip(running, jobs, strict=True):
                _ready(process, job)
            zero = time.monotonic() + LEAD
            for process in running:
                assert process.stdin is not None
                process.stdin.write(struct.pack("=dd", zero, until))
                process.stdin.close()
            served = [_read(process, job) for process, job in zip(running, jobs, strict=True)]
            counted = {job.group.name: self.groups.throttling(folder) for job, folder in zip(jobs, folders, strict=True)
                       if job.group.limit is not None}  # fmt: skip
        finally:
            for process in running:
                _end(process)
            self.groups.clear()
        throttling = {name: {"periods": each.periods, "throttled": each.throttled, "time": round(each.time, 6)}
                      for name, each in counted.items()}  # fmt: skip
        return served, Repetition(throttling, machine.between(before, machine.look(cpus), cpus))

    def _make(self, group: Group) -> Path:
        return self.groups.make(group.name, group.request, group.limit, group.burst)

    def _start(self, job: Job, folder: Path, cpus: Sequence[int]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(self.worker), str(folder / "cgroup.procs"), ",".join(map(str, cpus))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(struct.pack("=qq", job.arrival.size, job.group.threads))
        process.stdin.write(np.concatenate((job.arrival, job.demand)).astype("=f8").tobytes())
        process.stdin.flush()
        return process


def compile_worker(folder: Path) -> Path:
    """Compile worker.c into `folder`. Raises Missing without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Missing("a C compiler: no cc, gcc or clang")
    source = Path(__file__).with_name("worker.c")
    made = folder / "worker"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(made), str(source), "-lpthread", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"a C compiler that works: {done.stderr.strip()}")
    return made


def _ready(process: subprocess.Popen[bytes], job: Job) -> None:
    assert process.stdout is not None
    if process.stdout.read(1) != b"r":
        raise RuntimeError(f"the server of {job.group.name} did not start (status {process.wait()})")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def _read(process: subprocess.Popen[bytes], job: Job) -> Served:
    assert process.stdout is not None
    raw = process.stdout.read()
    n = job.arrival.size
    if process.wait() or len(raw) != 16 * n:
        raise RuntimeError(f"the server of {job.group.name} failed (status {process.returncode})")
    both = np.frombuffer(raw)
    return Served(both[:n], both[n:])


def missing() -> str:
    """What is missing for a measurement here; empty: nothing."""
    try:
        with Runner():
            return ""
    except Missing as what:
        return str(what)
