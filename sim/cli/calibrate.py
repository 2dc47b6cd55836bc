"""`calibrate`: this machine's own numbers, how well they predict, and a platform file from them."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DONE, FAILED
from .common import shown, warm_up

if TYPE_CHECKING:
    from sim.calibration.study import Found


def command(options: Namespace) -> int:
    """Measure, fit, predict, print; write the platform's file last, and only when it is whole."""
    from sim.calibration import machine, study

    if options.check:
        return _check(options)
    parts = _parts(options)
    path = Path(options.out)
    _check_paths(path, options)
    warm_up(options.quiet)
    if options.rows_from:
        from sim.calibration.storm import read_rows

        rows = read_rows(Path(options.rows_from), options.runtime)
        found = study.from_rows(rows, options.runtime, options.cpus or machine.cpus())
    else:
        found = study.calibrate(
            options.runtime, parts, quick=options.quick, kernel=options.kernel, say=_saying(options.quiet)
        )
    if options.rows and found.batches:
        from sim.calibration.storm import write_rows

        write_rows(Path(options.rows), found.runtime, found.batches)
    measured = found.model or found.disk or found.unpacking
    if measured:
        from sim.calibration.platform_file import write

        write(found, path)
    if found.boots is not None:
        from sim.calibration.platform_file import write

        write(found.boots, _of_boots(path))
    if options.format == "json":
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print(found)
    if measured:
        print(f"written: {shown(path)}", file=sys.stderr if options.format == "json" else sys.stdout)
    if found.boots is not None:
        print(f"written: {shown(_of_boots(path))}", file=sys.stderr if options.format == "json" else sys.stdout)
    return DONE if measured or found.limits or found.boots else FAILED


def _of_boots(path: Path) -> Path:
    """The file of boots beside that of containers: my-host-vm.yaml beside my-host.yaml."""
    return path.with_name(f"{path.stem}-vm{path.suffix}")


def _saying(quiet: bool) -> Any:
    """A line on standard error every few seconds."""
    last = 0.0

    def say(line: str) -> None:
        nonlocal last
        if not quiet and time.monotonic() - last > 3.0:
            last = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    return say


def _parts(options: Namespace) -> tuple[str, ...]:
    from sim.calibration.study import PARTS
    from sim.experiment.study import StudyError

    unknown = [name for name in options.only or () if name not in PARTS]
    if unknown:
        raise StudyError(f"--only {','.join(unknown)}: no such part; there are {', '.join(PARTS)}")
    return tuple(part for part in PARTS if not options.only or part in options.only)


def _check_paths(path: Path, options: Namespace) -> None:
    """Refuse what could not be written at the end."""
    from sim.experiment.study import StudyError

    wrong = [] if path.suffix in (".yaml", ".yml") else [f"-o {path}: a file that ends in .yaml"]
    for name, each in (("-o", path), ("--rows", Path(options.rows) if options.rows else path)):
        if not each.parent.is_dir() or each.is_dir():
            wrong.append(f"{name} {each}: not a file in a folder that is there")
    for each in (path, *([_of_boots(path)] if "boots" in _parts(options) and not options.rows_from else [])):
        if each.exists() and not options.overwrite:
            wrong.append(f"-o {each}: is there already; --overwrite replaces it")
    if wrong:
        raise StudyError("; ".join(dict.fromkeys(wrong)))


def _check(options: Namespace) -> int:
    """Say what is missing here, part by part."""
    from sim.calibration.study import check

    lacking = check(options.runtime, options.kernel)
    for part, why in lacking.items():
        print(f"{part}: {f'missing: {why}' if why else 'can be measured'}")
    return FAILED if any(lacking.values()) else DONE


def _print(found: Found) -> None:
    from sim.report.text.terminal import make_console

    console = make_console(sys.stdout)
    console.print(found.measured_on[0].upper() + found.measured_on[1:] + ".", soft_wrap=True)
    if found.model is not None:
        _print_starts(found, console)
    if found.boots is not None:
        _print_starts(found.boots, console)
    if found.unpacking is not None:
        each = found.unpacking
        console.print(
            f"\nUnpacking (gzip, tar): {each.rate / 1e6:.0f} MB/s as on disk, {each.work * 1e9:.1f} core-s a GB "
            f"({each.size / 1e6:.0f} MB in {each.files} files)", soft_wrap=True,
        )  # fmt: skip
    if found.disk is not None:
        disk = found.disk
        console.print(
            f"\nDisk: read {disk.read / 1e6:.0f} MB/s, write {disk.write / 1e6:.0f} MB/s (for a scenario's host.disk); "
            f"a random read of 4 KiB takes {disk.latency * 1e6:.0f} µs and {disk.work * 1e6:.1f} µs of CPU",
            soft_wrap=True,
        )  # fmt: skip
    if found.limits:
        _print_limits(found, console)
    for part, why in found.left_out.items():
        console.print(f"\nNot measured: {part}: {why}", soft_wrap=True)


def _print_starts(found: Found, console: Any) -> None:
    model = found.model
    assert model is not None
    what = f"Boots with {found.accelerator}, {found.runtime}" if found.accelerator else f"Starts with {found.runtime}"
    console.print(f"\n{what} {found.version}".rstrip(), style="bold")
    rows: list[tuple[str, ...]] = [
        (str(line.k), str(line.n), _ms(line.measured), f"{_ms(line.low)} to {_ms(line.high)}", _ms(line.predicted),
         f"{line.off:+.1%}", _ms(line.work), f"{line.others:.0%}", "fitted" if line.fitted else "kept aside")
        for line in found.lines
    ]  # fmt: skip
    console.print(
        _table(("at once", "n", "p50", "95 %", "predicted", "error", "CPU work", "others", ""), rows, left=(8,))
    )
    lock = f", {model.lock:.0%} of it under a lock" if model.lock else ""
    turns = f" in {model.pieces} turns" if model.pieces > 1 else ""
    what = "boot" if found.accelerator else "start"
    told = f"A {what}: {_ms(model.work)} of CPU work and {_ms(model.wait)} of waiting{lock}{turns}"
    console.print(f"{told}; it misses what it was fitted to by {found.error:.0%} (root mean square).", soft_wrap=True)
    for doubt in found.doubts:
        console.print(f"doubt: {doubt}", style="yellow", soft_wrap=True)
    console.print(found.verdict, style="bold", soft_wrap=True)


def _print_limits(found: Found, console: Any) -> None:
    console.print("\nLimits and weights: mean response time of real servers, and as predicted", style="bold")
    rows: list[tuple[str, ...]] = [
        (each.case, each.group, str(each.requests), _ms(each.measured), _ms(each.predicted), f"{each.off:+.1%}",
         f"{each.others:.0%}")
        for each in found.limits
    ]  # fmt: skip
    heads = ("case (one CPU)", "group", "requests", "mean", "predicted", "error", "others")
    console.print(_table(heads, rows, left=(0, 1)))


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]], left: tuple[int, ...]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number in left else "right", no_wrap=number not in left)
    for row in rows:
        table.add_row(*row)
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1.0 else f"{seconds:.2f} s"
