"""Compose files to a draft: deploy.resources, mem_limit and cpus, replicas, health checks, who depends on whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sim.imports.amounts import cores, docker_bytes, span
from sim.imports.compose_files import Project
from sim.imports.draft import Amounts, Draft, Part, renamed
from sim.imports.trees import below
from sim.reading.errors import Finding, Loc, show

_READ: Final = frozenset(
    {
        "image",
        "deploy",
        "cpus",
        "cpu_quota",
        "cpu_period",
        "mem_limit",
        "mem_reservation",
        "scale",
        "healthcheck",
        "depends_on",
        "links",
        "ports",
        "profiles",
        "extends",
    }
)
_QUIET: Final = frozenset(  # what does not change how much work there is, or cannot be told from the file
    {
        "annotations",
        "attach",
        "build",
        "cap_add",
        "cap_drop",
        "command",
        "configs",
        "container_name",
        "credential_spec",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "entrypoint",
        "env_file",
        "environment",
        "expose",
        "external_links",
        "extra_hosts",
        "group_add",
        "hostname",
        "init",
        "ipc",
        "label_file",
        "labels",
        "logging",
        "mac_address",
        "networks",
        "platform",
        "pull_policy",
        "read_only",
        "restart",
        "secrets",
        "security_opt",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "tty",
        "user",
        "userns_mode",
        "uts",
        "working_dir",
        "develop",
    }
)
_LOST: Final = {
    "volumes": "what its volumes read and write (add read and write steps)",
    "cpu_shares": "cpu_shares (weights follow the CPU request)",
    "cpuset": "cpuset (no pinning to cores)",
    "gpus": "GPUs", "devices": "devices", "memswap_limit": "memswap_limit", "pids_limit": "pids_limit",
    "network_mode": "network_mode", "privileged": "privileged mode", "runtime": "its runtime (choose a platform)",
    "blkio_config": "limits of disk I/O", "tmpfs": "tmpfs",
}  # fmt: skip


def read_compose(paths: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Draft:
    """Read compose files, later ones over earlier ones. Raises ScenarioError with every mistake in them.

    `environment`: the variables, over those of `.env` beside the first file; the process's own when left out.
    """
    project = Project(paths, environment)
    services = project.tree["services"]
    reader = _Reader(services)
    parts = [reader.part(name, new) for name, new in reader.names.items()]
    project.refuse(reader.findings)
    name = str(project.tree.get("name") or Path(paths[0]).resolve().parent.name)
    draft = Draft(name, ", ".join(Path(path).name for path in paths), parts, [*project.notes, *reader.lost])
    if not parts:
        project.refuse([Finding(("services",), "no service that stays up", "at least one without a profile")])
    draft.uncircle()
    return draft


class _Reader:
    """Reads the services of one merged tree."""

    def __init__(self, services: dict[str, Any]) -> None:
        self.services = services
        self.findings: list[Finding] = []
        self.lost: list[str] = []
        once = {other for each in services.values() for other, how in _depends(each).items() if how == _DONE}
        asleep = [name for name, each in services.items() if each.get("profiles")]
        self.lost += [f"{name}: a service that runs once and ends" for name in services if name in once]
        self.lost += [f"{name}: left out, it is of a profile" for name in asleep if name not in once]
        kept = [name for name in services if name not in once and name not in asleep]
        self.names = dict(renamed(kept))
        self.lost += [f"{old} is called {new} here" for old, new in self.names.items() if old != new]

    def part(self, name: str, new: str) -> Part:
        """One service."""
        tree = self.services[name]
        loc = ("services", name)
        part = Part(new, str(tree.get("image") or ""), self.amounts(tree, loc), self.replicas(tree, loc))
        part.ready = self.ready(tree, loc)
        if part.ready:
            part.guesses["ready"] = "its healthcheck; requests come only after the first that passes"
        for other, how in {**_depends(tree), **dict.fromkeys(_links(tree), "links")}.items():
            if other not in self.services:
                self.findings.append(Finding((*loc, "depends_on"), f"{other!r}, an unknown service",
                                             f"one of {', '.join(self.services)}"))  # fmt: skip
            elif other in self.names:
                part.calls[self.names[other]] = "links" if how == "links" else "depends_on"
        part.reached = "it publishes a port" if tree.get("ports") else ""
        for key in tree:
            if key in _LOST and tree[key]:
                self.lost.append(f"{new}: {_LOST[key]}")
            elif key not in _READ and key not in _QUIET and key not in _LOST and not str(key).startswith("x-"):
                self.lost.append(f"{new}: {key}")
        return part

    def amounts(self, tree: dict[str, Any], loc: Loc) -> Amounts:
        """Reservations are requests. Docker promises nothing for a limit alone (see `writing`)."""
        resources = below(tree, "deploy", "resources")
        limits, kept = below(resources, "limits"), below(resources, "reservations")
        where = (*loc, "deploy", "resources")
        found = Amounts(
            cpu=self.read(cores, kept.get("cpus"), (*where, "reservations", "cpus")),
            cpu_limit=self.read(cores, limits.get("cpus"), (*where, "limits", "cpus")),
            memory=self.read(docker_bytes, kept.get("memory"), (*where, "reservations", "memory")),
            memory_limit=self.read(docker_bytes, limits.get("memory"), (*where, "limits", "memory")),
        )
        if found.cpu_limit is None:
            found.cpu_limit = self.read(cores, tree.get("cpus"), (*loc, "cpus"))
        quota = self.read(cores, tree.get("cpu_quota"), (*loc, "cpu_quota"))
        if found.cpu_limit is None and quota is not None:  # microseconds of a period, 100 ms by default
            period = self.read(cores, tree.get("cpu_period"), (*loc, "cpu_period")) or 100_000.0
            found.cpu_limit = quota / period
        if found.memory_limit is None:
            found.memory_limit = self.read(docker_bytes, tree.get("mem_limit"), (*loc, "mem_limit"))
        if found.memory is None:
            found.memory = self.read(docker_bytes, tree.get("mem_reservation"), (*loc, "mem_reservation"))
        for kind in ("cpu", "memory"):
            least, most = getattr(found, kind), getattr(found, f"{kind}_limit")
            if least and most and least > most:
                self.findings.append(Finding((*where, "reservations"), f"a reservation of {kind} above its limit",
                                             "a reservation of at most the limit"))  # fmt: skip
        if kept.get("devices"):
            self.lost.append(f"{loc[-1]}: devices (GPUs)")
        return Amounts(*(value or None for value in vars(found).values()))  # 0 is no limit to Docker

    def replicas(self, tree: dict[str, Any], loc: Loc) -> int:
        """Of a service that is on each node (`mode: global`), the one of this host."""
        deploy = below(tree, "deploy")
        if str(deploy.get("mode", "")).startswith("global"):
            return 1
        given = deploy.get("replicas", tree.get("scale"))
        if given is None:
            return 1
        try:
            number = int(str(given))
        except ValueError:
            number = -1
        if number < 0:
            where = (*loc, "deploy", "replicas") if "replicas" in deploy else (*loc, "scale")
            self.findings.append(Finding(where, show(given), "a whole number, at least 0"))
        return number

    def ready(self, tree: dict[str, Any], loc: Loc) -> dict[str, str] | None:
        """Docker probes first after one interval, 30 s unless said (https://docs.docker.com/reference/dockerfile/)."""
        check = below(tree, "healthcheck")
        if not check or check.get("disable") or check.get("test") in ("NONE", ["NONE"]):
            return None
        where = (*loc, "healthcheck")
        every = self.read(span, check.get("interval"), (*where, "interval")) or 30.0
        if self.read(span, check.get("start_period"), (*where, "start_period")):
            every = self.read(span, check.get("start_interval"), (*where, "start_interval")) or min(every, 5.0)
        return {"probe": f"{every:g}s", "delay": f"{every:g}s"}

    def read(self, parse: Callable[[Any], float], value: Any, loc: Loc) -> float | None:
        """A value in SI; None where there is none, or where it is wrong, which is found."""
        if value is None or value == "":
            return None
        try:
            return parse(value)
        except ValueError as wrong:
            self.findings.append(Finding(loc, show(value), str(wrong)))
            return None


_DONE: Final = "service_completed_successfully"


def _depends(tree: dict[str, Any]) -> dict[str, str]:
    """Service → the condition under which it is depended on."""
    given = tree.get("depends_on") or []
    if isinstance(given, dict):
        return {str(name): str(below(how).get("condition", "")) for name, how in given.items()}
    return {str(name): "" for name in given}


def _links(tree: dict[str, Any]) -> list[str]:
    return [str(link).partition(":")[0] for link in tree.get("links") or []]
