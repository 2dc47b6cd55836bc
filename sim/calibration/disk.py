"""The disk below the temporary files, and the unpacking of a layer: real files, real tar and gzip."""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import resource
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.calibration.cgroups import Missing

BLOCK: Final = 4096
_CHUNK: Final = 4 << 20
_READS: Final = 2000
_LAYER: Final = 64 << 20
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Disk:
    """Sequential `read` and `write` [B/s] past the page cache; of random reads of 4 KiB, one at a time, over `reads`:

    median `latency` [s] without CPU, with quartiles, and `work` [core-s], system time of one.
    """

    read: float
    write: float
    latency: float
    low: float
    high: float
    work: float
    reads: int
    size: int


@dataclass(frozen=True, slots=True)
class Unpacking:
    """A layer of `size` bytes in `files` files, unpacked by tar and gzip: `rate` [B/s on disk], `work` [core-s/B]."""

    size: int
    files: int
    rate: float
    work: float


def measure_disk(megabytes: int) -> Disk:
    """Write, read and read at random a file of this size. Raises Missing where there is no real disk or no O_DIRECT."""
    size = megabytes << 20
    with tempfile.TemporaryDirectory(prefix="hostsim-", dir=_folder(2 * size)) as folder:
        path = Path(folder) / "file"
        try:
            with _opened(path, os.O_WRONLY | os.O_CREAT) as file:
                write = _written(file, size)
            with _opened(path, os.O_RDONLY) as file:
                read = _read(file, size)
                took, work = _at_random(file, size)
        except OSError as error:
            raise Missing(f"disk: it cannot be used past the page cache ({error.strerror})") from error
    middle = took[len(took) // 2]
    return Disk(read, write, max(0.0, middle - work), max(0.0, took[len(took) // 4] - work),
                max(0.0, took[3 * len(took) // 4] - work), work, len(took), size)  # fmt: skip


def _folder(room: int) -> str:
    """A temporary folder on a real disk with so much room."""
    for folder in (tempfile.gettempdir(), "/var/tmp"):
        with contextlib.suppress(OSError):
            kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
            if kind not in _MEMORY and shutil.disk_usage(folder).free > 2 * room:
                return folder
    raise Missing(f"disk: no temporary folder on a disk with {2 * room >> 20} MiB free")


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A file descriptor, closed at the end."""
    file = os.open(path, flags | os.O_DIRECT, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _written(file: int, size: int) -> float:
    """Write `size` bytes, and wait until the disk has them; B/s."""
    with mmap.mmap(-1, _CHUNK) as buffer:  # aligned, as O_DIRECT wants it
        buffer[:] = random.Random(1).randbytes(_CHUNK)
        began = time.perf_counter()
        for _ in range(size // _CHUNK):
            os.write(file, buffer)
        os.fsync(file)
        return size / (time.perf_counter() - began)


def _read(file: int, size: int) -> float:
    with mmap.mmap(-1, _CHUNK) as buffer:
        began = time.perf_counter()
        for at in range(0, size, _CHUNK):
            os.preadv(file, [buffer], at)
        return size / (time.perf_counter() - began)


def _at_random(file: int, size: int) -> tuple[list[float], float]:
    """How long each random read of BLOCK took, ascending [s], and the mean system time of one [core-s]."""
    draw, took = random.Random(2), []
    with mmap.mmap(-1, BLOCK) as buffer:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_stime
        for _ in range(_READS):
            at = draw.randrange(size // BLOCK) * BLOCK
            began = time.perf_counter()
            os.preadv(file, [buffer], at)
            took.append(time.perf_counter() - began)
        work = (resource.getrusage(resource.RUSAGE_SELF).ru_stime - before) / _READS
    return sorted(took), work


def tools() -> None:
    """Raises Missing without tar and gzip."""
    lacking = [name for name in ("tar", "gzip") if shutil.which(name) is None]
    if lacking:
        raise Missing(f"unpack: no {', '.join(lacking)} (apt-get install {' '.join(lacking)})")


def measure_unpacking(most: int = _LAYER) -> Unpacking:
    """Pack real files of this machine's /usr into a layer, and unpack it, `sync` included. Raises Missing."""
    tools()
    with tempfile.TemporaryDirectory(prefix="hostsim-", dir=_folder(3 * most)) as folder:
        layer, target = Path(folder) / "layer.tar.gz", Path(folder) / "target"
        size, files = _pack(layer, most)
        target.mkdir()
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(["tar", "-xzf", str(layer), "-C", str(target)], capture_output=True, text=True)
        file = os.open(target, os.O_RDONLY)
        try:
            if done.returncode:
                raise Missing(f"unpack: tar failed ({done.stderr.strip().splitlines()[-1:]})")
            os.fsync(file)
        finally:
            os.close(file)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Unpacking(size, files, size / wall, used / size)


def _pack(layer: Path, most: int) -> tuple[int, int]:
    size = files = 0
    with tarfile.open(layer, "w:gz", compresslevel=6) as archive:
        for root in ("/usr/bin", "/usr/lib", "/usr/share"):
            for path in sorted(Path(root).rglob("*")):
                if size >= most:
                    break
                if path.is_symlink() or not path.is_file() or path.stat().st_size > most // 4:
                    continue
                archive.add(path, arcname=f"files/{files}", recursive=False)
                size, files = size + path.stat().st_size, files + 1
    if not files:
        raise Missing("unpack: no files in /usr to make a layer of")
    return size, files
