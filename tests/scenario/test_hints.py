"""Short forms, defaults, and hints that lead where people wanted to go."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.cli import main
from sim.experiment.foresight import foresee
from sim.experiment.replications.runner import platform_of
from sim.platforms.checks import CHECKS
from sim.reading import units
from sim.reading.errors import ScenarioError
from sim.scenario import ConstantRate, Scenario, scenario_from_text

SHORT = """
duration: 1min
host: {cores: 2, memory: 4GiB}
platforms: [native]
services:
  web:
    request_cpu: 10ms
    size: {cpu: 1, memory: 1GiB}
    traffic: {rate: 9/s}
"""


def load(text: str) -> Scenario:
    return scenario_from_text(text, checks=CHECKS)


def problem(text: str) -> str:
    with pytest.raises(ScenarioError) as error:
        load(text)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "near"),
    [("10Gb", "10Gbit/s"), ("10Gbps", "10Gbit/s"), ("100 Mb/s", "100Mbit/s"), ("10GB", "10GB/s"), ("1kb", "1kbit/s")],
)
def test_a_small_b_is_a_bit(text: str, near: str) -> None:
    with pytest.raises(units.UnitError) as error:
        units.convert("bandwidth", text)
    assert error.value.suggestion == near


def test_what_does_not_matter_may_be_left_out_and_is_told() -> None:
    scenario = load(SHORT)
    assert scenario.host.network == 1.25e9
    assert (scenario.host.disk.read, scenario.host.disk.write, scenario.host.disk.capacity) == (1.5e9, 1e9, None)
    assert scenario.services["web"].memory.base == 0.0
    source = scenario.services["web"].traffic[0]
    assert isinstance(source, ConstantRate)
    assert (source.rate, source.arrivals) == (9.0, "poisson")
    doubts = foresee(scenario, {"native": platform_of(scenario, "native")})
    (defaulted,) = [each for each in doubts if each.code == "defaulted"]
    assert defaulted.severity == "note"
    assert defaulted.numbers["paths"] == ["services.web.memory", "host.disk", "host.network"]
    given = SHORT.replace("memory: 4GiB", "memory: 4GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 1Gbit/s")
    given = load(given.replace("request_cpu", "memory: 256MiB\n    request_cpu"))
    assert given.services["web"].memory.base == 256 * 2**20
    assert not [each for each in foresee(given, {"native": platform_of(given, "native")}) if each.code == "defaulted"]


def test_an_image_is_needed_where_there_are_images() -> None:
    assert "no image for container" in problem(SHORT.replace("native", "container"))


def test_a_run_without_an_image_is_one_with_an_empty_one(tmp_path: Path) -> None:
    results = []
    for text in (SHORT, SHORT.replace("request_cpu", "image: 0B\n    request_cpu")):
        (tmp_path / "s.yaml").write_text(text)
        results.append(list(sim.run(tmp_path / "s.yaml", replications=1).rows))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[native]", "[podman]", "did you mean container?"),
        ("[native]", "[kubernetes]", "did you mean container?"),
        ("[native]", "[kvm]", "did you mean vm?"),
        ("request_cpu", "memory: {request: 1GiB}\n    request_cpu", "size: {memory: {request: …}}"),
        ("traffic: {rate: 9/s}", "traffic: {rate: 9}", "a rate with its unit"),
    ],
)
def test_hints(old: str, new: str, said: str) -> None:
    assert said in problem(SHORT.replace(old, new))


def test_a_mistyped_command_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text(SHORT)
    assert main(["densty", str(tmp_path / "s.yaml")]) == 2
    assert "densty: no such command; did you mean density?" in capsys.readouterr().err
    assert main(["burts", str(tmp_path / "s.yaml")]) == 2
    assert "burts: no such command" in capsys.readouterr().err


def test_a_manifest_is_the_scenario_of_its_result(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SHORT)
    first = sim.run(tmp_path / "s.yaml", replications=2, out=tmp_path / "a")
    again = sim.run(tmp_path / "a" / "manifest.json", out=tmp_path / "b")
    assert again.rows == first.rows
    assert again.manifest["digest"] == first.manifest["digest"]
    with pytest.raises(ScenarioError, match="in SI already"):
        sim.load_scenario(tmp_path / "a" / "manifest.json", overrides=["host.cores=3"])


REBOOT = """
duration: 5min
host: {cores: 4, memory: 16GiB}
platforms: [container]
services:
  web:
    image: {container: 100MB, cached: true}
    request_cpu: 10ms
    start_cpu: 2s
    size: {cpu: 1, memory: 1GiB}
    replicas: 2
    traffic: {rate: 9/s}
faults: [{kind: FAULT, at: 2min, outage: 30s}]
"""


def test_a_host_reboot_has_a_name_and_a_time_to_recover(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(REBOOT.replace("FAULT", "host-reboot"))
    result = sim.run(tmp_path / "s.yaml", replications=1)
    (recovery,) = [row.value for row in result.rows if row.metric == "recovery.time"]
    ready = result.guests["ready"]
    back = result.events[(result.events["event"] == "ready") & (result.events["time"] > 120)]["time"].max()
    assert len(ready) == 2
    assert recovery == pytest.approx(back - 120)
    assert recovery > 30 + 2  # the outage, and the applications' own start
    assert "host-reboot" in set(result.events["event"])
    (tmp_path / "s.yaml").write_text(REBOOT.replace("FAULT", "host-reboot").replace("5min", "2min20s"))
    late = sim.run(tmp_path / "s.yaml", replications=1)
    assert not [row for row in late.rows if row.metric == "recovery.time"]  # not back before the end
