"""A result is made again from its manifest alone: the same bytes, or what is other, line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.cli import main

SMALL = {
    "name": "small", "duration": "20s", "warmup": "5s", "replications": 2, "seed": 3,
    "host": {"cores": 2, "memory": "4GiB"}, "platforms": ["container", "native"],
    "services": {"web": {"request_cpu": {"exponential": "20ms"}, "size": {"cpu": 1, "memory": "256MiB"},
                         "image": "50MB", "memory": "64MiB", "traffic": {"rate": "20/s"}}},
}  # fmt: skip


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return sim.run(SMALL, out=tmp_path / "small").folder


def changed(folder: Path, what: str, to: object, *path: str) -> None:
    file = folder / "manifest.json"
    tree = json.loads(file.read_text("utf-8"))
    node = tree
    for step in path:
        node = node[step]
    node[what] = to
    file.write_text(json.dumps(tree), "utf-8")


def test_the_same_bytes(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", str(result), "--quiet", "--workers", "1"]) == 0
    lines = (result / "summary.csv").read_bytes().count(b"\n")
    assert f"the same bytes ({lines} lines)" in capsys.readouterr().out


def test_other_bytes_and_versions_are_told(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = result / "summary.csv"
    text = path.read_text("utf-8")
    first = next(line for line in text.splitlines() if ",web,response.p99," in line)
    path.write_text(text.replace(first, first.rpartition(",")[0] + ",9.5"), "utf-8")
    changed(result, "numpy", "1.0", "versions")
    changed(result, "memory.host", {"text": "1B", "si": 1.0}, "platforms", "native")
    assert main(["reproduce", str(result), "--quiet", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert f"container, 0, web, response.p99: was 9.5, is {first.rpartition(',')[2]}" in out
    assert "numpy 1.0 →" in out
    assert "native: memory.host 1B →" in out
    assert main(["reproduce", str(result), "--quiet", "--workers", "1", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], len(told["differences"])) == (False, 1)


def test_a_recording_is_looked_for_and_must_be_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = tmp_path / "times.csv"
    times.write_text("time\n" + "\n".join(f"{index / 10}" for index in range(150)), "utf-8")
    web = {**SMALL["services"]["web"], "traffic": {"trace": {"file": "times.csv"}}}  # type: ignore[index]
    file = tmp_path / "shop.yaml"
    file.write_text(json.dumps({**SMALL, "services": {"web": web}}), "utf-8")
    folder = sim.run(file, out=tmp_path / "shop").folder
    assert main(["reproduce", str(folder), "--quiet", "--workers", "1"]) == 2
    assert "traffic.0.file" in capsys.readouterr().err
    again = ["reproduce", str(folder), "--quiet", "--workers", "1", "--recordings", str(tmp_path)]
    assert main(again) == 0
    times.write_text("time\n1\n2\n", "utf-8")
    assert main(again) == 2
    assert "sha256" in capsys.readouterr().err


def test_a_changed_scenario_and_what_is_no_result_are_refused(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(result, "cores", 4.0, "scenario", "host")
    assert main(["reproduce", str(result), "--quiet"]) == 2
    assert "it was changed" in capsys.readouterr().err
    changed(result, "cores", -4.0, "scenario", "host")
    assert main(["reproduce", str(result), "--quiet"]) == 2
    (tmp_path / "density.json").write_text("{}", "utf-8")
    assert main(["reproduce", str(tmp_path), "--quiet"]) == 2
    assert main(["reproduce", str(tmp_path / "none"), "--quiet"]) == 2


def test_a_manifest_says_how_to_cite(result: Path) -> None:
    cited = json.loads((result / "manifest.json").read_text("utf-8"))["citation"]
    assert cited["title"].startswith("hostsim")
    assert cited["cff-version"] == "1.2.0"
