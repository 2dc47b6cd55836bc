"""The place of a result: one process at a time writes to it, and what it writes is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sim.reading.errors import HostsimError


class ResultsError(HostsimError):
    """A result folder that cannot be written or read; the text says which and why."""


class Held:
    """The lock on a result's place, a hidden file beside it; the system frees it when the process dies.

    Raises ResultsError when another process has it, or when nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock, Timeout

        self._path = folder.parent / f".{folder.name}.lock"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            while True:
                self._lock = FileLock(self._path)
                self._lock.acquire(timeout=0)
                if self._is_there():
                    return
                self._lock.release()  # it was removed by the one that had it, between our opening and locking it
        except Timeout:
            text = "another process is writing a result there; wait for it, or give another --out"
            raise ResultsError(f"{folder}: {text}") from None
        except OSError as error:
            raise ResultsError(f"{folder}: cannot be written ({error.strerror}); give another --out") from error

    def _is_there(self) -> bool:
        """Whether the file that is locked is the one of that name."""
        descriptor = getattr(getattr(self._lock, "_context", None), "lock_file_fd", None)
        if descriptor is None:
            return True
        try:
            return os.stat(self._path).st_ino == os.fstat(descriptor).st_ino
        except OSError:
            return False

    def release(self) -> None:
        """Let others write; the file goes, as long as it is surely ours."""
        if self._lock.is_locked:
            if os.name != "nt":
                with contextlib.suppress(OSError):
                    self._path.unlink()
            self._lock.release()


@contextlib.contextmanager
def held(folder: Path | None) -> Iterator[None]:
    """Hold a result's place (None: nothing is written) while what belongs there is made."""
    lock = None if folder is None else Held(folder.resolve())
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A new folder to write into, put in the place of `folder` when all is there; else everything is as it was."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True) as name:
        work, old = Path(name) / "whole", Path(name) / "old"
        work.mkdir()
        yield work
        put(work, folder, old)


def put(work: Path, folder: Path, old: Path) -> None:
    """Put `work` in the place of `folder`, which goes only after that (by way of `old`). Raises OSError, and undoes."""
    if os.path.ismount(folder):  # a container's volume: it cannot be renamed, and nothing can take its place
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        shutil.copytree(work, folder, dirs_exist_ok=True)
        return
    if replaced := folder.exists():
        folder.rename(old)
    try:
        work.rename(folder)
    except OSError:
        if replaced:
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
