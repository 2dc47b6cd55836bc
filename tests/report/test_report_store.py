"""The result folder: whole or not there, the same bytes for the same runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.report.folder.parts import RequestPartWriter, merge_parts
from sim.report.folder.summary import number
from sim.report.folder.tables import run_tables
from sim.report.folder.writer import ResultsError, RunWriter
from sim.report.results import load_results

from .fixtures import FakeScenario, burst

RUNS = [("container", 1), ("vm", 0), ("container", 0), ("vm", 1)]


def write(folder: Path, runs: list[tuple[str, int]] = RUNS, **options: Any) -> Path:
    scenario = FakeScenario()
    with RunWriter(folder, scenario, **options) as writer:
        for platform, replication in runs:
            writer.add(run_tables(burst(platform, replication), scenario))
        writer.write(
            platforms={"vm": [{"path": "cpu.overhead", "value": "1.04", "source": "a page"}]}, notes={"warmup": 120.0}
        )
        return writer.finish()


def test_a_result_holds_the_documented_files_and_columns(tmp_path: Path) -> None:
    results = load_results(write(tmp_path / "burst"))
    expected = {
        "manifest.json",
        "summary.csv",
        "guests.parquet",
        "timeline.parquet",
        "events.parquet",
        "response.parquet",
    }
    assert {path.name for path in results.folder.iterdir()} == expected
    assert list(results.summary.columns) == [
        "scenario",
        "platform",
        "replication",
        "service",
        "metric",
        "unit",
        "value",
    ]
    assert list(results.guests.columns)[:8] == [
        "platform", "replication", "service", "guest", "requested", "ready", "stopped", "stop_reason",
    ]  # fmt: skip
    timeline = {"time", "guests", "cpu_used", "cpu_allocated", "memory_used", "memory_allocated", "in_flight"}
    assert timeline | {"arrivals", "completed", "ready"} <= set(results.timeline.columns)
    assert list(results.events.columns) == ["platform", "replication", "time", "guest", "event", "detail"]
    assert results.guests["stopped"].isna().any()


def test_phases_stand_in_the_order_in_which_every_platform_runs_them(tmp_path: Path) -> None:
    guests = load_results(write(tmp_path / "burst")).guests
    phases = [name for name in guests.columns if name.startswith("startup_")]
    for platform in ("vm", "container"):
        own = [name for name in burst(platform).guests if name.startswith("startup_")]
        assert [name for name in phases if name in own] == own
    assert phases[-1] == "startup_app"


def test_manifest_says_what_was_run(tmp_path: Path) -> None:
    manifest = json.loads((write(tmp_path / "burst") / "manifest.json").read_text())
    assert manifest["scenario"] == FakeScenario().to_dict()
    assert (manifest["digest"], manifest["seed"], manifest["warmup"]) == ("d" * 64, 7, 120.0)
    assert manifest["platforms"]["vm"][0]["source"] == "a page"
    assert {"python", "numpy"} <= set(manifest["versions"])
    runs = [(run["platform"], run["replication"]) for run in manifest["runs"]]
    assert runs == [("vm", 0), ("vm", 1), ("container", 0), ("container", 1)]


def test_summary_is_the_same_bytes_whatever_the_order_of_the_runs(tmp_path: Path) -> None:
    one = (write(tmp_path / "one") / "summary.csv").read_bytes()
    two = (write(tmp_path / "two", sorted(RUNS)) / "summary.csv").read_bytes()
    assert one == two
    assert b"\r" not in one
    lines = one.decode().splitlines()
    assert lines[1].startswith("burst,vm,0,all,requests.arrived,1,")


def test_values_of_the_summary_read_back_exactly(tmp_path: Path) -> None:
    results = load_results(write(tmp_path / "burst"))
    expected = run_tables(burst("vm", 0), FakeScenario()).rows
    assert [row for row in results.rows if (row.platform, row.replication) == ("vm", 0)] == list(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0.1 + 0.2, "0.30000000000000004"), (-2.5, "-2.5"), (1e300, "1e+300")]
)
def test_numbers_are_written_shortest_and_exact(value: float, text: str) -> None:
    assert number(value) == text
    assert float(number(value)) == value


def test_an_existing_result_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = write(tmp_path / "burst")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ResultsError, match="exists; --overwrite"):
        RunWriter(folder, FakeScenario())
    assert (folder / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["burst"]


def test_overwrite_replaces_the_whole_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "burst")
    (folder / "old.txt").write_text("of the old result")
    write(folder, [("vm", 0)], overwrite=True)
    assert not (folder / "old.txt").exists()
    assert load_results(folder).platforms == ["vm"]
    assert [path.name for path in tmp_path.iterdir()] == ["burst"]


def test_overwrite_never_replaces_what_is_not_a_result(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(ResultsError, match="not a result folder"):
        RunWriter(tmp_path / "home", FakeScenario(), overwrite=True)
    assert (tmp_path / "home" / "letter.txt").exists()


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "burst").mkdir()
    assert load_results(write(tmp_path / "burst")).platforms == ["vm", "container"]


def test_a_run_that_breaks_off_leaves_the_old_result_and_nothing_else(tmp_path: Path) -> None:
    folder = write(tmp_path / "burst")
    before = (folder / "summary.csv").read_bytes()

    def interrupted() -> None:
        with RunWriter(folder, FakeScenario(), overwrite=True) as writer:
            writer.add(run_tables(burst("vm", 0), FakeScenario()))
            writer.write()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (folder / "summary.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["burst"]


def test_a_result_whose_replacement_was_killed_comes_back(tmp_path: Path) -> None:
    folder = write(tmp_path / "burst")
    folder.rename(tmp_path / ".burst.old-host-1")
    with pytest.raises(ResultsError, match="exists"):
        RunWriter(folder, FakeScenario())
    assert load_results(folder).platforms == ["vm", "container"]


def test_finish_without_write_is_refused(tmp_path: Path) -> None:
    with (
        RunWriter(tmp_path / "burst", FakeScenario()) as writer,
        pytest.raises(ResultsError, match="nothing was written"),
    ):
        writer.finish()
    assert not (tmp_path / "burst").exists()


def test_a_run_cannot_be_added_twice(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "burst", FakeScenario()) as writer:
        run = run_tables(burst("vm", 0), FakeScenario())
        writer.add(run)
        with pytest.raises(ValueError, match="added twice"):
            writer.add(run)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": "something else"}'])
def test_what_is_not_a_result_is_not_opened(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ResultsError):
        load_results(tmp_path)


# ---------------------------------------------------------------- requests


def chunk(numbers: list[int], service: int) -> dict[str, np.ndarray[Any, Any]]:
    count = len(numbers)
    return {
        "service": np.full(count, service), "request": np.array(numbers), "arrival": np.array(numbers, dtype=float),
        "demand": np.full(count, 0.1), "guest": np.array([-1] + [0] * (count - 1)),
        "start": np.array([np.nan] + [1.0] * (count - 1)), "finish": np.ones(count),
        "status": np.zeros(count, dtype=int),
    }  # fmt: skip


def test_request_parts_are_joined_and_sorted_by_service_and_request(tmp_path: Path) -> None:
    parts = []
    for platform in ("vm", "container"):
        with RequestPartWriter(tmp_path / f"{platform}.parquet", platform, 0) as part:
            part.append(chunk([3, 1], 1), services=["web", "api"], guests=["web-0"])
            part.append(chunk([2, 0], 0), services=["web", "api"], guests=["web-0", "web-1"])
            part.append(chunk([0, 2], 1), services=["web", "api"], guests=["web-0", "web-1"])
        parts.append(part.path)
    assert merge_parts(parts, tmp_path / "requests.parquet") == 12
    frame = pd.read_parquet(tmp_path / "requests.parquet")
    assert list(frame.columns) == [
        "platform", "replication", "service", "request", "arrival", "demand", "guest", "start", "finish", "status",
    ]  # fmt: skip
    assert frame["platform"].astype(str).tolist() == ["vm"] * 6 + ["container"] * 6
    vm = frame.iloc[:6]
    assert vm["service"].astype(str).tolist() == ["web"] * 2 + ["api"] * 4
    assert vm["request"].tolist() == [0, 2, 0, 1, 2, 3]
    assert vm["arrival"].tolist() == vm["request"].astype(float).tolist()
    assert vm["start"].isna().tolist() == vm["guest"].isna().tolist()
    assert set(frame["status"]) == {"completed"}


def test_a_part_of_a_failed_run_is_removed(tmp_path: Path) -> None:
    def failing() -> None:
        with RequestPartWriter(tmp_path / "part.parquet", "vm", 0) as part:
            part.append(chunk([0, 1], 0), services=["web"], guests=["web-0"])
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="the run broke"):
        failing()
    assert list(tmp_path.iterdir()) == []


def test_kept_requests_end_up_in_the_result(tmp_path: Path) -> None:
    scenario = FakeScenario()
    with RunWriter(tmp_path / "burst", scenario) as writer:
        with RequestPartWriter(writer.part("vm", 0), "vm", 0) as part:
            part.append(chunk([0, 1], 0), services=["shop"], guests=["shop-0"])
        writer.add(run_tables(burst("vm", 0), scenario, requests=part.path))
        writer.write()
        results = load_results(writer.finish())
    assert len(results.requests) == 2
    assert not (results.folder / "parts").exists()


def test_asking_for_requests_that_were_not_kept_says_so(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="--keep-requests"):
        _ = load_results(write(tmp_path / "burst", [("vm", 0)])).requests
