"""The arguments of what hands results on: `report`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

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
    parser.add_argument("--open", action="store_true", help="show it in the browser")
