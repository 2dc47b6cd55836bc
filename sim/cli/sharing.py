"""The arguments of what hands results on and checks them: `report`, `table`, `reproduce`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from .kinds import count, names, whole

Add = Callable[[str, str, str], ArgumentParser]
"""Adds a command: its name, what it does, and more."""


def report(add: Add) -> None:
    """`report DIR…`."""
    parser = add(
        "report", "Write one HTML page of a finished result, whole in itself: it needs no network and no other file.",
        "A result of a run, sweep, density, fit, crossover or why; several runs are put side by side (with -o).\n",
    )  # fmt: skip
    parser.add_argument("folders", nargs="+", metavar="DIR", help="a result folder, such as results/burst")
    parser.add_argument("-o", "--out", metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--trace", action="store_true", help="write DIR/trace.json of a run instead: Perfetto opens it")
    parser.add_argument("--open", action="store_true", help="show it in the browser")


def reproduce(add: Add) -> None:
    """`reproduce DIR`."""
    parser = add(
        "reproduce", "Run again what a result's manifest says, and compare summary.csv byte for byte.",
        "Exit 0: the same bytes; 1: others (the first differences are printed, and which versions are others).\n",
    )  # fmt: skip
    parser.add_argument("folder", metavar="DIR", help="a result of a run, such as results/burst")
    parser.add_argument("--recordings", metavar="DIR", default=".", help="where files of recorded traffic are (here)")
    parser.add_argument("--workers", type=count, metavar="N", help="processes (default: as many as cores, if it pays)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="an existing Dask scheduler")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress; warnings and errors only")


def table(add: Add) -> None:
    """`table [FILE|DIR…]`."""
    parser = add(
        "table", "Run scenarios on the same platforms and print one table of them: Markdown, HTML or LaTeX.",
        "Without a name: scenarios/rows, VM against container. Folders are finished results, which are not run again.\n"
        "What is run is kept in results/table/.\n",
    )  # fmt: skip
    parser.add_argument("given", nargs="*", metavar="FILE|DIR", help="scenario files, or folders of results")
    parser.add_argument("--format", choices=("md", "html", "tex"), help="md, unless FILE ends otherwise")
    parser.add_argument("-o", "--out", metavar="FILE", help="write it there, too")
    parser.add_argument("--platforms", type=_each_once, metavar="A,B", help="columns (vm,container)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE",
                        help="replace a value of every file; may be repeated")  # fmt: skip
    parser.add_argument("--replications", type=count, metavar="N", help="independent repetitions")
    parser.add_argument("--seed", type=whole, metavar="N", help="start of all random numbers")
    parser.add_argument("--workers", type=count, metavar="N", help="processes (default: as many as cores)")
    parser.add_argument("--force", action="store_true", help="run what would take too long, too")
    parser.add_argument("--quiet", action="store_true", help="no progress; warnings and errors only")


def _each_once(text: str) -> list[str]:
    return list(dict.fromkeys(names(text)))
