"""A run as a trace in Chrome's format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

A process is a platform, a thread a guest; start-up phases are slices, CPU and memory counters, faults, moves instants.
Requests are not in it. Format: "Trace Event Format" (Google, 2016): `ts` and `dur` in microseconds, here of simulated
time, `ph` one of M (metadata), X (complete), C (counter), i (instant; `s` its scope: t thread, p process).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sim.report.results import Results
from sim.terms.columns import NO_FALL, PHASE

if TYPE_CHECKING:
    import pandas as pd

TRACE: Final = "trace.json"
Event: TypeAlias = dict[str, Any]
HOST_THREAD: Final = 0
_GIB = 2.0**30
_COUNTERS: Final = (
    # name, series → (column, scale)
    ("CPU (cores)", {"used": ("cpu_used", 1.0), "allocated": ("cpu_allocated", 1.0)}),
    ("memory (GiB)", {"used": ("memory_used", _GIB), "allocated": ("memory_allocated", _GIB)}),
    ("guests", {"ready": ("ready", 1.0), "on the host": ("guests", 1.0)}),
    ("requests in flight", {"in flight": ("in_flight", 1.0)}),
)
_LIFE: Final = {"requested", "ready", "warm", "taken", "stopped"}
"""Events of a guest that begin and end slices; `moved` ends one too, and is an instant besides."""
_BECOMES: Final = {"ready": "serving", "warm": "warm", "taken": "take"}
"""Event → what a guest is from then on."""


def trace_of(results: Results, replication: int | None = None) -> dict[str, Any]:
    """The trace of one replication (None: the first) of every platform, as `json` takes it."""
    frames = {name: getattr(results, name) for name in ("guests", "timeline", "events")}
    first = int(frames["timeline"]["replication"].min()) if replication is None else replication
    events: list[Event] = []
    for place, platform in enumerate(results.platforms):
        own = {
            name: frame[(frame["platform"] == platform) & (frame["replication"] == first)]
            for name, frame in frames.items()
        }
        events += _platform(place + 1, platform, own["guests"], own["timeline"], own["events"])
    about = {
        "scenario": results.name, "digest": str(results.manifest.get("digest", "")), "replication": first + 1,
        "seed": results.manifest.get("seed"), "clock": "simulated time",
        "phases": "laid one after the other from the request on; when a phase waited is not recorded",
    }  # fmt: skip
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}


def save_trace(results: Results, path: Path) -> Path:
    """Write the trace of the first replication. Raises OSError."""
    path.write_text(json.dumps(trace_of(results), ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _platform(
    pid: int, platform: str, guests: pd.DataFrame, timeline: pd.DataFrame, events: pd.DataFrame
) -> Iterator[Event]:
    yield _named("process_name", pid, HOST_THREAD, {"name": platform})
    yield _named("process_sort_index", pid, HOST_THREAD, {"sort_index": pid})
    yield _named("thread_name", pid, HOST_THREAD, {"name": "host"})
    threads = {str(name): number for number, name in enumerate(guests["guest"], start=1)}
    for name, tid in threads.items():
        yield _named("thread_name", pid, tid, {"name": name})
        yield _named("thread_sort_index", pid, tid, {"sort_index": tid})
    end = float(timeline["time"].max()) if len(timeline) else 0.0
    fates = _fates(events)
    for _, guest in guests.iterrows():
        yield from _guest(pid, threads[str(guest["guest"])], guest, fates.get(str(guest["guest"]), []), end)
    yield from _instants(pid, threads, events)
    yield from _counters(pid, timeline)


def _named(what: str, pid: int, tid: int, value: Mapping[str, Any]) -> Event:
    return {"ph": "M", "ts": 0, "pid": pid, "tid": tid, "name": what, "args": dict(value)}


def _micro(seconds: float) -> float:
    """Microseconds, to the nanosecond."""
    return round(seconds * 1e6, 3)


def _slice(pid: int, tid: int, name: str, kind: str, begin: float, end: float, **args: Any) -> Event:
    at = _micro(begin)
    return {"ph": "X", "ts": at, "dur": max(round(_micro(end) - at, 3), 0.0), "pid": pid, "tid": tid, "name": name,
            "cat": kind, "args": args}  # fmt: skip


def _fates(events: pd.DataFrame) -> dict[str, list[tuple[float, str, str]]]:
    """Guest → (time, event, detail) of what happened to it, in order."""
    found: dict[str, list[tuple[float, str, str]]] = {}
    own = events[events["guest"].fillna("") != ""]
    for time, guest, event, detail in zip(own["time"], own["guest"], own["event"], own["detail"], strict=True):
        found.setdefault(str(guest), []).append((float(time), str(event), detail if isinstance(detail, str) else ""))
    return found


def _guest(pid: int, tid: int, guest: Any, fates: list[tuple[float, str, str]], end: float) -> Iterator[Event]:
    """Its first start with the phases in it, then what it was until when: kept warm, serving, or down."""
    begin, ready, stopped = (float(guest[name]) for name in ("requested", "ready", "stopped"))
    service = str(guest["service"])
    gone = end if isnan(stopped) else stopped
    kept = next((time for time, event, _ in fates if event == "warm"), None)
    replica = not isnan(begin)  # its row tells of being taken then, if it was kept before
    if kept is not None or not replica:
        begin = next(time for time, event, _ in fates if event == "requested")
        ready = gone if kept is None else kept
    started = min(gone if isnan(ready) else ready, gone)
    yield _slice(pid, tid, "start", "start-up", begin, started, service=service, ready=not isnan(float(guest["ready"])))
    if kept is None or not replica:
        yield from _phases(pid, tid, guest, begin, started)
    state, since = "", started
    for time, event, _ in [*fates, (gone, "stopped", "")]:
        ends, becomes = event in ("stopped", "moved"), _BECOMES.get(event, "" if event in NO_FALL else "down")
        if time < since or not (ends or becomes) or becomes == state != "down":
            continue
        if state:
            yield _slice(pid, tid, state, "life", since, time, service=service)
        if ends:
            return
        state, since = becomes, time


def _phases(pid: int, tid: int, guest: Any, begin: float, end: float) -> Iterator[Event]:
    at = begin
    for name in guest.index:
        if not str(name).startswith(PHASE):
            continue
        seconds = float(guest[name])
        if isfinite(seconds) and seconds > 0.0 and at < end:
            yield _slice(pid, tid, str(name).removeprefix(PHASE), "phase", at, min(at + seconds, end), seconds=seconds)
            at += seconds


def _instants(pid: int, threads: Mapping[str, int], events: pd.DataFrame) -> Iterator[Event]:
    """Faults, moves, kills, refusals: of a guest on its thread, of the host over the whole process."""
    columns = (events["time"], events["guest"].fillna(""), events["event"], events["detail"].fillna(""))
    for time, guest, event, detail in zip(*columns, strict=True):
        if event in _LIFE:
            continue
        of_guest = str(guest) in threads
        yield {"ph": "i", "ts": _micro(float(time)), "pid": pid, "tid": threads.get(str(guest), HOST_THREAD),
               "name": str(event), "cat": "event", "s": "t" if of_guest else "p",
               "args": {"detail": str(detail)}}  # fmt: skip


def _counters(pid: int, timeline: pd.DataFrame) -> Iterator[Event]:
    times = [_micro(float(each)) for each in timeline["time"]]
    for name, series in _COUNTERS:
        columns = {label: (timeline[column] / scale).tolist() for label, (column, scale) in series.items()}
        for place, at in enumerate(times):
            values = {label: round(float(found[place]), 6) for label, found in columns.items()}
            yield {"ph": "C", "ts": at, "pid": pid, "tid": HOST_THREAD, "name": name, "args": values}
