"""From a case to what is run: its scenarios, each with one platform, and what is wanted of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from sim.platforms.catalogue import names
from sim.platforms.checks import CHECKS
from sim.reading.document import Document, read_document
from sim.reading.errors import HostsimError, ScenarioError
from sim.scenario import Base, Scenario
from sim.scorecard.loading import Loaded, laid
from sim.scorecard.measures import Asked
from sim.scorecard.references import ROOT, NotHere
from sim.scorecard.specs import Other, Prediction

Key: TypeAlias = tuple[str, str]
"""A scenario's digest, and the platform."""


class CannotSay(HostsimError):
    """A case cannot be run: the catalogue does not have its platform."""


@dataclass(frozen=True)
class Part:
    """One term of a prediction: what is asked of which scenario, on which platform."""

    scenario: Scenario
    platform: str
    asked: Asked

    @cached_property
    def key(self) -> Key:
        """What tells one run's scenario and platform from another's."""
        return self.scenario.digest, self.platform


@dataclass(frozen=True)
class Plan:
    """What a case needs: (value − less) / over; and for recordings, what was measured in the same repetition."""

    value: Part
    less: Part | None = None
    over: Part | None = None
    known: float | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The terms that are there."""
        return tuple(each for each in (self.value, self.less, self.over) if each is not None)


def plan(loaded: Loaded) -> Plan:
    """The runs of a case. Raises ScenarioError for a wrong scenario, CannotSay for an unknown platform, NotHere."""
    case = loaded.case
    assert case.predicted is not None
    tree, base = _tree(case.scenario, loaded.file)
    wanted = case.predicted
    own = Asked(wanted.measure, wanted.service, wanted.nth)
    first = Part(scenario_of(tree, case.platform, base, loaded.label), case.platform, own)

    def other(given: Other | None) -> Part | None:
        if given is None:
            return None
        platform = given.platform or case.platform
        made = scenario_of(laid(tree, given.scenario), platform, base, loaded.label)
        return Part(made, platform, _asked(given, wanted))

    return Plan(first, other(wanted.less), other(wanted.over))


def _asked(other: Other, own: Prediction) -> Asked:
    return Asked(other.measure or own.measure, other.service or own.service, own.nth)


def _tree(given: Any, file: Path) -> tuple[Mapping[str, Any], Path]:
    """A scenario's raw tree, and the folder to which its paths are relative."""
    if not isinstance(given, str):
        return given, file.parent
    for folder in (file.parent, ROOT):
        if (folder / given).is_file():
            return read_document(folder / given).tree, (folder / given).parent
    raise NotHere(f"{given} is part of the source tree")


def scenario_of(tree: Mapping[str, Any], platform: str, base: Path, label: str) -> Scenario:
    """The scenario of a tree on one platform. Raises ScenarioError, placed at `label`, and CannotSay."""
    own = tree.get("platforms")
    overrides = own.get(platform) if isinstance(own, Mapping) else None
    known = platform in names() or (isinstance(overrides, Mapping) and "based_on" in overrides)
    if not known and not isinstance(overrides, str):
        raise CannotSay(f"the catalogue has no platform {platform!r}")
    whole = {"name": "case", "seed": 1, **tree, "platforms": {platform: overrides or {}}}
    try:
        return Base(Document(label, whole, base=base), CHECKS).scenario
    except ScenarioError as error:
        gone = [
            each for each in error.problems if each.path.startswith("platforms.") and "unknown platform" in str(each)
        ]
        if gone and len(gone) == len(error.problems):
            raise CannotSay(str(gone[0])) from None
        raise
