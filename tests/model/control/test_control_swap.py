"""What exceeds the memory goes to the swap: exact tiny timelines, and the closed forms of the slowdown."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest

from sim.model.control.swap import speeds
from sim.model.run import simulate
from sim.platforms import load_platform
from sim.reading.errors import ScenarioError
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

MIB = 2.0**20
COSTS_NOTHING = {
    "cpu": {"overhead": 1, "host": 0, "idle_per_guest": 0},
    "memory": {"host": "0B", "per_guest": "0B", "guest_os": "0B"},
    "startup": [],
}


def run(swap: str | None, *, growth: str = "0%", more: str = "", replication: int = 0, n: int = 2) -> RunRecords:
    """Two replicas of 600 MiB on 1 GiB: 176 MiB too much. One request of a core-second arrives at 10 s."""
    text = f"""
        name: tight
        duration: 20s
        host: {{cores: 4, memory: 1GiB{"" if swap is None else f", swap: {swap}"}}}
        platforms: [native]
        services:
          app:
            memory: {{base: 600MiB{more}}}
            start_cpu: 1s
            request_cpu: 1s
            replicas: {n}
            size: {{cpu: {{request: 1}}, memory: {{request: 100MiB}}}}
            traffic: {{constant-arrival-rate: {{rate: 0.1/s, arrivals: even}}}}
    """
    costs = COSTS_NOTHING | {"memory": {**COSTS_NOTHING["memory"], "growth": growth}}
    return simulate(scenario_from_text(text), load_platform("native", costs), replication)


def ready(records: RunRecords) -> list[float]:
    return [round(float(time), 6) for time in records.guests["ready"]]


def test_growth_beyond_the_memory_is_written_out_before_the_guest_goes_on() -> None:
    records = run("{size: 1GiB, read: 1000TB/s, write: 100MB/s}")
    assert ready(records) == [1.0, round(1.0 + 176 * MIB / 100e6, 6)]
    assert records.counters["oom_kills"] == 0
    assert isclose(records.integrals["memory_swapped"], 19 * 176 * MIB)  # seen from the first look, at 1 s, on


def test_a_guest_writes_out_no_more_than_it_has_added() -> None:
    """The second 176 MiB, the third 600 of the 776 that are out; they share the device until the second has its."""
    records = run("{size: 1GiB, read: 1000TB/s, write: 100MB/s}", n=3)
    assert ready(records) == [1.0, round(1.0 + 352 * MIB / 100e6, 6), round(1.0 + 776 * MIB / 100e6, 6)]


def test_what_is_in_use_and_not_in_the_swap_is_never_above_the_memory() -> None:
    records = run("{size: 1GiB, read: 1000TB/s, write: 100MB/s}")
    assert 1 * 1024 * MIB * 19 <= records.integrals["memory_used"] <= (1024 * 20 + 176) * MIB * (1 + 1e-9)


def test_work_waits_for_pages_that_are_out() -> None:
    """A request of 1 core-s at a stall of 1 s a core-second takes 2 s: 600 MiB of which 176 of 1200 are out."""
    out = 600 * MIB * 176 / 1200
    for touched, took in (("100%", 2.0), ("300%", 4.0), ("0%", 1.0)):
        records = run(f"{{size: 1GiB, read: {out!r}B/s, write: 1000TB/s, touched: {touched}}}")
        assert min(records.requests["app"].response.values) == pytest.approx(took, rel=1e-9)


def test_guests_in_vms_of_a_pool_wait_for_pages_too() -> None:
    """Two containers of 600 MiB in a VM on a host of 1 GiB: what exceeds it is not free of charge."""
    text = """
        name: tight
        duration: 60s
        host: {cores: 4, memory: 1GiB, swap: {size: 8GiB, read: 1TB/s, write: 1TB/s}}
        memory_overcommit: 4
        platforms: [container-in-vm]
        services:
          app:
            image: {size: 1MB, cached: true}
            memory: 600MiB
            request_cpu: 100ms
            replicas: 2
            size: {cpu: {request: 500m}, memory: {request: 600MiB}}
            traffic: {constant-arrival-rate: {rate: 1/s, arrivals: even}}
    """
    took, pool = {}, load_platform("container-in-vm", {"nested": {"vm": {"cpu": 2, "memory": "2GiB"}}})
    for read in ("1TB/s", "1GB/s"):
        scenario = scenario_from_text(text.replace("read: 1TB/s", f"read: {read}"))
        records = simulate(scenario, pool, 0)
        assert records.integrals["memory_swapped"] > 0.0
        took[read] = min(records.requests["app"].response.values)
    assert took["1GB/s"] > 1.2 * took["1TB/s"]


def test_a_full_swap_and_no_swap_end_with_the_killer() -> None:
    assert run("{size: 176MiB, read: 1GB/s, write: 1GB/s}").counters["oom_kills"] == 0
    assert run("{size: 175MiB, read: 1GB/s, write: 1GB/s}").counters["oom_kills"] > 0
    assert run(None).counters["oom_kills"] > 0
    assert "memory_swapped" not in run(None).integrals


def test_overhead_grows_with_the_application() -> None:
    line = run("{size: 4GiB, read: 1000TB/s, write: 1000TB/s}", growth="150%").timeline["memory_used"]
    assert line[-1] == pytest.approx(2 * 2.5 * 600 * MIB)


def test_spread_is_drawn_once_a_run_within_its_bounds_and_for_all_replicas() -> None:
    swap = "{size: 4GiB, read: 1000TB/s, write: 1000TB/s}"
    used = np.array([run(swap, more=", spread: 20%", replication=i).timeline["memory_used"][-1] for i in range(12)])
    factor = used / (1200 * MIB)
    assert ((factor >= 0.8) & (factor <= 1.2)).all()
    assert len(set(factor)) == 12
    assert factor.min() < 0.95 < 1.05 < factor.max()


def test_speeds_are_those_of_one_device() -> None:
    """n equal guests with a stall of a: p = max(a, n·a − 1), and a job asks for 1 / (1 + p) of a core."""
    for a, n in ((0.5, 1), (1.0, 1), (1.0, 4), (0.1, 8), (3.0, 100)):
        p = max(a, n * a - 1.0)
        got = speeds(np.full(n, a), np.ones(n))
        assert got == pytest.approx(1.0 / (1.0 + p), rel=2.0 ** (1 / 32) - 1 + 1e-6)  # half a step
    idle = speeds(np.array([0.0, 1.0]), np.array([5.0, 0.0]))  # who does nothing asks nothing of the device
    assert idle == pytest.approx([1.0, 0.5])


def test_mistakes_have_their_place() -> None:
    with pytest.raises(ScenarioError) as error:
        run("{size: 0B, read: fast, touched: -1}")
    text = str(error.value)
    for path in ("host.swap.size", "host.swap.read", "host.swap.write", "host.swap.touched"):
        assert path in text
