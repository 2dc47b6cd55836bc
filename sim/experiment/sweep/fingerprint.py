"""What a run's numbers depend on beside its scenario: code, libraries that compute, plug-ins; all in one hash."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sim.registry import packages, scripts

PACKAGE = Path(__file__).resolve().parents[2]
WITHOUT = ("cli", "report/figures")
"""Folders of `sim/` that no run's numbers depend on. All else counts, so that no new or moved file is forgotten."""
LIBRARIES = ("numpy", "numba", "pandas", "pyarrow", "simpy")


def code_fingerprint(package: Path = PACKAGE) -> str:
    """Hash (32 hex digits) of the code, the catalogue, the libraries and all plug-ins.

    Results of different ones never mix. Raises FileNotFoundError when a folder of `WITHOUT` is not there,
    PackageNotFoundError for a missing library.
    """
    digest = _own_fingerprint(package)
    return hashlib.sha256("\n".join([digest, *more]).encode()).hexdigest()[:32] if (more := scripts()) else digest


@cache
def _own_fingerprint(package: Path) -> str:
    versions = {name: version(name) for name in LIBRARIES}
    python = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(f"{python} {versions} {packages()}\n".encode())
    outside = [package / name for name in WITHOUT]
    if missing := [str(folder) for folder in outside if not folder.is_dir()]:
        raise FileNotFoundError(f"not there, but left out of the fingerprint: {', '.join(missing)}")
    for file in sorted(package.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and not any(map(file.is_relative_to, outside)):
            digest.update(f"{file.relative_to(package).as_posix()} {file.stat().st_size}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:32]
