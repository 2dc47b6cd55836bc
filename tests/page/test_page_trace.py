"""The trace is in Chrome's format, and says what the tables say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from math import isnan, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

import sim
from page.conftest import SMALL
from sim.cli import main
from sim.report.results import Results
from sim.report.trace import trace_of

SECOND = 1e6


def wrong(event: Mapping[str, Any]) -> str:
    """What the format does not allow in an event; empty for none."""
    if event["ph"] not in ("M", "X", "C", "i"):
        return "ph"
    if not isinstance(event["ts"], int | float) or event["ts"] < 0:
        return "ts"
    if not all(isinstance(event[key], int) for key in ("pid", "tid")) or not isinstance(event["name"], str):
        return "pid, tid, name"
    if event["ph"] == "X" and not event["dur"] >= 0:
        return "dur"
    if event["ph"] == "i" and event["s"] not in ("t", "p", "g"):
        return "s"
    if event["ph"] == "C" and not all(isinstance(each, int | float) for each in event["args"].values()):
        return "args of a counter"
    return ""


def check(trace: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its events, which are right one by one, nest on every thread, and have names for all threads and processes."""
    trace = json.loads(json.dumps(trace, allow_nan=False))
    events: list[Mapping[str, Any]] = trace["traceEvents"]
    assert not [(wrong(event), event) for event in events if wrong(event)]
    named = {(event["name"], event["pid"], event["tid"]) for event in events if event["ph"] == "M"}
    for event in events:
        assert ("process_name", event["pid"], 0) in named
        assert ("thread_name", event["pid"], event["tid"]) in named
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for slices in tracks.values():
        slices.sort(key=lambda each: (each[0], -each[1]))
        for (begin, end), (later, last) in pairwise(slices):
            assert later >= end - 0.002 or last <= end + 0.002, (begin, end, later, last)  # after it, or inside
    return events


def test_a_tiny_story_to_the_microsecond() -> None:
    key = {"platform": "vm", "replication": 0}
    guests = pd.DataFrame([
        {**key, "service": "s", "guest": "s-0", "requested": 1.0, "ready": 4.0, "stopped": 20.0, "startup_pull": 0.5,
         "startup_boot": 2.0, "startup_app": nan},
        {**key, "service": "s", "guest": "s-1", "requested": 2.0, "ready": nan, "stopped": nan, "startup_pull": nan,
         "startup_boot": nan, "startup_app": nan},
    ])  # fmt: skip
    rows = [(1, "s-0", "requested", ""), (2, "s-1", "requested", ""), (4, "s-0", "ready", ""),
            (9, "", "fault", "app-crash"), (9, "s-0", "app-crash", ""),
            (12, "s-0", "ready", ""), (20, "s-0", "stopped", "scaled in")]  # fmt: skip
    events = pd.DataFrame(
        [{**key, "time": float(at), "guest": who, "event": what, "detail": more} for at, who, what, more in rows]
    )
    levels = {"cpu_used": 1.5, "cpu_allocated": 2.0, "memory_used": 2.0**30, "memory_allocated": 2.0**31, "ready": 1,
              "guests": 2, "in_flight": 3}  # fmt: skip
    timeline = pd.DataFrame([{**key, "time": at, **levels} for at in (0.0, 30.0)])
    results = SimpleNamespace(platforms=["vm"], name="tiny", manifest={"seed": 1, "digest": "d"}, guests=guests,
                              timeline=timeline, events=events)  # fmt: skip
    found = check(trace_of(cast("Results", results)))
    slices = [(e["tid"], e["name"], e["ts"] / SECOND, e["dur"] / SECOND) for e in found if e["ph"] == "X"]
    assert slices == [
        (1, "start", 1.0, 3.0), (1, "pull", 1.0, 0.5), (1, "boot", 1.5, 2.0), (1, "serving", 4.0, 5.0),
        (1, "down", 9.0, 3.0), (1, "serving", 12.0, 8.0), (2, "start", 2.0, 28.0),
    ]  # fmt: skip
    instants = [(e["tid"], e["s"], e["name"], e["ts"] / SECOND) for e in found if e["ph"] == "i"]
    assert instants == [(0, "p", "fault", 9.0), (1, "t", "app-crash", 9.0)]
    cpu = [(e["ts"] / SECOND, e["args"]) for e in found if e["ph"] == "C" and e["name"] == "CPU (cores)"]
    assert cpu == [(0.0, {"used": 1.5, "allocated": 2.0}), (30.0, {"used": 1.5, "allocated": 2.0})]
    memory = next(e["args"] for e in found if e["name"] == "memory (GiB)")
    assert memory == {"used": 1.0, "allocated": 2.0}


def test_a_run_is_told_as_its_tables_tell_it(small: Path) -> None:
    results = Results(small)
    events = check(trace_of(results))
    guests = results.guests[results.guests["replication"] == 0]
    starts = sorted((e["ts"], e["dur"]) for e in events if e["ph"] == "X" and e["name"] == "start")
    told = sorted((1e6 * row.requested, 1e6 * (row.ready - row.requested)) for row in guests.itertuples())
    assert starts == [pytest.approx(each, abs=0.01) for each in told]
    assert not any(isnan(each) for start in starts for each in start)
    processes = [e["args"]["name"] for e in events if e["name"] == "process_name"]
    assert processes == results.platforms
    assert sum(e["ph"] == "i" and e["name"] == "kernel-panic" for e in events) == 1 + 3  # one VM, all containers


def test_the_command_writes_it_beside_the_result(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.json"
    assert main(["report", str(small), "--trace", "-o", str(path)]) == 0
    assert "perfetto" in capsys.readouterr().out
    check(json.loads(path.read_text("utf-8")))
    assert main(["report", str(tmp_path), "--trace"]) == 2
    assert main(["report", str(small), str(small), "--trace", "-o", str(path)]) == 2


def test_guests_kept_warm_are_told_whether_they_are_taken_or_not(tmp_path: Path) -> None:
    shop = {"warm": {"guests": 1, "take": "200ms"}, "replicas": None,
            "autoscale": {"rule": "hpa", "min": 1, "max": 2, "target_cpu": "20%", "sync": "5s"}}  # fmt: skip
    result = sim.run(
        {**SMALL, "name": "warm", "faults": [], "services": {"shop": {**SMALL["services"]["shop"], **shop}}},
        workers=1, out=tmp_path / "warm", plots=False,
    )  # fmt: skip
    found = check(trace_of(result))
    slices = [event for event in found if event["ph"] == "X" and event["cat"] == "life"]
    taken = [(event["name"], event["dur"] / SECOND) for event in slices if event["name"] == "take"]
    assert taken
    assert all(seconds == pytest.approx(0.2) for _, seconds in taken)
    kept = [event for event in slices if event["name"] == "warm"]
    assert len(kept) > len(taken)  # the pool has started another, which nobody took
    assert not [event for event in slices if event["name"] == "down"]
