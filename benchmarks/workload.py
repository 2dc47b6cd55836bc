"""The work W that every simulator is given, and what every driver has in common.

W: one host of 16 cores; 64 guests of one vCPU that serve one request at a time, first come first served;
Poisson arrivals of 224/s in all, each routed to a guest chosen uniformly; exponential demand of mean 50 ms of
one core. Load = 224/s · 0.05 s / 16 = 0.7. The rate in all stays the same when the number of guests is varied.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import sys
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

BATCHES = 20  # batch means for the standard error; 20 is the customary compromise of length against number


@dataclass(frozen=True)
class Work:
    """The workload; times in s, rates in 1/s."""

    guests: int = 64
    requests: int = 100_000
    seed: int = 1
    cores: int = 16
    rate: float = 224.0
    mean_demand: float = 0.05

    @property
    def guest_rate(self) -> float:
        """Arrivals at one guest, 1/s."""
        return self.rate / self.guests


class Tally:
    """Response times as the sums of 20 batches: constant memory, so that memory measures the simulator."""

    def __init__(self, requests: int) -> None:
        self.count = 0
        self._size = max(1, requests // BATCHES)
        self._sum = 0.0
        self._left = self._size
        self._batches = array("d")
        self._total = 0.0

    def add(self, response: float) -> None:
        """Count one completed request whose response time was `response` s."""
        self._sum += response
        self._left -= 1
        if not self._left:
            self._flush(self._size)

    def _flush(self, size: int) -> None:
        self._total += self._sum
        self.count += size
        if size == self._size:
            self._batches.append(self._sum / size)
        self._sum, self._left = 0.0, self._size

    def close(self) -> None:
        """Count the last, shorter batch in the mean (it is left out of the standard error)."""
        if self._left < self._size:
            self._flush(self._size - self._left)

    @property
    def mean(self) -> float:
        """Mean response time, s."""
        return self._total / self.count

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean by batch means, s; None with fewer than two whole batches."""
        n = len(self._batches)
        if n < 2:
            return None
        mean = sum(self._batches) / n
        return math.sqrt(sum((b - mean) ** 2 for b in self._batches) / (n - 1) / n)


@dataclass(frozen=True)
class Measurement:
    """What a driver prints: one JSON line. Seconds and bytes."""

    peer: str
    variant: str
    version: str
    guests: int
    requests: int
    wall_s: float
    mean_response_s: float
    se_response_s: float | None
    peak_rss_bytes: int
    guests_peak: float | None = None

    def emit(self) -> None:
        """Print the line."""
        print(json.dumps(asdict(self)), flush=True)


def peak_rss() -> int:
    """Most resident memory of this process so far, bytes.

    VmHWM rather than getrusage: on Linux ru_maxrss of a child starts from what its parent held at the exec.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def arguments() -> argparse.ArgumentParser:
    """The arguments of every driver."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", required=True)
    parser.add_argument("--guests", type=int, default=Work.guests)
    parser.add_argument("--requests", type=int, default=Work.requests)
    parser.add_argument("--seed", type=int, default=Work.seed)
    return parser


Variant = Callable[[Work, Tally], None]


def drive(peer: str, version: str, variants: Mapping[str, Variant]) -> None:
    """Run one variant of a Python peer on W; the clock covers building the model and running it, not imports."""
    options = arguments().parse_args()
    work = Work(options.guests, options.requests, options.seed)
    random.seed(work.seed)
    tally = Tally(work.requests)
    start = time.perf_counter()
    variants[options.variant](work, tally)
    wall = time.perf_counter() - start
    tally.close()
    Measurement(
        peer=peer,
        variant=options.variant,
        version=version,
        guests=work.guests,
        requests=tally.count,
        wall_s=wall,
        mean_response_s=tally.mean,
        se_response_s=tally.standard_error,
        peak_rss_bytes=peak_rss(),
    ).emit()
