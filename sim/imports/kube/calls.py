"""Who is thought to call whom, and who is reached from outside: Services, Ingresses, environments, names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sim.imports.draft import Part
from sim.imports.kube.files import Manifest
from sim.imports.trees import below, mappings, texts

_ADDRESS: Final = re.compile(
    r"HOST|ADDR|URL|URI|ENDPOINT|SERVICE|SERVER|BACKEND|UPSTREAM|DSN|BROKER|BOOTSTRAP|CONNECT|TARGET", re.I
)
_STORES: Final = (
    "db|database|data|redis|cache|mysql|mariadb|postgres|postgresql|pg|mongo|mongodb|memcached|cassandra|queue"
)
_STORE: Final = re.compile(rf"[-_]?({_STORES})$")
_STORE_FIRST: Final = re.compile(r"^(?:db|redis|mysql|mariadb|postgres|postgresql|mongo|mongodb|memcached)-")
_PUBLIC: Final = ("LoadBalancer", "NodePort")


@dataclass
class Workload:
    """One object whose pods run: its part, and what its pods are."""

    manifest: Manifest
    part: Part
    spec: dict[str, Any]
    labels: Mapping[str, Any]
    hints: list[tuple[str, str]] = field(default_factory=list)  # (where it stands, text)


class Calls:
    """Fills in the calls and the ways from outside of workloads."""

    def __init__(self, objects: Iterable[Manifest], workloads: list[Workload]) -> None:
        self.workloads = workloads
        objects = list(objects)
        self.configs = {(each.namespace, each.name): each for each in objects if each.full == "v1 ConfigMap"}
        self.services = [each for each in objects if each.full == "v1 Service" and each.name]
        self.behind = {(each.namespace, each.name): self._selected(each) for each in self.services}
        for each in workloads:
            each.hints = list(self._hints(each))
        for service in self.services:
            self._callers(service)
        self._policies(each for each in objects if each.kind == "NetworkPolicy")
        self._stores()
        self._outside(objects)

    def _selected(self, service: Manifest) -> list[Workload]:
        """Workloads whose pods a Service's selector takes in."""
        selector = below(service.spec, "selector")
        if not selector:
            return []
        return [each for each in self.workloads if each.manifest.namespace == service.namespace
                and _within(selector, each.labels)]  # fmt: skip

    def _hints(self, workload: Workload) -> Iterator[tuple[str, str]]:
        space, spec = workload.manifest.namespace, workload.spec
        for container in [*mappings(spec, "initContainers"), *mappings(spec, "containers")]:
            for each in mappings(container, "env"):
                key = below(each, "valueFrom", "configMapKeyRef")
                held = self._data(space, key.get("name")).get(str(key.get("key")))
                yield f"its environment, {each.get('name')}", str(each.get("value") or held or "")
            for each in mappings(container, "envFrom"):
                name = below(each, "configMapRef").get("name")
                for entry, value in self._data(space, name).items():
                    yield f"ConfigMap {name}, {entry}", str(value)
            for word in [*texts(container, "command"), *texts(container, "args")]:
                yield "its arguments", word
        for volume in mappings(spec, "volumes"):
            name = below(volume, "configMap").get("name")
            for entry, value in self._data(space, name).items():
                yield f"a file of ConfigMap {name}", f"{entry}: {value}"

    def _data(self, space: str, name: Any) -> dict[str, Any]:
        found = self.configs.get((space, str(name)))
        return below(found.tree, "data") if found else {}

    def _callers(self, service: Manifest) -> None:
        behind = self.behind[service.namespace, service.name]
        if not behind:
            return
        host = _host_pattern(service.name, service.namespace)
        for caller in self.workloads:
            for where, text in caller.hints:
                if caller not in behind and _mentions(service.name, host, where, text):
                    for callee in behind:
                        caller.part.calls.setdefault(callee.part.name, f"{where}, names Service {service.name}")
                    break

    def _policies(self, policies: Iterable[Manifest]) -> None:
        """Whom a NetworkPolicy lets in by its pods' labels is thought to call."""
        for policy in policies:
            to = below(policy.spec, "podSelector", "matchLabels")
            for way in (way for rule in mappings(policy.spec, "ingress") for way in mappings(rule, "from")):
                of = below(way, "podSelector", "matchLabels")
                if not of or not to or "namespaceSelector" in way:
                    continue
                near = [each for each in self.workloads if each.manifest.namespace == policy.namespace]
                for caller in (each for each in near if _within(of, each.labels)):
                    for callee in (each for each in near if _within(to, each.labels) and each is not caller):
                        caller.part.calls.setdefault(callee.part.name, f"NetworkPolicy {policy.name} lets it in")

    def _stores(self) -> None:
        """`carts-db`, which nobody is known to call, is thought to be called by `carts`."""
        called = {name for each in self.workloads for name in each.part.calls}
        names = {each.part.name: each for each in self.workloads}
        for name, each in names.items():
            stem = _STORE.sub("", _STORE_FIRST.sub("", name))
            like = (stem, f"{stem}s", stem.removesuffix("s"), f"{stem}-service", f"{stem}-svc", f"{stem}service")
            owner = next((names[each] for each in like if each in names), None)
            if stem != name and name not in called and owner and owner is not each:
                owner.part.calls.setdefault(name, f"the names, {owner.part.name} and {name}")

    def _outside(self, objects: list[Manifest]) -> None:
        for service in self.services:
            kind = service.spec.get("type")
            for each in self.behind[service.namespace, service.name] if kind in _PUBLIC else []:
                each.part.reached = each.part.reached or f"Service {service.name} is of type {kind}"
        for way in objects:
            for name in _backends(way):
                for each in self.behind.get((way.namespace, name), []):
                    each.part.reached = f"{way.kind} {way.name} leads to it"


def _within(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    return all(str(labels.get(key)) == str(value) for key, value in selector.items())


def _host_pattern(name: str, space: str) -> re.Pattern[str]:
    """`//name`, `@name`, `name:port` or `name.namespace`, with the cluster's domain or without."""
    own = re.escape(name)
    full = rf"(?:\.{re.escape(space)}(?:\.svc(?:\.[\w.]+)?)?)"
    begin = r"(?:^|[\s\"'=,;(\[{>]|//|@)"
    return re.compile(rf"{begin}{own}(?:{full}?:\d+|{full}(?![\w-])|\.svc\b)|(?://|@){own}{full}?(?![\w.-])", re.M)


def _mentions(name: str, host: re.Pattern[str], where: str, text: str) -> bool:
    if name not in text:
        return False
    exact = text.strip() == name and where.startswith(("its environment", "ConfigMap")) and bool(_ADDRESS.search(where))
    return exact or host.search(text) is not None


def _backends(way: Manifest) -> Iterator[str]:
    """Names of the Services that an Ingress, a route of the Gateway API or a VirtualService of Istio leads to."""
    if way.kind in (
        "Ingress",
        "HTTPRoute",
        "GRPCRoute",
        "TCPRoute",
        "TLSRoute",
        "VirtualService",
        "IngressRoute",
        "Route",
    ):
        if way.kind == "VirtualService" and way.spec.get("gateways") in (None, ["mesh"]):
            return
        yield from _named(way.spec)


def _named(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for each in tree:
            yield from _named(each)
    elif isinstance(tree, dict):
        for key, each in tree.items():
            if key == "serviceName" and isinstance(each, str):
                yield each
            elif key in ("service", "to") and isinstance(each, dict) and isinstance(each.get("name"), str):
                yield each["name"]
            elif key in ("backendRefs", "services") and isinstance(each, list):
                yield from (str(ref.get("name")) for ref in each if isinstance(ref, dict))
            elif key == "destination" and isinstance(each, dict) and isinstance(each.get("host"), str):
                yield each["host"].split(".")[0]
            else:
                yield from _named(each)
