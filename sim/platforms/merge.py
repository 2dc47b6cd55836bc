"""Laying one definition over another: `based_on`, and a scenario's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from sim.platforms.problems import PlatformProblem, unknown_key, unknown_name
from sim.reading.errors import show

Tree = dict[str, Any]

PHASE_LISTS = ("startup", "before", "beside")
"""Keys of lists of phases: they merge by the phases' names."""


def is_quantity(node: Any) -> bool:
    """Whether `node` is a number with its source, {value, source, trust}, as the catalogue writes it."""
    return isinstance(node, Mapping) and "value" in node


def merge(base: Mapping[str, Any], over: Mapping[str, Any], path: str, problems: list[PlatformProblem]) -> Tree:
    """`base` with `over` laid on top.

    Mappings merge key by key, all else replaces; lists of phases (`startup`) merge by phase name. Neither argument is
    changed. Problems are appended to `problems`, their paths prefixed by `path`.
    """
    merged = {key: deepcopy(value) for key, value in base.items()}
    for key, value in over.items():
        if key in PHASE_LISTS:
            merged[key] = _startup(merged.get(key) or [], value, f"{path}.{key}", problems)
        else:
            merged[key] = _node(merged.get(key), value, f"{path}.{key}", problems)
    return merged


def _node(below: Any, above: Any, path: str, problems: list[PlatformProblem]) -> Any:
    both_mappings = isinstance(below, Mapping) and isinstance(above, Mapping)
    if both_mappings and not is_quantity(below) and not is_quantity(above):
        return merge(below, above, path, problems)
    return deepcopy(above)


def _startup(phases: list[Tree], over: Any, path: str, problems: list[PlatformProblem]) -> Any:
    """Phases after an override: a list replaces all; a mapping changes, adds or (null) removes by name."""
    if not isinstance(over, Mapping):
        return deepcopy(over)
    result = [dict(phase) for phase in phases]
    for name, change in over.items():
        names = [phase.get("name") for phase in result]
        if name in names:
            at = names.index(name)
            result[at : at + 1] = _changed(result[at], change, f"{path}.{name}", problems)
        elif isinstance(change, Mapping) and "kind" in change:
            _insert(result, str(name), change, f"{path}.{name}", problems)
        else:
            problem = unknown_key(f"{path}.{name}", str(name), [str(known) for known in names])
            problems.append(problem._replace(allowed=f"{problem.allowed}; or a new phase with its kind"))
    return result


def _changed(phase: Tree, change: Any, path: str, problems: list[PlatformProblem]) -> list[Tree]:
    if change is None:
        return []
    if not isinstance(change, Mapping):
        problems.append(PlatformProblem(path, show(change), "a mapping of its fields, or null to drop it"))
        return [phase]
    if change.get("kind", phase.get("kind")) != phase.get("kind"):
        return [{"name": phase["name"], **deepcopy(dict(change))}]  # another kind uses other fields
    return [merge(phase, change, path, problems)]


def _insert(
    phases: list[Tree], name: str, change: Mapping[str, Any], path: str, problems: list[PlatformProblem]
) -> None:
    """Add a phase behind the one that its `after` names, or at the end."""
    added = {"name": name, **{key: deepcopy(value) for key, value in change.items() if key != "after"}}
    names = [str(phase.get("name")) for phase in phases]
    after = change.get("after")
    if after is None:
        phases.append(added)
    elif after in names:
        phases.insert(names.index(after) + 1, added)
    else:
        problems.append(unknown_name(f"{path}.after", str(after), names))
