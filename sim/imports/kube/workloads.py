"""Kubernetes manifests to a draft: each workload a service, its pods the replicas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sim.imports.draft import Draft, Part, renamed
from sim.imports.kube.calls import Calls, Workload
from sim.imports.kube.files import OPENSHIFT, Manifest, Manifests
from sim.imports.kube.limits import Pod, Ranges, Reader, pod_of, range_of
from sim.imports.kube.runtimes import Runtimes
from sim.imports.kube.scaling import scaling_of
from sim.imports.kube.telling import Telling
from sim.imports.trees import below, mappings
from sim.reading.errors import Finding, Loc, show

_WORKLOADS: Final = {
    "apps/v1 Deployment", "apps/v1 StatefulSet", "apps/v1 DaemonSet", "apps/v1 ReplicaSet", "v1 ReplicationController",
    "v1 Pod", OPENSHIFT,
}  # fmt: skip


def read_kube(paths: Sequence[str | Path], stdin: Callable[[], str] | None = None) -> Draft:
    """Read manifests: files, folders, `-` for standard input. Raises ScenarioError with every mistake in them."""
    files = Manifests(paths, stdin)
    reader = _Reader(files)
    draft = Draft(_name_of(paths, reader.kept), ", ".join(_short(path) for path in paths), [])
    reader.into(draft)
    if not draft.parts and not files.problems:
        first = files.objects[0]
        kinds = ", ".join(list(dict.fromkeys(each.kind for each in files.objects))[:6])
        allowed = "at least one Deployment, StatefulSet, DaemonSet, ReplicaSet or Pod with replicas"
        reader.files.refuse(first, [Finding(first.loc, f"no pods that stay up (only {kinds})", allowed)])
    files.stop()
    draft.uncircle()
    return draft


class _Reader:
    """The workloads among objects, and what else the objects say of them."""

    def __init__(self, files: Manifests) -> None:
        self.files = files
        self.telling = Telling()
        self.runtimes = Runtimes(files)
        self.ranges: dict[str, Ranges] = {}
        owned = set()
        for each in files.objects:
            if each.full == "v1 LimitRange":
                self._reading(each, lambda reader, each=each: self._range(each, reader))  # type: ignore[misc]
            if each.full in _WORKLOADS and each.meta.get("ownerReferences"):
                owned.add(id(each))
        works = [each for each in files.objects if each.full in _WORKLOADS]
        self.telling.owned([each for each in works if id(each) in owned])
        self.kept = [each for each in works if id(each) not in owned and self._stays(each)]

    def into(self, draft: Draft) -> None:
        """Fill in the parts, and what is told of them."""
        names = renamed(each.name or each.kind for each in self.kept)
        works = [self._workload(each, new) for each, (_, new) in zip(self.kept, names, strict=True)]
        Calls(self.files.objects, works)
        draft.parts = [each.part for each in works]
        self._scale(works)
        self.telling.others(self.files.objects, _WORKLOADS)
        self._quotas(works)
        draft.platforms = self.runtimes.platforms()
        draft.kubelet = True
        draft.counted = self.telling.counted(draft)
        draft.lost = [*self.files.notes, *self.runtimes.notes, *self.telling.lines()]

    def _reading(self, manifest: Manifest, read: Callable[[Reader], None]) -> None:
        reader = Reader()
        read(reader)
        self.files.refuse(manifest, reader.findings)

    def _range(self, manifest: Manifest, reader: Reader) -> None:
        self.ranges[manifest.namespace] = range_of(manifest, reader)

    def _stays(self, manifest: Manifest) -> bool:
        """Whether it has pods that stay: not scaled to nothing, no pod that ends."""
        spec = manifest.spec
        if manifest.kind == "Pod":
            ends = spec.get("restartPolicy") in ("Never", "OnFailure")
            if ends:
                self.telling.add("a pod that runs once and ends", manifest.name)
            return not ends
        if spec.get("replicas") == 0:
            self.telling.add("scaled to 0 replicas, left out", manifest.name)
        return spec.get("replicas") != 0

    def _workload(self, manifest: Manifest, new: str) -> Workload:
        if manifest.name and manifest.name != new:
            self.telling.add("renamed", f"{manifest.name} is {new}")
        loc, spec, labels = _template(manifest)
        part = Part(new)
        workload = Workload(manifest, part, spec, labels)
        findings = list(_misshapen(spec, loc))
        if findings:
            self.files.refuse(manifest, findings)
            workload.spec = {}
            return workload
        reader = Reader()
        pod = pod_of(spec, loc, self.ranges.get(manifest.namespace, Ranges()), reader)
        part.replicas = self._replicas(manifest, reader)
        part.images = [str(each.get("image") or "") for each in _staying(spec)]
        part.image = part.images[0] if len(part.images) == 1 else ", ".join(part.images)
        part.amounts = pod.amounts
        self.runtimes.pod(workload, reader)
        self.files.refuse(manifest, reader.findings)
        self._tell(workload, pod)
        part.ready, part.notes["ready"] = _ready(spec)
        return workload

    def _replicas(self, manifest: Manifest, reader: Reader) -> int:
        given = manifest.spec.get("replicas") if manifest.kind != "Pod" else None
        if manifest.kind == "DaemonSet" or given is None:
            return 1
        if not isinstance(given, int) or isinstance(given, bool) or given < 0:
            reader.findings.append(
                Finding((*manifest.loc, "spec", "replicas"), show(given), "a whole number, at least 0")
            )
            return 1
        return given

    def _tell(self, workload: Workload, pod: Pod) -> None:
        part = workload.part
        part.written = (pod.written.get("cpu", 0.0), pod.written.get("memory", 0.0))
        if pod.notes:
            part.notes["size"] = "; ".join(pod.notes)
        self.telling.pod(workload, pod)

    def _scale(self, works: list[Workload]) -> None:
        """HorizontalPodAutoscalers, each on the workload that its scaleTargetRef names."""
        by_name = {(each.manifest.namespace, each.manifest.kind, each.manifest.name): each for each in works}
        for manifest in self.files.objects:
            if manifest.kind != "HorizontalPodAutoscaler":
                continue
            ref = below(manifest.spec, "scaleTargetRef")
            work = by_name.get((manifest.namespace, str(ref.get("kind")), str(ref.get("name"))))
            if work is None:
                self.telling.add(
                    "an autoscaler of what is not here", f"{manifest.name} of {ref.get('kind')} {ref.get('name')}"
                )
                continue
            found = scaling_of(manifest, work.part)
            self.files.refuse(manifest, found.findings)
            for lost in found.lost:
                self.telling.add(f"autoscaler: {lost}", work.part.name)
            if found.fields:
                if work.part.replicas > int(found.fields["min"]):
                    self.telling.add(f"replicas: {work.part.replicas} (its autoscaler begins with "
                                     f"{found.fields['min']} here)", work.part.name)  # fmt: skip
                work.part.autoscale = found.fields
                work.part.replicas = int(found.fields["min"])

    def _quotas(self, works: list[Workload]) -> None:
        """A ResourceQuota is not in a scenario; that the workloads exceed it is told."""
        for manifest in self.files.objects:
            if manifest.full != "v1 ResourceQuota":
                continue
            reader = Reader()
            hard = reader.bag(manifest.spec.get("hard"), (*manifest.loc, "spec", "hard"))
            self.files.refuse(manifest, reader.findings)
            mine = [each.part for each in works if each.manifest.namespace == manifest.namespace]
            self.telling.quota(manifest.name, hard, mine)


def _template(manifest: Manifest) -> tuple[Loc, dict[str, Any], Mapping[str, Any]]:
    """Where a workload's pod is, the pod's spec and labels."""
    tree, loc = manifest.tree, manifest.loc
    if manifest.kind != "Pod":
        tree, loc = below(manifest.spec, "template"), (*loc, "spec", "template")
    return (*loc, "spec"), below(tree, "spec"), below(tree, "metadata", "labels")


def _misshapen(spec: dict[str, Any], loc: Loc) -> Iterator[Finding]:
    """What an older group's object, which no schema is held against, has in another form than it must have."""
    for key in ("containers", "initContainers", "volumes"):
        given = spec.get(key)
        if key == "containers" and not given:
            yield Finding((*loc, key), show(given), "a list of at least one container")
        elif given is not None and not (isinstance(given, list) and all(isinstance(each, dict) for each in given)):
            yield Finding((*loc, key), show(given), "a list of mappings")
    names: Counter[str] = Counter()
    for key in ("containers", "initContainers"):
        given = spec.get(key)
        for index, each in enumerate(given if isinstance(given, list) else []):
            names[str(each.get("name")) if isinstance(each, dict) else ""] += 1
            if isinstance(each, dict) and "{{" in str(each.get("image")):
                allowed = "an image: rendered manifests, as of helm template"
                yield Finding((*loc, key, index, "image"), show(each["image"]), allowed)
    if twice := [name for name, count in names.items() if count > 1]:
        yield Finding((*loc, "containers"), f"two containers called {twice[0]}", "a name of its own for each")


def _staying(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Containers that run as long as the pod: its own, and sidecars."""
    sidecars = [each for each in mappings(spec, "initContainers") if each.get("restartPolicy") == "Always"]
    return [*mappings(spec, "containers"), *sidecars]


def _ready(spec: dict[str, Any]) -> tuple[dict[str, str] | None, str]:
    """The slowest readiness probe of the containers; a startup probe before it is waited for, too."""
    slowest: tuple[int, int, int, str] | None = None
    for container in _staying(spec):
        probes = [(kind, below(container, f"{kind}Probe")) for kind in ("readiness", "startup")]
        delay, every, said = 0, 0, []
        for kind, probe in probes:
            if probe:
                delay = max(delay, _whole(probe.get("initialDelaySeconds"), 0))
                every = max(every, _whole(probe.get("periodSeconds"), 10))
                delay += (_whole(probe.get("successThreshold"), 1) - 1) * _whole(probe.get("periodSeconds"), 10)
                said.append(kind)
        if every and (slowest is None or (delay + every) > slowest[0]):
            slowest = (delay + every, delay, every, f"{' and '.join(said)} probe of {container.get('name')}")
    if slowest is None:
        return None, ""
    return {"probe": f"{slowest[2]}s", **({"delay": f"{slowest[1]}s"} if slowest[1] else {})}, slowest[3]


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


def _name_of(paths: Sequence[str | Path], kept: Sequence[Manifest]) -> str:
    spaces = {each.namespace for each in kept}
    if len(spaces) == 1 and "default" not in spaces:
        return next(iter(spaces))
    parts = {str(below(each.meta, "labels").get("app.kubernetes.io/part-of") or "") for each in kept}
    if len(parts) == 1 and "" not in parts:
        return next(iter(parts))
    first = str(paths[0])
    return kept[0].name if first == "-" and kept else Path(first).resolve().stem


def _short(path: str | Path) -> str:
    return "standard input" if str(path) == "-" else Path(path).name or str(path)
