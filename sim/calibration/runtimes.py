"""What starts containers here: runc and crun by themselves, docker and podman; the program started is busybox.

Nothing is downloaded: the root file system is the one program, from Debian's busybox-static or any static busybox.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from sim.calibration.cgroups import Missing

PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {"runc": "runc", "crun": "crun", "docker": "docker.io", "podman": "podman"}
)
"""Runtime → the Debian package that it is in."""
NAMES: Final = tuple(PACKAGES)
ALONE: Final = ("runc", "crun")
"""Those that need no image store, no network and no daemon."""
PATIENCE = 60.0
"""s that one command of a runtime may take."""


class Starter(Protocol):
    """Something that can start containers, each by a command that ends when the container's process has ended."""

    @property
    def name(self) -> str:
        """Name of the runtime."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def grouped(self) -> bool:
        """Whether the work of a start is done by the command and its children, which its group and rusage see."""

    @property
    def patience(self) -> float:
        """s that a start may take."""

    def command(self, container: str) -> list[str]:
        """The command that starts the container `container`."""

    def remove(self) -> None:
        """Remove all containers, also those that are half made."""


@dataclass(frozen=True)
class Bundle:
    """runc or crun: a container's configuration is what the runtime's own `spec` says, with /bin/true as the process.

    Containers share one root file system; the control group of each is below `group`.
    """

    name: str
    version: str
    program: str
    folder: Path
    group: str
    config: Mapping[str, Any]
    grouped: bool = True
    patience: float = PATIENCE

    def command(self, container: str) -> list[str]:
        """The command that starts the container `container`."""
        bundle = self.folder / "bundles" / container
        bundle.mkdir(parents=True)
        own = {**self.config, "linux": {**self.config["linux"], "cgroupsPath": f"/{self.group}/{container}"}}
        (bundle / "config.json").write_text(json.dumps(own), encoding="utf-8")
        return [*self._program, "run", "--bundle", str(bundle), container]

    def remove(self) -> None:
        """Remove all containers, also those that are half made."""
        for state in self.state.glob("*/"):
            _quiet([*self._program, "delete", "--force", state.name])

    @property
    def state(self) -> Path:
        """Where the runtime keeps what it knows of its containers."""
        return self.folder / "state"

    @property
    def _program(self) -> list[str]:
        return [self.program, "--root", str(self.state)]


@dataclass(frozen=True)
class Engine:
    """docker or podman with an image of ours, its network as it is set up here."""

    name: str
    version: str
    program: str
    image: str
    grouped: bool = False
    patience: float = PATIENCE

    def command(self, container: str) -> list[str]:
        """The command that starts the container `container`."""
        return [self.program, "run", "--rm", "--name", f"{self.image}-{container}", self.image, "/bin/true"]

    def remove(self) -> None:
        """Remove all containers, also those that are half made."""
        told = _quiet([self.program, "ps", "-aq", "--filter", f"ancestor={self.image}"])
        if told.split():
            _quiet([self.program, "rm", "-f", *told.split()])


@contextlib.contextmanager
def prepared(runtime: str, folder: Path, group: str) -> Iterator[Starter]:
    """A runtime ready to start containers; everything is removed again. Raises Missing, with what to install.

    `folder`: an empty one; `group`: the name of the control group that a container of runc or crun is below.
    """
    program, static = _program(runtime), busybox()
    if os.geteuid():
        raise Missing(f"{runtime}: root is needed, to start containers as a host does")
    root = _root(folder / "rootfs", static)
    if runtime in ALONE:
        starter: Starter = _bundle(runtime, program, folder, group)
    else:
        starter = _engine(runtime, program, root)
    try:
        yield starter
    finally:
        starter.remove()
        if isinstance(starter, Engine):
            _quiet([program, "rmi", "-f", starter.image])


def _program(runtime: str) -> str:
    found = shutil.which(runtime)
    if found is None:
        raise Missing(f"{runtime}: no such program (apt-get install {PACKAGES[runtime]})")
    return found


def busybox() -> Path:
    """The static busybox of this machine. Raises Missing, with what to install."""
    found = shutil.which("busybox")
    if found is None:
        raise Missing("busybox: no such program (apt-get install busybox-static)")
    if _is_dynamic(found):
        raise Missing("busybox: it needs shared libraries; a static one is wanted (apt-get install busybox-static)")
    return Path(found)


def _is_dynamic(program: str) -> bool:
    """Whether an ELF file wants an interpreter: it has a program header of type 3 (elf(5))."""
    with open(program, "rb") as file:
        head = file.read(4096)
    start, size, count = (int.from_bytes(head[at : at + n], "little") for at, n in ((32, 8), (54, 2), (56, 2)))
    return 3 in [int.from_bytes(head[start + k * size :][:4], "little") for k in range(count)]


def _root(folder: Path, busybox: Path) -> Path:
    """A root file system: busybox and the links to it that are needed."""
    (folder / "bin").mkdir(parents=True)
    for name in ("proc", "dev", "sys", "tmp", "etc"):
        (folder / name).mkdir()
    shutil.copy(busybox, folder / "bin" / "busybox")
    for name in ("true", "sh"):
        (folder / "bin" / name).symlink_to("busybox")
    return folder


def _bundle(runtime: str, program: str, folder: Path, group: str) -> Bundle:
    done = subprocess.run([program, "spec"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise Missing(f"{runtime}: `{runtime} spec` failed: {last_line(done.stderr)}")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["process"] |= {"terminal": False, "args": ["/bin/true"]}
    config["root"] = {"path": str(folder / "rootfs"), "readonly": True}
    return Bundle(runtime, version_of(program), program, folder, group, config)


def _engine(runtime: str, program: str, root: Path) -> Engine:
    image = f"hostsim-{os.getpid()}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(root, arcname=".")
    done = subprocess.run(
        [program, "import", "-", image], input=packed.getvalue(), capture_output=True, timeout=PATIENCE
    )
    if done.returncode:
        raise Missing(f"{runtime}: no image can be made: {last_line(done.stderr.decode(errors='replace'))}")
    return Engine(runtime, version_of(program), program, image)


def version_of(program: str) -> str:
    """What a program says of its version."""
    found = re.search(r"\d+\.\d[\w.]*", _quiet([program, "--version"]))
    return found[0] if found else "of unknown version"


def _quiet(command: list[str]) -> str:
    """What a command prints; whether it succeeds is of no concern."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, errors="replace").stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
