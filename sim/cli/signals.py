"""Ctrl-C and SIGTERM: while nothing has been begun the program just ends; after that what has finished is kept.

Imports take a second or more, and Python cannot say where in them an interruption came: it would show a traceback.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import NoReturn

INTERRUPTED, TERMINATED = 130, 143
_KINDS = (signal.SIGINT, signal.SIGTERM)
_came: list[int] = []
_ours = False


def begin() -> None:
    """The command line has begun in a process of its own: until `keep`, a signal ends it at once."""
    global _ours
    _ours = threading.current_thread() is threading.main_thread()
    if _ours:
        for kind in _KINDS:
            signal.signal(kind, _leave)


def keep() -> None:
    """From here on a signal is a KeyboardInterrupt, so that what has finished can be kept; a second one ends it."""
    if _ours:
        for kind in _KINDS:
            signal.signal(kind, _interrupt)


def end() -> None:
    """All is done: nothing is left to interrupt."""
    if _ours:
        for kind in _KINDS:
            signal.signal(kind, signal.SIG_IGN)


def came() -> int | None:
    """The exit code that a signal asks for; None as long as none has come."""
    if not _came:
        return None
    return TERMINATED if _came[0] == signal.SIGTERM else INTERRUPTED


def _leave(number: int, _: object) -> NoReturn:
    os.write(2, b"interrupted\n")
    os._exit(TERMINATED if number == signal.SIGTERM else INTERRUPTED)


def _interrupt(number: int, frame: object) -> None:
    if _came:
        _leave(number, frame)
    _came.append(number)
    raise KeyboardInterrupt
