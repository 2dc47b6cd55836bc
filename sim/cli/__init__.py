"""The command line: arguments, progress, exit codes; the only room that prints.

Exit codes: 0 done; 2 the input is wrong (nothing was run or written); 1 a run failed (what finished is kept);
3 with `--strict`, a doubt says that a number is wrong; 4 with `--check-slo`, an SLO is missed; 130 interrupted, 143
ended by SIGTERM (both keep what finished).
"""

from __future__ import annotations

import errno
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TypeAlias

from . import signals

DONE, FAILED, WRONG_INPUT, DOUBTED, MISSED, INTERRUPTED = 0, 1, 2, 3, 4, signals.INTERRUPTED
DEBUG = "HOSTSIM_DEBUG"
_PREPARED = ("run", "sweep", "fit", "density", "crossover", "why", "scorecard")
"""Commands that say themselves when their work begins (`common.at_work`)."""
_ADVICE = {
    errno.ENOSPC: "the disk is full; free some",
    errno.EDQUOT: "the quota is used up; free some",
    errno.EROFS: "nothing can be written there; give another --out",
    errno.EACCES: "nothing may be written there; give another --out",
    errno.EPERM: "nothing may be written there; give another --out",
    errno.ENOENT: "the folder is gone; make it",
    errno.EMFILE: "too many files are open; raise `ulimit -n`",
    errno.EIO: "the disk fails; give another --out",
}
Command: TypeAlias = Callable[[Namespace], int]
"""Carries out a command and returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. No traceback is shown unless HOSTSIM_DEBUG is set."""
    from .arguments import parse

    if arguments is None:
        signals.begin()
    try:
        options = parse(list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as leaving:  # argparse has printed its help or what is wrong
        return leaving.code if isinstance(leaving.code, int) else WRONG_INPUT
    if options.command not in _PREPARED:
        signals.keep()
    code = _run(options)
    signals.end()
    return (signals.came() or code) if code == INTERRUPTED else code


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
        if signals.came():  # an import that it broke off says something else
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        if os.environ.get(DEBUG):
            raise
        return _explain(error)


def _of_the_machine(error: OSError | MemoryError) -> str:
    """What the machine lacks, and what to do about it."""
    kept = "what had finished before, and every earlier result, is as it was"
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}): a smaller question, or fewer --workers; {kept}"
    words = " ".join(str(error).split())
    number = error.errno or next((each for each in _ADVICE if f"[Errno {each}]" in words), None)
    told = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else words
    advice = _ADVICE.get(number or 0, "see what is wrong there, or give another --out")
    return f"{told}: {advice}, and give the command again; {kept}"


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
    if isinstance(error, OSError | MemoryError):
        print(_of_the_machine(error), file=sys.stderr)
        return FAILED
    print(f"unexpected error: {type(error).__name__}: {words} ({DEBUG}=1 shows the traceback)", file=sys.stderr)
    return FAILED
