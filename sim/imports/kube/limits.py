"""What a pod is promised and held to: containers, sidecars, init containers, LimitRange, pod overhead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sim.imports.draft import Amounts
from sim.imports.kube.files import Manifest
from sim.imports.kube.quantities import quantity
from sim.reading.errors import Finding, Loc, show

KINDS: Final = ("cpu", "memory")
Bag = dict[str, float]


@dataclass
class Ranges:
    """Defaults of a namespace's containers: those of its LimitRange (https://kubernetes.io/docs/concepts/policy/limit-range/)."""

    name: str = ""
    requests: Bag = field(default_factory=dict)
    limits: Bag = field(default_factory=dict)


@dataclass
class Pod:
    """What a pod asks for in all, and what was made of it.

    `written`: cores and bytes that stand in its containers as requests. `notes` say what else counts. `other`:
    resources that are neither CPU nor memory.
    """

    amounts: Amounts
    written: Bag
    notes: list[str]
    other: set[str]


class Reader:
    """Reads the quantities of one manifest; what is wrong is in `findings`."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def bag(self, tree: Any, loc: Loc) -> Bag:
        """A mapping of quantities, in SI."""
        found: Bag = {}
        for key, value in (tree if isinstance(tree, dict) else {}).items():
            if value is None:
                continue
            try:
                found[key] = quantity(value)
            except ValueError as wrong:
                self.findings.append(Finding((*loc, key), show(value), str(wrong)))
        return found

    def pair(self, resources: Any, loc: Loc) -> tuple[Bag, Bag]:
        """(requests, limits); a limit without a request is one, as the API has it."""
        tree = resources if isinstance(resources, dict) else {}
        requests, limits = (
            self.bag(tree.get("requests"), (*loc, "requests")),
            self.bag(tree.get("limits"), (*loc, "limits")),
        )
        for key in requests.keys() & limits.keys():
            if requests[key] > limits[key]:
                found = f"{tree['requests'][key]}, above the limit {tree['limits'][key]}"
                self.findings.append(Finding((*loc, "requests", key), found, "a request of at most the limit"))
        return requests, limits


def range_of(manifest: Manifest, reader: Reader) -> Ranges:
    """The defaults of a LimitRange's items for containers, completed as the API does."""
    found = Ranges(manifest.name)
    for index, item in enumerate(manifest.spec.get("limits") or []):
        if not isinstance(item, dict) or item.get("type") != "Container":
            continue
        loc = (*manifest.loc, "spec", "limits", index)
        most, least = reader.bag(item.get("max"), (*loc, "max")), reader.bag(item.get("min"), (*loc, "min"))
        limits = {**most, **reader.bag(item.get("default"), (*loc, "default"))}
        requests = {**least, **limits, **reader.bag(item.get("defaultRequest"), (*loc, "defaultRequest"))}
        found.limits |= {key: limits[key] for key in KINDS if key in limits}
        found.requests |= {key: requests[key] for key in KINDS if key in requests}
    return found


def pod_of(spec: dict[str, Any], loc: Loc, ranges: Ranges, reader: Reader) -> Pod:
    """A pod's amounts: Kubernetes' rule for containers, sidecars and init containers.

    The larger of the sum of containers and sidecars, and of each init container with the sidecars before it
    (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/); of limits, the sum, if each has one.
    """
    sums = _Sums(ranges, reader)
    for index, each in enumerate(spec.get("initContainers") or []):
        sums.add(each, (*loc, "initContainers", index), init=each.get("restartPolicy") != "Always")
    for index, each in enumerate(spec.get("containers") or []):
        sums.add(each, (*loc, "containers", index), init=False)
    pod = Pod(sums.amounts(), sums.written, sums.notes(), sums.other)
    _whole_pod(pod, spec, loc, reader)
    return pod


class _Sums:
    def __init__(self, ranges: Ranges, reader: Reader) -> None:
        self.ranges, self.reader = ranges, reader
        self.running: Bag = {}
        self.limits: Bag = {}
        self.most: Bag = {}
        self.written: Bag = {}
        self.silent: dict[str, list[str]] = {key: [] for key in KINDS}
        self.unlimited: set[str] = set()
        self.other: set[str] = set()
        self.filled = self.from_limits = self.raised = False

    def add(self, container: dict[str, Any], loc: Loc, *, init: bool) -> None:
        requests, limits = self.reader.pair(container.get("resources"), (*loc, "resources"))
        self.other |= {key for key in (*requests, *limits) if key not in KINDS}
        for key in KINDS:
            if not init:
                self.written[key] = self.written.get(key, 0.0) + requests.get(key, 0.0)
            self._one(key, requests, limits, str(container.get("name")), init=init)

    def _one(self, key: str, requests: Bag, limits: Bag, name: str, *, init: bool) -> None:
        asked, limit = requests.get(key), limits.get(key)
        if asked is None and limit is not None:
            asked, self.from_limits = limit, True
        if limit is None and key in self.ranges.limits:
            limit, self.filled = self.ranges.limits[key], True
        if asked is None and key in self.ranges.requests:
            asked, self.filled = self.ranges.requests[key], True
        if asked is not None and limit is not None:
            limit = max(asked, limit)
        if init:
            self.most[key] = max(self.most.get(key, 0.0), self.running.get(key, 0.0) + (asked or 0.0))
            return
        self.running[key] = self.running.get(key, 0.0) + (asked or 0.0)
        self.most[key] = max(self.most.get(key, 0.0), self.running[key])
        if asked is None:
            self.silent[key].append(name)
        if limit is None:
            self.unlimited.add(key)
        else:
            self.limits[key] = self.limits.get(key, 0.0) + limit

    def amounts(self) -> Amounts:
        asked: dict[str, float | None] = {}
        most: dict[str, float | None] = {}
        for key in KINDS:
            whole = max(self.most.get(key, 0.0), self.running.get(key, 0.0))
            self.raised = self.raised or whole > self.running.get(key, 0.0)
            asked[key] = whole or None
            limit = None if key in self.unlimited else self.limits.get(key)
            most[key] = max(limit, whole) if limit else None
        return Amounts(asked["cpu"], most["cpu"], asked["memory"], most["memory"])

    def notes(self) -> list[str]:
        found = ["limits without a request are requests, too"] if self.from_limits else []
        found += [f"LimitRange {self.ranges.name}"] if self.filled else []
        found += ["an init container asks for more than what runs after it"] if self.raised else []
        for key, names in self.silent.items():
            if names and self.running.get(key, 0.0):
                found.append(f"{', '.join(names)} {'says' if len(names) == 1 else 'say'} nothing of {key}")
        return found


def _whole_pod(pod: Pod, spec: dict[str, Any], loc: Loc, reader: Reader) -> None:
    """Resources of the pod as a whole stand before those of its containers (Kubernetes 1.34)."""
    requests, limits = reader.pair(spec.get("resources"), (*loc, "resources"))
    for key in KINDS:
        limit = limits.get(key)
        asked = requests.get(key)
        if asked is None and limit is not None:
            asked = getattr(pod.amounts, key) or limit
        if asked is not None:
            setattr(pod.amounts, key, asked or None)
            pod.written[key] = requests.get(key, pod.written.get(key, 0.0))
        if limit is not None:
            setattr(pod.amounts, f"{key}_limit", max(limit, asked or 0.0))
    if requests or limits:
        pod.notes.append("resources of the whole pod")
