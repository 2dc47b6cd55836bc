"""Scenarios become groups and requests; groups become files of the kernel; where it can be, real ones are run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.calibration import cgroups, servers
from sim.calibration.cgroups import Groups, Hierarchy, Missing
from sim.calibration.recordings import Case, Group, Measurements, Repetition, save
from sim.calibration.replay import PLATFORM
from validation.__main__ import main
from validation.cases import POINTS, Point, case_of, jobs_of
from validation.measure import measure
from validation.predict import RULES, predict
from validation.report import write

MISSING = servers.missing()
V1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n"


# from a scenario to requests


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.kind}: {point.name}")
def test_every_point_can_be_measured(point: Point) -> None:
    scenario = point.scenario()
    case = case_of(point, scenario)
    assert case.cpus in (1, 2)
    assert all(job.arrival.size for job in jobs_of(case, scenario, 0))


def test_a_measurement_of_all_takes_less_than_a_quarter_of_an_hour() -> None:
    assert sum(3 * (point.scenario().duration + 1) for point in POINTS) < 15 * 60


def test_the_requests_are_those_that_the_simulator_draws(tmp_path: Path) -> None:
    point = next(point for point in POINTS if point.name == "2 CPUs, neighbours use 1.2")
    scenario = point.scenario(4)
    case = case_of(point, scenario)
    frame = sim.run(scenario, keep_requests=True).requests
    for replication in (0, 2):
        for job in jobs_of(case, scenario, replication):
            own = frame[(frame["replication"] == replication) & (frame["service"] == job.group.name)]
            assert own["arrival"].tolist() == job.arrival.tolist()
            assert own["demand"].tolist() == job.demand.tolist()


def test_a_prediction_from_recorded_requests_is_that_of_the_scenario() -> None:
    import pandas as pd

    point = next(point for point in POINTS if point.name == "2 CPUs, load 0.7")
    scenario = point.scenario(4)
    case = case_of(point, scenario)
    parts = [
        pd.DataFrame({"group": job.group.name, "arrival": job.arrival, "demand": job.demand})
        for job in jobs_of(case, scenario, 1)
    ]
    said = predict(case, pd.concat(parts))
    frame = sim.run(scenario, keep_requests=True).requests
    for group in case.groups:
        own = frame[(frame["replication"] == 1) & (frame["service"] == group.name)]
        expected = (own["finish"].where(own["status"] == "completed") - own["arrival"]).to_numpy()
        np.testing.assert_allclose(said[group.name].response[0], expected, atol=1e-4)  # recorded by the microsecond


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match=", ".join(RULES)):
        predict(Case("x", "quota", 1, 1.0, []), None, "round")


def test_shared_threads_cannot_be_measured() -> None:
    point = Point("quota", "shared", "quota.yaml", ("services.limited.concurrency=4", "services.limited.threads=2"))
    with pytest.raises(ValueError, match="shares 2 threads"):
        case_of(point, point.scenario())


def test_a_closed_loop_cannot_be_measured() -> None:
    traffic = "services.limited.traffic=[{constant-vus: {vus: 2, think_time: 1s}}]"
    point = Point("quota", "closed", "quota.yaml", (traffic,))
    with pytest.raises(ValueError, match="open traffic"):
        case_of(point, point.scenario())


# control groups as files


@pytest.mark.parametrize(
    ("mounts", "version"),
    [
        (V1, 1),
        ("cgroup2 {v2} cgroup2 rw 0 0\n", 2),
        ("cgroup2 {v2} cgroup2 rw 0 0\n" + V1, 1),
        ("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n", None),
        ("cgroup2 {empty} cgroup2 rw 0 0\n", None),
        ("", None),
    ],
    ids=["v1", "v2", "both", "another controller", "v2 without cpu", "none"],
)
def test_where_the_cpu_controller_is(tmp_path: Path, mounts: str, version: int | None) -> None:
    for name, controllers in (("v2", "cpuset cpu io"), ("empty", "hugetlb")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.controllers").write_text(controllers)
    text = mounts.format(v2=tmp_path / "v2", empty=tmp_path / "empty")
    if version is None:
        with pytest.raises(Missing):
            cgroups.find(text)
    else:
        assert cgroups.find(text).version == version


@pytest.mark.parametrize(
    ("version", "limited", "free", "stat"),
    [
        (1, {"cpu.shares": "8192", "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000",
             "cpu.cfs_burst_us": "20000"},
         {"cpu.shares": "2048", "cpu.cfs_quota_us": "-1"}, "throttled_time 1500000000"),
        (2, {"cpu.weight": "400", "cpu.max": "50000 100000", "cpu.max.burst": "20000"},
         {"cpu.weight": "100", "cpu.max": "max 100000"}, "throttled_usec 1500000"),
    ],
)  # fmt: skip
def test_what_is_written_into_a_group(tmp_path: Path, monkeypatch, version, limited, free, stat) -> None:
    monkeypatch.setattr(cgroups, "_remove", shutil.rmtree)
    with Groups(Hierarchy(tmp_path, version)) as groups:
        for folder, files in ((groups.make("a", 0.25, 0.5, 0.02), limited), (groups.make("b", 0.0625, None), free)):
            assert {name: (folder / name).read_text().strip() for name in files} == files
            assert folder.parent == groups.parent
        (folder / "cpu.stat").write_text(f"usage_usec 7\nnr_periods 30\nnr_throttled 12\n{stat}\n")
        assert groups.throttling(folder) == cgroups.Throttling(30, 12, 1.5)
        if version == 2:
            assert [(each / "cgroup.subtree_control").read_text() for each in (tmp_path, groups.parent)] == [
                "+cpu\n"
            ] * 2
    assert not groups.parent.exists()


def test_where_groups_may_not_be_made_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"control groups: .*No such file"), Groups(Hierarchy(tmp_path / "no", 1)):
        pass


# commands


def test_without_a_compiler_nothing_is_measured_and_it_says_so(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["check"]) == 1
    assert main(["measure", "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("missing: a C compiler")
    assert said[1].startswith("not measured, something is missing: a C compiler")
    assert list(tmp_path.iterdir()) == []


def test_all_wrong_wishes_are_named(tmp_path: Path, capsys) -> None:
    wishes = ["--only", "nothing", "--repetitions", "0", "--window", "0.5"]
    assert main(["measure", "--data", str(tmp_path), *wishes]) == 2
    said = capsys.readouterr().err
    assert all(wish in said for wish in ("--only nothing", "--repetitions 0", "--window 0.5"))
    assert main(["report", "--data", str(tmp_path)]) == 2


def test_a_folder_reads_back_and_makes_a_page(tmp_path: Path) -> None:
    import pandas as pd

    arrival = np.arange(40) * 0.05
    frame = pd.DataFrame({
        "case": "one", "repetition": 0, "group": "limited", "arrival": arrival, "demand": 0.01,
        "start": arrival + 1e-5, "finish": np.where(arrival < 1.9, arrival + 0.010004, np.nan),
    })  # fmt: skip
    counted = {"limited": {"periods": 20, "throttled": 1, "time": 0.05}}
    seen = Repetition(counted, {"background": 0.2, "steal": 0.0, "load": 1.0})
    case = Case("one", "quota", 1, 2.0, [Group("limited", 0.25, 0.5, 1)], [seen])
    host = {
        "date": "2026-01-01",
        "kernel": "6",
        "cpu": "x",
        "cpus": 1,
        "memory_bytes": 2**30,
        "cgroup": 2,
        "licence": "L",
    }
    save(tmp_path / "data", host, [case], frame)
    back = Measurements(tmp_path / "data")
    assert (back.cases, back.host) == ([case], host)
    np.testing.assert_allclose(back.of(case, 0)["finish"], frame["finish"], atol=5e-7)
    page, figure = write(tmp_path / "page.md", [tmp_path / "data"])
    row = next(line for line in page.read_text().splitlines() if line.startswith("| one |"))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:5] == ["one", "limited", "1", "38", "10.0"]
    assert cells[-1] == "20.0%*"
    assert cells[-3].startswith("5% → ")
    assert figure.stat().st_size > 10_000


# real processes


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"nothing can be measured here: {MISSING}")
def test_real_processes_do_their_work_within_their_limit(tmp_path: Path) -> None:
    points = [point for point in POINTS if point.name == "1 CPU, neighbours use 0.4"]
    assert measure(points, tmp_path, repetitions=1, window=1.5, say=lambda line: None) == []
    measured = Measurements(tmp_path)
    (case,) = measured.cases
    frame = measured.of(case, 0)
    ended = frame[frame["finish"].notna()]
    assert len(ended) > 0.5 * len(frame)
    assert (ended["finish"] - ended["start"] >= ended["demand"] - 5e-6).all()
    assert (ended["start"] >= ended["arrival"] - 5e-6).all()
    counted = case.repetitions[0].throttling
    assert set(counted) == {"limited"}
    assert 0 < counted["limited"]["periods"] <= 25
    assert 0 <= case.repetitions[0].machine["background"] <= 1.01
    assert not (cgroups.find().root / f"{cgroups.PREFIX}-{os.getpid()}").exists()


def test_the_platform_costs_nothing() -> None:
    """Measured processes have no overhead, so that neither may the platform that they are compared with."""
    from sim.platforms import load_platform

    assert load_platform(PLATFORM).cpu.overhead == 1
