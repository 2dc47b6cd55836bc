"""Doors: what autoscalers, start-up phases, faults, traffic, metrics and platforms there are, by name.

A name has a *spec* (what a scenario or a platform says about it: a pydantic class) and a *behaviour* (what the model
does with it). The project's own register both where they are defined. Others are added without a line changed here:

- an installed package names an object (a class or a module) in an entry-point group, `hostsim.autoscalers`,
  `hostsim.phases`, `hostsim.faults`, `hostsim.traffic`, `hostsim.metrics` or `hostsim.platforms`. The object has the
  spec as `Spec` (a subclass of the kind's base, see `KINDS`; without one the base itself) and the behaviour under the
  name that `KINDS` gives. A metric is a `Metric` object itself; a platform is a YAML file in the package, written as
  `package:file.yaml`;
- a script or a notebook uses the decorators `sim.autoscaler` and `sim.arrivals`, or calls `add`.

Entry points are looked up when a kind is first asked for, once, and each is loaded when its name is first used.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

from sim.reading.errors import HostsimError
from sim.reading.errors import nearest as nearest_of
from sim.registry.contracts import (
    KINDS,
    ArrivalTimes,
    Autoscaler,
    Door,
    FaultMeans,
    FaultStory,
    PhaseStory,
    ServiceState,
)
from sim.terms.metrics import METRICS

__all__ = [
    "KINDS", "ArrivalTimes", "Autoscaler", "Door", "FaultMeans", "FaultStory", "PhaseStory", "PluginError",
    "ServiceState", "add", "arrivals", "autoscaler", "behaviour", "builtin", "luggage", "names", "nearest",
    "packages", "restored", "scripts", "spec", "unpack",
]  # fmt: skip

T = TypeVar("T")


class PluginError(HostsimError):
    """Something from outside cannot be used: which package and entry point, and why."""


# ---------------------------------------------------------------- what is there


@dataclass
class _Entry:
    """One name: what is known of it, and the entry point that is still to be loaded."""

    spec: Any = None
    behaviour: Any = None
    point: metadata.EntryPoint | None = None
    script: str = ""
    """For what a script added: a hash of its source."""


_ENTRIES: Final[dict[str, dict[str, _Entry]]] = {kind: {} for kind in KINDS}


for _metric in METRICS:
    _ENTRIES["metrics"][_metric.name] = _Entry(_metric, _metric)


def add(kind: str, name: str, *, spec: Any = None, behaviour: Any = None) -> None:
    """Register what a script or a notebook brings along. Raises ValueError for a name that is taken.

    It replaces what was added under the same name before, so that a cell can be run again.
    """
    here = _known(kind)
    if name in here and not here[name].script:
        raise ValueError(f"{kind}: the name {name!r} is taken")
    source = getattr(behaviour, "function", spec if behaviour is None else behaviour)
    here[name] = _Entry(_base(kind) if spec is None else spec, behaviour, script=_hash(source))


def builtin(kind: str, name: str, *, spec: Any = None, behaviour: Any = None) -> None:
    """Register the project's own spec of `name`, or (from the model) its behaviour."""
    entry = _ENTRIES[kind].setdefault(name, _Entry())
    entry.spec = entry.spec if spec is None else spec
    entry.behaviour = entry.behaviour if behaviour is None else behaviour


def names(kind: str) -> tuple[str, ...]:
    """Names of a kind: the project's own, then those of packages and scripts. Nothing from outside is loaded."""
    return tuple(_known(kind))


def nearest(kind: str, text: object) -> str | None:
    """The name of a kind closest to `text`, None if nothing is close."""
    return nearest_of(text, names(kind))


def spec(kind: str, name: str) -> Any:
    """The spec of a name: a pydantic class; of a metric, the metric; of a platform, the path of its file.

    Raises KeyError for an unknown name, PluginError for a plug-in that is broken.
    """
    return _loaded(kind, name).spec


def behaviour(kind: str, name: str) -> Any:
    """The behaviour of a name, as the kind's protocol describes it. Raises KeyError and PluginError."""
    entry = _loaded(kind, name)
    if entry.behaviour is None and KINDS[kind].behaviours:
        importlib.import_module(KINDS[kind].behaviours)
    return entry.behaviour


def _known(kind: str) -> dict[str, _Entry]:
    importlib.import_module(KINDS[kind].base.partition(":")[0])  # registers the project's own
    _find(kind)
    return _ENTRIES[kind]


@cache
def _find(kind: str) -> None:
    """Take up the entry points of a kind. A name that is taken, or comes twice, is told when it is used."""
    here = _ENTRIES[kind]
    for point in sorted(metadata.entry_points(group=f"hostsim.{kind}"), key=lambda each: (each.name, each.value)):
        if point.name in here:
            why = "the name is taken" + (f" by {_origin(other)}" if (other := here[point.name].point) else "")
            raise PluginError(f"{_origin(point)}: {why}")
        here[point.name] = _Entry(point=point)


def _loaded(kind: str, name: str) -> _Entry:
    entry = _known(kind)[name]
    if entry.point is not None and entry.spec is None:
        try:
            entry.spec, entry.behaviour = (
                _from_platform(entry.point) if kind == "platforms" else _parts(kind, entry.point.load())
            )
        except Exception as error:  # whatever a package does when it is imported is not the user's mistake
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            raise PluginError(f"{_origin(entry.point)}: {reason}") from error
    return entry


def _parts(kind: str, found: Any) -> tuple[Any, Any]:
    """Spec and behaviour of an object from outside. Raises PluginError where it breaks the contract of its kind."""
    base = _base(kind)
    if kind == "metrics":
        if not isinstance(found, base):
            raise PluginError(f"a metric is a {base.__name__}, not a {type(found).__name__}")
        return found, found
    wanted = getattr(found, "Spec", base)
    if not (isinstance(wanted, type) and issubclass(wanted, base)):
        raise PluginError(f"its Spec must be a subclass of {base.__name__}")
    part = KINDS[kind].part
    acts = getattr(found, part, None) if part else found
    if not callable(acts) or (kind == "autoscalers" and not callable(getattr(found, "decide", None))):
        raise PluginError(f"it has no function {part or 'decide'}")
    return wanted, acts


def _base(kind: str) -> type[Any]:
    module, _, name = KINDS[kind].base.partition(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _from_platform(point: metadata.EntryPoint) -> tuple[Any, Any]:
    package, _, file = point.value.partition(":")
    found = find_spec(package.strip())
    folders = found.submodule_search_locations if found is not None else None
    path = Path(folders[0] if folders else "", file.strip())
    if not file or not folders or not path.is_file():
        raise PluginError("a platform is a YAML file of the package, written as package:file.yaml")
    return path, path


def _origin(point: metadata.EntryPoint) -> str:
    package = f"the package {point.dist.name} {point.dist.version}" if point.dist is not None else "a package"
    return f"{package}, entry point {point.name} = {point.value} in {point.group}"


# ---------------------------------------------------------------- scripts and notebooks


def autoscaler(name: str) -> Callable[[type[T]], type[T]]:
    """Register a class with `decide(state) -> replicas` as the rule `name` (see `Autoscaler`).

        @sim.autoscaler("two-by-night")
        class TwoByNight:
            def decide(self, state):
                return 2 if state.now % 86400 < 6 * 3600 else state.rule.max

    In a scenario: `autoscale: {rule: two-by-night, max: 8, sync: 60s}`.
    """

    def register(made: type[T]) -> type[T]:
        wanted, acts = _parts("autoscalers", made)
        add("autoscalers", name, spec=wanted, behaviour=acts)
        return made

    return register


def arrivals(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function of (rng, duration) that gives the times of arrival, s, as the traffic `name`.

        @sim.arrivals("every-minute")
        def every_minute(rng, duration):
            return np.arange(0.0, duration, 60.0) + rng.random()

    In a scenario: `traffic: {every-minute: {}}`.
    """

    def register(made: Callable[..., Any]) -> Callable[..., Any]:
        add("traffic", name, behaviour=_WithoutSource(made))
        return made

    return register


class _WithoutSource:
    """A function of (rng, duration), called as the contract says."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, rng: Any, duration: float, source: Any) -> Any:
        return self.function(rng, duration)


def packages() -> list[str]:
    """What other packages add, with what its numbers depend on: versions, and hashes of code and data."""
    points = metadata.entry_points()
    return sorted(f"{_origin(each)} {_hash_of_module(each)}" for kind in KINDS
                  for each in points.select(group=f"hostsim.{kind}"))  # fmt: skip


def scripts() -> list[str]:
    """What scripts have registered in this process, with hashes of its source."""
    return sorted(f"{name} ({kind}) {entry.script}" for kind, here in _ENTRIES.items()
                  for name, entry in here.items() if entry.script)  # fmt: skip


def _hash(made: Any) -> str:
    """Of the source where it is known, else of nothing but the name."""
    import inspect

    try:
        text = inspect.getsource(made)
    except (OSError, TypeError):
        text = getattr(made, "__qualname__", repr(type(made)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash_of_module(point: metadata.EntryPoint) -> str:
    try:
        module = find_spec(point.module)
        file = Path(module.origin) if module is not None and module.origin else None
        files = sorted(file.parent.glob("*.[py]*")) if file is not None else []
        return hashlib.sha256(b"".join(each.read_bytes() for each in files if each.is_file())).hexdigest()[:16]
    except (ImportError, OSError, ValueError):  # a broken one is told when it is used
        return ""


def luggage() -> bytes:
    """What scripts have registered in this process, for a worker to `unpack`; empty where there is nothing.

    Raises PluginError for what cannot be sent.
    """
    carried = [(kind, name, entry) for kind, here in _ENTRIES.items() for name, entry in here.items() if entry.script]
    if not carried:
        return b""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(carried))
    except Exception as error:
        what = ", ".join(f"{name} ({kind})" for kind, name, *_ in carried)
        raise PluginError(
            f"{what}: registered in this script, and cannot be sent to a worker process: {error}; use one worker, or "
            "put it into a package with an entry point"
        ) from error


def restored(kind: str, name: str, state: Any) -> Any:
    """A spec as it was pickled in another process, of the class that the name has in this one."""
    found = spec(kind, name)
    made = found.__new__(found)
    made.__setstate__(state)
    return made


def unpack(packed: bytes) -> None:
    """Register in a worker process what `luggage` packed. Raises PluginError where a module is not there."""
    import pickle

    try:
        for kind, name, entry in pickle.loads(packed) if packed else ():
            _known(kind)[name] = entry
    except ImportError as error:
        raise PluginError(f"a worker process lacks what the script has registered: {error}") from error
