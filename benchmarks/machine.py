"""What the machine is, for the record of a result: no host name, no user, no paths."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("hostsim", "simpy", "salabim", "ciw", "numpy", "numba", "pandas", "pyarrow")


def describe() -> dict[str, object]:
    """CPU model, cores, memory (bytes), operating system, Python, compiler and package versions."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": _compiler(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _compiler() -> str | None:
    program = shutil.which("g++")
    if program is None:
        return None
    version = subprocess.run([program, "-dumpfullversion"], capture_output=True, text=True, check=False)
    return f"g++ {version.stdout.strip()}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
