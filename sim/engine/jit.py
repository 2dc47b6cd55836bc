"""How the kernel is compiled: numba with a disk cache that is keyed by the engine's own source.

Numba's cache notices a change of the file that holds a function, not of the functions it calls, so the cache
folder carries a digest of every file of this room: an edit can never meet stale machine code.
No ``fastmath``: the compiled and the interpreted kernel (``NUMBA_DISABLE_JIT=1``) agree bit for bit.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _digest() -> str:
    import numba
    import numpy

    text = hashlib.sha256(f"{numba.__version__} {numpy.__version__} {platform.machine()}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        text.update(source.read_bytes())
    return text.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of the compiled kernel; ``HOSTSIM_CACHE`` overrides the user's cache folder."""
    root = os.environ.get("HOSTSIM_CACHE")
    if root is None:
        from platformdirs import user_cache_dir

        root = user_cache_dir("hostsim")
    return Path(root) / f"kernel-{_digest()}"


def _use_cache_folder() -> bool:
    import numba

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False  # a read-only home: compile in memory each time rather than fail
    numba.config.CACHE_DIR = str(folder)
    return os.access(folder, os.W_OK)


CACHED = _use_cache_folder()


def njit(function: F) -> F:
    """``numba.njit`` with this project's settings (disk cache, numpy's division, no fastmath)."""
    import numba

    from sim.engine.pipeline import EntryCompiler

    compiled: F = numba.njit(
        cache=CACHED, error_model="numpy", fastmath=False, _nrt=False, pipeline_class=EntryCompiler
    )(function)
    return compiled


def inline(function: F) -> F:
    """A helper of the kernel: compiled into its callers, so it needs no cache entry of its own."""
    import numba

    from sim.engine.pipeline import HelperCompiler

    compiled: F = numba.njit(
        error_model="numpy",
        fastmath=False,
        _nrt=False,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        pipeline_class=HelperCompiler,
    )(function)
    return compiled


def is_compiled() -> bool:
    """True when the kernel is on disk already (or runs interpreted): nothing slow is ahead."""
    import numba

    return bool(numba.config.DISABLE_JIT) or (CACHED and (cache_folder() / "complete").exists())


def mark_compiled() -> None:
    """Remember that every entry point has been compiled into the cache."""
    import numba

    if CACHED and not numba.config.DISABLE_JIT:
        (cache_folder() / "complete").touch()
