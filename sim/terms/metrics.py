"""Every metric: name, unit, the words a person reads, the question it answers, which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Better: TypeAlias = Literal["lower", "higher"] | None

USERS: Final = "Who served the users better?"
STARTS: Final = "How fast do they start?"
HOST: Final = "How busy is the host?"
FITS: Final = "How many fit?"
HARM: Final = "What broke, what moved?"
WEIGHT: Final = "What does it put on disk and network?"
QUESTIONS: Final = (USERS, STARTS, HOST, WEIGHT, FITS, HARM)


@dataclass(frozen=True)
class Metric:
    """One metric of `summary.csv`. `shown`: whether the comparison prints it (the file always has it)."""

    name: str
    unit: str
    label: str
    question: str
    better: Better = None
    shown: bool = True


METRICS: Final = (
    Metric("requests.arrived", "1", "requests arrived", USERS),
    Metric("requests.completed", "1", "completed", USERS, "higher"),
    Metric("requests.rejected", "1", "rejected", USERS, "lower"),
    Metric("requests.timed_out", "1", "timed out", USERS, "lower"),
    Metric("requests.failed", "1", "failed", USERS, "lower"),
    Metric("requests.in_flight", "1", "in flight at the end", USERS, None, shown=False),
    Metric("requests.cold", "ratio", "cold starts", USERS, "lower"),
    Metric("lost.starting", "ratio", "lost while replicas started", USERS, None, shown=False),
    Metric("lost.full", "ratio", "lost while the host was full", USERS, None, shown=False),
    Metric("goodput", "1/s", "goodput", USERS, "higher"),
    Metric("response.mean", "s", "response mean", USERS, "lower"),
    Metric("response.p50", "s", "response p50", USERS, "lower"),
    Metric("response.p95", "s", "response p95", USERS, "lower"),
    Metric("response.p99", "s", "response p99", USERS, "lower"),
    Metric("response.p999", "s", "response p99.9", USERS, "lower"),
    Metric("waiting.mean", "s", "waiting mean", USERS, "lower"),
    Metric("slo.met", "0/1", "SLO met", USERS, "higher"),
    Metric("startup.mean", "s", "start-up mean", STARTS, "lower", shown=False),
    Metric("startup.p50", "s", "start-up p50", STARTS, "lower"),
    Metric("startup.p95", "s", "start-up p95", STARTS, "lower", shown=False),
    Metric("startup.p99", "s", "start-up p99", STARTS, "lower"),
    Metric("startup.max", "s", "start-up max", STARTS, "lower"),
    Metric("scale_out.time", "s", "scale-out time", STARTS, "lower"),
    Metric("deploy.time", "s", "first answered request", STARTS, "lower"),
    Metric("cpu.utilization", "ratio", "CPU for the work", HOST),
    Metric("cpu.overhead", "ratio", "CPU for overhead", HOST, "lower"),
    Metric("cpu.allocated", "ratio", "CPU allocated", HOST, "lower"),
    Metric("cpu.stranded", "ratio", "CPU stranded", HOST, "lower"),
    Metric("memory.used", "ratio", "memory used", HOST),
    Metric("memory.allocated", "ratio", "memory allocated", HOST, "lower"),
    Metric("memory.stranded", "ratio", "memory stranded", HOST, "lower"),
    Metric("memory.cache", "ratio", "page cache of images", HOST),
    Metric("disk.used", "B", "disk used", WEIGHT, "lower"),
    Metric("network.pulled", "B", "images pulled", WEIGHT, "lower"),
    Metric("guests.mean", "1", "guests, mean", FITS),
    Metric("guests.peak", "1", "guests, peak", FITS),
    Metric("guests.refused", "1", "starts refused", FITS, "lower"),
    Metric("density.max", "1", "most guests that fit", FITS, "higher"),
    Metric("oom.kills", "1", "OOM kills", HARM, "lower"),
    Metric("blast.guests", "1", "guests hit per event", HARM, "lower"),
    Metric("blast.requests", "ratio", "requests hit per event", HARM, "lower"),
    Metric("move.time", "s", "move time", HARM, "lower"),
    Metric("move.downtime", "s", "move downtime", HARM, "lower"),
    Metric("move.bytes", "B", "move bytes", HARM, "lower"),
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}


def describe(name: str, unit: str = "1") -> Metric:
    """Find a metric by name; a phase's (`startup.<phase>.p50`) is made up from its name.

    An unknown name gets itself as its label and no better side, so that newer files can still be read.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    parts = name.split(".")
    if len(parts) == 3 and parts[0] == "startup":
        return Metric(name, "s", f"  {parts[1]} {parts[2]}", STARTS, "lower", shown=parts[2] == "p50")
    return Metric(name, unit, name, HARM)


def in_order(sequences: Iterable[Sequence[str]]) -> list[str]:
    """Sort the metrics of several platforms as in the catalogue.

    Phases come after `startup.max`, in an order that each platform's own agrees with; unknown metrics come
    last.
    """
    place = {metric.name: number for number, metric in enumerate(METRICS)}
    phase = place["startup.max"] + 0.5
    last = float(len(METRICS))

    def position(name: str) -> float:
        return place.get(name, phase if name.startswith("startup.") else last)

    return sorted(woven(sequences), key=position)


def woven(sequences: Iterable[Sequence[str]]) -> list[str]:
    """Join sequences of names into one without repeats; a new name goes right behind the one it follows."""
    joined: list[str] = []
    for names in sequences:
        behind = 0
        for name in names:
            if name not in joined:
                joined.insert(behind, name)
            behind = joined.index(name) + 1
    return joined
