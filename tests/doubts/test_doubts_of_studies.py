"""Crossover and sweep name no winner among survivors; a sweep does not mix with another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.cli import main
from sim.experiment.crossover.crossing import Crossover, crossover

VALUES = [10.0, 20.0, 30.0]


def crossed(served: dict[str, list[float]], metric: str = "response.p99") -> Crossover:
    delta = np.array([[1.0, 1.1, 0.9], [0.5, 0.4, 0.6], [-1.0, -1.1, -0.9]])
    found = crossover(VALUES, delta, a="vm", b="container", metric=metric, better="lower")
    return Crossover(**{**vars(found), "served": {name: np.array(each) for name, each in served.items()}})


def test_no_crossing_is_told_where_the_platforms_served_different_shares() -> None:
    alike = crossed({"vm": [1.0, 1.0, 0.995], "container": [1.0, 1.0, 1.0]})
    assert alike.unlike == ()
    assert "above it vm" in alike.sentences("tenants")[0]
    lost = crossed({"vm": [1.0, 1.0, 0.097], "container": [1.0, 1.0, 1.0]})
    assert lost.unlike == (30.0,)
    told = " ".join(lost.sentences("tenants"))
    assert "not comparable at tenants = 30" in told
    assert "vm 9.7 %" in told
    assert "container is better at tenants = 10, 20" in told
    assert "vm is better" not in told


def test_a_crossing_between_values_that_were_served_alike_stands() -> None:
    delta = np.array([[1.0, 1.1, 0.9], [-1.0, -1.1, -0.9], [-2.0, -2.1, -1.9]])
    found = crossover(VALUES, delta, a="vm", b="container", metric="response.p99", better="lower")
    served = {"vm": np.array([1.0, 1.0, 1.0]), "container": np.array([1.0, 1.0, 0.6])}
    first, second = Crossover(**{**vars(found), "served": served}).sentences("load")
    assert "not comparable at load = 30:" in first
    assert "below load = 15 container is better, above it vm" in second


def test_what_is_not_of_survivors_may_cross() -> None:
    lost = {"vm": [1.0, 1.0, 0.097], "container": [1.0, 1.0, 1.0]}
    assert crossed(lost, "cpu.overhead").unlike == ()


SWEEP = """
name: batch
base: base.yaml
axes: {AXES}
replications: 1
"""
BASE = """
duration: 20s
host: {cores: 2, memory: 4GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [native]
services:
  web:
    image: 0B
    memory: {base: 0B}
    request_cpu: 10ms
    size: {cpu: 1, memory: 1GiB}
    traffic: {constant-arrival-rate: {rate: 9/s}}
"""


def test_a_sweep_over_other_axes_is_refused_and_no_stale_figure_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    for name, axes in (("cores", "host.cores: [1, 2]"), ("more", "host.cores: [1, 2, 3]"), ("seeds", "seed: [1, 2]")):
        Path(f"{name}.yaml").write_text(SWEEP.replace("AXES", axes))
    fast = ["--workers", "1", "--quiet"]
    assert main(["sweep", "cores.yaml", *fast, "--no-plots"]) == 0
    plots = Path("results/batch/plots")
    plots.mkdir(exist_ok=True)
    (plots / "old.png").write_bytes(b"")
    assert main(["sweep", "seeds.yaml", *fast]) == 1
    assert "other axes (host.cores)" in capsys.readouterr().err
    assert (plots / "old.png").exists()
    assert main(["sweep", "more.yaml", *fast, "--no-plots"]) == 0  # more of the same: what is there is taken over
    assert not (plots / "old.png").exists()
    assert main(["sweep", "seeds.yaml", *fast, "--no-plots", "--overwrite"]) == 0
