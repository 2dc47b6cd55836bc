"""The replay of a host: who booted, served, fell and went, from the recorded events of the first replication.

Guests have a place on the host, the lowest that was free when they were asked for. Times are those of the events, to
the millisecond; CPU, memory, arrivals and completions are the samples of the time line (their distance is told).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.report.figures.timeline import MARKED
from sim.report.page.charts import plain
from sim.report.page.palette import Tone
from sim.report.results import Results
from sim.terms.columns import NO_FALL

if TYPE_CHECKING:
    import pandas as pd

GONE, STARTING, SERVING, DOWN, AWAY, WARM = range(6)
STATES: Final[tuple[tuple[str, str, str], ...]] = (
    # name, mark in a tile, what it means
    ("empty", "", "no guest: a free place"),
    ("starting", "…", "asked for, not ready: image, boot, application"),
    ("serving", "✓", "ready: takes requests"),
    ("down", "×", "fell: its kernel or the host's, killed for memory, crashed; waits for its restart"),
    ("gone", "→", "has left: stopped, or moved to another host"),
    ("warm", "○", "up, and kept for a scale-up: takes no requests yet"),
)
THROTTLED: Final = ("throttled", "‖", "serving, but stands still for want of CPU budget: how many is recorded, not who")
"""What a tile that serves may be besides: so many of them, the first ones, as the sample tells."""
SAMPLED: Final = (
    "time", "cpu_used", "cpu_allocated", "memory_used", "memory_allocated", "in_flight", "arrivals", "completed",
)  # fmt: skip
"""Columns of the time line that are played, beside how many were throttled."""
MOST_PLACES = 1000
"""Tiles of a platform; of more guests at once, the first places are shown."""
MOST_CHANGES = 60_000
"""Changes of state of a platform that are kept: the first ones."""
_SHOWN_GONE = 1.5  # s, as a share of the run below: how long a place shows that its guest has left
_QUIET = {"requested", "ready", "stopped", "resized", "warm", "taken"}
"""Events of a guest that are not told beside the tiles, which show most of them."""
_TOLD = ("scale", "refused", "fault", "host-up", "vm-requested", *MARKED)


def replay_of(results: Results, tones: Sequence[Tone]) -> dict[str, Any] | None:
    """What the page plays, all platforms on one clock; None where nothing was recorded."""
    frame = results.timeline
    if frame.empty:
        return None
    first = int(frame["replication"].min())
    end = float(frame["time"].max())
    hosts = []
    for tone in tones:
        line, events, guests = (
            each[(each["platform"] == tone.platform) & (each["replication"] == first)]
            for each in (frame, results.events, results.guests)
        )
        if not line.empty:
            hosts.append(_host(tone, line, events, guests, end))
    if not hosts or not any(host["changes"]["place"] for host in hosts):
        return None
    kept = any(WARM in host["changes"]["state"] for host in hosts)
    return {
        "end": end,
        "step": float(np.median(np.diff(np.sort(frame["time"].unique())))) if frame["time"].nunique() > 1 else end,
        "replication": first + 1,
        "states": [list(state) for state in (STATES if kept else STATES[:WARM])],
        "throttled": list(THROTTLED) if any(any(host["samples"].get("throttled", ())) for host in hosts) else None,
        "hosts": hosts,
    }


def _host(tone: Tone, timeline: pd.DataFrame, events: pd.DataFrame, guests: pd.DataFrame, end: float) -> dict[str, Any]:
    services = dict(zip(guests["guest"], guests["service"], strict=True))
    changes, places = states_of(events, end)
    names = [str(name) for name in services]
    number = {name: at for at, name in enumerate(names)}
    shown = [each for each in changes if each[1] < MOST_PLACES][:MOST_CHANGES]
    told = list(_told(events))
    return {
        "platform": tone.platform,
        "var": tone.var,
        "places": min(places, MOST_PLACES),
        "hidden": max(places - MOST_PLACES, 0),
        "guests": names,
        "services": [str(each) for each in services.values()],
        "changes": {
            "time": [plain_time(each[0]) for each in shown],
            "place": [each[1] for each in shown],
            "state": [each[2] for each in shown],
            "guest": [number.get(each[3], -1) for each in shown],
            "why": [each[4] for each in shown],
        },
        "told": {"time": [plain_time(each[0]) for each in told], "what": [each[1] for each in told]},
        "samples": _samples(timeline),
    }


def plain_time(seconds: float) -> float:
    """A time to the millisecond, small in JSON."""
    return round(seconds, 3)


def states_of(events: pd.DataFrame, end: float) -> tuple[list[tuple[float, int, int, str, str]], int]:
    """(time, place, state, guest, why) of a platform's events in order of time, and how many places were taken."""
    place: dict[str, int] = {}
    free: list[tuple[float, int]] = []  # (from when, place)
    lowest: list[int] = []
    found: list[tuple[float, int, int, str, str]] = []
    after = end / 200
    count = 0
    for time, guest, event, detail in _rows(events):
        while free and free[0][0] <= time:
            heapq.heappush(lowest, heapq.heappop(free)[1])
        if event == "requested" and detail:  # on another host
            continue
        if event == "requested":
            if not lowest:
                lowest.append(count)
                count += 1
            place[guest] = heapq.heappop(lowest)
            found.append((time, place[guest], STARTING, guest, ""))
        elif guest in place and event == "ready":
            found.append((time, place[guest], SERVING, guest, ""))
        elif guest in place and event in ("stopped", "moved"):
            at = place.pop(guest)
            found.append((time, at, AWAY, guest, detail if event == "stopped" else "moved to another host"))
            found.append((time + after, at, GONE, "", ""))
            heapq.heappush(free, (time + after, at))
        elif guest in place and event in ("warm", "taken"):
            found.append((time, place[guest], WARM if event == "warm" else STARTING, guest, ""))
        elif guest in place and event not in NO_FALL:
            found.append((time, place[guest], DOWN, guest, f"{event}{f': {detail}' if detail else ''}"))
    found.sort(key=lambda each: each[0])
    return found, count


def _rows(events: pd.DataFrame) -> Iterator[tuple[float, str, str, str]]:
    columns = (events["time"], events["guest"].fillna(""), events["event"], events["detail"].fillna(""))
    for time, guest, event, detail in zip(*columns, strict=True):
        yield float(time), str(guest), str(event), str(detail)


def _told(events: pd.DataFrame) -> Iterator[tuple[float, str]]:
    """What is said beside the tiles: the host's own events, and what befell single guests."""
    for time, guest, event, detail in _rows(events):
        if event not in _QUIET if guest else event in _TOLD:
            yield time, " ".join(each for each in (guest, event, detail) if each)


def _samples(timeline: pd.DataFrame) -> Mapping[str, Any]:
    capacity = {kind: float(timeline[f"{kind}_capacity"].max()) for kind in ("cpu", "memory")}
    there = [*SAMPLED, *(name for name in ("throttled",) if name in timeline)]  # results of earlier versions have none
    return {"capacity": capacity, **{name: [plain(each) for each in timeline[name].tolist()] for name in there}}
