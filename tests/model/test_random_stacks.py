"""Random stacks while everything happens to them: no request is lost, none ends twice, none is served too early.

Calls meet moves, resizes, limits by period, pools of VMs, faults, guests out of memory, autoscaling and time-outs.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.experiment.replications.runner import platform_of
from sim.model.run import simulate
from sim.scenario import Scenario
from sim.terms.records import RunRecords

EXAMPLES = 5 if os.environ.get("NUMBA_DISABLE_JIT") else 20
PLATFORMS = ("native", "container", "vm", "microvm", "gvisor", "container-in-vm")
FAULTS = ("app-crash", "kernel-panic", "host-reboot", "host-patch")


def steps(rng: np.random.Generator, number: int, services: int, depth: int = 0) -> list[dict[str, Any]]:
    return [step(rng, number, services, depth) for _ in range(int(rng.integers(1, 4)))]


def step(rng: np.random.Generator, number: int, services: int, depth: int) -> dict[str, Any]:
    kind = rng.choice(["cpu", "wait", "disk", "network", "call", "call", "parallel"])
    if kind == "call" and number + 1 < services:
        call = {"service": f"s{rng.integers(number + 1, services)}", "times": int(rng.integers(1, 3))}
        return {"call": {**call, "probability": float(rng.choice([0.4, 1.0])), "retries": int(rng.integers(0, 3))}}
    if kind == "parallel" and depth < 2:
        return {"parallel": [steps(rng, number, services, depth + 1) for _ in range(int(rng.integers(1, 4)))]}
    if kind == "disk":
        return {str(rng.choice(["read", "write"])): f"{rng.integers(0, 4000)}KB"}
    if kind == "network":
        return {str(rng.choice(["send", "receive"])): f"{rng.integers(0, 4000)}KB"}
    if kind == "wait":
        return {"wait": f"{rng.integers(1, 200)}ms"}
    return {"cpu": {"exponential": f"{rng.integers(1, 60)}ms"}}


def service(rng: np.random.Generator, number: int, services: int) -> dict[str, Any]:
    limit = float(rng.choice([0.5, 1.0, 2.0]))
    made: dict[str, Any] = {
        "image": {"size": f"{rng.integers(1, 400)}MB", "cached": bool(rng.random() < 0.5)},
        "memory": {"base": "64MiB", "per_request": str(rng.choice(["0MiB", "8MiB", "150MiB"]))},
        "start_cpu": "300ms", "concurrency": int(rng.integers(1, 9)),
        "routing": str(rng.choice(["random", "round-robin", "least-outstanding", "power-of-two"])),
        "request": steps(rng, number, services),
        "size": {"cpu": {"request": limit / 2, "limit": limit}, "memory": {"request": "256MiB", "limit": "512MiB"}},
    }  # fmt: skip
    if rng.random() < 0.5:
        made["queue"] = int(rng.integers(0, 20))
    if rng.random() < 0.6:
        made["timeout"] = f"{rng.integers(100, 3000)}ms"
    rule = rng.random()
    if rule < 0.2:
        made["autoscale"] = {"rule": "per-request", "keep_alive": "5s", "max": 4}
        made["concurrency"] = 1
        del made["routing"]
    elif rule < 0.35:
        made["autoscale"] = {"rule": "hpa", "min": 1, "max": 4, "target_cpu": "50%", "sync": "5s"}
    else:
        made["replicas"] = int(rng.integers(1, 4))
    if number == 0 or rng.random() < 0.3:
        made["traffic"] = {"rate": f"{rng.integers(1, 12)}/s"}
    if rng.random() < 0.2:
        made["traffic"] = {"constant-vus": {"vus": int(rng.integers(1, 5)), "think_time": "300ms"}}
    return made


def stack(seed: int) -> tuple[Scenario, str]:
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 5))
    names = [f"s{each}" for each in range(number)]
    platform = str(rng.choice(PLATFORMS))

    def at() -> str:
        return f"{rng.integers(1, 40)}s"

    tree: dict[str, Any] = {
        "name": "random", "seed": seed, "duration": "40s", "warmup": 0.0 if rng.random() < 0.5 else "10s",
        "host": {"cores": 8, "memory": str(rng.choice(["6GiB", "64GiB"])),
                 "disk": {"read": "100MB/s", "write": "50MB/s"}, "network": "1Gbit/s"},
        "platforms": [platform],
        "services": {name: service(rng, each, number) for each, name in enumerate(names)},
    }  # fmt: skip
    if isinstance(tree["warmup"], float):
        del tree["warmup"]
    if platform != "container-in-vm" and rng.random() < 0.6:
        link = str(rng.choice(["1Gbit/s", "100Mbit/s"]))
        tree["moves"] = [{"at": at(), "service": str(rng.choice(names)), "link": link,
                          "dirty_rate": "1MB/s", "on_no_convergence": "force"}]  # fmt: skip
    if rng.random() < 0.5:
        size = {"cpu": {"request": 0.25, "limit": 0.75}, "memory": {"request": "128MiB", "limit": "400MiB"}}
        tree["resizes"] = [{"at": at(), "service": str(rng.choice(names)), "size": size}]
    if rng.random() < 0.7:
        tree["faults"] = [{"kind": str(rng.choice(FAULTS)), "at": at()} for _ in range(int(rng.integers(1, 4)))]
    return Scenario.model_validate(tree), platform


def run(seed: int) -> tuple[Scenario, RunRecords, list[dict[str, Any]], list[str]]:
    scenario, platform = stack(seed)
    rows: list[dict[str, Any]] = []
    names: list[str] = []

    def keep(columns: Any, services: Any, guests: Any) -> None:
        lists = {name: column.tolist() for name, column in columns.items()}
        rows.extend(dict(zip(lists, each, strict=True)) for each in zip(*lists.values(), strict=True))
        names[:] = guests

    records = simulate(scenario, platform_of(scenario, platform), 0, sink=keep)
    return scenario, records, rows, names


def check(seed: int) -> Counter[str]:
    scenario, records, rows, names = run(seed)
    guests = {row["guest"]: row for row in _rows(records.guests)}
    by_service: dict[int, list[int]] = {}
    for row in rows:
        by_service.setdefault(row["service"], []).append(row["request"])
        if row["start"] == row["start"]:  # it was in service
            guest = guests[names[row["guest"]]]
            assert guest["ready"] <= row["start"] + 1e-9, row
            assert row["arrival"] <= row["start"] + 1e-9, row
    for service, numbers in by_service.items():
        assert sorted(numbers) == list(range(len(numbers))), f"service {service}: lost, or twice"
    seen: Counter[str] = Counter()
    for name, tally in records.requests.items():
        ends = (tally.completed, tally.rejected, tally.timed_out, tally.failed, tally.in_flight)
        assert tally.arrived == sum(ends), name
        mine = [
            row for row in rows if row["service"] == records.services.index(name) and row["arrival"] >= records.warmup
        ]
        assert tally.arrived == len(mine)
        assert 0 <= tally.calls <= tally.arrived
        if tally.parts and tally.completed:
            assert sum(tally.parts.values()) == pytest.approx(tally.response.total, rel=1e-6, abs=1e-6), name
        seen.update(completed=tally.completed, rejected=tally.rejected, timed_out=tally.timed_out,
                    failed=tally.failed, in_flight=tally.in_flight, calls=tally.calls)  # fmt: skip
    seen.update(str(row["event"]) for row in _rows(records.events))
    assert scenario.duration == records.duration
    return seen


def _rows(table: Any) -> list[dict[str, Any]]:
    columns = {name: np.asarray(table[name]).tolist() for name in table}
    return [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_requests_are_conserved_whatever_happens(seed: int) -> None:
    check(seed)


def test_the_random_stacks_meet_all_that_may_happen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        seen += check(seed)
    wanted = ("completed", "rejected", "timed_out", "failed", "in_flight", "calls", "oom-kill", "moved", "resized")
    assert [each for each in wanted if not seen[each]] == []
