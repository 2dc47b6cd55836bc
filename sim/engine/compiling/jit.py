"""How the kernel is compiled: numba with this project's settings, its own cache and, where tested, a faster pipeline.

No ``fastmath``: the compiled and the interpreted kernel (``NUMBA_DISABLE_JIT=1``) agree bit for bit. The pipeline and
the cache are subclasses of numba's internals, which change: the first is used with the versions that it was tested
with, and where either fails, numba's own ways take more time and give the same bytes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numba

from sim.engine.compiling.cache import PLAIN, interpreted, writable

F = TypeVar("F", bound=Callable[..., Any])

TESTED = ((0, 60), (0, 68))
"""The oldest and the newest numba that `pipeline` was tested with."""


@cache
def _compilers() -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Options of numba.njit for (entry points, helpers); None: numba's defaults."""
    if os.environ.get(PLAIN) == "1" or not TESTED[0] <= _release(numba.__version__) <= TESTED[1]:
        return None
    try:
        from sim.engine.compiling.pipeline import EntryCompiler, HelperCompiler
    except Exception:  # whatever it is, it is numba that has changed inside
        return None
    called_by_compiled = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return (
        {"_nrt": False, "pipeline_class": EntryCompiler},
        {"_nrt": False, "pipeline_class": HelperCompiler, **called_by_compiled},
    )


def fast() -> bool:
    """Whether `pipeline` is in use, not numba's defaults."""
    return _compilers() is not None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _compiled(function: F, options: dict[str, Any] | None) -> F:
    made: F = numba.njit(error_model="numpy", **(options or {}))(function)
    return made


def njit(function: F) -> F:
    """``numba.njit`` with this project's settings: numpy's division, no fastmath, kept on disk (`cache`)."""
    compilers = _compilers()
    compiled = _compiled(function, compilers and compilers[0])
    if writable() and not interpreted():
        # numba has changed inside: each process compiles, rather than with a cache that may be stale
        with contextlib.suppress(Exception):
            from sim.engine.compiling.kept import KernelCache

            vars(compiled)["_cache"] = KernelCache(function)
    return compiled


def inline(function: F) -> F:
    """A helper of the kernel: compiled into its callers, so it needs no cache entry of its own."""
    compilers = _compilers()
    return _compiled(function, compilers and compilers[1])


def hot(function: F) -> F:
    """An `inline` that each request goes through: compiled into its callers whatever its size, where they are hot too.

    W takes a quarter less so. It costs 6 s of compiling, so what is met now and then is no such.
    """
    compilers = _compilers()
    if compilers:
        from sim.engine.compiling.pipeline import note_hot

        note_hot(function)
    return _compiled(function, compilers and compilers[1])
