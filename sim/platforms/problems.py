"""What is wrong with a platform's definition: every problem at once, in the words of scenario errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sim.reading.errors import HostsimError, nearest


class PlatformProblem(NamedTuple):
    """One problem: its dotted path, what was found, what is allowed, the nearest known name (None if none).

    `path` starts at `platforms.<name>`, as in a scenario file. `on_key`: the key itself is the mistake.
    """

    path: str
    found: str
    allowed: str
    suggestion: str | None = None
    on_key: bool = False

    def __str__(self) -> str:
        """The problem on one line."""
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.path}: found {self.found}; allowed: {self.allowed}{hint}"


class PlatformError(HostsimError):
    """A platform that cannot be loaded.

    `problems` holds all of them; `path`, `found`, `allowed` and `suggestion` are those of the first.
    """

    def __init__(self, problems: Iterable[PlatformProblem]) -> None:
        """Raise it with at least one problem."""
        self.problems = tuple(problems)
        if not self.problems:
            raise ValueError("a PlatformError needs at least one problem")
        super().__init__(self.problems)  # the argument, so that the error survives the way between processes
        self.path, self.found, self.allowed, self.suggestion, _ = self.problems[0]

    def __str__(self) -> str:
        """All problems, one a line."""
        return "\n".join(str(problem) for problem in self.problems)


NEAR: Final = {
    **dict.fromkeys(("podman", "containerd", "cri-o", "kubernetes", "k8s", "pod", "lxc"), "container"),
    **dict.fromkeys(("kvm", "qemu", "libvirt", "kubevirt", "vmware", "virtualbox", "esxi", "xen"), "vm"),
    **dict.fromkeys(("firecracker", "fargate"), "microvm"),
    **dict.fromkeys(("runsc",), "gvisor"),
    **dict.fromkeys(("bare-metal", "baremetal", "process"), "native"),
}
"""What people call it → the platform of the catalogue."""


def unknown_key(path: str, key: str, known: Iterable[str]) -> PlatformProblem:
    """The problem of a key that nobody knows; `path` ends with it."""
    names = sorted(known)
    near = nearest(key, names)
    return PlatformProblem(path, "an unknown key", f"one of {', '.join(names)}", near, on_key=True)


def unknown_name(path: str, name: str, known: Iterable[str]) -> PlatformProblem:
    """The problem of a value that names nothing."""
    names = list(known)
    near = NEAR.get(name.lower())
    return PlatformProblem(
        path, repr(name), f"one of {', '.join(names)}", near if near in names else nearest(name, names)
    )
