"""The command line: arguments, progress, exit codes; the only room that prints.

Exit codes: 0 done; 2 the input is wrong (nothing was run or written); 1 a run failed (what finished is kept);
3 with `--strict`, a doubt says that a number is wrong; 4 with `--check-slo`, an SLO is missed; 130 interrupted, 143
ended by SIGTERM (both keep what finished).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

DONE, FAILED, WRONG_INPUT, DOUBTED, MISSED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 130, 143
DEBUG = "HOSTSIM_DEBUG"
Command: TypeAlias = Callable[[Namespace], int]
"""Carries out a command and returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. No traceback is shown unless HOSTSIM_DEBUG is set."""
    from .arguments import parse

    try:
        options = parse(list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as leaving:  # argparse has printed its help or what is wrong
        return leaving.code if isinstance(leaving.code, int) else WRONG_INPUT
    with _terminated_is_interrupted() as terminated:
        code = _run(options)
    return TERMINATED if terminated and code == INTERRUPTED else code


def _run(options: Namespace) -> int:
    try:
        code = _command(options.command)(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader has had enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        return _explain(error)


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[list[int]]:
    """SIGTERM (of SLURM, Kubernetes, systemd) keeps what has finished, as Ctrl-C does; the list then holds it."""
    came: list[int] = []

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield came  # somebody else's program decides
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _command(name: str) -> Command:
    """The function of a command; only its own module is imported."""
    from importlib import import_module

    from .arguments import COMMANDS

    module, _, function = COMMANDS[name].partition(":")
    found: Command = getattr(import_module(f".{module}", __name__), function)
    return found


def _explain(error: Exception) -> int:
    """Tell what went wrong in plain words: the input's mistakes line by line, anything else in one line."""
    from sim.experiment.study import StudyError
    from sim.reading.errors import HostsimError, ScenarioError
    from sim.registry import PluginError
    from sim.report.folder.writer import ResultsError

    if isinstance(error, ScenarioError):
        print(error, file=sys.stderr)
        count = len(error.problems)
        print(f"{count} mistake{'' if count == 1 else 's'}; nothing was run or written", file=sys.stderr)
        return WRONG_INPUT
    words = " ".join(str(error).split())
    if isinstance(error, HostsimError):
        print(words, file=sys.stderr)
        return WRONG_INPUT if isinstance(error, ResultsError | StudyError | PluginError) else FAILED
    print(f"unexpected error: {type(error).__name__}: {words} ({DEBUG}=1 shows the traceback)", file=sys.stderr)
    return FAILED
