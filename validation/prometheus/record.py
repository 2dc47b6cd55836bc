"""Records the fixture: a server under load, scraped by a real Prometheus, asked for its ranges as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

STAGES: Final = ((12.0, 15.0), (24.0, 20.0), (36.0, 25.0), (18.0, 15.0))
"""Arrival rate (1/s, Poisson, whatever the server does) and length (s) of each stage of the load."""
QUERIES: Final = {
    "cpu.json": "process_cpu_seconds_total",
    "memory.json": "process_resident_memory_bytes",
    "requests.json": "http_requests_total",
    "duration.json": '{__name__=~"http_request_duration_seconds_(bucket|sum|count)"}',
    "info.json": "python_info",
}
"""File → what is asked for it."""
_CONFIG: Final = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def missing() -> str:
    """What is not here to record with; empty if nothing is."""
    programs = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"{' and '.join(programs)} (Debian's package prometheus)" if programs else ""


def record(folder: Path, stages: tuple[tuple[float, float], ...] = STAGES) -> dict[str, Any]:
    """Record into `folder`, one file a query of `QUERIES`; returns what was asked of the load. Takes its length."""
    with tempfile.TemporaryDirectory() as work, _server() as port, _prometheus(Path(work), port) as address:
        time.sleep(8.0)  # it looks for its targets every 5 s; then the first scrapes
        begun = time.time()
        with _first():
            answered, late = _load(port, stages)
        time.sleep(2.5)  # the last scrape
        end = time.time()
        for name, query in QUERIES.items():
            text = _range(address, query, begun - 1.0, end)
            (folder / name).write_text(text, "utf-8")
        command = ["promtool", "query", "-o", "json", "range", f"--start={begun - 1:.0f}", f"--end={end:.0f}",
                   "--step=1s", address, QUERIES["requests.json"]]  # fmt: skip
        told = subprocess.run(command, check=True, capture_output=True, text=True)
        (folder / "requests-promtool.json").write_text(told.stdout, "utf-8")
    return {"stages": stages, "answered": answered, "latest_start_s": late}


def _range(address: str, query: str, start: float, end: float) -> str:
    asked = urllib.parse.urlencode({"query": query, "start": f"{start:.0f}", "end": f"{end:.0f}", "step": "1s"})
    with urllib.request.urlopen(f"{address}/api/v1/query_range?{asked}", timeout=10) as answer:
        return json.dumps(json.load(answer), separators=(",", ":")) + "\n"


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """The server, before all others where that is allowed: another program's noise is not what is measured."""
    first = ["chrt", "-f", "10"] if os.geteuid() == 0 and shutil.which("chrt") else []
    command = [*first, sys.executable, "-m", "validation.prometheus.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextlib.contextmanager
def _first() -> Iterator[None]:
    """This process before others, for the moments of its requests; as it is where that is not allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def _prometheus(work: Path, port: int) -> Iterator[str]:
    (work / "prometheus.yml").write_text(_CONFIG.format(port=port), "utf-8")
    own = _free_port()
    command = ["prometheus", f"--config.file={work / 'prometheus.yml'}", f"--storage.tsdb.path={work / 'data'}",
               f"--web.listen-address=127.0.0.1:{own}", "--log.level=error"]  # fmt: skip
    with subprocess.Popen(command) as process:
        try:
            address = f"http://127.0.0.1:{own}"
            _wait(f"{address}/-/ready")
            yield address
        finally:
            process.terminate()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, most: float = 20.0) -> None:
    until = time.monotonic() + most
    while True:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _load(port: int, stages: tuple[tuple[float, float], ...]) -> tuple[int, float]:
    """Ask at Poisson moments, each in a thread of its own; returns the answers, and how late a request was sent, s."""
    chance, moments, end = random.Random(7), [], 0.0
    for rate, length in stages:
        moment, end = end + chance.expovariate(rate), end + length
        while moment < end:
            moments.append(moment)
            moment += chance.expovariate(rate)
    answered: list[int] = []

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/work", timeout=30) as answer:
            answered.append(answer.status)

    begun, late, threads = time.monotonic(), 0.0, []
    for moment in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        late = max(late, time.monotonic() - begun - moment)
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return len(answered), late
