"""Progress on standard error: a bar on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sim.experiment.study import Progress

    Show: TypeAlias = Callable[[Progress], None]

QUIET_FOR = 10.0
"""Seconds between two lines where there is no terminal."""


@contextlib.contextmanager
def make(title: str, quiet: bool) -> Iterator[Show]:
    """What shows where a study stands, as it fits standard error; a bar leaves nothing behind."""
    if quiet:
        yield lambda where: None
    elif sys.stderr.isatty():
        with _bar(title) as show:
            yield show
    else:
        yield _lines(title)


def duration(seconds: float) -> str:
    """A real time as people say it."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _lines(title: str) -> Show:
    """A line every ten seconds: what a log file or a pipe can bear."""
    last = time.monotonic()

    def show(where: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < QUIET_FOR:
            return
        last = time.monotonic()
        parts = [f"{title}: {where.done:,}" + ("" if where.total is None else f" of {where.total:,}") + " runs"]
        parts += [where.words] if where.words else []
        parts += [f"about {duration(where.remaining)} left"] if where.remaining else []
        print(", ".join(parts), file=sys.stderr, flush=True)

    return show


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Show]:
    """A bar with the remaining time, drawn by rich."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Drawn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}")
    console = Console(file=sys.stderr, highlight=False, emoji=False)
    with Drawn(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, words="")

        def show(where: Progress) -> None:
            left = f"{duration(where.remaining)} left" if where.remaining else ""
            told = " · ".join(part for part in (where.words, left) if part)
            bar.update(task, completed=where.done, total=where.total, words=told)

        yield show
