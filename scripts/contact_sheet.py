"""Draw every figure that the project makes, on one page, for whoever looks next.

    python scripts/contact_sheet.py [OUT] [--quick] [--only WORD …]

Runs every scenario under scenarios/, every sweep, a comparison, densities, crossovers, a sensitivity analysis and the
notebooks; writes OUT/index.html (default: build/contact-sheet) with all pictures, in colour and beside it as a printer
without colour gives them. `--quick`: one replication each (of searches a few) and no notebooks; `--only`: what has one
of the words in its name. What fails is named at the end, with exit code 1; the others are drawn all the same.
"""

from __future__ import annotations

import argparse
import base64
import html
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sim

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "scenarios"
RATE = "services.api.traffic.constant-arrival-rate.rate"
Job = Callable[..., object]


def jobs(quick: bool) -> Iterator[tuple[str, Job]]:
    """Name → what leaves pictures in the folder `out`."""
    few: dict[str, Any] = {"replications": 1} if quick else {}
    some: dict[str, Any] = {"replications": 3} if quick else {}
    for file in sorted([*SCENARIOS.glob("*.yaml"), *SCENARIOS.glob("rows/*.yaml")]):
        name = file.relative_to(SCENARIOS).with_suffix("").as_posix()
        yield name, partial(sim.run, file, plots=True, overwrite=True, **few)
    yield "compare", partial(compare, **few)
    sweeping: dict[str, Any] = {"workers": 1, "plots": True, "overwrite": True}
    for file in sorted(SCENARIOS.glob("sweeps/*.yaml")):
        yield f"sweeps/{file.stem}", partial(sim.sweep, file, **sweeping, **few)
    yield "sensitivity", partial(sim.sensitivity, SCENARIOS / "sweeps/assumptions.yaml", "morris", size=4, **sweeping)
    steady, burst, many = (SCENARIOS / f"{name}.yaml" for name in ("steady", "burst", "density"))
    load: dict[str, Any] = {"unit": "/s", "plots": True}
    yield "density-load", partial(sim.density, steady, RATE, start=20, stop=200, step=20, **load, **some)
    small = ["duration=1min", "services.small.replicas=1", "services.small.tenants=1"]
    tenants = partial(sim.density, many, "services.small.tenants", stop=200, overrides=small, plots=True)
    yield "density-tenants", partial(tenants, **some)
    most = partial(sim.crossover, burst, "services.shop.autoscale.min", 2, 8, whole=True, plots=True)
    yield "crossover", partial(most, overrides=["cpu_overcommit=4"], platforms=["vm", "container"], **some)
    yield "crossover-load", partial(sim.crossover, steady, RATE, 60, 220, **load, **some)
    if not quick:
        for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
            yield f"notebooks/{file.stem}", partial(notebook, file)


def compare(out: Path, **how: Any) -> None:
    """Compare burst.yaml with itself on a host of 64 cores."""
    made = []
    for name, overrides in (("burst", []), ("burst-64", ["host.cores=64"])):
        scenario = sim.load_scenario(SCENARIOS / "burst.yaml", overrides=overrides)
        made.append(sim.run(scenario, out=out / name, overwrite=True, **how))
    sim.compare(made, out=out / "compare", plots=True)


def notebook(file: Path, out: Path) -> None:
    """Execute a notebook and keep the pictures that it shows."""
    import nbformat
    from nbclient import NotebookClient

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    read = nbformat.reads(file.read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(read, timeout=900, resources={"metadata": {"path": str(ROOT)}}).execute()
    out.mkdir(parents=True, exist_ok=True)
    shown = (output["data"] for cell in read.cells for output in cell.get("outputs", ()) if "data" in output)
    for number, data in enumerate((each for each in shown if "image/png" in each), 1):
        (out / f"picture-{number}.png").write_bytes(base64.b64decode(data["image/png"]))


def page(out: Path) -> int:
    """Write index.html with all pictures under `out`; gives how many there are."""
    style = "body{font:14px sans-serif} img{width:49%;vertical-align:top} .print{filter:grayscale(1)}"
    parts = [f'<!doctype html><meta charset="utf-8"><title>All figures</title><style>{style}</style>']
    pictures = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    for name in map(html.escape, pictures):
        parts.append(f'<h2>{name}</h2><p><img src="{name}"> <img class="print" src="{name}"></p>')
    (out / "index.html").write_text("\n".join(parts) + "\n", encoding="utf-8")
    return len(pictures)


def main() -> int:
    """Draw what is asked for; gives the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "build" / "contact-sheet")
    parser.add_argument("--quick", action="store_true", help="one replication each (of searches a few), no notebooks")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="what has one of the words in its name")
    asked = parser.parse_args()
    out = asked.out.resolve()
    failed: list[str] = []
    for name, draw in jobs(asked.quick):
        if not any(word in name for word in asked.only):
            continue
        began = time.perf_counter()
        try:
            draw(out=out / name)
        except Exception:  # one that fails must not hide the others
            traceback.print_exc()
            failed.append(name)
        print(f"{time.perf_counter() - began:6.1f} s  {name}", file=sys.stderr)
    print(f"{page(out)} figures: {out / 'index.html'}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
