"""Small numbers of what `kill_trials.py` does many times, and a scheduler of its own."""

import signal
import subprocess
import sys
import time

import kill_trials
import pytest


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return kill_trials.table_of_one_process(tmp_path_factory.mktemp("whole"))


def test_a_separate_scheduler_with_two_workers_gives_the_same_bytes(tmp_path, wanted):
    with kill_trials.cluster(tmp_path) as (file, _):
        assert kill_trials.start(tmp_path / "sweep", file).wait(kill_trials.GIVE_UP) == 0
    assert (tmp_path / "sweep" / "table.parquet").read_bytes() == wanted


def wait_for_parts(out, process):
    """Wait until something has been written, so that the kill lands in the middle."""
    end = time.monotonic() + kill_trials.GIVE_UP
    while time.monotonic() < end and process.poll() is None:
        if list(out.glob("parts/*.parquet")):
            return
        time.sleep(0.02)
    pytest.fail("the sweep wrote nothing before it ended")


def test_a_killed_parent_leaves_nobody_behind_and_the_rest_is_made_later(tmp_path, wanted):
    out = tmp_path / "sweep"
    parent = kill_trials.start(out)
    wait_for_parts(out, parent)
    started = kill_trials.descendants(parent.pid)
    kill_trials.kill(parent.pid)
    assert parent.wait(kill_trials.GIVE_UP) == -signal.SIGKILL
    assert not (out / "table.parquet").exists()
    assert kill_trials.gone(started)
    kept = {part.name: part.read_bytes() for part in out.glob("parts/*.parquet")}
    assert kill_trials.start(out).wait(kill_trials.GIVE_UP) == 0
    assert (out / "table.parquet").read_bytes() == wanted
    assert all((out / "parts" / name).read_bytes() == content for name, content in kept.items())


def test_ctrl_c_keeps_what_finished_and_leaves_nobody_behind(tmp_path):
    out = tmp_path / "sweep"
    arguments = [sys.executable, kill_trials.__file__, "--sweep", str(out)]
    parent = subprocess.Popen(arguments, stderr=subprocess.PIPE, start_new_session=True, text=True)
    wait_for_parts(out, parent)
    started = kill_trials.descendants(parent.pid)
    kill_trials.os.killpg(parent.pid, signal.SIGINT)  # as the terminal does: to the workers as well
    _, said = parent.communicate(timeout=kill_trials.GIVE_UP)
    assert parent.returncode == 130
    assert said == ""
    assert kill_trials.gone(started)
    assert list(out.glob("parts/*.parquet"))
