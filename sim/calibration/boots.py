"""Boots of a small virtual machine with QEMU: a distribution's kernel, started directly, whose init ends the machine.

Nothing is downloaded: the kernel is one of this machine's (/boot) or a file that is named, and the initial file system
is busybox and an init of two lines, made here. KVM is used where a kernel really boots with it, else TCG emulates.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sim.calibration import runtimes
from sim.calibration.cgroups import Missing

PROGRAM: Final = "qemu-system-x86_64"
ACCELERATORS: Final[Mapping[str, tuple[list[str], float]]] = MappingProxyType(
    {"KVM": (["-accel", "kvm", "-cpu", "host"], 20.0), "TCG": (["-accel", "tcg", "-cpu", "max"], 180.0)}
)
"""Accelerator → QEMU's options, and how long one boot is waited for [s]."""
MEMORY: Final = 256
"""MiB of RAM of a machine."""
_INIT: Final = b"#!/bin/sh\nexec /bin/busybox reboot -f\n"  # which ends QEMU, with -no-reboot
_FILE, _FOLDER, _LINK = 0o100755, 0o040755, 0o120777


@dataclass(frozen=True)
class Boot:
    """Starts of a machine, each by a command that ends when the machine has come to its init and ended itself."""

    version: str
    accelerator: str
    arguments: tuple[str, ...]
    patience: float
    """s that a boot may take."""
    name: str = "qemu"
    grouped: bool = True

    def command(self, container: str) -> list[str]:
        """The command that boots the machine `container`."""
        return [*self.arguments, "-name", container]

    def remove(self) -> None:
        """Nothing is left of a machine whose process is gone."""


def prepared(folder: Path, kernel: str | None = None) -> Boot:
    """A machine ready to boot, once booted. Raises Missing, with what to install or to name.

    `folder`: an empty one; `kernel`: a file (None: the newest of /boot).
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise Missing(f"{PROGRAM}: no such program (apt-get install qemu-system-x86)")
    image = _kernel(kernel)
    initial = folder / "initrd"
    initial.write_bytes(archive(runtimes.busybox().read_bytes()))
    version = runtimes.version_of(program)
    common = (
        program, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-smp", "1", "-m", str(MEMORY),
        "-serial", "null", "-kernel", str(image), "-initrd", str(initial), "-append", "quiet panic=-1",
    )  # fmt: skip
    said = ""
    for accelerator, (options, patience) in ACCELERATORS.items():
        if accelerator == "KVM" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            continue
        boot = Boot(version, accelerator, (*common, *options), patience)
        said = _tried(boot)
        if not said:
            return boot
    raise Missing(f"qemu: {image.name} does not boot: {said}")


def _kernel(named: str | None) -> Path:
    if named is not None:
        if not Path(named).is_file():
            raise Missing(f"{named}: no such kernel")
        return Path(named)
    found = [each for each in Path("/boot").glob("vmlinuz-*") if os.access(each, os.R_OK)]
    if not found:
        raise Missing("no kernel in /boot that can be read: --kernel FILE (such as that of linux-image-cloud-amd64)")
    return max(found, key=lambda each: [int(number) for number in re.findall(r"\d+", each.name)])


def _tried(boot: Boot) -> str:
    """Why a machine does not boot; empty if it does."""
    try:
        done = subprocess.run(
            boot.command("try"), capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            timeout=boot.patience, cwd="/",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not within {boot.patience:.0f} s with {boot.accelerator}"
    return "" if done.returncode == 0 else runtimes.last_line(done.stderr)


def archive(busybox: bytes) -> bytes:
    """An initial file system: busybox, and the init that ends the machine (Linux, *initramfs buffer format*: newc)."""
    files = [
        ("init", _FILE, _INIT), ("bin", _FOLDER, b""), ("bin/busybox", _FILE, busybox), ("bin/sh", _LINK, b"busybox"),
        ("dev", _FOLDER, b""), ("TRAILER!!!", 0, b""),
    ]  # fmt: skip
    return b"".join(_entry(number, *each) for number, each in enumerate(files, 1))


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
