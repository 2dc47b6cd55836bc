"""What a scenario is about: the metrics that lead its table and its plot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from sim.reading.errors import Finding, Refused, nearest, show
from sim.reading.fields import Human, Info

_METRIC: Final = r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*"
_SERVICE: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_ENTRY: Final = re.compile(rf"({_SERVICE}/)?{_METRIC}")


def _parse(value: Any, info: Info) -> list[str]:
    """Names of metrics, each once; `service/metric` for that of one service."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused([Finding((), show(value), "a list of metrics such as [response.p99, shop/goodput]")])
    findings: list[Finding] = []
    for index, entry in enumerate(value):
        if not isinstance(entry, str) or not _ENTRY.fullmatch(entry):
            findings.append(Finding((index,), show(entry), "a metric such as response.p99, or shop/response.p99"))
        elif entry in value[:index]:
            findings.append(Finding((index,), f"{entry!r} a second time", "each metric once"))
    if findings:
        raise Refused(findings)
    return list(value)


def unknown_services(focus: Any, names: list[str]) -> list[Finding]:
    """Entries `service/metric` of services that do not exist."""
    findings: list[Finding] = []
    for index, entry in enumerate(focus if isinstance(focus, list) else ()):
        service, slash, _ = str(entry).partition("/")
        if slash and names and service not in names:
            known = ", ".join(names[:10])
            found = f"{service!r}, an unknown service"
            findings.append(Finding((index,), found, f"one of {known}", nearest(service, names)))
    return findings


_SCHEMA: Final[Mapping[str, Any]] = {
    "anyOf": [
        {"type": "array", "items": {"type": "string", "pattern": f"^{_ENTRY.pattern}$"}, "uniqueItems": True},
        {"type": "null"},
    ]
}
Focus = Annotated[list[str], Human(_parse, dict(_SCHEMA))]
