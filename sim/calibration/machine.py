"""What the machine is, and what else it did while something was measured: no host name, no user, no paths."""

from __future__ import annotations

import os
import platform
import re
import resource
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


def describe(version: int) -> dict[str, object]:
    """The machine for the record of a measurement; `version` is that of its control groups."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "kernel": re.match(r"[\d.]*", platform.release())[0],  # type: ignore[index]  # the pattern fits everything
        "preemption": "dynamic" if "PREEMPT_DYNAMIC" in platform.version() else "",
        "cpu": _first("/proc/cpuinfo", r"model name\s*:\s*(.*)"),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "cgroup": version,
        "slice_us": _first("/proc/sys/kernel/sched_cfs_bandwidth_slice_us", r"(\d+)"),
        "virtual": "hypervisor" in _first("/proc/cpuinfo", r"(flags\s*:.*)").split(),
    }


def allowed() -> list[int]:
    """Numbers of the CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def cpus() -> int:
    """How many CPUs this process may use."""
    return len(allowed())


def _first(path: str, pattern: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text("utf-8"))
    except OSError:
        return ""
    return found[1].strip() if found else ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Counters at a moment [core-s]: `busy` and `steal` of some CPUs, and `own`, what our ended children have used."""

    time: float
    busy: float
    steal: float
    own: float


def look(cpus: Collection[int]) -> Moment:
    """Read the counters of `cpus` now (/proc/stat; proc_stat(5))."""
    tick = os.sysconf("SC_CLK_TCK")
    busy = steal = 0.0
    for line in Path("/proc/stat").read_text("utf-8").splitlines():
        found = re.match(r"cpu(\d+) (.*)", line)
        if found and int(found[1]) in cpus:
            user, nice, system, _, _, irq, softirq, stolen = (int(field) / tick for field in found[2].split()[:8])
            busy += user + nice + system + irq + softirq
            steal += stolen
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Moment(time.monotonic(), busy, steal, used.ru_utime + used.ru_stime)


def between(before: Moment, after: Moment, cpus: Collection[int]) -> dict[str, float]:
    """What others did on `cpus` between two moments: shares of these CPUs' time, and the load average now."""
    span = (after.time - before.time) * len(cpus)
    own = after.own - before.own
    return {
        "background": round(max(0.0, after.busy - before.busy - own) / span, 4),
        "steal": round((after.steal - before.steal) / span, 4),
        "load": round(os.getloadavg()[0], 2),
    }
