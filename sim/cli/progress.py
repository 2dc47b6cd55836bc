"""Progress on standard error: a bar on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sim.experiment.study import Progress

QUIET_FOR = 10.0
"""Seconds between two lines where there is no terminal."""


class Show:
    """Shows how far a study is, inside a `with` statement; this one is silent."""

    def __call__(self, where: Progress) -> None:
        """Show where a study stands."""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing; a bar leaves nothing behind."""


def make(title: str, quiet: bool) -> Show:
    """What fits standard error."""
    if quiet:
        return Show()
    if sys.stderr.isatty():
        return _Bar(title)
    return _Lines(title)


def duration(seconds: float) -> str:
    """A real time as people say it."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class _Lines(Show):
    """A line every ten seconds: what a log file or a pipe can bear."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._last = time.monotonic()

    def __call__(self, where: Progress) -> None:
        now = time.monotonic()
        if now - self._last < QUIET_FOR:
            return
        self._last = now
        parts = [f"{self._title}: {where.done:,}" + ("" if where.total is None else f" of {where.total:,}") + " runs"]
        parts += [where.words] if where.words else []
        parts += [f"about {duration(where.remaining)} left"] if where.remaining else []
        print(", ".join(parts), file=sys.stderr, flush=True)


class _Bar(Show):
    """A bar with the remaining time, drawn by rich."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            console=Console(file=sys.stderr, highlight=False, emoji=False),
            transient=True,
        )
        self._task: Any = self._bar.add_task(title, total=None, words="")

    def __call__(self, where: Progress) -> None:
        left = f"{duration(where.remaining)} left" if where.remaining else ""
        told = " · ".join(part for part in (where.words, left) if part)
        self._bar.update(self._task, completed=where.done, total=where.total, words=told)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
