"""A result's place: one process writes to it, what is there is whole, and the machine's troubles are told in words."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli import main
from sim.report.folder.place import ResultsError, held, whole
from sim.report.folder.writer import RunWriter
from sim.scenario import scenario_from_text

TEXT = """
host: {cores: 1, memory: 1GiB}
duration: 10s
replications: 1
platforms: [native]
services: {a: {size: {cpu: 1, memory: 1MiB}, request_cpu: 1ms, traffic: {rate: 5/s}}}
"""
SCENARIO = scenario_from_text(TEXT)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_one_writes_at_a_time_and_nothing_of_it_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with RunWriter(out, SCENARIO) as writer:
        with pytest.raises(ResultsError, match="another process is writing"):
            RunWriter(out, SCENARIO, overwrite=True)
        with pytest.raises(ResultsError, match="another process is writing"), held(out):
            raise AssertionError("not reached")
        writer.write()
        writer.finish()
    assert names(tmp_path) == ["out"]
    with held(out), held(tmp_path / "other"):
        pass
    assert names(tmp_path) == ["out"]


def test_another_process_of_another_scenario_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TEXT, "utf-8")
    arguments = [str(file), "--set", "duration=20s", "--out", str(tmp_path / "out"), "--quiet", "--no-plots"]
    with RunWriter(tmp_path / "out", SCENARIO) as writer:
        other = subprocess.run([sys.executable, "-m", "sim", *arguments], capture_output=True, text=True, check=False)
        assert other.returncode == 2
        assert "another process is writing a result there; wait for it, or give another --out" in other.stderr
        writer.write()
        writer.finish()
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_a_result_that_came_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.experiment.replications import scenario as runs
    from sim.experiment.workers.executor import SerialExecutor

    looked = []
    real = runs.check_folder

    def check(scenario: object, folder: Path, overwrite: bool) -> None:
        real(scenario, folder, overwrite)  # type: ignore[arg-type]
        if not looked:  # after the first look, another process is done
            with RunWriter(folder, SCENARIO) as writer:
                writer.write()
                writer.finish()
        looked.append(folder)

    monkeypatch.setattr(runs, "check_folder", check)
    other = SCENARIO.model_copy(update={"duration": 5.0})
    with pytest.raises(ResultsError, match="result of other settings"):
        runs.run_scenario(other, tmp_path / "out", executor=SerialExecutor(), plots=False)


def test_a_study_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text in ("first", "second"):
        with whole(out) as work:
            (work / "answer").write_text(text)
    with pytest.raises(FileNotFoundError), whole(out) as work:
        (work / "nowhere" / "answer").write_text("half")
    assert (out / "answer").read_text() == "second"
    assert names(tmp_path) == ["out"]


def test_a_parent_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "deep" / "out", SCENARIO) as writer:
        shutil.rmtree(tmp_path / "deep")
        writer.write()
        writer.finish()
    assert (tmp_path / "deep" / "out" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.csv"), "x.csv: No space left on device: the disk is full"),
        (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "out"), "nothing can be written there; give another --out"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "nothing may be written there"),
        (MemoryError("12 GiB"), "not enough memory (12 GiB): a smaller question, or fewer --workers"),
    ],
)
def test_what_the_machine_lacks_is_said_with_what_to_do(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TEXT, "utf-8")
    arguments = [str(file), "--out", str(tmp_path / "out"), "--quiet", "--no-plots", "--no-why"]
    assert main(arguments) == 0
    before = (tmp_path / "out" / "summary.csv").read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("sim.report.folder.summary.write_summary", fail)
    capsys.readouterr()
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "every earlier result" in told
    assert "unexpected" not in told
    assert (tmp_path / "out" / "summary.csv").read_bytes() == before
    assert names(tmp_path) == ["a.yaml", "out"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_any_run(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ResultsError, match="cannot be written"):
        RunWriter(tmp_path / "out", SCENARIO)
