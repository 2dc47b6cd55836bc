"""Real starts, some at once: how long each took, and the CPU work that the kernel counted for it."""

from __future__ import annotations

import contextlib
import csv
import os
import select
import signal
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sim.calibration import machine
from sim.calibration.cgroups import Groups
from sim.calibration.runtimes import Starter, last_line
from sim.reading.errors import HostsimError

COLUMNS = ("runtime", "k", "rep", "i", "latency", "utime", "stime", "rc", "wall", "busy", "steal", "load")
_WAITING = 'echo 0 2>/dev/null >"$0"; read -r go; exec "$@" </dev/null >/dev/null'
_SETTLED = 0.1
"""s for the shells to come to their waiting, and between two batches."""


class CalibrationError(HostsimError):
    """What was to be measured went wrong, or a file of measurements cannot be used."""


@dataclass(frozen=True, slots=True)
class Start:
    """The start number `i` of `k` at once, in repetition `rep`: `latency` from the common signal to its end [s].

    `work`: user and system time of the command and its children [core-s].
    """

    k: int
    rep: int
    i: int
    latency: float
    utime: float
    stime: float

    @property
    def work(self) -> float:
        """CPU work, core-s."""
        return self.utime + self.stime


@dataclass(frozen=True, slots=True)
class Batch:
    """Starts at once, and what the whole machine did meanwhile: `wall` [s]; `busy`, `steal` [core-s]; `load`."""

    starts: tuple[Start, ...]
    wall: float
    busy: float
    steal: float
    load: float

    def others(self, cpus: int) -> float:
        """Share of the CPUs' time that went neither to the starts nor idle."""
        own = sum(start.work for start in self.starts)
        return max(0.0, self.busy + self.steal - own) / (self.wall * cpus)


def storm(starter: Starter, groups: Groups, k: int, rep: int, idle: float = 0.0) -> Batch:
    """Start `k` containers at once and wait until all have ended. Raises CalibrationError if one fails.

    Shells wait for the signal and become the runtime's command then; what they have used before is taken off. Where a
    daemon does the work, each start has its part of what all CPUs did, less `idle`, cores busy with something else.
    """
    commands = [starter.command(f"s{k}-{rep}-{i}") for i in range(k)]
    procs = groups.make("commands", k / 32, None) / "cgroup.procs"  # to containers beside it as one of them to each
    waiting: dict[int, int] = {}
    with tempfile.TemporaryFile() as said:
        try:
            go = _launch(commands, str(procs) if starter.grouped else os.devnull, said, waiting)
            with os.fdopen(go, "wb", buffering=0) as signal_to_go:
                time.sleep(_SETTLED)
                used = {pid: _used(pid) for pid in waiting}
                cpus = machine.allowed()
                before = machine.look(cpus)
                began = time.monotonic()
                signal_to_go.write(b"\n" * k)
                ended = _wait(waiting, starter.patience)
            wall = time.monotonic() - began
            after = machine.look(cpus)
        finally:
            for pid in waiting:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            groups.clear()
        _check(ended.values(), starter, said)
    starts = [Start(k, rep, i, at - began, *_less(user, system, used[pid]))
              for pid, (i, at, user, system, _) in sorted(ended.items(), key=lambda each: each[1])]  # fmt: skip
    if not starter.grouped:
        each = max(0.0, after.busy - before.busy - idle * wall) / k
        starts = [Start(k, rep, start.i, start.latency, each, 0.0) for start in starts]
    return Batch(tuple(starts), wall, after.busy - before.busy, after.steal - before.steal, os.getloadavg()[0])


_Ended = tuple[int, float, float, float, int]  # number, when [s], user and system time [core-s], status


def _launch(commands: Sequence[list[str]], procs: str, said: IO[bytes], waiting: dict[int, int]) -> int:
    """Start the waiting shells, noting pid → number; return the file descriptor that lets them go."""
    reading, writing = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        for i, command in enumerate(commands):
            pid = os.posix_spawn(
                "/bin/sh", ["sh", "-c", _WAITING, procs, *command], dict(os.environ), file_actions=actions, setpgroup=0
            )
            waiting[pid] = i
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return writing


def _used(pid: int) -> float:
    """CPU that a process has used so far, core-s (proc_pid_schedstat(5)); 0 where the kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("utf-8").split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _less(user: float, system: float, used: float) -> tuple[float, float]:
    """User and system time without the shell's."""
    return max(0.0, user - used), max(0.0, system - max(0.0, used - user))


def _wait(waiting: dict[int, int], patience: float) -> dict[int, _Ended]:
    """Wait for all, in the order in which they end; those that are still waited for stay in `waiting`."""
    poll, of = select.poll(), {}
    try:
        for pid in waiting:
            descriptor = os.pidfd_open(pid)
            of[descriptor] = pid
            poll.register(descriptor, select.POLLIN)
        ended: dict[int, _Ended] = {}
        while waiting:
            ready = poll.poll(patience * 1000)
            now = time.monotonic()
            if not ready:
                raise CalibrationError(f"{len(waiting)} starts have not ended after {patience:.0f} s")
            for descriptor, _ in ready:
                pid = of[descriptor]
                poll.unregister(descriptor)
                _, status, used = os.wait4(pid, 0)
                ended[pid] = (waiting.pop(pid), now, used.ru_utime, used.ru_stime, status)
        return ended
    finally:
        for descriptor in of:
            os.close(descriptor)


def _check(ended: Iterable[_Ended], starter: Starter, said: IO[bytes]) -> None:
    failed = sum(status != 0 for *_, status in ended)
    if failed:
        said.seek(0)
        raise CalibrationError(
            f"{starter.name}: {failed} starts failed: {last_line(said.read().decode(errors='replace'))}"
        )


def write_rows(path: Path, runtime: str, batches: Iterable[Batch]) -> None:
    """Write a row a start, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for batch in batches:
                shared = (f"{batch.wall:.6f}", f"{batch.busy:.2f}", f"{batch.steal:.2f}", f"{batch.load:.2f}")
                for each in batch.starts:
                    own = (f"{value:.6f}" for value in (each.latency, each.utime, each.stime))
                    table.writerow((runtime, each.k, each.rep, each.i, *own, 0, *shared))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_rows(path: Path, runtime: str) -> list[Batch]:
    """The batches of a table with a row a start: `k`, `latency`, `utime`, `stime`, and of COLUMNS what there is.

    Of several runtimes that of the name is taken; rows with an `rc` other than 0 failed and are left out. A column
    `net` (another way of starting) splits a table: its first value counts. Raises CalibrationError with all mistakes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.DictReader(file), 2)]
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{path}: cannot be read ({error})") from error
    rows = [(number, row) for number, row in rows if row.get("runtime", runtime) == runtime]
    if not rows:
        raise CalibrationError(f"{path}: no starts of {runtime} in it")
    first = rows[0][1].get("net")
    parts: dict[tuple[int, int], list[Start]] = {}
    shared: dict[tuple[int, int], tuple[float, ...]] = {}
    wrong: list[str] = []
    for number, row in rows:
        if row.get("net") != first or row.get("rc", "0") != "0":
            continue
        try:
            start = Start(
                int(row["k"]), int(row.get("rep") or number), int(row.get("i") or 0),
                *(_seconds(row[name]) for name in ("latency", "utime", "stime")),
            )  # fmt: skip
        except (KeyError, ValueError, TypeError) as error:
            missing = f"no column {error}" if isinstance(error, KeyError) else str(error)
            wrong.append(f"{path}:{number}: {missing}")
            continue
        parts.setdefault((start.k, start.rep), []).append(start)
        row.setdefault("load", row.get("load1"))
        shared[start.k, start.rep] = tuple(float(row.get(name) or 0) for name in ("wall", "busy", "steal", "load"))
    if wrong:
        raise CalibrationError("; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""))
    return [_read_batch(starts, *shared[key]) for key, starts in parts.items()]


def _read_batch(starts: list[Start], wall: float, busy: float, steal: float, load: float) -> Batch:
    return Batch(tuple(starts), wall or max(start.latency for start in starts), busy, steal, load)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e6:
        raise ValueError(f"{text!r} is no time in s")
    return value
