"""Small numbers of what `kill_trials.py` does many times, on the simulator; and a scheduler of its own."""

import signal
import subprocess
import time

import kill_trials
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return kill_trials.undisturbed(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def out(tmp_path):
    kill_trials.files(tmp_path)
    return tmp_path / "sweep"


def test_a_separate_scheduler_with_two_workers_gives_the_same_bytes(out, wanted):
    with kill_trials.cluster(out.parent) as (file, _):
        assert kill_trials.start(out, file).wait(kill_trials.GIVE_UP) == 0
    assert (out / "table.parquet").read_bytes() == wanted


def wait_for_parts(out, process):
    """Wait until something has been written, so that the kill lands in the middle."""
    end = time.monotonic() + kill_trials.GIVE_UP
    while time.monotonic() < end and process.poll() is None:
        if list(out.glob("parts/*.parquet")):
            return
        time.sleep(0.02)
    pytest.fail("the sweep wrote nothing before it ended")


def test_a_killed_parent_leaves_nobody_behind_and_the_rest_is_made_later(out, wanted):
    parent = kill_trials.start(out)
    wait_for_parts(out, parent)
    started = kill_trials.descendants(parent.pid)
    kill_trials.kill(parent.pid)
    assert parent.wait(kill_trials.GIVE_UP) == -signal.SIGKILL
    assert not (out / "table.parquet").exists()
    assert kill_trials.torn(out) == []
    assert kill_trials.gone(started)
    kept = {part.name: part.read_bytes() for part in out.glob("parts/*.parquet")}
    assert kill_trials.start(out).wait(kill_trials.GIVE_UP) == 0
    assert (out / "table.parquet").read_bytes() == wanted
    assert all((out / "parts" / name).read_bytes() == content for name, content in kept.items())


def test_a_killed_worker_is_replaced(out, wanted):
    parent = kill_trials.start(out)
    wait_for_parts(out, parent)
    kill_trials.kill(kill_trials.local_workers(parent.pid)[0])
    assert parent.wait(kill_trials.GIVE_UP) == 0
    assert (out / "table.parquet").read_bytes() == wanted


def test_ctrl_c_keeps_what_finished_and_leaves_nobody_behind(out):
    parent = subprocess.Popen(
        kill_trials.command(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    wait_for_parts(out, parent)
    started = kill_trials.descendants(parent.pid)
    kill_trials.os.killpg(parent.pid, signal.SIGINT)  # as the terminal does: to the workers as well
    _, said = parent.communicate(timeout=kill_trials.GIVE_UP)
    assert parent.returncode == 130
    assert said.startswith("interrupted; what finished is in ")
    assert said.count("\n") == 1
    assert kill_trials.gone(started)
    assert list(out.glob("parts/*.parquet"))
