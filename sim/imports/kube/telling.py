"""What of manifests is not in the scenario, told shortly: a reason and the names that it holds for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sim.imports.draft import Draft, Part
from sim.imports.kube.calls import Workload
from sim.imports.kube.files import Manifest
from sim.imports.kube.limits import Bag, Pod
from sim.imports.kube.schema import known_kinds
from sim.imports.trees import below, mappings

_POD: Final = {
    "priorityClassName": "priorities (nobody is preempted)", "priority": "priorities (nobody is preempted)",
    "nodeSelector": "placement on nodes (one host here)", "affinity": "placement on nodes (one host here)",
    "topologySpreadConstraints": "placement on nodes (one host here)", "nodeName": "placement on nodes (one host here)",
    "ephemeralContainers": "ephemeral containers", "resourceClaims": "claimed devices", "shareProcessNamespace": "",
}  # fmt: skip
_ENDING: Final = {"Job": "a job that ends", "CronJob": "a job by the clock"}
_READ: Final = {
    "Service", "Ingress", "HorizontalPodAutoscaler", "LimitRange", "ResourceQuota", "RuntimeClass", "ConfigMap",
    "NetworkPolicy", "HTTPRoute", "GRPCRoute", "VirtualService",
}  # fmt: skip
_DISKS: Final = (
    "persistentVolumeClaim",
    "hostPath",
    "nfs",
    "csi",
    "awsElasticBlockStore",
    "gcePersistentDisk",
    "ephemeral",
)


class Telling:
    """Gathers reasons and names."""

    def __init__(self) -> None:
        self._of: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """One more name for a reason."""
        names = self._of.setdefault(reason, [])
        if name not in names:
            names.append(name)

    def lines(self) -> list[str]:
        """A line a reason."""
        return [f"{reason}: {', '.join(names)}" for reason, names in self._of.items()]

    def owned(self, manifests: Iterable[Manifest]) -> None:
        """Pods and sets that another object made, as `kubectl get -o yaml` lists them."""
        for each in manifests:
            owner = next(iter(mappings(each.meta, "ownerReferences")), {})
            self.add(
                "made by its owner, left out", f"{each.kind} {each.name} of {owner.get('kind')} {owner.get('name')}"
            )

    def pod(self, workload: Workload, pod: Pod) -> None:
        """What a pod has and a scenario has not."""
        spec, name = workload.spec, workload.part.name
        for key, reason in _POD.items():
            if spec.get(key) and reason:
                self.add(reason, name)
        for other in sorted(pod.other):
            self.add(f"its {other}", name)
        volumes = [each for each in mappings(spec, "volumes") if any(kind in each for kind in _DISKS)]
        claims = workload.manifest.spec.get("volumeClaimTemplates")
        if volumes or claims:
            self.add("what their volumes read and write (add read and write steps)", name)
        if any(below(each, "emptyDir").get("medium") == "Memory" for each in mappings(spec, "volumes")):
            self.add("a volume in memory, which counts as their memory", name)
        inits = [each for each in mappings(spec, "initContainers") if each.get("restartPolicy") != "Always"]
        if inits:
            self.add("how long their init containers take before they start", name)
        if len(workload.part.images) > 1:
            self.add("several containers of a pod, one guest here with all their CPU and memory", name)
        kind = workload.manifest.kind
        if kind == "DaemonSet":
            self.add("a DaemonSet, of which this host has one pod", name)
        together = workload.manifest.spec.get("podManagementPolicy") == "Parallel"
        if kind == "StatefulSet" and workload.part.replicas > 1 and not together:
            self.add("a StatefulSet, whose pods start one after the other (at once here)", name)
        if workload.manifest.old:
            self.add(f"of {workload.manifest.old}, which Kubernetes no longer serves; read as today's", name)

    def others(self, objects: Sequence[Manifest], workloads: Collection[str]) -> None:
        """Objects that are no workload, nor are read for one."""
        inert: Counter[str] = Counter()
        own = {each.rpartition("/")[0] if "/" in each.partition(" ")[0] else "" for each in known_kinds()}
        for each in objects:
            group = each.api.rpartition("/")[0]
            if each.full in workloads or (each.kind in _READ and (group in own or not group)):
                continue
            if each.kind in _ENDING:
                self.add(f"{each.kind}, {_ENDING[each.kind]}", each.name)
            elif group in own or group in ("", "policy", "apiextensions.k8s.io"):
                inert[each.kind] += 1
            elif each.kind not in _READ:
                self.add(
                    "custom resources, of which an operator may make more pods", f"{each.kind} {each.name}".strip()
                )
        if inert:
            self.add("objects that ask for no CPU and no memory", ", ".join(f"{n} {kind}" for kind, n in inert.items()))

    def quota(self, name: str, hard: Bag, parts: Sequence[Part]) -> None:
        """A ResourceQuota, and whether the workloads fit in it."""
        sums: dict[str, float] = {"pods": float(sum(part.replicas for part in parts))}
        for key in ("cpu", "memory"):
            whole = sum((getattr(part.amounts, key) or 0.0) * part.replicas for part in parts)
            sums |= {key: whole, f"requests.{key}": whole}
            sums[f"limits.{key}"] = sum(
                (getattr(part.amounts, f"{key}_limit") or 0.0) * part.replicas for part in parts
            )
        above = [f"{key} {hard[key]:g} is less than the {sums[key]:g} asked for" for key in sums
                 if key in hard and sums[key] > hard[key]]  # fmt: skip
        self.add(f"a quota of a namespace{' (' + '; '.join(above) + ')' if above else ''}", name)

    def counted(self, draft: Draft) -> list[str]:
        """Lines that say how the requests in total come about, where they are not simply what is written."""
        lines = []
        parts = draft.parts
        written = [sum(part.written[index] * part.replicas for part in parts) for index in (0, 1)]
        if any(abs(a - b) > 1e-9 * max(a, b) for a, b in zip(written, draft.totals(), strict=False)):
            told = (
                f"{written[0]:.10g} cores and {written[1] / 2**20:.10g} MiB stand there as requests; the rest is what "
            )
            lines.append(f"{told}Kubernetes takes as one (limits without a request, LimitRange, init containers).")
        extra = [sum(part.overhead[index] * part.replicas for part in parts) for index in (0, 1)]
        if any(extra):
            lines.append(
                f"To this, the overhead of runtime classes: {extra[0]:.10g} cores, {extra[1] / 2**20:.10g} MiB."
            )
        if scaled := [part.name for part in parts if part.autoscale]:
            lines.append(f"Counted with the fewest replicas of what is autoscaled: {', '.join(scaled)}.")
        return lines
