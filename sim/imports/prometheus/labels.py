"""What a series measures, and of which service: by its metric's name and its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from sim.imports.prometheus.files import Series

ROLE_OF: Final = {
    "container_cpu_usage_seconds_total": "cpu",
    "process_cpu_seconds_total": "cpu",
    "container_memory_working_set_bytes": "memory",
    "container_memory_rss": "memory",
    "process_resident_memory_bytes": "memory",
    "kube_pod_container_resource_requests": "size-request",
    "kube_pod_container_resource_limits": "size-limit",
    "container_spec_cpu_quota": "quota",
    "container_spec_cpu_period": "period",
    "container_spec_memory_limit_bytes": "memory-limit",
    "machine_cpu_cores": "host-cores",
    "machine_memory_bytes": "host-memory",
    "node_memory_MemTotal_bytes": "host-memory",
    "python_info": "one-core",
    "nodejs_version_info": "one-core",
}
"""Names of cAdvisor (google/cadvisor, docs/storage/prometheus.md), of kube-state-metrics, of client libraries."""
_ENDINGS: Final = (
    ("_requests_total", "requests"), ("_request_total", "requests"), ("_handled_total", "requests"),
    ("_bucket", "duration"), ("_sum", "duration-sum"), ("_count", "duration-count"),
)  # fmt: skip
BEST: Final = ("container_memory_working_set_bytes", "container_cpu_usage_seconds_total")
"""Names that are taken before others of the same role."""
_UNITS: Final = (("_milliseconds", 1e-3), ("_ms", 1e-3), ("_microseconds", 1e-6), ("_nanoseconds", 1e-9))

_WORKLOAD: Final = (
    "workload", "deployment", "statefulset", "daemonset", "destination_workload", "app_kubernetes_io_name",
    "label_app_kubernetes_io_name", "label_app", "app",
)  # fmt: skip
_PODS: Final = ("pod", "pod_name", "kubernetes_pod_name")
_OTHERS: Final = (
    "container_label_com_docker_compose_service", "container", "container_name", "name", "service", "job",
)  # fmt: skip
# Names that Kubernetes makes (apimachinery, util/rand: no vowels, no 0, 1, 3): deployments add a hash and five of
# these characters, daemon sets five, stateful sets a number.
_RANDOM: Final = "[bcdfghjklmnpqrstvwxz2456789]"
_MADE: Final = (
    re.compile(rf"(.+)-{_RANDOM}{{6,10}}-{_RANDOM}{{5}}"), re.compile(rf"(.+)-{_RANDOM}{{5}}"), re.compile(r"(.+)-\d+"),
)  # fmt: skip
_PROBES: Final = {"/metrics", "/health", "/healthz", "/livez", "/readyz", "/ready", "/live", "/ping", "/-/healthy"}
_PATHS: Final = ("handler", "path", "route", "uri", "url", "endpoint_path")


def role_of(series: Series) -> str:
    """What a series measures; empty for what is not known here."""
    name = series.name
    if name in ROLE_OF:
        return ROLE_OF[name]
    if series.role and (not name or not any(name.endswith(end) for end, _ in _ENDINGS)):
        return series.role
    for end, role in _ENDINGS:
        if name.endswith(end) and (end != "_bucket" or "le" in series.labels):
            return role
    return series.role


def base_of(name: str) -> str:
    """A histogram's own name: without _bucket, _sum, _count."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def unit_of(name: str) -> float:
    """Seconds of one unit of a histogram's durations, by its name."""
    base = base_of(name)
    return next((factor for end, factor in _UNITS if base.endswith(end)), 1.0)


def workload_of(pod: str) -> str:
    """The workload of a pod, by the way Kubernetes names pods.

    >>> workload_of("web-7d9f8b6c5-x2x4z"), workload_of("db-0"), workload_of("node-exporter-bq9tl")
    ('web', 'db', 'node-exporter')
    """
    for made in _MADE:
        if found := made.fullmatch(pod):
            return found[1]
    return pod


def service_of(labels: Mapping[str, str]) -> str:
    """The service that a series is of; empty where no label says."""
    for key in _WORKLOAD:
        if labels.get(key):
            return labels[key]
    for key in _PODS:
        if labels.get(key):
            return workload_of(labels[key])
    for key in _OTHERS:
        if labels.get(key):
            return labels[key].rpartition("/")[2]
    return ""


def space_of(labels: Mapping[str, str]) -> str:
    """The namespace of a series; empty where no label says."""
    return labels.get("namespace") or labels.get("kubernetes_namespace") or labels.get("exported_namespace") or ""


def replica_of(labels: Mapping[str, str]) -> str:
    """What tells one replica from another."""
    for key in (*_PODS, "instance", "name", "id"):
        if labels.get(key):
            return labels[key]
    return ""


def left_out(series: Series, role: str) -> str:
    """Why a series does not count; empty where it does."""
    labels = series.labels
    if role.startswith(("cpu", "memory", "quota", "period")) and series.name.startswith("container_"):
        if labels.get("container") == "POD" or labels.get("container_name") == "POD":
            return "pause containers"
        if labels.get("cpu", "total") not in ("", "total"):
            return "single CPUs, beside their total"
        if "id" in labels and not any(labels.get(key) for key in (*_PODS, *_OTHERS[:4])):
            return "control groups that are no container"
    if role.startswith(("request", "duration")):
        if any(labels.get(key) in _PROBES for key in _PATHS):
            return "requests of probes and scrapes"
        if labels.get("reporter") == "source":
            return "what the caller's proxy counted, beside the called one's"
    return ""
