"""What is wrong with a scenario: findings inside the tree, problems with their place in a file; all errors' base.

HostsimError                everything that this package raises for its user's eyes
├── ScenarioError           a scenario, sweep or platform file is refused: every mistake with its place
├── PlatformError           a platform cannot be made: every mistake with its dotted path
├── PluginError             something from another package or a script cannot be used
├── ResultsError            a result folder cannot be written or read
├── RunFailed               some runs of a scenario failed; it holds those that finished
├── DensityError            a run of a density search failed
├── CrossoverError          there is nothing to compare, or a run of the search failed
├── WhyError                a run of an attribution failed, or its metric is missing in one
├── SweepError              a sweep cannot start or go on; what is on the disk stays as it is
├── VersionMismatch         a worker runs other code than the sweep was started with
├── ExecutorError           workers cannot be reached, or were lost as a whole
├── CannotSay               a case of the scorecard that the catalogue has no words for
├── NotHere                 what a case is compared with is not on this machine
├── CannotStand             what a case is compared with knows nothing of what it has in it
├── CalibrationError        starts failed, or a table of starts cannot be used
├── Missing                 what this machine lacks for a measurement
├── StudyError (ValueError) what is asked cannot be done; nothing was run or written
├── RecordingError (ValueError)  a recording cannot be read: which file, which row, what is there
├── Refused (ValueError)    a part of a tree is refused; becomes a ScenarioError
└── UnitError (ValueError)  a text is not the quantity that is wanted; becomes one too
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

Loc = tuple[str | int, ...]


class HostsimError(Exception):
    """The base of all errors that this package raises on purpose."""


class Finding(NamedTuple):
    """One mistake at `loc` of the tree: what was found, what is allowed, the nearest known name.

    `on_key`: the key itself is the mistake, not its value.
    """

    loc: Loc
    found: str
    allowed: str
    suggestion: str | None = None
    on_key: bool = False

    def under(self, *prefix: str | int) -> Finding:
        """The same finding seen from further up the tree."""
        return self._replace(loc=(*prefix, *self.loc))


class Refused(HostsimError, ValueError):
    """Raised by validators: all the findings of one part of the tree."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(findings)
        self.findings = list(findings)

    def __str__(self) -> str:
        """Each finding on a line."""
        return "\n".join(f"{dotted(f.loc)}: found {f.found}; allowed: {f.allowed}" for f in self.findings)


@dataclass(frozen=True)
class Problem:
    """One mistake with its place. `file` is the file, or the command-line option that brought the value.

    `line` and `column` count from 1 and are None where there is no file. `path` is dotted, as the user typed it.
    """

    file: str
    line: int | None
    column: int | None
    path: str
    found: str
    allowed: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """The place, then the mistake, in one line."""
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        path = f"{short(self.path, 200)}: " if self.path else ""
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{place}: {path}found {short(self.found, 400)}; allowed: {self.allowed}{hint}"


class ScenarioError(HostsimError):
    """A scenario or sweep file is refused; `problems` holds every mistake found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """All problems, each on a line."""
        return "\n".join(str(problem) for problem in self.problems)


def dotted(loc: Iterable[str | int]) -> str:
    """The dotted path of a place in the tree: `services.shop.traffic.constant-arrival-rate.rate`."""
    return ".".join(str(step) for step in loc if step != "")


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, blind to case and to `-` against `_`; None if nothing is close.

    >>> nearest("memroy", ["cpu", "memory"]), nearest("colour", ["cpu", "memory"])
    ('memory', None)
    """
    if len(str(name)) > 100:
        return None  # no name is as long, and comparing takes long
    folded = {_fold(each): each for each in known}
    close = get_close_matches(_fold(str(name)), list(folded), n=1)
    return folded[close[0]] if close else None


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")


def short(text: str, most: int = 160) -> str:
    """A text of at most `most` characters, its end cut off."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def show(value: Any) -> str:
    """A value as a message names it: short, in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        keys = ", ".join(str(key) for key in value)
        return f"a mapping ({keys})" if 0 < len(keys) <= 60 else "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
