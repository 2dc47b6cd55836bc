"""Kill a sweep again and again (SIGKILL to the parent, a worker, the scheduler), go on, and compare the bytes.

    python tests/experiment/kill_trials.py [TRIALS] [SEED]

Each trial: a sweep is started in a process of its own, something is killed at a random moment, the sweep is started
again until it is complete, and its table must equal that of a sweep that nothing disturbed. Prints a line a trial;
exit code 1 if any table differs or anything that a killed sweep had started is left behind.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from experiment_fakes import Fake, fixed_code, quick, slow  # noqa: E402 (the path must be set first)

from sim.experiment import sweep as settings  # noqa: E402
from sim.experiment.executor import DaskExecutor, ExecutorError, SerialExecutor  # noqa: E402
from sim.experiment.sweep import Plan, run_plan  # noqa: E402

POINTS = 30
EARLIEST = 0.5  # s after the start: before the first worker is there
GIVE_UP = 60.0  # s, for one process to end by itself


def plan() -> Plan:
    return Plan("kill", [{"x": x} for x in range(POINTS)], lambda i: Fake({"x": i}), ("vm", "container"), 2)


def sweep(out: Path, scheduler: str | None) -> int:
    """What the process that gets killed does."""
    settings.FLUSH_SECONDS = 0.2  # many parts, many renames to be killed in
    try:
        with DaskExecutor(workers=2, scheduler=scheduler) as executor:
            run_plan(plan(), out, executor=executor, evaluate=slow, fingerprint=fixed_code)
    except ExecutorError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def start(out: Path, scheduler: str | None = None) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, __file__, "--sweep", str(out), *([scheduler] if scheduler else [])]
    return subprocess.Popen(arguments, stderr=subprocess.DEVNULL)


def descendants(root: int) -> list[int]:
    """Process ids of everything that `root` started, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def local_workers(parent: int) -> list[int]:
    """The worker processes of a local cluster (spawned by multiprocessing, unlike its resource tracker)."""
    found = []
    for pid in descendants(parent):
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@contextlib.contextmanager
def cluster(folder: Path):
    """A separately started scheduler and two workers on loopback: (its file, the scheduler's process)."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    path = os.pathsep.join([str(HERE), str(HERE.parent.parent)])
    options = {"env": {**os.environ, "PYTHONPATH": path}, "stderr": subprocess.DEVNULL, "cwd": folder}
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [*dask, "worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--death-timeout", "30"]
    processes = [subprocess.Popen([*scheduler, "--scheduler-file", str(file)], **options)]
    try:
        while not file.exists():
            time.sleep(0.05)
        processes += [subprocess.Popen([*worker, "--scheduler-file", str(file)], **options) for _ in range(2)]
        yield str(file), processes[0]
    finally:
        for process in processes:
            process.kill()  # a worker's own child sees its parent go, and goes too
        for process in processes:
            process.wait()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def gone(pids: list[int], within: float = 10.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


def disturb(target: str, out: Path, folder: Path, moment: float, rng: random.Random) -> str:
    """Start the sweep, kill the target `moment` s later; returns what happened."""
    if target == "scheduler":
        with cluster(folder) as (file, scheduler):
            parent = start(out, file)
            time.sleep(moment)
            kill(scheduler.pid)
            code = parent.wait(GIVE_UP)
    else:
        parent = start(out)
        time.sleep(moment)
        started = descendants(parent.pid)
        workers = local_workers(parent.pid)
        victim = parent.pid if target == "parent" or not workers else rng.choice(workers)
        kill(victim)
        code = parent.wait(GIVE_UP)
        if victim == parent.pid and not gone(started):
            return f"at {moment:.1f} s, LEFT BEHIND {started}"
    parts = len(list((out / "parts").glob("*.parquet"))) if out.exists() else 0
    return f"at {moment:.1f} s, exit {code}, {parts} parts"


def trial(target: str, folder: Path, latest: float, rng: random.Random, wanted: bytes) -> tuple[bool, str]:
    out = folder / "sweep"
    shutil.rmtree(out, ignore_errors=True)
    happened = disturb(target, out, folder, rng.uniform(EARLIEST, latest), rng)
    if target == "scheduler":
        with cluster(folder) as (file, _):
            code = start(out, file).wait(GIVE_UP)
    else:
        code = start(out).wait(GIVE_UP)
    table = out / "table.parquet"
    same = code == 0 and table.read_bytes() == wanted and "LEFT" not in happened
    return same, happened


def table_of_one_process(folder: Path) -> bytes:
    with SerialExecutor() as executor:
        result = run_plan(plan(), folder / "whole", executor=executor, evaluate=quick, fingerprint=fixed_code)
    return result.table.read_bytes()


def time_undisturbed(folder: Path) -> float:
    """How long the sweep takes on a local cluster when nobody is killed, s."""
    started = time.monotonic()
    start(folder / "timed").wait(GIVE_UP)
    return time.monotonic() - started


def main(trials: int, seed: int) -> int:
    rng = random.Random(seed)
    targets = ("parent", "worker", "scheduler")
    good = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, latest = table_of_one_process(folder), time_undisturbed(folder)
        for number in range(trials):
            target = targets[number % len(targets)]
            same, happened = trial(target, folder, latest, rng, wanted)
            good += same
            print(f"{number + 1:3} {target:9} {happened}: {'identical' if same else 'DIFFERENT'}", flush=True)
    print(f"{good} of {trials} identical")
    return 0 if good == trials else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sweep"]:
        sys.exit(sweep(Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
