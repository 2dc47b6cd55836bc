"""What only the catalogue can tell of a scenario, with its place in the file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from sim.platforms import load_platform
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario, load_sweep

FILE = """
duration: 10s
host: {cores: 4, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: PLATFORMS
services:
  web:
    image: 190MB
    memory: {base: 100MiB}
    request_cpu: 10ms
    size: SIZE
"""
ANY = "{cpu: 1, memory: 1GiB}"
FOR_VM = "{vm: {cpu: 1, memory: 1GiB}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


def told(file: Path, platforms: str = "[vm, container]", size: str = ANY, *overrides: str) -> list[str]:
    """The mistakes of the file without its name."""
    file.write_text(FILE.replace("PLATFORMS", platforms).replace("SIZE", size))
    try:
        load_scenario(file, overrides=overrides, checks=CHECKS)
    except ScenarioError as error:
        return [str(problem).removeprefix(str(file)) for problem in error.problems]
    return []


def test_a_size_is_for_a_platform_that_exists(file: Path) -> None:
    (line,) = told(file, size="{vm: {cpu: 1, memory: 1GiB}, contaner: {cpu: 1, memory: 1GiB}}")
    assert line.startswith(":10:40: services.web.size.contaner: found an unknown platform; allowed: one of container, ")
    assert line.endswith("; did you mean container?")


def test_every_platform_finds_a_size(file: Path) -> None:
    (line,) = told(file, size=FOR_VM)
    assert line == (
        ":10:5: services.web.size: found no size for container; allowed: one for any of container, "
        "or one for every platform"
    )
    assert not told(file)
    assert not told(file, "[vm, microvm]", FOR_VM)  # a microVM is sized as a VM


def test_the_files_own_platforms_may_be_named_where_others_are_run(file: Path) -> None:
    own = "{mine: {based_on: vm}, container: }"
    size = "{mine: {cpu: 1, memory: 1GiB}, container: {cpu: 1, memory: 1GiB}}"
    assert not told(file, own, size)
    assert not [load_scenario(file, platforms=["container"], checks=CHECKS).platforms["container"]][0]


def test_all_mistakes_come_at_once_in_the_order_of_the_file(file: Path) -> None:
    lines = told(file, "{vm: {cpu: {overhed: 2}}, contaner: }", ANY, "replications.until=respons.p99 within 5%")
    assert [line.split(": ")[0] for line in lines] == [
        ":4:24",
        ":4:48",
        "--set replications.until=respons.p99 within 5%",
    ]
    lines = told(file, "{vm: {cpu: {overhed: 2}}}", "{cpu: 0, memory: 1GiB}")
    assert [line.split(": ")[0] for line in lines] == [":4:24", ":10:17"]


def test_metrics_exist(file: Path) -> None:
    (line,) = told(file, "[vm]", ANY, "focus=[response.p98, startup.boot.p50, web/response.p99]")
    assert "focus.0: found the unknown metric 'response.p98'" in line
    assert "did you mean response.p9" in line


def test_combinations_of_platform_axes_are_tried(tmp_path: Path, file: Path) -> None:
    """Each value is right alone: a platform of one's own, based on another, cannot do without a size."""
    told(file, "[vm]", FOR_VM)
    sweep = tmp_path / "s.yaml"
    sweep.write_text("base: a.yaml\naxes:\n  platforms: [[vm], [container]]\n  host.cores: [1, 2]\n")
    with pytest.raises(ScenarioError) as caught:
        load_sweep(sweep, checks=CHECKS)
    assert [str(problem).split(": ")[0] for problem in caught.value.problems] == [f"{file}:10:5"]


OWN = "{own: ./own.yaml}"


def test_a_platform_from_ones_own_file(file: Path) -> None:
    """On a platform of the catalogue, or whole: with every number, it stands on its own."""
    (file.parent / "own.yaml").write_text("based_on: vm\ncpu: {overhead: 1.25}\n")
    assert not told(file, OWN)
    scenario = load_scenario(file, checks=CHECKS)
    vm, own = load_platform("vm"), load_platform("own", scenario.platforms["own"])
    assert (own.cpu.overhead, own.lineage, own.startup) == (1.25, ("own", "vm"), vm.startup)
    assert scenario.digest != load_scenario(file, overrides=["platforms.own.cpu.overhead=1.5"], checks=CHECKS).digest
    text = files("sim.platforms").joinpath("vm.yaml").read_text("utf-8")
    (file.parent / "own.yaml").write_text(text)
    assert not told(file, OWN)
    whole = load_platform("own", load_scenario(file, checks=CHECKS).platforms["own"])
    assert whole.model_copy(update={"name": "vm", "lineage": ("vm",), "size_lineage": vm.size_lineage,
                                    "image_lineage": vm.image_lineage}) == vm  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("based_on: vm\ncpu:\n  overhed: 1\n", "own.yaml:3:3: platforms.own.cpu.overhed: found an unknown key"),
        ("based_on: vn\n", "own.yaml:1:11: platforms.own.based_on: found 'vn'"),
        ("based_on: vm\ncpu: {overhead: 1, overhead: 2}\n", "own.yaml:2:20: platforms.own.cpu.overhead: found the key"),
        ("a: [\n", "own.yaml:2:1: found a syntax error"),
        (None, "a.yaml:4:18: platforms.own: found './own.yaml', no such file; allowed: a platform's YAML file"),
    ],
)
def test_a_mistake_in_ones_own_platform_stands_in_its_file(file: Path, content: str | None, expected: str) -> None:
    if content is not None:
        (file.parent / "own.yaml").write_text(content)
    told(file, OWN)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file, checks=CHECKS)
    (line,) = [str(problem).removeprefix(f"{file.parent}/") for problem in caught.value.problems]
    assert line.startswith(expected)
