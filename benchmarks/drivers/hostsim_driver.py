"""This simulator on W and the other cases of benchmarks/cases.py, in-process (`api`) or as a `command`.

`api` times load_scenario and run, after a small run that imports and compiles everything; `command` times
the whole process, its start, imports and files included, as a user waits for it.
Exit code 3 with a reason on standard error means that it cannot run here.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cases
from benchmarks.workload import Measurement, Work, arguments, peak_rss

CANNOT = 3


@dataclass(frozen=True)
class Answer:
    """What a run said: mean response (s) of all services, completed requests, most guests at once."""

    mean: float
    completed: int
    guests_peak: float | None


class CommandError(Exception):
    """The command failed; the text is the last line that it said."""


def in_process(scenario: Path, warm: Path) -> tuple[float, Answer]:
    """(wall s, answer) of one run through the public API."""
    import sim

    sim.run(sim.load_scenario(warm, replications=1))
    start = time.perf_counter()
    result = sim.run(sim.load_scenario(scenario, replications=1))
    wall = time.perf_counter() - start
    return wall, read(result.summary.to_dict("records"))


def as_command(scenario: Path, out: Path) -> tuple[float, Answer]:
    """The same by `python -m sim`; the wall time is that of the whole process. Raises CommandError."""
    command = [sys.executable, "-m", "sim", str(scenario), "--out", str(out), "--no-plots", "--quiet"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - start
    if done.returncode:
        raise CommandError((done.stderr.strip().splitlines() or ["no message"])[-1])
    with (out / "summary.csv").open(newline="") as file:
        return wall, read(csv.DictReader(file))


def read(rows: Iterable[Mapping[str, object]]) -> Answer:
    """The answer from the rows of summary.csv."""
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        values.setdefault(str(row["metric"]), {})[str(row["service"])] = float(str(row["value"]))
    completed, response = values.get("requests.completed", {}), values.get("response.mean", {})
    services = [name for name in completed if name != "all"] or list(completed)
    total = sum(completed[name] for name in services)
    waited = sum(response[name] * completed[name] for name in services if name in response)
    return Answer(waited / total if total else 0.0, int(total), values.get("guests.peak", {}).get("all"))


def main() -> int:
    parser = arguments()
    parser.add_argument("--case", default="w", choices=sorted(cases.CASES))
    options = parser.parse_args()
    work = Work(options.guests, options.requests, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        scenario, warm = here / "scenario.yaml", here / "warm.yaml"
        scenario.write_text(json.dumps(cases.build(options.case, work)))
        warm.write_text(json.dumps(cases.build(options.case, Work(min(work.guests, 64), 2000, work.seed))))
        try:
            version = _version()
            if options.variant == "api":
                wall, answer = in_process(scenario, warm)
                memory = peak_rss()
            else:
                wall, answer = as_command(scenario, here / "out")
                memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        except (ImportError, AttributeError, CommandError) as reason:
            print(f"hostsim cannot run here: {reason}", file=sys.stderr)
            return CANNOT
    Measurement(
        peer="hostsim",
        variant=options.variant,
        version=version,
        guests=options.guests,
        requests=answer.completed,
        wall_s=wall,
        mean_response_s=answer.mean,
        se_response_s=None,
        peak_rss_bytes=memory,
        guests_peak=answer.guests_peak,
    ).emit()
    return 0


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("hostsim")
    except metadata.PackageNotFoundError:
        return "source tree"


if __name__ == "__main__":
    sys.exit(main())
