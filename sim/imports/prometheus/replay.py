"""Files of a Prometheus to a scenario that replays them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.imports.prometheus.estimate import estimate, estimate_called, fit_durations, window_of
from sim.imports.prometheus.files import Series, read_files
from sim.imports.prometheus.gather import gather
from sim.imports.prometheus.writing import written


def read_replay(files: Sequence[str], name: str = "replay", out: str = "replay.yaml") -> str:
    """The scenario's text. Raises ScenarioError with every mistake of the files, each with its path in them."""
    series = read_files(files)
    found = gather(series)
    window = window_of(found.services)
    serving = [each for each in found.services if each.serves]
    silent = [each for each in found.services if not each.serves]
    cores, memory = (_most(found.host.get(role, [])) for role in ("host-cores", "host-memory"))
    made = [estimate(each, window) for each in serving]
    first = max(made, key=lambda each: float(each.requests.added.sum()))
    called = [estimate_called(each, window, first.requests) for each in silent]
    first.calls = [each.name for each in called]
    for each, one in zip(serving, made, strict=True):  # what the caller waits for is not its own waiting
        elsewhere = sum(other.law.cpu for other in called) if one is first else 0.0
        fit_durations(each, window, one, cores, elsewhere)
    notes = list(found.notes)
    if len(found.host.get("host-cores", [])) > 1:
        notes.append("several hosts were recorded; the scenario has one, the largest")
    source = ", ".join(dict.fromkeys(Path(each.file).name for each in series))
    services = [*made, *called]
    return written(
        name, source, services, window, host=(cores, memory), platform=_platform(series), notes=notes, file=out
    )


def _most(series: Sequence[Series]) -> float | None:
    return max((float(each.values[-1]) for each in series), default=None)


def _platform(series: Sequence[Series]) -> str:
    """Where it ran: cAdvisor's metrics are of containers, a process's own of a process on its host."""
    containers = any(each.name.startswith(("container_", "kube_")) for each in series)
    processes = any(each.name.startswith("process_") for each in series)
    return "native" if processes and not containers else "container"
