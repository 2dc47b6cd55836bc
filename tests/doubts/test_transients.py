"""What the beginning and the end of a run leave in its numbers; SLOs of what has no place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.doubts.test_doubts import WEB, codes, file_of, foreseen, run

RAMP: dict[str, Any] = {"ramping-arrival-rate": {"start": "20/s", "stages": [{"duration": "2min", "target": "20/s"}]}}
WHOLE: dict[str, Any] = {"ramping-arrival-rate": {"start": "20/s", "stages": [{"duration": "4min", "target": "20/s"}]}}


def test_a_queue_that_the_boots_left_decides_the_p99_and_is_told(tmp_path: Path) -> None:
    """Both are up before the warm-up ends at 60 s; the queue of the VM's start is gone only after that."""
    slow = {WEB + "start_cpu": "45s"}
    left = run(file_of(tmp_path, **slow))
    found = [each for each in left.doubts if each.code == "boots-in-span"]
    assert {each.platform for each in found} == {"vm"}  # the container's queue is gone at 58 s
    assert all("the queue that grew while it started is there until" in each.text for each in found)
    line = left.comparison.line("response.p99")
    assert line.untold
    assert not line.best
    settled = run(file_of(tmp_path, warmup="2min", **slow))
    assert "boots-in-span" not in codes(settled.doubts)


def test_who_is_never_ready_is_not_said_to_be_ready_late(tmp_path: Path) -> None:
    never = run(file_of(tmp_path, **{WEB + "start_cpu": "250s"}))
    assert "never-served" in codes(never.doubts, "wrong")
    assert "boots-in-span" not in codes(never.doubts)
    late = run(file_of(tmp_path, **{WEB + "start_cpu": "150s"}))
    assert "never-served" not in codes(late.doubts)
    told = next(each.text for each in late.doubts if each.code == "boots-in-span")
    assert " % of the requests came before" in told
    assert "e+" not in told


def test_a_first_start_on_demand_at_the_beginning_is_one_of_the_start(tmp_path: Path) -> None:
    none = {"rule": "concurrency", "target": 2, "min": 0, "max": 4}
    path = file_of(tmp_path, warmup="0s", **{WEB + "autoscale": none})
    path.write_text(path.read_text().replace('"replicas": 1, ', ""))
    assert "boots-in-span" in codes(foreseen(path), "wrong")
    assert "boots-in-span" in codes(run(path).doubts, "wrong")


def test_traffic_that_ends_with_its_ramp_is_told(tmp_path: Path) -> None:
    assert "trace-ends" in codes(foreseen(file_of(tmp_path, **{WEB + "traffic": RAMP})), "note")
    assert "trace-ends" not in codes(foreseen(file_of(tmp_path, **{WEB + "traffic": WHOLE})))


@pytest.mark.parametrize("size", [{"cpu": 0.1, "memory": "3GiB"}, {"cpu": 1, "memory": "1GiB"}])
def test_what_is_partly_placed_has_no_slo_met(tmp_path: Path, size: dict[str, Any]) -> None:
    told = " ".join(run(file_of(tmp_path, **{WEB + "replicas": 6, WEB + "size": size})).verdict)
    assert "SLO met" not in told
    assert "SLO: cannot be told (partly-placed)" in told


LIMITS: list[tuple[str, dict[str, Any], str]] = [
    ("limit", {WEB + "size": {"vm": {"cpu": 1, "memory": "1GiB"}, "container": {
        "cpu": {"request": 1, "limit": 4}, "memory": "1GiB"}}}, "container 1 CPU (up to 4), 1 GiB"),
    ("none", {WEB + "size": {"vm": {"cpu": 1, "memory": "1GiB"}, "container": {
        "cpu": {"request": 1}, "memory": {"request": "1GiB"}}}}, "container 1 CPU (no limit), 1 GiB (no limit)"),
    ("overcommit", {"cpu_overcommit": 2.0}, "vm 1 CPU, 1 GiB, CPU promised 2 times over"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "told"), LIMITS, ids=[each[0] for each in LIMITS])
def test_equal_promises_that_are_worth_different_things_are_told(
    tmp_path: Path, name: str, changes: dict[str, Any], told: str
) -> None:
    (found,) = [each for each in foreseen(file_of(tmp_path, **changes)) if each.code == "unequal-promise"]
    assert told in found.text
