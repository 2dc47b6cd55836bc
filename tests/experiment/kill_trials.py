"""Kill a sweep again and again (SIGKILL to the parent, a worker, the scheduler), go on, and compare the bytes.

    python tests/experiment/kill_trials.py [--trials 20] [--seed 1]

Each trial: a sweep of a small scenario is started from the command line in a process of its own, something is killed
at a random moment, the same command is given again, and its table must equal that of a sweep that nothing disturbed.
Every file that the killed one left under its own name must be whole. Prints a line a trial; exit code 1 if a table
differs, a file is torn, or anything that a killed sweep had started is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

EARLIEST = 0.5  # s after the start: before the first worker is there
GIVE_UP = 120.0  # s, for one process to end by itself
BASE = """\
name: small
seed: 1
duration: 60s
warmup: 10s
host: {cores: 4, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [vm, container]
services:
  api:
    image: {vm: 1GB, container: 100MB, cached: true}
    memory: {base: 100MiB}
    request_cpu: {exponential: {mean: 10ms}}
    slo: {p99: 1s}
    size: {cpu: 1, memory: 512MiB}
    replicas: 2
    traffic: {constant-arrival-rate: {rate: 20/s}}
"""
SWEEP = """\
base: small.yaml
name: kill
axes:
  services.api.traffic.constant-arrival-rate.rate: [20/s, 30/s, 40/s, 50/s, 60/s, 70/s]
  services.api.request_cpu.exponential.mean: [5ms, 7ms, 9ms, 11ms]
replications: 2
"""


def sweep(arguments: list[str]) -> int:
    """What the process that gets killed does: the command line, only that it writes more often."""
    from sim.cli import main as command_line
    from sim.experiment.sweep import session as settings

    settings.FLUSH_SECONDS = 0.2  # many parts, many renames to be killed in
    return command_line(arguments)


def files(folder: Path) -> Path:
    """The sweep file, with its base beside it."""
    (folder / "small.yaml").write_text(BASE, "utf-8")
    (folder / "kill.yaml").write_text(SWEEP, "utf-8")
    return folder / "kill.yaml"


def command(out: Path, scheduler: str | None = None, workers: int = 2) -> list[str]:
    """The command line of the sweep whose file lies beside `out`."""
    where = ["--scheduler", scheduler] if scheduler else ["--workers", str(workers)]
    file = str(out.parent / "kill.yaml")
    return [sys.executable, __file__, "--sweep", "sweep", file, "--out", str(out), "--no-plots", "--quiet", *where]


def start(out: Path, scheduler: str | None = None) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command(out, scheduler), **quiet)


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
    """The worker processes: forked by the server that multiprocessing started for it."""
    found = []
    for pid in descendants(parent):
        with contextlib.suppress(OSError):
            if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return sorted(found)[1:]  # the first is the server itself


@contextlib.contextmanager
def cluster(folder: Path):
    """A separately started scheduler and two workers on loopback: (its file, the scheduler's process)."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    options = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stderr": subprocess.DEVNULL, "cwd": folder}
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


def torn(out: Path) -> list[str]:
    """Files under their own names that cannot be read."""
    import pyarrow.parquet as pq

    bad = []
    for path in [*out.glob("parts/*.parquet"), *out.glob("*.parquet"), *out.glob("manifest.json")]:
        try:
            json.loads(path.read_text("utf-8")) if path.suffix == ".json" else pq.read_table(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
            bad.append(f"{path.name}: {error}")
    return bad + [path.name for path in out.glob("parts/*.unreadable")]


def disturb(target: str, out: Path, moment: float, rng: random.Random) -> tuple[bool, str]:
    """Start the sweep, kill the target `moment` s later; returns whether what is left is in order, and a word."""
    left: list[int] = []
    if target == "scheduler":
        with cluster(out.parent) as (file, scheduler):
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
        left = started if victim == parent.pid and not gone(started) else []
    parts, bad = len(list(out.glob("parts/*.parquet"))), torn(out)
    told = f"at {moment:4.1f} s, exit {code:3}, {parts:2} parts"
    return not left and not bad, told + (f", LEFT BEHIND {left}" if left else "") + (f", TORN {bad}" if bad else "")


def trial(target: str, out: Path, latest: float, rng: random.Random, wanted: bytes) -> tuple[bool, str]:
    shutil.rmtree(out, ignore_errors=True)
    fine, happened = disturb(target, out, rng.uniform(EARLIEST, latest), rng)
    if target == "scheduler":
        with cluster(out.parent) as (file, _):
            code = start(out, file).wait(GIVE_UP)
    else:
        code = start(out).wait(GIVE_UP)
    table = out / "table.parquet"
    return fine and code == 0 and table.read_bytes() == wanted and not torn(out), happened


def undisturbed(folder: Path) -> bytes:
    """The table of one process that nobody kills."""
    files(folder)
    subprocess.run(command(folder / "whole", workers=1), check=True, capture_output=True)
    return (folder / "whole" / "table.parquet").read_bytes()


def time_undisturbed(folder: Path) -> float:
    """How long the sweep takes in two processes when nobody is killed, s."""
    started = time.monotonic()
    start(folder / "timed").wait(GIVE_UP)
    return time.monotonic() - started


def main(trials: int, seed: int) -> int:
    rng = random.Random(seed)
    targets = ("parent", "worker", "scheduler")
    good = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, latest = undisturbed(folder), time_undisturbed(folder)
        for number in range(trials):
            target = targets[number % len(targets)]
            same, happened = trial(target, folder / "sweep", latest, rng, wanted)
            good += same
            print(f"{number + 1:3} {target:9} {happened}: {'identical' if same else 'NOT AS ASKED'}", flush=True)
    print(f"{good} of {trials} identical")
    return 0 if good == trials else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sweep"]:
        sys.exit(sweep(sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(main(options.trials, options.seed))
