"""The compiled kernel on disk: one folder for each state of its source, its libraries and its CPU.

Numba's own cache notices a change of the file that holds a function, not of the functions it calls. Here the folder
carries a digest of every file of the engine: an edit can never meet stale machine code.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding

ROOM = Path(__file__).resolve().parents[1]
NAME = "hostsim_enter"  # the function in the machine code
BROKEN = -1  # what it returns where compiled code has raised an exception
PLAIN = "HOSTSIM_PLAIN_NUMBA"
"""Set to 1, the kernel is compiled with numba's defaults (`jit`)."""


def interpreted() -> bool:
    """Whether the kernel runs as plain Python (``NUMBA_DISABLE_JIT=1``), asked without importing numba."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


@cache
def digest(room: Path = ROOM) -> str:
    """16 hex digits: of all files below `room`, of what compiles them, and of the CPU that they are compiled for."""
    versions = [version(name) for name in ("numba", "llvmlite", "numpy")]
    cpu = (llvmlite.binding.get_process_triple(), llvmlite.binding.get_host_cpu_name(), _features())
    text = hashlib.sha256(repr((versions, cpu, os.environ.get(PLAIN))).encode())
    for source in sorted(room.rglob("*.py")):
        text.update(f"{source.relative_to(room).as_posix()}\n".encode())
        text.update(source.read_bytes())
    return text.hexdigest()[:16]


def _features() -> str:
    try:
        return str(llvmlite.binding.get_host_cpu_features().flatten())
    except RuntimeError:  # LLVM does not know them on every machine
        return ""


def cache_folder() -> Path:
    """Folder of the compiled kernel; ``HOSTSIM_CACHE`` overrides the user's cache folder."""
    root = os.environ.get("HOSTSIM_CACHE")
    if root is None:
        from platformdirs import user_cache_dir

        root = user_cache_dir("hostsim")
    return Path(root) / f"kernel-{digest()}"


@cache
def writable() -> bool:
    """Whether the folder is there to be written; if not, each process compiles in memory."""
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False  # a read-only home
    return os.access(cache_folder(), os.W_OK)


def kernel_file() -> Path:
    """Where the machine code of the kernel is kept."""
    return cache_folder() / "kernel.o"


def is_compiled() -> bool:
    """True when the kernel is on disk already (or runs interpreted): nothing slow is ahead."""
    if interpreted():
        return True
    return writable() and (kernel_file().exists() or (cache_folder() / "complete").exists())


def mark_compiled() -> None:
    """Remember that numba's own cache has the kernel."""
    if writable() and not interpreted():
        (cache_folder() / "complete").touch()
