"""Recordings: their clocks, the offset of two of one recording, tenants' copies, and cells that are no times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.model.traffic.arrivals import ArrivalStream
from sim.reading.errors import ScenarioError
from sim.scenario import Scenario, scenario_from_text

BASE = """
duration: 100s
host: {cores: 2, memory: 4GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [native]
services:
"""
SERVICE = """
  NAME:
    image: 0B
    memory: {base: 0B}
    request_cpu: 10ms
    size: {cpu: 1, memory: 1GiB}
    tenants: TENANTS
    traffic: {trace: {TRACE}}
"""
Load = Callable[..., Scenario]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(*traces: str, tenants: int = 1) -> Scenario:
        services = [
            SERVICE.replace("NAME", f"s{number}").replace("TENANTS", str(tenants)).replace("TRACE", each)
            for number, each in enumerate(traces)
        ]
        return scenario_from_text(BASE + "".join(services), base=tmp_path)

    return read


def arrivals(scenario: Scenario, replication: int = 0, duration: float = 100.0) -> dict[str, list[float]]:
    """Full name of a service → its times of arrival."""
    services = scenario.expanded()
    stream = ArrivalStream(services, 7, replication, duration)
    found: dict[str, list[float]] = {name: [] for name, _ in services}
    while (chunk := stream.next_chunk()) is not None:
        for time, index in zip(chunk.time, chunk.service, strict=True):
            found[services[index][0]].append(float(time))
    return found


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        (["1700000000000", "1700000000500", "1700000002250"], ", unit: ms"),
        (["1700000000000000", "1700000000500000", "1700000002250000"], ", unit: us"),
        (["1700000000000000000", "1700000000500000000", "1700000002250000000"], ", unit: ns"),
        (["10.0", "10.5", "12.25"], ""),
        (["5.0", "5.25", "6.125"], ", scale: 2"),
        (["[10/Oct/2024:13:55:36 +0200]"] * 1 + ["2024-10-10T11:55:36.5+00:00", "2024-10-10T11:55:38.25+00:00"], ""),
        (["10.10.2024 01.00", "10.10.2024 01.50", "10.10.2024 03.25"], ', format: "%d.%m.%Y %S.%f"'),
    ],
)
def test_times_in_any_unit_and_format(load: Load, tmp_path: Path, lines: list[str], how: str) -> None:
    (tmp_path / "a.csv").write_text("time\n" + "\n".join(lines) + "\n")
    assert arrivals(load(f"file: a.csv{how}"))["s0-00"] == pytest.approx([0.0, 0.5, 2.25], abs=1e-9)


def test_the_times_of_web_servers_logs(load: Load, tmp_path: Path) -> None:
    log = ["10/Oct/2024:23:59:58 +0200", "10/Oct/2024:23:59:59 +0200", "11/Oct/2024:00:00:01 +0200"]
    (tmp_path / "log.csv").write_text("when,path\n" + "".join(f"[{each}],/\n" for each in log))
    for how in ("", ", format: nginx", ", format: apache"):
        assert arrivals(load(f"file: log.csv, time: when{how}"))["s0-00"] == [0.0, 1.0, 3.0]


def test_two_of_one_recording_keep_their_offset(load: Load, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time\n1000\n1004\n")
    (tmp_path / "b.csv").write_text("time\n1002500\n1003000\n")
    found = arrivals(load("file: a.csv", "file: b.csv, unit: ms"))
    assert found == {"s0-00": [0.0, 4.0], "s1-00": [2.5, 3.0]}
    later = arrivals(load("file: a.csv, shift: 1s", "file: b.csv, unit: ms, shift: 10s"))
    assert later == {"s0-00": [1.0, 5.0], "s1-00": [12.5, 13.0]}


def test_a_recording_that_is_repeated_lasts_as_long_as_the_run(load: Load, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time\n" + "".join(f"{each}\n" for each in range(10)))
    assert len(arrivals(load("file: a.csv"))["s0-00"]) == 10
    assert arrivals(load("file: a.csv, repeat: true"))["s0-00"] == [float(each) for each in range(100)]


@pytest.mark.parametrize("how", ["", ", per_tenant: draw"])
def test_tenants_do_not_replay_in_lock_step(load: Load, tmp_path: Path, how: str) -> None:
    times = np.sort(np.random.default_rng(1).random(500) * 50)
    (tmp_path / "a.csv").write_text("time\n" + "".join(f"{each}\n" for each in times))
    found = arrivals(load(f"file: a.csv{how}", tenants=3))
    assert len({each[0] for each in found.values()}) == 3
    assert found != arrivals(load(f"file: a.csv{how}", tenants=3), replication=1)
    assert found == arrivals(load(f"file: a.csv{how}", tenants=3))
    for each in found.values():
        assert each == sorted(each)
        assert len(each) == 500 if not how else 400 < len(each) < 600
        assert max(each) <= 50.2
    same = arrivals(load("file: a.csv, per_tenant: same", tenants=3))
    assert same["s0-00"] == same["s0-02"]


@pytest.mark.parametrize(
    ("text", "how", "said"),
    [
        ("time\n1\nsoon\n3\n", "", ["bad.csv:3", "'soon'"]),
        ("time,x\n1,a\n,b\n3,c\n", "", ["bad.csv:3", "empty"]),
        ("time\n1\nnan\n", "", ["bad.csv:3"]),
        ("time\n1\n-2\n", "", ["bad.csv:3", "negative"]),
        ("time,work\n1,0.1\n2,-0.5\n3,much\n", ", demand: work", ["bad.csv:4", "'much'"]),
        ("time,work\n1,0.1\n2,-0.5\n", ", demand: work", ["bad.csv:3", "negative"]),
        ("time\n10/Oct/2024:13:55:36 +0200\n10/Okt/2024\n", ", format: nginx", ["bad.csv:3", "Okt"]),
    ],
)
def test_a_bad_cell_is_refused_with_its_row(load: Load, tmp_path: Path, text: str, how: str, said: list[str]) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ScenarioError) as error:
        load(f"file: bad.csv{how}")
    (problem,) = error.value.problems
    assert problem.path == "services.s0.traffic.trace.file"
    assert all(each in str(error.value) for each in said)
