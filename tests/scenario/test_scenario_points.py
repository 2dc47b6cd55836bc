"""The scenario at a point: the base is validated once, and of a point what it touches."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import pytest

from sim.platforms import catalogue
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.reading.fields import Strict
from sim.scenario import Base, Scenario, load_sweep, points

SECOND = """
  second:
    image: 190MB
    memory: {base: 100MiB}
    request_cpu: 10ms
    size: {cpu: 1, memory: 1GiB}
"""


@pytest.fixture
def counted() -> Iterator[Counter[str]]:
    """How often a mapping was validated as a model, by the model's name, and a platform resolved, by its name."""
    seen: Counter[str] = Counter()
    judge, resolve = Strict._validate.__func__.__code__, catalogue._resolve.__code__  # type: ignore[attr-defined]

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is judge and isinstance(frame.f_locals["value"], Mapping):
            seen[frame.f_locals["cls"].__name__] += 1
        elif event == "call" and frame.f_code is resolve:
            seen[frame.f_locals["name"]] += 1

    catalogue._KEPT.clear()
    sys.setprofile(count)
    yield seen
    sys.setprofile(None)


def test_27_points_validate_the_base_once_and_what_each_touches_once(
    tmp_path: Path, minimal: str, counted: Counter[str]
) -> None:
    (tmp_path / "base.yaml").write_text(minimal + SECOND)
    (tmp_path / "sweep.yaml").write_text(
        "base: base.yaml\naxes:\n  host.cores: [2, 4, 8]\n  services.second.concurrency: [1, 2, 3]\n"
        "  duration: [1h, 2h, 3h]\n"
    )
    sweep = load_sweep(tmp_path / "sweep.yaml", checks=CHECKS)
    scenarios = [sweep.scenario(point) for point in points(sweep)]
    assert len({scenario.digest for scenario in scenarios}) == 27
    assert counted["Scenario"] == 1
    assert counted["Host"] == counted["Disk"] == 1 + 27
    assert counted["Service"] == 2 + 27  # both of the base, and of a point the one that it touches
    assert counted["vm"] == counted["container"] == 1
    before = counted.copy()
    assert [sweep.scenario(point) for point in points(sweep)] == scenarios
    assert counted == before


def test_what_a_point_does_not_touch_is_shared(tmp_path: Path, minimal: str) -> None:
    (tmp_path / "base.yaml").write_text(minimal + SECOND)
    base = Base.load(tmp_path / "base.yaml")
    point = base.at({"services.second.concurrency": 7})
    assert point.services["second"].concurrency == 7
    assert point.services["web"] is base.scenario.services["web"]
    assert point.host is base.scenario.host
    assert list(point.services) == ["web", "second"]
    assert base.document.tree["services"]["second"].get("concurrency") is None


def test_a_point_is_checked_across_the_whole(tmp_path: Path, minimal: str) -> None:
    """What is wrong only together with what the point does not touch."""
    (tmp_path / "base.yaml").write_text(minimal + SECOND)
    base = Base.load(tmp_path / "base.yaml", checks=CHECKS)
    for point, told in {
        "warmup": ("1h", "warmup"),
        "services.third": ({}, "services.third.size"),
        "services.second.size": ({"vm": {"cpu": 1, "memory": "1GiB"}}, "services.second.size"),
        "durations": ("1s", "durations"),
    }.items():
        with pytest.raises(ScenarioError) as caught:
            base.at({point: told[0]})
        assert told[1] in [problem.path for problem in caught.value.problems]


def test_a_base_that_needs_a_point_gets_one(tmp_path: Path, minimal: str) -> None:
    (tmp_path / "base.yaml").write_text(minimal.replace("cores: 4", "cores: 0"))
    base = Base.load(tmp_path / "base.yaml")
    with pytest.raises(ScenarioError):
        _ = base.scenario
    assert isinstance(base.at({"host.cores": 2}), Scenario)
