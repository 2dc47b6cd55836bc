"""Every doubt: a scenario that raises it, and one beside it that does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.cli import main
from sim.experiment.foresight import foresee
from sim.experiment.replications.runner import platform_of
from sim.platforms.checks import CHECKS
from sim.report.joined import Joined
from sim.scenario import load_scenario
from sim.terms.doubts import DOUBTS, Doubt

BASE: dict[str, Any] = {
    "seed": 3, "duration": "4min", "warmup": "1min", "replications": 3,
    "host": {"cores": 4, "memory": "16GiB", "disk": {"read": "1GB/s", "write": "1GB/s"}, "network": "10Gbit/s"},
    "platforms": ["vm", "container"],
    "services": {"web": {
        "image": {"vm": "1GB", "container": "200MB", "cached": True}, "memory": {"base": "100MiB"},
        "request_cpu": {"exponential": "10ms"}, "concurrency": 2, "size": {"cpu": 1, "memory": "1GiB"}, "replicas": 1,
        "slo": {"p95": "1s"}, "traffic": {"constant-arrival-rate": {"rate": "20/s"}},
    }},
}  # fmt: skip


def file_of(folder: Path, **changes: Any) -> Path:
    """The base scenario with values at dotted paths (`__` for a dot) replaced."""
    tree = json.loads(json.dumps(BASE))
    for path, value in changes.items():
        *steps, last = path.split("__")
        node = tree
        for step in steps:
            node = node[step]
        if value is None:
            node.pop(last)
        else:
            node[last] = value
    path = folder / "case.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def foreseen(path: Path) -> list[Doubt]:
    scenario = load_scenario(path, checks=CHECKS)
    return foresee(scenario, {name: platform_of(scenario, name) for name in scenario.platforms})


def run(path: Path, **options: Any) -> sim.Results:
    return sim.run(path, **options)


def codes(doubts: Sequence[Doubt], severity: str | None = None) -> set[str]:
    return {each.code for each in doubts if severity in (None, each.severity)}


@pytest.fixture(autouse=True)
def recording(tmp_path: Path) -> Path:
    """Traces of 240 s, 20 requests a second: in seconds, in milliseconds since 1970, and one that ends early."""
    times = [i / 20 for i in range(4800)]
    (tmp_path / "s.csv").write_text("time\n" + "".join(f"{t}\n" for t in times))
    (tmp_path / "ms.csv").write_text("time\n" + "".join(f"{1_700_000_000_000 + round(1000 * t)}\n" for t in times))
    (tmp_path / "half.csv").write_text("time\n" + "".join(f"{t}\n" for t in times[:2400]))
    return tmp_path


WEB = "services__web__"
STATIC = [
    ("oom-loop", {WEB + "memory": {"base": "3GiB"}}, {}),
    ("oom-loop", {WEB + "memory": {"base": "100MiB", "per_request": "2GiB"}}, {}),
    ("overload", {WEB + "traffic": {"constant-arrival-rate": {"rate": "150/s"}}}, {}),
    ("overload", {WEB + "traffic": {"constant-arrival-rate": {"rate": "100/s"}}},
     {WEB + "traffic": {"constant-arrival-rate": {"rate": "85/s"}}}),
    ("partly-placed", {WEB + "replicas": 5}, {WEB + "replicas": 4}),
    ("partly-placed", {WEB + "tenants": 6}, {WEB + "tenants": 4}),
    ("never-served", {WEB + "size": {"cpu": 1, "memory": "20GiB"}}, {}),
    ("boots-in-span", {"warmup": "0s"}, {}),
    ("unequal-promise", {WEB + "size": {"vm": {"cpu": 1, "memory": "1GiB"},
                                        "container": {"cpu": "500m", "memory": "1GiB"}}}, {}),
    ("clock-unit", {WEB + "traffic": {"trace": {"file": "ms.csv"}}}, {WEB + "traffic": {"trace": {"file": "s.csv"}}}),
    ("trace-ends", {WEB + "traffic": {"trace": {"file": "half.csv"}}}, {WEB + "traffic": {"trace": {"file": "s.csv"}}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "raises", "not_"), STATIC, ids=[f"{each[0]}-{n}" for n, each in enumerate(STATIC)])
def test_validate_says_what_needs_no_run(
    tmp_path: Path, code: str, raises: dict[str, Any], not_: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    doubts = foreseen(file_of(tmp_path, **raises))
    assert code in codes(doubts)
    assert all(each.severity == DOUBTS[each.code].severity for each in doubts)
    assert code not in codes(foreseen(file_of(tmp_path, **not_)))
    wrong = DOUBTS[code].severity == "wrong"
    assert main(["validate", "--strict", str(file_of(tmp_path, **raises))]) == (3 if wrong else 0)
    assert code in capsys.readouterr().out
    assert main(["validate", "--strict", str(file_of(tmp_path, **not_))]) == 0


RUN = [
    ("never-served", {WEB + "size": {"cpu": 1, "memory": "20GiB"}}, {}),
    ("partly-placed", {WEB + "tenants": 6}, {WEB + "tenants": 4}),
    ("oom-loop", {WEB + "memory": {"base": "3GiB"}}, {}),
    ("survivors", {"platforms": {"vm": {"cpu": {"overhead": 2.0}}, "container": {}}, WEB + "queue": 1,
                   WEB + "traffic": {"constant-arrival-rate": {"rate": "60/s"}}}, {}),
    ("overload", {WEB + "traffic": {"constant-arrival-rate": {"rate": "150/s"}}}, {}),
    ("boots-in-span", {"warmup": "0s"}, {"warmup": "auto", "platforms": ["container"]}),
    ("few-samples", {WEB + "slo": {"p999": "1s"}}, {"duration": "40min", "platforms": ["native"], "replications": 3,
        WEB + "slo": None, WEB + "traffic": {"constant-arrival-rate": {"rate": "20/s"}}}),
    ("not-settled", {WEB + "traffic": {"ramping-arrival-rate": {"start": "1/s", "stages": [
        {"duration": "4min", "target": "95/s"}]}}}, {}),
    ("many-tests", {WEB + "tenants": 3}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "raises", "not_"), RUN, ids=[each[0] for each in RUN])
def test_a_run_says_what_it_showed(tmp_path: Path, code: str, raises: dict[str, Any], not_: dict[str, Any]) -> None:
    doubted = run(file_of(tmp_path, **raises))
    assert code in codes(doubted.doubts)
    beside = run(file_of(tmp_path, **not_))
    if code != "few-samples":
        assert code not in codes(beside.doubts)
    else:  # the p95 has enough of them, the p99.9 of the other has not
        assert {each.numbers["percentile"] for each in beside.doubts if each.code == code} < {0.99, 0.999}
    if DOUBTS[code].severity == "wrong":
        _names_no_winner(doubted)


def _names_no_winner(result: sim.Results) -> None:
    p99 = result.comparison.line("response.p99")
    assert p99 is None or (p99.untold and not p99.best)
    assert "Response p99: " not in " ".join(result.verdict)
    assert "SLO met: by all" not in " ".join(result.verdict)
    table = result.table()
    first = next(each for each in result.doubts if each.severity == "wrong")
    assert table.index(first.code) < table.index("─")


def test_an_oom_loop_is_foreseen_and_misses_its_slo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(tmp_path, **{WEB + "memory": {"base": "3GiB"}, WEB + "size": {"cpu": 1, "memory": "2GiB"}})
    assert main(["validate", str(path)]) == 0
    told = capsys.readouterr().out
    assert "wrong: oom-loop: vm, web: needs 3 GiB idle" in told
    assert "correct" not in told
    result = run(path)
    assert {row.value for row in result.rows if row.metric == "slo.met"} == {0.0}
    assert "elasticity: vm" not in result.table(all_rows=True)
    assert "SLO met: by none" in " ".join(result.verdict)


def test_a_tenant_without_room_misses_the_slo_of_all(tmp_path: Path) -> None:
    result = run(file_of(tmp_path, **{WEB + "tenants": 6}))
    slo = {row.service: row.value for row in result.rows if row.metric == "slo.met" and row.platform == "vm"}
    assert slo["all"] == 0.0
    assert slo["web-00"] == 1.0
    assert slo["web-05"] == 0.0
    dead = next(each for each in result.doubts if each.code == "never-served" and each.platform == "vm")
    assert "2 of 6 tenants" in dead.text
    assert "cores promised" in dead.text


def test_the_exit_code_tells_a_wrong_number_and_a_missed_slo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = {WEB + "traffic": {"constant-arrival-rate": {"rate": "150/s"}}, "replications": 1}
    told = [str(file_of(tmp_path, **loaded)), "--no-plots", "--workers", "1", "--quiet", "--format", "json"]
    assert main(told) == 0
    assert "overload" in {each["code"] for each in json.loads(capsys.readouterr().out)["doubts"]}
    assert main([*told, "--strict"]) == 3
    assert main([*told, "--check-slo"]) == 4
    fine = [str(file_of(tmp_path, replications=1)), "--no-plots", "--workers", "1", "--quiet", "--overwrite"]
    assert main([*fine, "--strict", "--check-slo"]) == 0


def test_results_of_other_questions_are_not_compared(tmp_path: Path) -> None:
    first = sim.run(file_of(tmp_path), out=tmp_path / "a")
    seed = sim.run(file_of(tmp_path, seed=9), out=tmp_path / "b")
    other = sim.run(file_of(tmp_path, host__cores=8), out=tmp_path / "c")
    assert "not-same-question" not in codes(Joined([first, seed]).doubts)
    doubts = Joined([first, other]).doubts
    (found,) = [each for each in doubts if each.code == "not-same-question"]
    assert "host.cores was 4" in found.text
    _names_no_winner(Joined([first, other]))


def test_a_focus_on_something_else_makes_it_a_note_and_still_names_no_winner(tmp_path: Path) -> None:
    lossy = {"platforms": {"vm": {"cpu": {"overhead": 2.0}}, "container": {}}, WEB + "queue": 1,
             WEB + "traffic": {"constant-arrival-rate": {"rate": "60/s"}}}  # fmt: skip
    assert "survivors" in codes(run(file_of(tmp_path, **lossy)).doubts, "wrong")
    beside = run(file_of(tmp_path, **lossy, focus=["requests.completed"]))
    assert "survivors" in codes(beside.doubts, "note")
    assert beside.comparison.line("response.p99").untold
    assert beside.comparison.line("requests.completed").best == ["container"]
    asked = run(file_of(tmp_path, **lossy, focus=["response.p99"]))
    assert "survivors" in codes(asked.doubts, "wrong")


@pytest.mark.parametrize("code", DOUBTS)
def test_explain_knows_every_doubt(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 0
    told = capsys.readouterr().out
    assert DOUBTS[code].when in told
    assert DOUBTS[code].severity in told


def test_explain_knows_metrics_and_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "response.p99"]) == 0
    assert "survivors" in capsys.readouterr().out
    assert main(["explain", "survivor"]) == 2
    assert "survivors" in capsys.readouterr().err


SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.yaml"))


@pytest.mark.parametrize("path", [each for each in SHIPPED if each.parent.name != "sweeps"], ids=lambda path: path.stem)
def test_no_shipped_scenario_is_foreseen_to_be_wrong(path: Path) -> None:
    assert codes(foreseen(path), "wrong") == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["burst", "density", "steady", "rows/noisy-neighbour", "rows/kernel-panic", "rows/patch"]
)
def test_no_shipped_scenario_shows_a_wrong_number(name: str) -> None:
    path = next(each for each in SHIPPED if str(each).endswith(f"scenarios/{name}.yaml"))
    assert codes(run(path, replications=3).doubts, "wrong") == set()
