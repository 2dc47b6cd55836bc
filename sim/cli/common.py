"""What several commands share: a file that must be there, a study's options, the first compilation, exit codes."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import DONE, DOUBTED, progress, signals
from .arguments import COMMANDS

if TYPE_CHECKING:
    from sim.experiment.workers.executor import Executor
    from sim.scenario import Options
    from sim.terms.doubts import Doubt


def check_is_file(file: str) -> None:
    """Refuse (StudyError) a word that is neither a file nor a command, with the nearest command."""
    from sim.experiment.study import StudyError
    from sim.reading.errors import nearest

    near = nearest(file, COMMANDS)
    if not Path(file).exists() and near is not None and Path(file).suffix == "":
        raise StudyError(f"{file}: no such file, and no command; did you mean {near}?")


def given(options: Namespace) -> Options:
    """What the command line replaces of a file."""
    return {
        "overrides": options.overrides,
        "platforms": options.platforms,
        "replications": options.replications,
        "seed": options.seed,
        "force": options.force,
    }


@contextlib.contextmanager
def at_work(
    title: str, options: Namespace, scheduler: str | None = None, *, runs: int | None = None
) -> Iterator[tuple[Executor, progress.Show]]:
    """The workers of a study (see `executor_for`), and what shows where it stands; the kernel is compiled by then."""
    from sim.experiment.workers.choice import executor_for

    warm_up(options.quiet)
    signals.keep()
    executor = executor_for(options.workers, scheduler, runs=runs)
    with executor, progress.make(title, options.quiet) as show:
        yield executor, show


def warm_up(quiet: bool) -> None:
    """Compile the kernel if that was never done on this machine, and say so: it takes a while."""
    from sim.model import compiled

    if compiled.is_compiled():
        return
    if not quiet:
        print("compiling the kernel once (10 to 15 s) …", file=sys.stderr, flush=True)
    compiled.warm_up()


def judged(options: Namespace, doubts: Iterable[Doubt]) -> int:
    """The exit code of what is done, by what `--strict` asks of it."""
    return DOUBTED if options.strict and any(each.severity == "wrong" for each in doubts) else DONE


def shown(path: Path) -> str:
    """A folder or file as the user would type it."""
    end = "/" if path.is_dir() else ""
    try:
        return f"{path.resolve().relative_to(Path.cwd())}{end}"
    except ValueError:
        return f"{path}{end}"
