"""RuntimeClasses: handlers to platforms, and the overhead of a pod."""

from __future__ import annotations

import re
from typing import Any, Final

from sim.imports.kube.calls import Workload
from sim.imports.kube.files import Manifest, Manifests
from sim.imports.kube.limits import Bag, Reader
from sim.imports.trees import below

# Handlers as their projects' own documentation names them: kata-deploy's runtime classes, gVisor's containerd shim.
_PLATFORMS: Final = (
    (re.compile(r"kata|firecracker"), "kata"), (re.compile(r"runsc|gvisor"), "gvisor"), (re.compile(r"crun"), "crun"),
    (re.compile(r"runc"), "container"),
)  # fmt: skip


class Runtimes:
    """The platforms that pods name by their RuntimeClass; `notes` on those that are none here."""

    def __init__(self, files: Manifests) -> None:
        self.notes: list[str] = []
        self.classes: dict[str, Manifest] = {}
        self.overheads: dict[str, dict[str, Bag]] = {}
        self.platform: dict[str, str] = {}
        self.users: dict[str, list[str]] = {}
        self._overhead: dict[str, Bag] = {}
        for each in files.objects:
            if each.full == "node.k8s.io/v1 RuntimeClass":
                reader = Reader()
                spec = each.spec if each.tree.get("handler") is None else each.tree  # v1alpha1 has a spec
                fixed = below(each.tree, "overhead", "podFixed")
                handler = str(spec.get("handler") or spec.get("runtimeHandler") or each.name)
                self._overhead[each.name] = reader.bag(fixed, (*each.loc, "overhead", "podFixed"))
                self.classes[each.name] = each
                self.platform[each.name] = next((to for what, to in _PLATFORMS if what.search(handler)), "")
                files.refuse(each, reader.findings)

    def pod(self, workload: Workload, reader: Reader) -> None:
        """Take in the class that a pod names, and what it adds to its requests."""
        spec = workload.spec
        name = spec.get("runtimeClassName")
        where = (*workload.manifest.loc, "spec", "overhead")
        overhead = reader.bag(spec.get("overhead"), where) or self._overhead.get(str(name), {})
        workload.part.overhead = (overhead.get("cpu", 0.0), overhead.get("memory", 0.0))
        if not name:
            return
        known = str(name) in self.platform
        platform = self.platform.get(str(name), next((to for what, to in _PLATFORMS if what.search(str(name))), ""))
        if not platform:
            self.notes.append(f"runtime class {name} of {workload.part.name}: no platform here is known to be it")
            return
        if not known:
            self.notes.append(f"runtime class {name} is not in the files: {platform}, by its name")
        workload.part.runtime = platform
        self.users.setdefault(platform, []).append(workload.part.name)
        self.overheads.setdefault(platform, {})[workload.part.name] = overhead

    def platforms(self) -> dict[str, tuple[dict[str, Any], str]]:
        """Platforms beside `vm` and `container`: what is known of them, and why they are there."""
        found: dict[str, tuple[dict[str, Any], str]] = {}
        for platform, names in self.users.items():
            cpus = {bag.get("cpu", 0.0) for bag in self.overheads[platform].values()}
            override: dict[str, Any] = {"cpu": {"request_per_guest": f"{1000 * max(cpus):.10g}m"}} if max(cpus) else {}
            why = f"the runtime class of {', '.join(names)}"
            found[platform] = (override, why if override else f"{why}; its overhead is the platform's own")
        self.notes = list(dict.fromkeys(self.notes))
        return found
