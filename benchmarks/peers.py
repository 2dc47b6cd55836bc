"""The peers: what each variant simulates, which theory it answers to, and how it is started."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"
SOURCE = HERE / "drivers" / "simgrid_guests.cpp"


@dataclass(frozen=True)
class Peer:
    """One variant of one simulator; `model` names its theory in theory.py, `needs` what it imports."""

    name: str
    variant: str
    model: str
    driver: str
    needs: str
    about: str

    @property
    def label(self) -> str:
        """Name for tables, e.g. `simpy/resource`."""
        return f"{self.name}/{self.variant}"

    def command(self, guests: int, requests: int, seed: int) -> list[str]:
        """The command line that runs it once."""
        program = [sys.executable, "-m", f"benchmarks.drivers.{self.driver}"]
        if self.name == "simgrid":
            program = [str(BUILD / self.driver)]
        sizes = ["--guests", str(guests), "--requests", str(requests), "--seed", str(seed)]
        return [*program, "--variant", self.variant, *sizes]

    def missing(self) -> str | None:
        """Why this peer cannot run here, or None. Builds the SimGrid driver when it can."""
        if self.name == "simgrid":
            return build_simgrid()
        if importlib.util.find_spec(self.needs) is None:
            return f"the package {self.needs} is not installed"
        return None


REFERENCE = "hostsim/api"
PEERS = (
    Peer("hostsim", "api", "shared", "hostsim_driver", "sim", "this simulator, in-process"),
    Peer("hostsim", "command", "shared", "hostsim_driver", "sim", "the whole command, imports too"),
    Peer("simpy", "resource", "isolated", "simpy_resource", "simpy", "Resource per guest, no contention"),
    Peer("simpy", "sharing", "shared", "simpy_sharing", "simpy", "naive processor sharing"),
    Peer("salabim", "resource", "isolated", "salabim_guests", "salabim", "Resource per guest, no contention"),
    Peer("salabim", "server", "isolated", "salabim_guests", "salabim", "server per guest, no contention"),
    Peer("salabim", "sharing", "shared", "salabim_guests", "salabim", "naive processor sharing"),
    Peer("ciw", "nodes", "isolated", "ciw_nodes", "ciw", "node per guest, no contention"),
    Peer("ciw", "servers", "pooled", "ciw_nodes", "ciw", "one node of 16 servers, no guests"),
    Peer("ciw", "sharing", "pooled", "ciw_nodes", "ciw", "one sharing node, no guests"),
    Peer("simgrid", "vm", "shared", "simgrid_guests", "", "C++, a VM per guest on the host"),
    Peer("simgrid", "tasks", "shared", "simgrid_guests", "", "C++, tasks of guests on the host"),
)


def select(only: str | None) -> list[Peer]:
    """The peers named by `only` (peers or peer/variant, by commas). Raises ValueError for an unknown name."""
    if not only:
        return list(PEERS)
    wanted = [part.strip() for part in only.split(",") if part.strip()]
    known = {peer.name for peer in PEERS} | {peer.label for peer in PEERS}
    if unknown := [name for name in wanted if name not in known]:
        known_labels = ", ".join(peer.label for peer in PEERS)
        raise ValueError(f"no such peer: {', '.join(unknown)} (there are {known_labels})")
    return [peer for peer in PEERS if peer.name in wanted or peer.label in wanted]


def build_simgrid() -> str | None:
    """Build the SimGrid driver if it is older than its source; returns the reason when it cannot be built."""
    target = BUILD / "simgrid_guests"
    if target.exists() and target.stat().st_mtime >= SOURCE.stat().st_mtime:
        return None
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return "no C++ compiler (g++ or clang++)"
    BUILD.mkdir(exist_ok=True)
    flags = ["-O2", "-std=c++17", "-Wall", "-o", str(target), str(SOURCE), "-lsimgrid"]
    built = subprocess.run([compiler, *flags], capture_output=True, text=True, check=False)
    if built.returncode == 0:
        return None
    if "simgrid/s4u.hpp" in built.stderr and "No such file" in built.stderr:
        return "SimGrid is not installed (apt-get install libsimgrid-dev)"
    first = next((line for line in built.stderr.splitlines() if "error" in line), "see the compiler")
    return f"its driver does not compile: {first.rsplit('error:', 1)[-1].strip()}"
