"""The commands of experiments as a user meets them, on the simulator: what is printed, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from two_sides import TWO_SIDES

import sim
from sim.cli import main
from sim.model.record import timeline

# Mean responses 1.5 m / (1 - (0.75 r)^2) on the VM and m / (1 - r) on the container are equal at a load r of 0.3905.
CROSSING = 39.05
RATE = "services.api.traffic.constant-arrival-rate.rate"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timeline, "SAMPLES", 20)  # of the timeline: it costs more than these short runs
    (tmp_path / "sides.yaml").write_text(TWO_SIDES)
    return tmp_path


def test_crossover_finds_what_theory_says(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    axis = ["--vary", RATE, "--unit", "/s", "--from", "20", "--to", "60", "--metric", "response.mean"]
    assert main(["crossover", "sides.yaml", *axis, "--workers", "1", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "container is better, above it vm (95 %: " in printed
    told = json.loads((here / "results/crossover-sides/crossover.json").read_text())
    (crossing,) = told["crossings"]
    assert crossing["low_95"] < CROSSING < crossing["high_95"]
    assert crossing["high_95"] - crossing["low_95"] < 5
    assert (crossing["below"], crossing["above"]) == ("container", "vm")
    assert {path.name for path in (here / "results/crossover-sides").iterdir()} == {
        "crossover.csv", "crossover.json", "crossover.png",
    }  # fmt: skip


def test_crossover_from_python_and_where_nothing_crosses(here: Path) -> None:
    found = sim.crossover("sides.yaml", RATE, 10, 30, unit="/s", metric="response.mean", replications=3)
    assert found.better == "container"
    assert found.crossings == ()
    with pytest.raises(ValueError, match="two platforms"):
        sim.crossover("sides.yaml", RATE, 10, 30, unit="/s", platforms=["vm"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["crossover", "sides.yaml", "--vary", RATE, "--from", "1", "--to", "9"], "--unit /s makes it 1/s"),
        (["crossover", "sides.yaml", "--vary", RATE, "--from", "9", "--to", "1", "--unit", "/s"], "not below"),
        (["crossover", "sides.yaml", "--vary", "host.cores", "--from", "1", "--to", "9", "--platforms", "vm"], "two"),
        (["sweep", "plain.yaml", "--sensitivity", "sobol"], "needs ranges"),
        (["sweep", "ranges.yaml", "--sensitivity", "sobol", "--size", "5"], "power of two"),
        (["sweep", "until.yaml"], "needs the same ones"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_run(
    here: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "plain.yaml").write_text("base: sides.yaml\naxes: {host.cores: [2, 4]}\n")
    (here / "ranges.yaml").write_text(RANGES)
    (here / "until.yaml").write_text(
        "base: sides.yaml\naxes: {host.cores: [2, 4]}\nreplications: {until: response.p99 within 5%, max: 9}\n"
    )
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (here / "results").exists()


RANGES = """\
base: sides.yaml
name: ranges
sample:
  method: sobol
  points: 4
  over:
    services.api.request_cpu.exponential.mean: [2ms, 12ms]
    services.api.start_cpu: [10ms, 100ms]
replications: 1
"""


@pytest.mark.parametrize(("method", "points"), [("sobol", 4 * 4), ("morris", 4 * 3)])
def test_a_design_tells_what_moves_the_answer(
    here: Path, method: str, points: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "ranges.yaml").write_text(RANGES)
    options = ["--sensitivity", method, "--size", "4", "--metric", "response.mean", "--workers", "1", "--quiet"]
    assert main(["sweep", "ranges.yaml", *options, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert points < told["runs"] <= points * 2  # Morris draws some points twice: they are run once
    assert set(told["effects"]) == {"vm", "container", "container − vm"}
    for effects in told["effects"].values():
        assert effects[0]["parameter"] == "services.api.request_cpu.exponential.mean"
        assert effects[0]["strength"] > 0
        assert effects[1]["strength"] < 0.01 * effects[0]["strength"]  # a start is over before the measured span
    assert [Path(path).stat().st_size > 10_000 for path in told["plots"]] == [True]


def test_density_prints_the_number_what_broke_and_the_curve(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = ["--set", "services.api.slo={p99: 100ms}", "--replications", "3", "--platforms", "container"]
    grid = ["--vary", RATE, "--unit", "/s", "--from", "20", "--to", "90", "--step", "10"]
    assert main(["density", "sides.yaml", *grid, *rules, "--workers", "1", "--quiet"]) == 0
    told = json.loads((here / "results/density-sides/density.json").read_text())
    (only,) = told["platforms"]
    # the p99 of an M/M/1 is 4.6 m / (1 - load): 100 ms at 54/s; sharing has a longer tail than first come first served
    assert only["most"] in (30, 40, 50)
    printed = capsys.readouterr().out
    assert f"{only['most']}/s" in printed
    assert "tail: p99 of api" in printed
    assert "●" in printed
    assert (here / "results/density-sides/density.png").stat().st_size > 10_000


def test_compare_says_why_results_are_not_pairs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        options = ["--out", name, "--seed", seed, "--replications", "3", "--no-plots", "--quiet", "--workers", "1"]
        assert main(["sides.yaml", *options, "--set", f"host.cores={8 if name == 'a' else 6}"]) == 0
    capsys.readouterr()
    assert main(["compare", "a", "b", "--no-plots"]) == 0
    assert "Replications are paired: the traffic was the same." in capsys.readouterr().out
    assert main(["compare", "a", "c", "--no-plots"]) == 0
    assert "Not paired: the seeds differ (1, 2)." in capsys.readouterr().out
