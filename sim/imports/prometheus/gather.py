"""Series sorted by service and by what they measure; what is not used, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sim.imports.draft import renamed
from sim.imports.prometheus import labels
from sim.imports.prometheus.files import Series, unnamed
from sim.reading.errors import Problem, ScenarioError

_HOST: Final = ("host-cores", "host-memory")
_TAILS: Final = ("-service", "-svc", "-metrics", "-server", "-app")
_ONE_NAME: Final = ("cpu", "cpu-rate", "memory", "requests", "request-rate", "duration", "duration-rate")


@dataclass
class Found:
    """The series of one service, by role. `merged`: other names that are taken to be it, and why."""

    name: str
    series: dict[str, list[Series]] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def of(self, *roles: str) -> list[Series]:
        """Its series of these roles."""
        return [each for role in roles for each in self.series.get(role, ())]

    def has(self, *roles: str) -> bool:
        """Whether it has series of one of the roles at least."""
        return any(self.series.get(role) for role in roles)

    @property
    def serves(self) -> bool:
        """Whether requests of it were counted."""
        return self.has("requests", "request-rate", "duration", "duration-rate", "duration-count")

    @property
    def works(self) -> bool:
        """Whether its CPU was measured."""
        return self.has("cpu", "cpu-rate")


@dataclass
class Gathered:
    """All services, with those that have requests first; the host's own series; notes for the reader."""

    services: list[Found]
    host: dict[str, list[Series]]
    notes: list[str]


def gather(series: Sequence[Series]) -> Gathered:
    """Sort series. Raises ScenarioError for those of which nobody says what they are, and where none can be used."""
    problems: list[Problem] = []
    notes: list[str] = []
    skipped: Counter[str] = Counter()
    groups: dict[tuple[str, str], dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    host: dict[str, list[Series]] = defaultdict(list)
    for each in series:
        role = labels.role_of(each)
        why = labels.left_out(each, role)
        if not role and not each.name:
            problems.append(unnamed(each))
        elif not role:
            skipped[f"{each.name}: not known here"] += 1
        elif why:
            skipped[why] += 1
        elif role in ("duration", "duration-rate") and "le" not in each.labels:
            problems.append(each.problem("a duration without the label le", "the histogram's buckets (…_bucket)"))
        elif each.times.size == 0:
            skipped["series of NaN only"] += 1
        elif role in _HOST:
            host[role].append(each)
        else:
            groups[labels.space_of(each.labels), labels.service_of(each.labels)][role].append(each)
    if problems:
        raise ScenarioError(problems[:20])
    notes += [f"{count} series left out: {why}" for why, count in skipped.items()]
    found = [Found(name, {role: _one_name(name, role, some, notes) for role, some in roles.items()})
             for name, roles in _named(groups)]  # fmt: skip
    for each_found in found:
        _whole_pods(each_found)
    return Gathered(_matched(found, notes), dict(host), notes)


def _named(
    groups: dict[tuple[str, str], dict[str, list[Series]]],
) -> Iterable[tuple[str, dict[str, list[Series]]]]:
    """(service, its series): with its namespace in front where two of them have a service of this name."""
    spaces: dict[str, set[str]] = defaultdict(set)
    for space, service in groups:
        spaces[service].add(space)
    joined: dict[str, dict[str, list[Series]]] = {}
    for (space, service), roles in groups.items():
        several = len(spaces[service] - {""}) > 1
        name = f"{space}-{service}" if several and space else service
        mine = joined.setdefault(name, {})
        for role, some in roles.items():
            mine.setdefault(role, []).extend(some)
    fine = dict(renamed(name or "service" for name in joined))
    for name, roles in joined.items():
        yield fine[name or "service"], roles


def _one_name(service: str, role: str, series: list[Series], notes: list[str]) -> list[Series]:
    """The series of one metric: cAdvisor's before a process's own, else the one with the most series and samples."""
    if role.split(":")[0] not in _ONE_NAME:
        return series
    by_name: dict[str, list[Series]] = defaultdict(list)
    for each in series:
        by_name[each.name].append(each)
    if len(by_name) == 1:
        return series

    def weight(name: str) -> tuple[bool, float]:
        last = sum(float(each.values[-1]) for each in by_name[name])
        return name in labels.BEST, last if role.startswith(("request", "duration")) else len(by_name[name])

    best = max(by_name, key=weight)
    others = ", ".join(name or "(no name)" for name in by_name if name != best)
    notes.append(f"{service or 'service'}: {best} is taken, {others} is not: the same measured twice, or another thing")
    return by_name[best]


def _whole_pods(found: Found) -> None:
    """Of a pod whose containers are measured one by one, leave out the pod's own sum."""
    for role in ("cpu", "cpu-rate", "memory"):
        series = found.series.get(role, [])
        single = {labels.replica_of(each.labels) for each in series if _container(each)}
        kept = [each for each in series if _container(each) or labels.replica_of(each.labels) not in single]
        if series:
            found.series[role] = kept


def _container(series: Series) -> str:
    return series.labels.get("container") or series.labels.get("container_name") or ""


def _matched(found: list[Found], notes: list[str]) -> list[Found]:
    """Services that have requests under one name and CPU under another become one, where it can be told."""
    served = [each for each in found if each.serves and not each.works]
    worked = [each for each in found if each.works and not each.serves]
    for one in list(served):
        alike = [other for other in worked if _plain(other.name) == _plain(one.name)]
        if len(alike) == 1:
            _merge(alike[0], one, "the names are alike", found, notes)
            served.remove(one)
            worked.remove(alike[0])
    whole = [each for each in found if each.serves and each.works]
    if len(served) == 1 and len(worked) == 1 and not whole:
        _merge(worked[0], served[0], "nothing else has requests", found, notes)
    elif len(served) == 1 and len(worked) > 1 and not whole and served[0].name == "service":
        raise ScenarioError([_several(served[0], worked)])
    usable = [each for each in found if each.works and each.serves]
    if not usable:
        raise ScenarioError(_lacking(found))
    for each in found:
        if each.serves and not each.works:
            notes.append(f"{each.name}: left out, nothing says what CPU its requests took")
        elif not each.works and not each.serves:
            notes.append(f"{each.name}: left out, neither its CPU nor its requests are in the files")
    return [*usable, *(each for each in found if each.works and not each.serves)]


def _merge(into: Found, other: Found, why: str, found: list[Found], notes: list[str]) -> None:
    for role, series in other.series.items():
        into.series.setdefault(role, []).extend(series)
    into.merged[other.name] = why
    notes.append(f"requests of {other.name} are taken to be those of {into.name}: {why}")
    found.remove(other)


def _plain(name: str) -> str:
    for tail in _TAILS:
        name = name.removesuffix(tail)
    return name


def _several(served: Found, worked: Sequence[Found]) -> Problem:
    known = ", ".join(each.name for each in worked)
    first = next(iter(served.series.values()))[0]
    return first.problem("requests without a label that says of which service",
                         f"labels of one of {known} (sum by (pod) or by (service))")  # fmt: skip


def _lacking(found: Sequence[Found]) -> list[Problem]:
    """What is missing for any demand: CPU seconds and requests of the same service."""
    first = next(series[0] for each in found for series in each.series.values()) if found else None
    file, path = (first.file, first.path) if first else ("", "")
    cpu = ", ".join(each.name for each in found if each.works) or "none"
    requests = ", ".join(each.name for each in found if each.serves) or "none"
    what = f"CPU of {cpu}; requests of {requests}"
    allowed = ("CPU (container_cpu_usage_seconds_total or process_cpu_seconds_total) and requests (a counter "
               "…_requests_total, or a histogram) of one service at least")  # fmt: skip
    return [Problem(file, None, None, path if "none" in (cpu, requests) else "", what, allowed)]
