"""What is known without a run: rooms in VMs and on disks, programs, threads, sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.cli import main
from tests.doubts.test_doubts import WEB, codes, file_of, foreseen

NESTED = {"platforms": {"nest": {"based_on": "container-in-vm", "nested": {"vm": {"cpu": 2, "memory": "4GiB"}}}}}
"""VMs of 2 vCPUs: two fit on four cores, each with two replicas of one core."""
FULL = {"based_on": "vm", "startup": [{"name": "clone", "kind": "clone", "bytes": "image"}],
        "isolation": {"panic_phases": ["clone"]}}  # fmt: skip
DISK = {"host__disk": {"read": "1GB/s", "write": "1GB/s", "capacity": "4GB"}}
UNLIMITED = {"cpu": {"request": 1}, "memory": {"request": "1GiB"}}
PLAIN = {WEB + "request_cpu": None}
DATABASE = {"image": {"size": "100MB", "cached": True}, "memory": {"base": "100MiB"}, "concurrency": 8, "replicas": 1,
            "request": [{"cpu": "8ms"}], "size": {"cpu": 1, "memory": "1GiB"}}  # fmt: skip
CALLS = {**PLAIN, WEB + "request": [{"cpu": "2ms"}, {"call": {"service": "db", "times": 2}}], "services__db": DATABASE}


def rate(number: int) -> dict[str, Any]:
    return {WEB + "traffic": {"constant-arrival-rate": {"rate": f"{number}/s"}}}


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("partly-placed", {**NESTED, WEB + "replicas": 5}, {**NESTED, WEB + "replicas": 4}),
    ("never-served", {**NESTED, WEB + "size": {"cpu": 3, "memory": "1GiB"}},
     {**NESTED, WEB + "size": {"cpu": 2, "memory": "1GiB"}}),
    ("oom-loop", {**NESTED, WEB + "memory": "5GiB", WEB + "size": UNLIMITED},
     {**NESTED, WEB + "memory": "2GiB", WEB + "size": UNLIMITED}),
    # one host of 16 GiB: 20 containers that promise little and use much
    ("oom-loop", {"platforms": ["container"], WEB + "replicas": 20, WEB + "memory": "1GiB",
                  WEB + "size": {"cpu": {"request": 0.1}, "memory": {"request": "64MiB", "limit": "2GiB"}}},
     {"platforms": ["container"], WEB + "replicas": 12, WEB + "memory": "1GiB",
      WEB + "size": {"cpu": {"request": 0.1}, "memory": {"request": "64MiB", "limit": "2GiB"}}}),
    # an image of 1 GB in a VM, of 200 MB in a container, on a disk of 500 MB
    ("never-served", {"host__disk": {"read": "1GB/s", "write": "1GB/s", "capacity": "500MB"}},
     {"host__disk": {"read": "1GB/s", "write": "1GB/s", "capacity": "2GB"}}),
    # 4 minutes are over before the application's own start is; so are 60 s of warm-up where that takes 40
    ("never-served", {WEB + "start_cpu": "250s"}, {WEB + "start_cpu": "40s"}),
    # a database that is called and has no replicas
    ("never-served", {**CALLS, "services__db": {**DATABASE, "replicas": 0}}, CALLS),
    # full copies of 1 GB, beside the image itself: on a disk of 4 GB three of them, and not four
    ("partly-placed", {"platforms": {"full": FULL}, WEB + "replicas": 4, **DISK},
     {"platforms": {"full": FULL}, WEB + "replicas": 2, **DISK}),
    # what the platform itself takes of a host
    ("oom-loop", {"platforms": {"great": {"based_on": "container", "memory": {"host": "20GiB"}}}},
     {"platforms": {"great": {"based_on": "container", "memory": {"host": "2GiB"}}}}),
    ("overload", {"platforms": {"busy": {"based_on": "container", "cpu": {"host": 4}}}},
     {"platforms": {"busy": {"based_on": "container", "cpu": {"host": 2}}}}),
    # 2 calls of 8 ms: the database of one core is full at 62 requests a second
    ("overload", {**CALLS, **rate(65)}, {**CALLS, **rate(55)}),
    # 100 ms elsewhere, 2 places: 20 requests a second, whatever the CPU
    ("overload", {**PLAIN, WEB + "request": [{"cpu": "1ms"}, {"wait": "100ms"}], **rate(20)},
     {**PLAIN, WEB + "request": [{"cpu": "1ms"}, {"wait": "100ms"}], **rate(15)}),
    # 1 GB/s of disk, 1.25 GB/s of network
    ("overload", {**PLAIN, WEB + "concurrency": 64, WEB + "request": [{"read": "55MB"}]},
     {**PLAIN, WEB + "concurrency": 64, WEB + "request": [{"read": "45MB"}]}),
    ("overload", {**PLAIN, WEB + "concurrency": 64, WEB + "size": {"cpu": 4, "memory": "1GiB"},
                  WEB + "request": [{"send": "65MB"}]},
     {**PLAIN, WEB + "concurrency": 64, WEB + "size": {"cpu": 4, "memory": "1GiB"},
      WEB + "request": [{"send": "10MB"}]}),
    ("overload", {WEB + "size": {"cpu": 2, "memory": "1GiB"}, WEB + "threads": 1, **rate(105)},
     {WEB + "size": {"cpu": 2, "memory": "1GiB"}, **rate(105)}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "raises", "not_"), CASES, ids=[f"{each[0]}-{n}" for n, each in enumerate(CASES)])
def test_what_cannot_be_carried_is_foreseen(
    tmp_path: Path, code: str, raises: dict[str, Any], not_: dict[str, Any]
) -> None:
    assert code in codes(foreseen(file_of(tmp_path, **raises)), "wrong")
    assert codes(foreseen(file_of(tmp_path, **not_)), "wrong") == set()


def test_a_host_smaller_than_what_the_platform_takes_is_told_as_that(tmp_path: Path) -> None:
    great = {"platforms": {"great": {"based_on": "container", "memory": {"host": "20GiB"}}}}
    found = {each.service: each.text for each in foreseen(file_of(tmp_path, **great)) if each.code == "oom-loop"}
    assert found[""].startswith("the platform itself takes 20 GiB, the host has 16 GiB")
    assert "has 0 MiB" in found["web"]


def test_recorded_demands_count_and_not_those_that_are_not_drawn(tmp_path: Path) -> None:
    for demand, expected in ((0.06, {"overload"}), (0.02, set())):
        rows = "".join(f"{number / 20},{demand}\n" for number in range(4800))
        (tmp_path / "recorded.csv").write_text(f"time,work\n{rows}")
        path = file_of(tmp_path, **{WEB + "traffic": {"trace": {"file": "recorded.csv", "demand": "work"}}})
        assert codes(foreseen(path), "wrong") == expected


def test_a_sweep_is_doubted_at_its_base_and_at_the_ends_of_its_axes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = file_of(tmp_path)
    sweep = tmp_path / "sweep.yaml"
    path = "services.web.traffic.constant-arrival-rate.rate"
    sweep.write_text(f"base: {base.name}\nreplications: 1\naxes: {{host.cores: [4, 8], {path}: [20/s, 60/s, 120/s]}}\n")
    assert main(["validate", "--strict", str(sweep)]) == 3
    told = capsys.readouterr().out
    assert "a sweep of 6 points, can be run, but" in told
    assert "rate=120/s; at 2 of the 4 extreme points" in told
    sweep.write_text(f"base: {base.name}\nreplications: 1\naxes: {{{path}: [20/s, 40/s, 60/s]}}\n")
    assert main(["validate", "--strict", str(sweep)]) == 0
    assert "a sweep of 3 points, correct" in capsys.readouterr().out
