"""A small server whose requests take CPU, wait as for a database, and take CPU again: laws known, all measured.

It counts as a Python server with Prometheus's client library does: requests, a histogram of their durations, and the
CPU seconds and resident memory of the process, in the text format (https://prometheus.io/docs/instrumenting/
exposition_formats). One process, a thread a request: CPython runs one of them at a time.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

CPU_FIRST, WAIT, CPU_LAST = 0.010, 0.012, 0.003
"""Means in s: exponential CPU, exponential wait, constant CPU."""
BOUNDS: Final = (
    0.005, 0.010, 0.015, 0.020, 0.025, 0.030, 0.035, 0.040, 0.050, 0.060, 0.070, 0.080, 0.090, 0.100,
    0.120, 0.140, 0.160, 0.200, 0.250, 0.300, 0.400, 0.500, 0.750, 1.0,
)  # fmt: skip
"""Upper bounds of the histogram's buckets, s."""


class Counted:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests, self.seconds = 0, 0.0
        self.buckets = [0] * len(BOUNDS)

    def add(self, seconds: float) -> None:
        """Count one request."""
        with self.lock:
            self.requests += 1
            self.seconds += seconds
            for index, bound in enumerate(BOUNDS):
                self.buckets[index] += seconds <= bound

    def text(self) -> str:
        """The page that Prometheus reads."""
        with self.lock:
            rows = [f'http_request_duration_seconds_bucket{{le="{bound:g}"}} {count}'
                    for bound, count in zip(BOUNDS, self.buckets, strict=True)]  # fmt: skip
            rows += [f'http_request_duration_seconds_bucket{{le="+Inf"}} {self.requests}',
                     f"http_request_duration_seconds_sum {self.seconds!r}",
                     f"http_request_duration_seconds_count {self.requests}",
                     f'http_requests_total{{code="200",handler="/work"}} {self.requests}']  # fmt: skip
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        rows += [f"process_cpu_seconds_total {time.process_time()!r}",
                 f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}",
                 'python_info{implementation="CPython",major="3"} 1']  # fmt: skip
        return "\n".join(rows) + "\n"


def spin(seconds: float) -> None:
    """Use so much CPU time of this thread, however long that takes by the clock."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


class Handler(BaseHTTPRequestHandler):
    """Serves /work and /metrics."""

    counted: Counted
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/metrics":
            self._answer(self.counted.text().encode())
            return
        begun = time.perf_counter()
        spin(random.expovariate(1 / CPU_FIRST))
        time.sleep(random.expovariate(1 / WAIT))
        spin(CPU_LAST)
        self._answer(b"done")
        self.counted.add(time.perf_counter() - begun)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main() -> None:
    """Serve on a free port of loopback, which is printed."""
    sys.setswitchinterval(0.001)  # threads share the CPU more evenly than with 5 ms
    random.seed(1)
    Handler.counted = Counted()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
