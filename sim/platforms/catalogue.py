"""The catalogue: one YAML file a platform; reading it with `based_on` and a scenario's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sim import registry
from sim.platforms.merge import Tree, merge
from sim.platforms.problems import PlatformError, PlatformProblem, unknown_name
from sim.platforms.reader import Reader, Row
from sim.platforms.schema import Platform
from sim.reading.errors import show

_NO_OVERRIDES: Mapping[str, Any] = {}
_KEPT: dict[tuple[str, str], tuple[Platform, tuple[Row, ...]]] = {}
"""Platforms by name and overrides: they are frozen, and to resolve one costs a few ms, as much as a short run."""
_MOST_KEPT = 256


for _file in sorted(files("sim.platforms").iterdir(), key=lambda entry: entry.name.removesuffix(".yaml")):
    if _file.name.endswith(".yaml"):
        registry.builtin("platforms", _file.name.removesuffix(".yaml"), spec=_file)


def names() -> tuple[str, ...]:
    """Names of all platforms of the catalogue, in alphabetical order; those of other packages follow."""
    return registry.names("platforms")


def load_platform(name: str, overrides: Mapping[str, Any] = _NO_OVERRIDES) -> Platform:
    """The platform `name`, with `overrides` laid over the catalogue's tree; every number in SI.

    `overrides` has the catalogue's shape with plain values (`{"cpu": {"overhead": 1.02}}`). Its `startup`
    is a mapping from a phase's name to what changes in it (null drops the phase; a new name with a `kind`
    adds one, behind the phase that its `after` names), or a list that replaces all phases. With `based_on`,
    which names a platform of the catalogue, `name` may be one's own; with null there, `overrides` is all there is.

    Raises PlatformError with every problem: unknown platform, unknown key, wrong unit, missing value.
    """
    return _load(name, overrides)[0]


def describe(name: str, overrides: Mapping[str, Any] = _NO_OVERRIDES) -> tuple[Row, ...]:
    """One row a number of the platform: path, text, SI value, unit, source, trust.

    Raises PlatformError as `load_platform` does.
    """
    return _load(name, overrides)[1]


def raw(name: str) -> Mapping[str, Any]:
    """The tree of a platform of the catalogue as its file has it, `based_on` resolved; a copy."""
    return _from_catalogue(name)[0]


def _load(name: str, overrides: Mapping[str, Any]) -> tuple[Platform, tuple[Row, ...]]:
    prefix = f"platforms.{name}"
    if not isinstance(overrides, Mapping):
        raise PlatformError([PlatformProblem(prefix, show(overrides), "a mapping of overrides, {} for none")])
    known = name, repr(overrides)
    if known not in _KEPT:
        if len(_KEPT) >= _MOST_KEPT:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[known] = _made(name, overrides, prefix)
    return _KEPT[known]


def _made(name: str, overrides: Mapping[str, Any], prefix: str) -> tuple[Platform, tuple[Row, ...]]:
    problems: list[PlatformProblem] = []
    raw, lineage = _resolve(name, overrides, prefix, problems)
    reader = Reader(prefix)
    sized_like = tuple(raw.pop("sized_like", None) or ())
    image_like = tuple(raw.pop("image_like", None) or ())
    raw.pop("based_on", None)
    platform = reader.platform(
        raw,
        {
            "name": name,
            "based_on": lineage[1] if len(lineage) > 1 else None,
            "lineage": lineage,
            "size_lineage": tuple(dict.fromkeys(lineage + sized_like)),
            "image_lineage": tuple(dict.fromkeys(lineage + image_like)),
        },
    )
    problems += reader.problems
    if platform is not None and platform.nested is not None:
        for key in ("vm_platform", "guest"):
            wanted = getattr(platform.nested, key)
            if wanted not in names():
                problems.append(unknown_name(f"{prefix}.nested.{key}", wanted, names()))
    if problems or platform is None:
        raise PlatformError(problems)
    return platform, tuple(reader.rows)


def _resolve(
    name: str, overrides: Mapping[str, Any], prefix: str, problems: list[PlatformProblem]
) -> tuple[Tree, tuple[str, ...]]:
    """The raw tree of a platform after `based_on` and overrides, and its lineage."""
    base = overrides.get("based_on")
    if base is None and "based_on" in overrides:  # as in a file of one's own: it stands on its own
        return merge({}, overrides, prefix, problems), (name,)
    if base is None and name not in names():
        raise PlatformError([_unknown_platform(prefix, name)])
    if base is not None and base not in names():
        raise PlatformError([_unknown_platform(f"{prefix}.based_on", str(base))])
    tree, lineage = _from_catalogue(str(base) if base is not None else name)
    if base is not None:
        lineage = (name, *(ancestor for ancestor in lineage if ancestor != name))
    return merge(tree, overrides, prefix, problems), lineage


def _unknown_platform(path: str, name: str) -> PlatformProblem:
    problem = unknown_name(path, name, names())
    return problem._replace(allowed=f"{problem.allowed}; or one's own with based_on")


def _from_catalogue(name: str) -> tuple[Tree, tuple[str, ...]]:
    """Raw tree and lineage of a catalogue platform; its own `based_on` is resolved first."""
    own = _read(name)
    base = own.get("based_on")
    if base is None:
        return dict(own), (name,)
    tree, lineage = _from_catalogue(base)
    problems: list[PlatformProblem] = []
    tree = merge(tree, own, f"platforms.{name}", problems)
    if problems:
        raise PlatformError(problems)
    return tree, (name, *lineage)


@cache
def _read(name: str) -> Mapping[str, Any]:
    """The YAML file of a platform, parsed once; never changed by its readers (`merge` copies)."""
    from ruamel.yaml import YAML  # here: listing the command line's help must not pay for it

    text = registry.spec("platforms", name).read_text(encoding="utf-8")
    tree: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text)
    return tree
