from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.reading.errors import ScenarioError
from sim.scenario import RampingRate, Sweep, load_sweep, numeric, points

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, minimal: str) -> Write:
    (tmp_path / "base.yaml").write_text(minimal)

    def _write(text: str) -> Path:
        file = tmp_path / "sweep.yaml"
        file.write_text("base: base.yaml\n" + text)
        return file

    return _write


def problems(file: Path) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_sweep(file)
    return [str(problem).removeprefix(str(file)) for problem in caught.value.problems]


def test_axes_are_a_full_factorial(write: Write) -> None:
    stage = "services.web.traffic.ramping-arrival-rate.stages.1.target"
    sweep = load_sweep(write(f"axes:\n  host.cores: [2, 4, 8]\n  {stage}: [5/s, 90/min]\nreplications: 7\n"))
    got = points(sweep)
    assert [(point["host.cores"], point[stage]) for point in got] == [
        (cores, rate) for cores in (2, 4, 8) for rate in ("5/s", "90/min")
    ]
    scenario = sweep.scenario(got[3])
    source = scenario.services["web"].traffic[0]
    assert isinstance(source, RampingRate)
    assert (scenario.host.cores, source.stages[1].target, scenario.replications) == (4.0, 1.5, 7)
    assert (sweep.name, numeric("90/min"), numeric("hpa")) == ("sweep", 1.5, None)


@pytest.mark.parametrize(
    "axes",
    [
        "axes: {'host.cores, host.memory': [[2, 4GiB], [4, 8GiB]]}",
        "axes: {? [host.cores, host.memory] : [[2, 4GiB], [4, 8GiB]]}",
        "axes: [{paths: [host.cores, host.memory], values: [[2, 4GiB], [4, 8GiB]]}]",
    ],
)
def test_paths_move_together(write: Write, axes: str) -> None:
    assert points(load_sweep(write(axes))) == [
        {"host.cores": 2, "host.memory": "4GiB"},
        {"host.cores": 4, "host.memory": "8GiB"},
    ]


def test_one_value_for_all_joint_paths(write: Write) -> None:
    sweep = load_sweep(write("axes: {'cpu_overcommit, memory_overcommit': [1, 2]}"))
    assert points(sweep)[1] == {"cpu_overcommit": 2, "memory_overcommit": 2}


def test_numbers_of_the_catalogue_are_swept_by_path(write: Write) -> None:
    sweep = load_sweep(write("axes: {platforms.vm.cpu.overhead: [1.0, 1.1]}"))
    assert sweep.scenario(points(sweep)[1]).platforms == {"vm": {"cpu": {"overhead": 1.1}}, "container": {}}


@pytest.mark.parametrize("method", ["sobol", "lhs", "latin-hypercube"])
def test_samples_fill_their_ranges(write: Write, method: str) -> None:
    text = (
        f"sample: {{method: {method}, points: 64, over: {{host.memory: [16GiB, 128GiB], "
        "services.web.concurrency: [1, 4], cpu_overcommit: {min: 1, max: 64.0, scale: log}}}\n"
    )
    sweep = load_sweep(write(text))
    got = points(sweep)
    assert got == points(load_sweep(write(text))), "the same seed draws the same points"
    assert got != points(load_sweep(write(text.replace("points: 64", "points: 64, seed: 1"))))
    memory = [sweep.scenario(point).host.memory / 2**30 for point in got]
    assert all(16 <= each <= 128 for each in memory)
    # one point in each sixteenth at least: both designs are stratified (64 points)
    assert {int((each - 16) / 7) for each in memory} == set(range(16))
    workers = [point["services.web.concurrency"] for point in got]
    assert [workers.count(each) for each in (1, 2, 3, 4)] == [16] * 4
    # on a log scale half of the points lie below the geometric mean, 8
    assert sum(point["cpu_overcommit"] < 8 for point in got) == 32


def test_a_sample_on_top_of_axes(write: Write) -> None:
    sample = "sample: {method: sobol, points: 4, over: {host.memory: [16GiB, 128GiB]}}"
    got = points(load_sweep(write("axes: {host.cores: [2, 4]}\n" + sample)))
    assert len(got) == 8
    assert [point["host.memory"] for point in got[:4]] == [point["host.memory"] for point in got[4:]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "a syntax error"),
        ("name: x\n", "neither axes nor sample"),
        ("axs: {host.cores: [1]}\n", "did you mean axes?"),
        ("axes: {host.cores: 3}\n", "a list of values"),
        ("axes: {host.cores: []}\n", "a list of values"),
        ("axes: {host.cores: [1, 2, 1]}\n", "1 a second time"),
        ("axes: {host.cores: [1, 0]}\n", ":2:24: host.cores: found 0"),
        ("axes: {host.cors: [1, 2]}\n", "did you mean cores?"),
        ("axes: {services.web.traffic.ramping-arrival-rate.stages.1.target: [5/s, 5]}\n", "a number without a unit"),
        ("axes: {services.wbe.concurrency: [1, 2]}\n", ":2:38: services.wbe: found an unknown service"),
        ("axes: {'host.cores, host.memory': [[2, 4GiB], [4]]}\n", "a list of 2 values"),
        ("axes: {host.cores: [1], 'host.cores,host.memory': [[1, 1GB]]}\n", "which host.cores moves too"),
        ("axes: {host: [{}], host.cores: [1]}\n", "which host moves too"),
        ("sample: {method: sobol, points: 100, over: {host.cores: [1, 2]}}\n", "64 or 128"),
        ("sample: {method: sobel, points: 64, over: {host.cores: [1, 2]}}\n", "did you mean sobol?"),
        ("sample: {method: lhs, points: 64, over: {host.memory: [1, 2GiB]}}\n", "of different units"),
        ("sample: {method: lhs, points: 64, over: {host.memory: [3GiB, 2GiB]}}\n", "a least value below the most"),
        ("sample: {method: lhs, points: 4, over: {host.cores: {min: 0, max: 3, scale: log}}}\n", "above 0"),
        ("sample: {method: lhs, points: 4, over: {host.cores: [0, 4]}}\n", ":2:54: host.cores: found 0"),
        ("axes: {host.cores: [1]}\nreplications: 0\n", ":3:15: replications: found 0"),
    ],
)
def test_mistakes_in_a_sweep_are_placed_in_its_file(write: Write, text: str, said: str) -> None:
    found = problems(write(text))
    assert any(said in each for each in found), found
    assert all(each.startswith(":") for each in found)


def test_a_missing_base_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("base: none.yaml\naxes: {host.cores: [1]}\n")
    with pytest.raises(ScenarioError, match="no such file"):
        load_sweep(file)


def test_the_sweep_of_the_repository_loads() -> None:
    sweep: Sweep = load_sweep("scenarios/sweeps/overcommit.yaml")
    assert len(points(sweep)) == 27
    assert len({sweep.scenario(point).digest for point in points(sweep)}) == 27


def test_without_scipy_a_sample_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    file = tmp_path / "sweep.yaml"
    base = Path(__file__).parents[2] / "scenarios" / "steady.yaml"
    over = "{method: sobol, points: 4, over: {host.memory: [16GiB, 128GiB]}}"
    file.write_text(f"base: {base}\nsample: {over}\n", "utf-8")
    with pytest.raises(ScenarioError, match=r"hostsim\[design\]"):
        points(load_sweep(file))
