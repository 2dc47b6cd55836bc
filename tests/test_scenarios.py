"""Every scenario that comes with the project runs, and keeps the books: requests, CPU, memory, guests.

Each runs once for all tests here, with one replication on every platform of the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.scenario.calls import names_called

ROOT = Path(__file__).parents[1]
FILES = sorted(path for path in (ROOT / "scenarios").rglob("*.yaml") if "sweeps" not in path.parts)
OUTCOMES = ["completed", "rejected", "timed_out", "failed", "in_flight"]
FALLS = ["oom-kill", "app-crash", "kernel-panic", "host-patch"]
RUN = ["platform", "replication"]
LEAST = 1 + 1e-9  # room for rounding of sums


@pytest.fixture(scope="module", params=FILES, ids=[str(p.relative_to(ROOT / "scenarios")) for p in FILES])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The scenario and the folder of its results."""
    scenario = sim.load_scenario(request.param)
    folder = tmp_path_factory.mktemp("scenario") / "out"
    sim.run(scenario, replications=1, out=folder, plots=False)
    return scenario, folder


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_says_which_question_it_answers(path: Path) -> None:
    assert path.read_text("utf-8").startswith("# Question: ")
    scenario = sim.load_scenario(path)
    assert scenario.name.removesuffix("-row") == path.stem
    assert scenario.description


def test_no_two_files_have_a_name_in_common() -> None:
    """Results go to results/NAME: one scenario's would stand in the way of the other's."""
    names = [sim.load_scenario(path).name for path in FILES]
    assert sorted(set(names)) == sorted(names)


def test_every_platform_has_its_results(finished) -> None:
    scenario, folder = finished
    summary = pd.read_csv(folder / "summary.csv")
    assert list(summary.columns) == ["scenario", "platform", "replication", "service", "metric", "unit", "value"]
    assert set(summary.platform) == set(scenario.platforms)
    assert set(summary.scenario) == {scenario.name}
    assert np.isfinite(summary.value).all()
    assert not summary.duplicated(["platform", "replication", "service", "metric"]).any()


def test_every_request_is_accounted_for(finished) -> None:
    scenario, folder = finished
    summary = pd.read_csv(folder / "summary.csv")
    counts = summary[summary.metric.str.startswith("requests.")]
    table = counts.pivot_table(index=[*RUN, "service"], columns="metric", values="value", aggfunc="sum")
    if not any(service.traffic for service in scenario.services.values()):
        assert table.empty
        return
    asked = {name for name, service in scenario.expanded() if service.traffic}
    called = {other for _, service in scenario.expanded() for other in names_called(service.programs)}
    assert set(table.index.get_level_values("service")) == asked | called | {"all"}
    arrived = table["requests.arrived"]
    assert (arrived == sum(table[f"requests.{name}"] for name in OUTCOMES)).all()
    assert (arrived > 0).all()
    if all(source.kind != "constant-vus" for s in scenario.services.values() for source in s.traffic):
        # an open loop: all platforms meet the same arrivals
        outside = (arrived - table.get("requests.calls", 0.0)).unstack("platform")
        assert (outside.nunique(axis=1) == 1).all()
    if "requests.calls" in table:
        calls = table["requests.calls"].drop("all", level="service")
        assert (calls[[name in called for name in calls.index.get_level_values("service")]] > 0).all()
        assert (calls[[name not in called for name in calls.index.get_level_values("service")]].fillna(0.0) == 0).all()


def test_no_more_is_used_than_there_is(finished) -> None:
    scenario, folder = finished
    timeline = pd.read_parquet(folder / "timeline.parquet")
    assert set(timeline.platform) == set(scenario.platforms)
    assert (timeline.cpu_used <= timeline.cpu_capacity * LEAST).all()
    swap = 0.0 if scenario.host.swap is None else scenario.host.swap.size
    assert (timeline.memory_used <= (timeline.memory_capacity + swap) * LEAST).all()
    assert (timeline.cpu_capacity == scenario.host.cores).all()
    assert (timeline.memory_capacity == scenario.host.memory).all()
    assert (timeline.ready <= timeline.guests).all()
    promised = timeline[["cpu_used", "cpu_allocated", "memory_used", "memory_allocated", "in_flight"]]
    assert (promised >= 0).all(axis=None)
    assert timeline.groupby(RUN).time.max().eq(scenario.duration).all()
    ratios = pd.read_csv(folder / "summary.csv").query("service == 'all' and unit == 'ratio'")
    used = ratios[ratios.metric.isin(["cpu.utilization", "cpu.overhead", "memory.used"])]
    assert used.value.between(0, 1).all()
    cpu = used[used.metric.str.startswith("cpu.")].groupby(RUN).value.sum()
    assert (cpu <= LEAST).all()


def test_admission_promises_no_more_than_it_may(finished) -> None:
    scenario, folder = finished
    timeline = pd.read_parquet(folder / "timeline.parquet")
    assert (timeline.cpu_allocated <= scenario.host.cores * scenario.cpu_overcommit * LEAST).all()
    assert (timeline.memory_allocated <= scenario.host.memory * scenario.memory_overcommit * LEAST).all()


def test_guests_live_in_order_and_their_starts_add_up(finished) -> None:
    scenario, folder = finished
    guests = pd.read_parquet(folder / "guests.parquet")
    assert not guests.duplicated([*RUN, "guest"]).any()
    assert guests.requested.between(0, scenario.duration).all()
    assert not (guests.ready < guests.requested).any()  # null where it never was
    assert not (guests.stopped < guests.requested).any()
    assert set(guests.platform) == set(scenario.platforms)
    assert guests.ready.notna().groupby(guests.platform).any().all(), "on every platform some guest became ready"
    phases = guests[[name for name in guests.columns if name.startswith("startup_")]].sum(axis=1)
    started = guests.ready.notna() & (guests.stop_reason == "")
    events = pd.read_parquet(folder / "events.parquet")
    fallen = events[events.event.isin(FALLS)].guest
    calm = started & ~guests.guest.isin(fallen)  # a restart before it was ready is no phase
    assert np.allclose((guests.ready - guests.requested)[calm], phases[calm], rtol=0, atol=1e-6)
