import errno
import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from experiment_fakes import Fake, deadly, fixed_code, quick

from sim.experiment.sweep import store as sweep_store
from sim.experiment.sweep.plan import Plan, SweepError, run_id, scenario_digest
from sim.experiment.sweep.session import run_plan
from sim.experiment.sweep.store import SweepStore
from sim.experiment.workers.cluster import DaskExecutor
from sim.experiment.workers.executor import ExecutorError, SerialExecutor
from sim.experiment.workers.pool import PoolExecutor
from sim.report.folder.place import ResultsError


def plan(points=6, replications=3, bad=(), **extra):
    values = [{"x": x, "speed": f"{x}ms", "word": f"w{x}"} for x in range(points)]
    return Plan(
        "demo",
        values,
        lambda i: Fake({**values[i], **extra, **({"bad": True} if i in bad else {})}),
        ("vm", "container"),
        replications,
    )


def run(the_plan, out, evaluate=quick, **options):
    with SerialExecutor() as executor:
        return on(executor, the_plan, out, evaluate, **options)


def on(executor, the_plan, out, evaluate=quick, fingerprint=fixed_code, **options):
    return run_plan(the_plan, out, executor=executor, evaluate=evaluate, fingerprint=fingerprint, **options)


def test_table_has_a_row_for_every_metric_of_every_run(tmp_path):
    result = run(plan(), tmp_path / "a")
    assert (result.total, result.made, result.reused, result.failed) == (36, 36, 0, 0)
    table = pd.read_parquet(tmp_path / "a" / "table.parquet")
    assert list(table.columns) == [
        *("point", "x", "speed", "word", "platform", "replication"),
        *("service", "metric", "unit", "value", "error", "run"),
    ]
    assert len(table) == 36 * 2
    assert table["speed"].dtype == np.float64  # a quantity in SI
    assert table["speed"].max() == pytest.approx(0.005)
    order = table[["point", "platform", "replication"]].drop_duplicates()
    assert list(order["point"]) == sorted(order["point"])
    assert list(order["platform"].iloc[:4]) == ["vm", "vm", "vm", "container"]  # as the scenario lists them
    row = table[(table.point == 4) & (table.platform == "vm") & (table.replication == 2)].iloc[0]
    assert row["value"] == quick(Fake({"x": 4}), "vm", 2)[0].value
    assert table["error"].isna().all()


def test_failures_are_rows_and_stop_nothing(tmp_path):
    result = run(plan(bad=(1, 4)), tmp_path / "a")
    assert result.failed == 12
    table = result.table
    failed = table[table["error"].notna()]
    assert sorted(failed["point"].unique()) == [1, 4]
    assert len(failed) == 12
    assert failed["value"].isna().all()
    assert failed["error"].iloc[0] == "ValueError: this point cannot be run on vm"
    again = run(plan(bad=(1, 4)), tmp_path / "a")
    assert (again.made, again.failed) == (0, 12)  # a failed run is finished


def test_failed_runs_can_be_tried_again(tmp_path):
    run(plan(bad=(2,)), tmp_path / "a")
    same = plan(bad=(2,))

    def cured(scenario, platform, replication):
        return quick(Fake({**scenario.values, "bad": False}), platform, replication)

    result = run(same, tmp_path / "a", cured, retry_failed=True)
    assert (result.made, result.failed) == (6, 0)
    assert result.table["error"].isna().all()


def interrupted_after(count):
    calls = []

    def evaluate(scenario, platform, replication):
        calls.append(1)
        if len(calls) > count:
            raise KeyboardInterrupt
        return quick(scenario, platform, replication)

    return evaluate


@pytest.mark.parametrize("stops", [(0,), (1,), (17,), (5, 5, 5, 5), (35,)])
def test_an_interrupted_sweep_resumed_equals_an_undisturbed_one(tmp_path, stops):
    undisturbed = run(plan(bad=(3,)), tmp_path / "a").path.read_bytes()
    made = 0
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            run(plan(bad=(3,)), tmp_path / "b", interrupted_after(stop))
        assert not (tmp_path / "b" / "table.parquet").exists()
        state = json.loads((tmp_path / "b" / "manifest.json").read_text())
        assert state["state"] == "interrupted"
        assert state["runs"]["finished"] >= made
        made = state["runs"]["finished"]
    result = run(plan(bad=(3,)), tmp_path / "b")
    assert result.path.read_bytes() == undisturbed
    assert result.reused == made
    assert json.loads((tmp_path / "b" / "manifest.json").read_text())["state"] == "complete"


def test_nothing_is_made_twice_and_more_replications_add_only_theirs(tmp_path):
    run(plan(replications=2), tmp_path / "a")
    result = run(plan(replications=3), tmp_path / "a")
    assert (result.made, result.reused) == (12, 24)
    assert result.path.read_bytes() == run(plan(replications=3), tmp_path / "b").path.read_bytes()
    fewer = run(plan(points=2, replications=1), tmp_path / "a")
    assert (fewer.total, fewer.made) == (4, 0)
    assert len(fewer.table) == 4 * 2


def test_equal_points_are_run_once_and_both_stand_in_the_table(tmp_path):
    values = [{"x": 1}, {"x": 2}, {"x": 1}]
    twice = Plan("demo", values, lambda i: Fake(values[i]), ("vm",), 2)
    result = run(twice, tmp_path / "a")
    assert (result.total, result.made) == (4, 4)
    table = result.table
    first, third = (table[table.point == point].drop(columns="point").reset_index(drop=True) for point in (0, 2))
    pd.testing.assert_frame_equal(first, third)
    assert len(table) == 3 * 2 * 2


def test_the_id_of_a_run_depends_on_what_it_computes():
    base = scenario_digest(Fake({"x": 1}))
    assert base == scenario_digest(Fake({"x": 1, "description": "other words", "replications": 9}))
    assert base != scenario_digest(Fake({"x": 2}))
    ids = {run_id(base, "vm", 0), run_id(base, "vm", 1), run_id(base, "container", 0)}
    assert len(ids) == 3


def test_half_written_and_broken_files_are_never_read(tmp_path):
    undisturbed = run(plan(), tmp_path / "a").path.read_bytes()
    run(plan(points=3), tmp_path / "b")
    parts = tmp_path / "b" / "parts"
    whole = next(parts.glob("*.parquet"))
    (parts / ".torn.parquet.tmp").write_bytes(whole.read_bytes()[:100])
    (parts / "torn.parquet").write_bytes(whole.read_bytes()[:-20])  # as after a power cut on a lying disk
    result = run(plan(), tmp_path / "b")
    assert result.path.read_bytes() == undisturbed
    assert not list(parts.glob("*.tmp"))
    assert (parts / "torn.unreadable").exists()


def test_a_full_disk_keeps_what_was_written(tmp_path, monkeypatch):
    undisturbed = run(plan(), tmp_path / "a").path.read_bytes()
    monkeypatch.setattr("sim.experiment.sweep.session.FLUSH_SECONDS", 0.0)
    real, left = os.fsync, [12]

    def fsync(descriptor):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(sweep_store.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        run(plan(), tmp_path / "b")
    monkeypatch.setattr(sweep_store.os, "fsync", real)
    store = SweepStore(tmp_path / "b")
    kept = len(store.finished())
    assert 0 < kept < 36
    assert not list(tmp_path.rglob("*.tmp"))
    assert SweepStore(tmp_path / "b").read_parts().num_rows == kept * 2
    result = run(plan(), tmp_path / "b")
    assert result.made == 36 - kept
    assert result.path.read_bytes() == undisturbed


def test_one_writer_at_a_time(tmp_path):
    with SweepStore(tmp_path).locked(), pytest.raises(ResultsError, match="another process"):
        run(plan(), tmp_path)


def test_results_of_other_code_or_another_sweep_are_not_mixed(tmp_path):
    run(plan(), tmp_path / "a")
    other = Plan("other", *[getattr(plan(), name) for name in ("points", "scenario_at", "platforms", "replications")])
    with pytest.raises(SweepError, match="another folder"):
        run(other, tmp_path / "a")
    with pytest.raises(SweepError, match="another version"):
        run(plan(), tmp_path / "a", fingerprint=lambda: "newer")
    assert run(plan(), tmp_path / "a", fingerprint=lambda: "newer", overwrite=True).made == 36


def test_a_worker_with_other_code_is_refused(tmp_path):
    answers = iter(["parent", "parent", "worker"])
    with pytest.raises(SweepError, match="another version"):
        run(plan(), tmp_path / "a", fingerprint=lambda: next(answers))


def test_progress_counts_up_to_the_end(tmp_path):
    seen = []
    run(plan(bad=(0,)), tmp_path / "a", progress=seen.append)
    assert [seen[0].done, seen[-1].done] == [0, 36]
    assert all(early.done <= late.done for early, late in itertools.pairwise(seen))
    assert seen[0].remaining is None
    assert seen[-1].remaining == 0
    assert seen[-1].failed == 6
    assert seen[-1].rate > 0


@pytest.fixture
def processes():
    with PoolExecutor(2) as executor:
        yield executor


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one(tmp_path, processes):
    serial = run(plan(bad=(2,)), tmp_path / "a")
    parallel = on(processes, plan(bad=(2,)), tmp_path / "b")
    assert processes.slots == 2
    assert parallel.failed == 6
    assert parallel.path.read_bytes() == serial.path.read_bytes()


@pytest.mark.slow
def test_a_run_that_kills_its_worker_is_a_row_and_is_tried_again(tmp_path, processes):
    the_plan = plan(replications=1, cure=str(tmp_path / "cure"))
    result = on(processes, the_plan, tmp_path / "a", deadly)
    table = result.table
    lost = table[table["error"].notna()]
    assert list(zip(lost["x"], lost["platform"], strict=True)) == [(3, "vm")]  # only the culprit, no bystander
    assert "worker process died" in lost["error"].iloc[0]
    (tmp_path / "cure").touch()
    again = on(processes, the_plan, tmp_path / "a", deadly)
    assert (again.made, again.failed) == (1, 0)
    assert again.path.read_bytes() == run(the_plan, tmp_path / "b").path.read_bytes()


def test_no_scheduler_at_the_address_is_said(monkeypatch):
    monkeypatch.setattr("sim.experiment.workers.cluster.CONNECT_TIMEOUT", 0.2)
    with (
        pytest.raises(ExecutorError, match=r"no Dask workers through tcp://127.0.0.1:1"),
        DaskExecutor("tcp://127.0.0.1:1"),
    ):
        pass


def test_a_sweep_can_be_imported_where_only_unix_modules_lack():
    code = "import sys; sys.modules['fcntl'] = None; import sim.experiment.sweep.session"
    subprocess.run([sys.executable, "-c", code], check=True)
