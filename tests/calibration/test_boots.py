"""Boots of virtual machines: what is missing is said, what boots is made here, and what was measured is a platform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.calibration import boots, runtimes, study
from sim.calibration.cgroups import Missing
from sim.calibration.fit import Line
from sim.calibration.platform_file import text, write
from sim.calibration.predict import Model
from sim.cli import main
from sim.experiment.replications.runner import platform_of
from sim.scenario import load_scenario

ROOT = Path(__file__).parents[2]


def only(*there: str) -> Callable[[str], str | None]:
    return lambda name: f"/bin/{name}" if name in there else None


def test_without_qemu_it_says_what_to_install(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(boots.shutil, "which", only())
    with pytest.raises(Missing, match=r"no such program \(apt-get install qemu-system-x86\)"):
        boots.prepared(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "--only", "boots", "--quiet"]) == 1
    assert "Not measured: boots: qemu-system-x86_64: no such program" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_without_a_kernel_it_says_how_to_name_one(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(boots.shutil, "which", only(boots.PROGRAM))
    monkeypatch.setattr(boots.Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(Missing, match="--kernel FILE"):
        boots.prepared(tmp_path)
    with pytest.raises(Missing, match=r"nothing\.img: no such kernel"):
        boots.prepared(tmp_path, "nothing.img")


@pytest.fixture
def machine(monkeypatch, tmp_path: Path) -> Callable[..., boots.Boot]:
    """A QEMU that ends with 0 only with the accelerator that is given, and a busybox and a kernel that are files."""

    def made(works: str) -> boots.Boot:
        qemu = tmp_path / boots.PROGRAM
        qemu.write_text(f"#!/bin/sh\ncase \"$*\" in *'-accel {works}'*) exit 0;; esac\necho no $* >&2\nexit 1\n")
        qemu.chmod(0o755)
        (tmp_path / "kernel").write_bytes(b"")
        monkeypatch.setattr(boots.shutil, "which", lambda name: str(qemu))
        monkeypatch.setattr(runtimes, "busybox", lambda: qemu)
        monkeypatch.setattr(boots.os, "access", lambda path, mode: True)
        return boots.prepared(tmp_path, str(tmp_path / "kernel"))

    return made


@pytest.mark.parametrize(("works", "taken"), [("kvm", "KVM"), ("tcg", "TCG")])
def test_kvm_is_taken_where_a_kernel_boots_with_it_and_else_the_emulator(machine, works: str, taken: str) -> None:
    found = machine(works)
    assert found.accelerator == taken
    assert "-no-reboot" in found.command("x")


def test_a_kernel_that_does_not_boot_is_told_in_the_words_of_qemu(machine) -> None:
    with pytest.raises(Missing, match=r"kernel does not boot: no .*-accel tcg"):
        machine("neither")


def test_the_initial_file_system_is_what_the_kernel_reads() -> None:
    """Read as the kernel reads it: headers of 110 characters, names and data each padded to four bytes."""
    rest, found = boots.archive(b"#" * 13), {}
    while rest:
        assert rest[:6] == b"070701"
        mode, size, long = (int(rest[6 + 8 * field : 14 + 8 * field], 16) for field in (1, 6, 11))
        name = rest[110 : 110 + long - 1].decode()
        begin = (110 + long + 3) // 4 * 4
        found[name] = mode, rest[begin : begin + size]
        rest = rest[begin + (size + 3) // 4 * 4 :]
    assert list(found) == ["init", "bin", "bin/busybox", "bin/sh", "dev", "TRAILER!!!"]
    assert found["bin/busybox"] == (0o100755, b"#" * 13)
    assert found["bin/sh"] == (0o120777, b"busybox")
    assert found["init"][1].startswith(b"#!/bin/sh\n")


def test_what_was_measured_is_a_platform_beside_that_of_containers(tmp_path: Path) -> None:
    host: dict[str, object] = {"date": "2026-11-24", "cpu": "a CPU", "kernel": "6.18", "virtual": True}
    found = study.Found(host, 2, 0.5, "qemu", "7.2", 8, Model(1.5, 0.25, 0.1), 0.05, (1.4, 1.6), accelerator="TCG")
    found.lines = [Line(8, 9, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 1.5, 0.0, True)]
    path = tmp_path / "my-host-vm.yaml"
    write(found, path)
    scenario = load_scenario(ROOT / "scenarios" / "boot-storm.yaml", platforms=["microvm", str(path)])
    mine, known = platform_of(scenario, "my-host-vm"), platform_of(scenario, "microvm")
    assert [phase.name for phase in mine.startup] == ["pull", "clone", "wait", "work"]
    assert sum(phase.work or 0.0 for phase in mine.startup) == pytest.approx(1.5)
    assert mine.memory == known.memory
    assert mine.restart.phases == known.restart.phases == ()
    assert "emulated (TCG)" in text(found, path.name)
