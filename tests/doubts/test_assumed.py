"""Numbers that nobody has measured are named where they move the answer, with the path that overrides them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sim
from sim.experiment.density.study import DensityStudy
from sim.experiment.workers.executor import SerialExecutor
from sim.terms.doubts import Doubt
from tests.doubts.test_doubts import WEB, codes, file_of, foreseen, run

GROWS: dict[str, Any] = {
    WEB + "replicas": None, WEB + "autoscale": {"rule": "hpa", "min": 1, "max": 3, "target_cpu": "60%"},
    WEB + "traffic": {"ramping-arrival-rate": {"start": "20/s", "stages": [
        {"duration": "2min", "target": "20/s"}, {"duration": "10s", "target": "80/s"},
        {"duration": "110s", "target": "80/s"}]}},
}  # fmt: skip


def changed(folder: Path, **more: Any) -> Path:
    first = file_of(folder, **{key: value for key, value in {**GROWS, **more}.items() if value is not None})
    text = first.read_text().replace('"replicas": 1, ', "")
    first.write_text(text)
    return first


def assumed(result: sim.Results) -> list[Doubt]:
    return [each for each in result.doubts if each.code == "assumed"]


def test_starts_that_count_name_their_assumption_and_how_to_override_it(tmp_path: Path) -> None:
    path = changed(tmp_path)
    (found,) = assumed(run(path))
    assert (found.platform, found.severity) == ("vm", "note")
    first = found.numbers["paths"][0]
    assert first.startswith("platforms.vm.startup.")
    assert "an assumption of the catalogue" in found.text
    told = found.advice.removeprefix("override it: --set ")
    assert told.startswith(f"{first}=")
    again = assumed(sim.run(sim.load_scenario(path, overrides=[told])))
    assert all(first not in each.numbers["paths"] for each in again)


def test_what_was_not_used_or_is_alike_on_all_is_not_named(tmp_path: Path) -> None:
    assert assumed(run(file_of(tmp_path))) == []  # nothing starts in the measured span, nothing is sent or read
    assert assumed(run(changed(tmp_path, platforms=["vm"]))) == []
    assert assumed(run(changed(tmp_path, platforms={"vm": {}, "other": {"based_on": "vm"}}))) == []


def test_a_capacity_bound_by_room_names_what_takes_it(tmp_path: Path) -> None:
    path = file_of(tmp_path, **{WEB + "tenants": 2, WEB + "memory": "8MiB", WEB + "slo": None})
    study = DensityStudy(path, replications=3)
    with SerialExecutor() as executor:
        found = study.run(executor, reboot=False)
    assert "assumed" in codes(found.doubts)


def test_one_request_at_a_time_by_default_is_told_where_more_could_run(tmp_path: Path) -> None:
    wide = {WEB + "size": {"cpu": 2, "memory": "1GiB"}}
    (told,) = [each for each in foreseen(file_of(tmp_path, **{**wide, WEB + "concurrency": None}))
               if each.code == "defaulted"]  # fmt: skip
    assert "services.web.concurrency (1: one request at a time)" in told.text
    assert "defaulted" not in codes(foreseen(file_of(tmp_path, **wide)))
    assert "defaulted" not in codes(foreseen(file_of(tmp_path, **{WEB + "concurrency": None})))
