"""Every row on the other platforms too, and the row of containers inside VMs against figures worked out by hand."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from sim.experiment.replications import runner
from sim.platforms.checks import CHECKS
from sim.scenario import load_scenario
from sim.terms.columns import TIMELINE

from .rows import ROWS, metrics_of, records_of

OTHERS = ("container-in-vm", "gvisor", "kata", "microvm")
SHORTER = {
    "breach": ("duration=6min",),
    "cold-start": ("duration=48h",),
    "elastic": ("duration=1h", "resizes=[]"),
    "evacuate": ("duration=5min",),
    "kernel-panic": ("duration=10min",),
    "nested": ("duration=45min", "faults=[{kind: kernel-panic, at: 44min}]"),
    "noisy-neighbour": ("duration=3min",),
    "patch": ("duration=10min",),
    "performance": ("services.compute.size.cpu=2",),  # what the VMs of containers have room for
}


@cache
def on(row: str, platform: str) -> dict[str, float]:
    """Metrics of a row on a platform that its file need not name."""
    scenario = load_scenario(ROWS / f"{row}.yaml", checks=CHECKS, overrides=SHORTER.get(row, ()), platforms=[platform])
    rows = runner.summarise(runner.run_one(scenario, platform, 0), scenario)
    return {(each.metric if each.service == "all" else f"{each.service}/{each.metric}"): each.value for each in rows}


@pytest.mark.parametrize("platform", OTHERS)
@pytest.mark.parametrize("row", sorted(path.stem for path in ROWS.glob("*.yaml")))
def test_every_row_answers_its_question_on_every_platform(row: str, platform: str) -> None:
    found = on(row, platform)
    focus = load_scenario(ROWS / f"{row}.yaml", checks=CHECKS, platforms=[platform]).focus
    absent = {"first-deploy": {"startup.install.p50"}, "patch": {"move.time"}}  # ready-made; cannot be moved
    if platform == "microvm":
        absent["operating-system"] = {"memory.cache"}  # no page cache in common
    assert {entry for entry in focus if entry not in TIMELINE} - found.keys() == absent.get(row, set())
    assert all(math.isfinite(value) for value in found.values())
    assert found["guests.peak"] >= 1
    if "requests.arrived" in found:
        lost = ("rejected", "timed_out", "failed", "in_flight")
        assert found["requests.completed"] > 0
        assert found["requests.arrived"] == found["requests.completed"] + sum(found[f"requests.{x}"] for x in lost)


def test_who_falls_together() -> None:
    """VMs of 4 vCPUs hold 8 containers of half a core; a sandbox has a kernel of its own; the host's is everybody's."""
    fallen = {name: on("kernel-panic", name)["blast.guests"] for name in OTHERS}
    assert fallen == {"container-in-vm": 8, "gvisor": 1, "kata": 1, "microvm": 1}
    assert {on("patch", name)["blast.guests"] for name in OTHERS} == {10}


def test_how_many_idle_guests_fit() -> None:
    """Kata adds a quarter of a core to what a pod promises: 64 cores hold 64 / (0.25 + 0.01) = 246 of them."""
    peaks = {name: on("operating-system", name)["guests.peak"] for name in OTHERS}
    assert peaks == {"container-in-vm": 1000, "gvisor": 1000, "kata": math.floor(64 / 0.26), "microvm": 1000}


# ---------------------------------------------------------------- nested.yaml

GIB = 2.0**30


def test_nested_density() -> None:
    """16 cores: 16 VMs of one; 64 containers of a quarter; and, bound by RAM, four VMs of as many as 16 GiB hold."""
    left = 16 * GIB - 64e6 - (13.9e6 + 16 * GIB / 64 + 64e6) - 216e6  # OS services, kernel, swiotlb, daemons
    found = {name: metrics_of("nested", name)["density.max"] for name in ("vm", "container", "container-in-vm")}
    assert found == {"vm": 16, "container": 64, "container-in-vm": 4 * math.floor(left / GIB)}
    assert found["container-in-vm"] == 60


def test_nested_blast_radius() -> None:
    """One VM; all containers of one VM; all containers. Only the last are down for the server's reboot, 3 min."""
    found = {name: metrics_of("nested", name) for name in ("vm", "container", "container-in-vm")}
    assert {name: each["blast.guests"] for name, each in found.items()} == {
        "vm": 1, "container": 64, "container-in-vm": 15,
    }  # fmt: skip
    assert found["container"]["blast.requests"] == pytest.approx(183 / (58 * 60), rel=0.03)
    assert found["container-in-vm"]["blast.requests"] < 0.001


def test_nested_start_up() -> None:
    """A container's 1.68 s (daemon, create, network, run, application) where the VM is up; 11.5 s more where not."""
    starts = records_of("nested", "container-in-vm").guests
    latency = starts["ready"] - starts["requested"]
    new = ~np.isnan(starts["startup_vm"])
    assert new.sum() == 4
    assert np.flatnonzero(new).tolist() == [0, 15, 30, 45]
    inside = 0.049 + 0.100 + 0.003 + 0.110 + 0.418 + 1.0
    assert np.median(latency[~new]) == pytest.approx(inside, rel=0.03)
    assert latency[new] - starts["startup_vm"][new] == pytest.approx(
        inside + 0.28, abs=0.15
    )  # the first reads the image
    assert starts["startup_vm"][new] == pytest.approx(11.5, rel=0.2)  # two delays, of 10 % each
    alone = metrics_of("nested", "container")["startup.p50"]
    assert metrics_of("nested", "container-in-vm")["startup.p50"] == pytest.approx(alone, rel=0.03)
