"""Do two checkouts give the same results? For a change that is meant to move no number.

    python scripts/same_bytes.py OLD NEW [scenario…]

Runs every scenario under scenarios/ (but the sweeps; or those that are named, as in `rows/patch` or `burst.yaml`) on
all platforms of its file with two replications, once from each checkout, and compares `summary.csv` byte for byte and
the parquet files as tables: columns, types, order of rows, values to the last bit. One line a scenario; exit code 1
when anything differs, 2 when the arguments are wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TABLES = ("guests.parquet", "events.parquet", "timeline.parquet", "response.parquet")


def shipped(checkout: Path) -> list[str]:
    """Give the names of a checkout's scenarios, as in "rows/patch.yaml"; sweeps are no scenarios."""
    folder = checkout / "scenarios"
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))
    return sorted(name for name in names if not name.startswith("sweeps/"))


def environment(checkout: Path) -> dict[str, str]:
    """Give the environment in which `import sim` is the checkout's own, whatever is installed."""
    return {**os.environ, "PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0"}


def imported(checkout: Path) -> Path:
    """Give the folder that `import sim` means there; comparing a checkout with itself would prove nothing."""
    command = [sys.executable, "-c", "import sim; print(sim.__file__)"]
    out = subprocess.run(command, cwd=checkout, env=environment(checkout), capture_output=True, text=True, check=True)
    return Path(out.stdout.strip()).resolve().parents[1]


def run(checkout: Path, scenario: str, out: Path, replications: int) -> str:
    """Run one scenario from one checkout into `out`; give what went wrong, or nothing."""
    command = [
        sys.executable, "-m", "sim", f"scenarios/{scenario}", "--no-plots", "--quiet", "--workers", "1",
        "--replications", str(replications), "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=checkout, env=environment(checkout), capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    said = " / ".join(done.stderr.splitlines()[-3:])
    return f"exit {done.returncode}: {said or 'says nothing'}"


def differences(old: Path, new: Path) -> Iterator[str]:
    """Compare two result folders; gives a sentence for each file that differs."""
    if (old / "summary.csv").read_bytes() != (new / "summary.csv").read_bytes():
        before, after = ((folder / "summary.csv").read_text("utf-8").splitlines() for folder in (old, new))
        first = next((a for a in zip(before, after, strict=False) if a[0] != a[1]), ("", ""))
        yield f"summary.csv ({len(before)} and {len(after)} lines; first: {first[0]} | {first[1]})"
    for name in TABLES:
        there = [(folder / name).exists() for folder in (old, new)]
        if there != [True, True]:
            if any(there):
                yield f"{name} (only in {'OLD' if there[0] else 'NEW'})"
            continue
        said = difference(pq.read_table(old / name), pq.read_table(new / name))
        if said:
            yield f"{name} ({said})"


def difference(old: pa.Table, new: pa.Table) -> str:
    """Say where two tables first differ, or nothing. Metadata and how a file is encoded do not count."""
    if not old.schema.equals(new.schema, check_metadata=False):
        only = set(old.schema).symmetric_difference(new.schema)
        return "columns: " + (", ".join(sorted(f"{field.name} {field.type}" for field in only)) or "order")
    if old.num_rows != new.num_rows:
        return f"{old.num_rows} and {new.num_rows} rows"
    for name in old.column_names:
        before, after = (exact(table.column(name)) for table in (old, new))
        if not before.equals(after):
            rows = (row for row, (a, b) in enumerate(zip(before, after, strict=True)) if not a.equals(b))
            row = next(rows)
            return f"{name}, row {row}: {old.column(name)[row]} | {new.column(name)[row]}"
    return ""


def exact(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give floats as their bits: NaN equals itself and −0 is not 0."""
    return column.cast(pa.float64()).combine_chunks().view(pa.int64()) if pa.types.is_floating(column.type) else column


def chosen(names: Sequence[str], there: Sequence[str]) -> list[str]:
    """Find the scenarios that were asked for; raises SystemExit for one that is not there."""
    wanted = [name.removeprefix("scenarios/").removesuffix(".yaml") + ".yaml" for name in names]
    for name in wanted:
        if name not in there:
            raise SystemExit(f"no scenario {name}; there are: {', '.join(there)}")
    return wanted or list(there)


def compare(checkouts: Sequence[Path], names: Sequence[str], replications: int, jobs: int) -> int:
    """Run and compare, a line a scenario; gives how many differ."""
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as folder, ThreadPoolExecutor(jobs) as threads:

        def start(side: int, name: str) -> Future[str]:
            out = Path(folder) / ("old", "new")[side] / name.removesuffix(".yaml")
            return threads.submit(run, checkouts[side], name, out, replications)

        runs = {name: (start(0, name), start(1, name)) for name in names}
        for name, (old, new) in runs.items():
            said = [f"{side} {error}" for side, error in (("OLD", old.result()), ("NEW", new.result())) if error]
            if not said:
                said = list(differences(*(Path(folder) / side / name.removesuffix(".yaml") for side in ("old", "new"))))
            wrong += bool(said)
            print(f"{'DIFFERS' if said else 'same':8}{name}{': ' if said else ''}{'; '.join(said)}", flush=True)
    return wrong


def main() -> int:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD", type=Path, help="a checkout, as it was before")
    parser.add_argument("new", metavar="NEW", type=Path, help="a checkout, as it is now")
    parser.add_argument("scenarios", metavar="scenario", nargs="*", help="only these (default: all that OLD has)")
    parser.add_argument("--replications", type=int, default=2, help="of each scenario (default: 2)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (default: 2)")
    options = parser.parse_args()
    checkouts = [options.old.resolve(), options.new.resolve()]
    for checkout in checkouts:
        if not (checkout / "sim" / "__main__.py").is_file():
            parser.error(f"{checkout} is no checkout of hostsim")
        if imported(checkout) != checkout:
            parser.error(f"in {checkout}, `import sim` means {imported(checkout)}")
    names = chosen(options.scenarios, shipped(checkouts[0]))
    wrong = compare(checkouts, names, options.replications, options.jobs)
    print(f"{wrong} of {len(names)} scenarios differ" if wrong else f"{len(names)} scenarios, the same bytes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
