"""Exact storms, a fit that finds what was put in, a file that can be used; where it can be, real containers."""

from __future__ import annotations

import os
import platform as this
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from sim import load_scenario
from sim.calibration import cgroups, limits, machine, runtimes, study
from sim.calibration.cgroups import Groups
from sim.calibration.disk import Unpacking
from sim.calibration.fit import FITTED, Line, Measured, fit, verdict
from sim.calibration.platform_file import text, write
from sim.calibration.predict import Model, Predictor
from sim.calibration.recordings import Group, Job
from sim.calibration.storm import Batch, CalibrationError, Start, read_rows, storm, write_rows
from sim.cli import main
from sim.experiment.replications.runner import platform_of

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "validation" / "data" / "real-starts" / "runc.csv"
MISSING = study.check("runc", parts=["starts"])["starts"]
real = pytest.mark.skipif(bool(MISSING), reason=f"no real containers: {MISSING}")


# what a storm comes to


def test_work_alone_takes_as_long_as_all_of_it_on_all_cpus() -> None:
    (once,) = Predictor(2, 1).latencies(Model(0.02, 0.0, 0.0), 8)
    np.testing.assert_allclose(once, 8 * 0.02 / 2, rtol=1e-6)


def test_a_lock_lets_one_in_after_the_other() -> None:
    (once,) = Predictor(64, 1).latencies(Model(0.001, 0.01, 0.0, lock=1.0), 5)
    np.testing.assert_allclose(np.sort(once), 0.001 + 0.01 * np.arange(1, 6), rtol=1e-6)


def test_turns_hide_the_waits_of_one_behind_the_work_of_another() -> None:
    whole, turns = (np.mean(Predictor(1, 1).latencies(Model(0.02, 0.02, 0.4, pieces), 4)) for pieces in (1, 3))
    assert 4 * 0.02 * 0.5 < turns < whole < 4 * 0.02 + 0.04


def test_the_mean_of_replayed_requests_is_theirs_alone() -> None:
    """Without the request of no work with which their recording begins."""
    job = Job(Group("alone", 1.0, None, 1), np.array([1.0, 2.0]), np.array([0.1, 0.3]))
    assert limits._predict([job], 5.0) == pytest.approx([0.2])


# from measurements to a model


def made(model: Model, at_once: tuple[int, ...], cpus: int) -> list[Batch]:
    """Batches as if they had been measured: the simulator's own latencies, and the model's work."""
    batches = []
    for k in at_once:
        for rep, each in enumerate(Predictor(cpus, 4).latencies(model, k)):
            parts = each.reshape(-1, k) if k > 1 else each.reshape(-1, 1)
            for j, part in enumerate(parts):
                starts = tuple(Start(k, 10 * rep + j, i, float(t), model.work, 0.0) for i, t in enumerate(part))
                batches.append(Batch(starts, float(part.max()), model.work * k, 0.0, 0.0))
    return batches


@pytest.mark.slow
def test_a_fit_finds_what_was_put_in() -> None:
    true = Model(0.02, 0.012, 0.3)
    found, error = fit(Measured(made(true, (1, 2, 8), 2), 2), Predictor(2, 3))
    assert found.work == pytest.approx(0.02)
    assert found.wait == pytest.approx(0.012, rel=0.3)
    assert (found.lock, found.share, error < 0.05) == (0.0, 1.0, True)
    assert np.median(Predictor(2, 2).latencies(found, 32)) == pytest.approx(
        float(np.median(Predictor(2, 2).latencies(true, 32))), rel=0.05
    )


@pytest.mark.slow
def test_recorded_starts_of_runc_go_on_as_their_work_says() -> None:
    """A storm cannot be faster than its work on two CPUs, and what is not work is small beside it."""
    measured = Measured(read_rows(RECORDED, "runc"), 2)
    found, error = fit(measured, Predictor(2, 3))
    assert found.work == pytest.approx(0.0219, abs=0.0002)
    assert error < 0.12
    for k in (16, 32):
        least = found.work * k / 2
        assert least * 0.9 < np.median(Predictor(2, 2).latencies(found, k)) < least * 1.2


def test_what_others_had_can_be_taken_from_the_starts_but_no_more() -> None:
    starts = tuple(Start(2, 0, i, 0.1, 0.02, 0.03) for i in range(2))
    assert Batch(starts, 0.1, 0.15, 0.02, 0.0).others(2) == pytest.approx(0.07 / 0.2)
    assert Batch(starts, 0.1, 0.05, 0.0, 0.0).others(2) == 0.0


def test_single_starts_are_needed() -> None:
    with pytest.raises(CalibrationError, match="one by one"):
        Measured([Batch((Start(4, 0, 0, 0.1, 0.1, 0.0),), 1.0, 1.0, 0.0, 0.0)], 2)


@pytest.mark.parametrize(
    ("predicted", "said"), [(1.14, "It predicts"), (1.16, "NOT"), (0.86, "It predicts"), (0.84, "NOT")]
)
def test_the_verdict_is_of_what_was_kept_aside(predicted: float, said: str) -> None:
    good = Line(8, 9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.0, True)
    aside = Line(16, 9, 1.0, 1.0, 1.0, predicted, 1.0, 1.0, 0.1, 0.0, False)
    assert said in verdict([good, aside])
    assert "Nothing was kept aside" in verdict([good])


def test_rows_come_back(tmp_path: Path) -> None:
    batches = [Batch((Start(1, 0, 0, 0.25, 0.125, 0.0625),), 0.5, 0.25, 0.0, 1.5)]
    write_rows(tmp_path / "rows.csv", "runc", batches)
    assert read_rows(tmp_path / "rows.csv", "runc") == batches
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_every_mistake_of_a_table_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("k,latency,utime,stime\n1,0.1,0.1,0.1\n1,soon,0.1,0.1\n1,0.1,-1,0\n")
    with pytest.raises(CalibrationError, match=r"rows.csv:3: .*soon.*rows.csv:4: .*-1"):
        read_rows(tmp_path / "rows.csv", "runc")


# the file


@pytest.fixture
def found() -> study.Found:
    host: dict[str, object] = {"date": "2026-11-24", "cpu": "a CPU", "kernel": "6.18", "virtual": True}
    given = study.Found(host, 2, 0.5, "runc", "1.1.5", 99, Model(0.02, 0.03, 0.4, 2, 0.25), 0.05, (0.019, 0.025))
    given.lines = [Line(8, 9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.02, 0.0, True)]
    return given


def test_the_file_is_a_platform(tmp_path: Path, found: study.Found) -> None:
    path = tmp_path / "my-host.yaml"
    write(found, path)
    scenario = load_scenario(ROOT / "scenarios" / "boot-storm.yaml", platforms=["container", str(path)])
    mine = platform_of(scenario, "my-host")
    assert sum(phase.work or 0 for phase in mine.startup if phase.kind == "cpu") == pytest.approx(0.02)
    assert sum(phase.hold.mean for phase in mine.startup if phase.hold) == pytest.approx(0.0075)
    assert next(phase.name for phase in mine.startup if phase.name in mine.restart.phases) == "wait-1"
    assert mine.memory == platform_of(scenario, "container").memory
    assert "n = 99 starts" in path.read_text()


def test_unpacking_is_the_cpu_time_of_a_byte(tmp_path: Path, found: study.Found) -> None:
    found.model, found.unpacking = None, Unpacking(10**8, 5, 1.6e8, 8e-9)
    write(found, tmp_path / "my-host.yaml")
    scenario = load_scenario(
        ROOT / "scenarios" / "boot-storm.yaml", platforms=["container", str(tmp_path / "my-host.yaml")]
    )
    known, mine = (next(phase for phase in platform_of(scenario, name).startup if phase.kind == "pull")
                   for name in ("container", "my-host"))  # fmt: skip
    assert mine == known.model_copy(update={"unpack": mine.unpack})
    assert mine.unpack == pytest.approx(125e6)


def test_the_file_says_nothing_of_whose_machine_it_was(found: study.Found) -> None:
    found.host = machine.describe(2)
    told = text(found, "my-host.yaml")
    assert str(found.host["kernel"]) in told
    assert this.node() not in told
    assert tempfile.gettempdir() not in told
    assert "no host" not in told


def test_a_file_that_cannot_be_whole_is_not_there(tmp_path: Path, found: study.Found, monkeypatch) -> None:
    def fail(*_: object) -> Path:
        raise OSError("no room")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        write(found, tmp_path / "my-host.yaml")
    assert not list(tmp_path.iterdir())


# the command


def test_wrong_wishes_are_told_before_anything_is_measured(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.yaml").write_text("")
    for wish in (["-o", "mine.txt"], ["-o", "there.yaml"], ["-o", "no/mine.yaml"], ["--only", "start"]):
        assert main(["calibrate", *wish]) == 2
    told = capsys.readouterr().err
    for word in ("ends in .yaml", "--overwrite", "a folder that is there", "starts, unpack, disk, cpu"):
        assert word in told


def test_without_the_program_it_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setattr(runtimes.shutil, "which", lambda name: None)
    assert main(["calibrate", "--check"]) == 1
    assert "starts: missing: runc: no such program (apt-get install runc)" in capsys.readouterr().out


# real ones


def left() -> list[Path]:
    name = f"{cgroups.PREFIX}-{os.getpid()}"
    return [root / name for root in cgroups.hierarchies() if (root / name).exists()]


@real
def test_real_starts(tmp_path: Path) -> None:
    with Groups() as groups:
        try:
            with runtimes.prepared("runc", tmp_path, groups.name) as starter:
                batch = storm(starter, groups, 3, 0)
        finally:
            cgroups.sweep(groups.name)
    assert [start.i for start in batch.starts] == [0, 1, 2]
    assert all(0.001 < start.work < 1.0 and 0.005 < start.latency <= batch.wall for start in batch.starts)
    assert not left()


@real
def test_a_container_that_cannot_start_is_told_in_the_words_of_the_runtime(tmp_path: Path) -> None:
    with Groups() as groups:
        try:
            with runtimes.prepared("runc", tmp_path, groups.name) as starter:
                (tmp_path / "rootfs" / "bin" / "true").unlink()
                with pytest.raises(CalibrationError, match=r"runc: 2 starts failed: .*true"):
                    storm(starter, groups, 2, 0)
        finally:
            cgroups.sweep(groups.name)
    assert not left()


@real
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind_when_it_is_stopped(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "sim", "calibrate", "--only", "starts", "-o", str(tmp_path / "my-host.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "round" in process.stderr.readline()
    time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(20) == (143 if number == signal.SIGTERM else 130)
    process.stderr.close()
    name = f"{cgroups.PREFIX}-{process.pid}"
    assert not [root for root in cgroups.hierarchies() if (root / name).exists()]
    assert not list(tmp_path.iterdir())


def test_only_one_s_own_groups_are_swept() -> None:
    with pytest.raises(ValueError, match="not a group of ours"):
        cgroups.sweep("system.slice")


def test_what_is_fitted_ends_at_eight() -> None:
    assert FITTED == 8
    assert max(study.AT_ONCE) == 32
