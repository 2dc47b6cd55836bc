"""Numba's cache of one function, as this project uses it: in our folder, whatever the path of the source.

Only this project's functions are kept so: numba's settings, and what others compile in the same process, stay as they
are. A copy of the project elsewhere finds what is there, since numba alone would tell the two apart by their paths.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from sim.engine.compiling.cache import cache_folder

LONGEST_WAIT = 120.0
"""How long a process waits for another that compiles the same, s; then it compiles too."""


class _Place(_CacheLocator):  # type: ignore[misc]  # numba is untyped
    """Where numba keeps a function: the folder of the digest, wherever the source lies."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file = file
        self._name = f"{function.__module__}-{function.__code__.co_firstlineno}"

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Place:
        """The place of a function."""
        return cls(py_func, py_file)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """What makes an entry stale beside the digest: the function's own file, where it is of another room."""
        return hashlib.sha256(Path(self._py_file).read_bytes()).hexdigest()

    def get_disambiguator(self) -> str:
        """What tells functions of one name apart."""
        return self._name


class _Entries(CompileResultCacheImpl):  # type: ignore[misc]  # numba is untyped
    _locator_classes = (_Place,)


class KernelCache(FunctionCache):  # type: ignore[misc]  # numba is untyped
    """The cache of one function. Of several processes that find it empty, one compiles and the others wait for it.

    The lock is held from a search without result to the entry's writing. If compiling fails, it goes with the process.
    """

    _impl_class = _Entries

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._lock = FileLock(cache_folder() / f"{self._impl.filename_base}.lock", timeout=LONGEST_WAIT)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The entry of a signature, or None; then this process is the one to compile it."""
        found = super().load_overload(sig, target_context)
        if found is None:
            with contextlib.suppress(OSError, NotImplementedError):  # no locks on this disk, or waited for too long
                self._lock.acquire()
            found = super().load_overload(sig, target_context)
            if found is not None:
                self._lock.release()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write an entry, for those who wait too."""
        try:
            super().save_overload(sig, data)
        finally:
            self._lock.release()
