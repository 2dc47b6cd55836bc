"""A YAML file as a plain tree that remembers where every key and value stands, and values laid over it."""

from __future__ import annotations

import copy
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from sim.reading.errors import Finding, Loc, Problem, Refused, ScenarioError, dotted, nearest, show
from sim.reading.parsing import Place, parse

_LARGEST = 4_000_000  # bytes of a file; the largest of ours has 30 kB, and a second reads 1 MB


class Laid(NamedTuple):
    """A value laid over a file: where in the tree, what it is attributed to, and what was there before."""

    loc: Loc
    place: Place
    before: Any


@dataclass(frozen=True)
class Document:
    """A parsed file: its plain `tree` (dict, list, str, int, float, bool, None) and the place of every node.

    `base`: the folder to which paths in the file are relative. `findings`: mistakes of structure, such as a repeated
    key. `laid`: what options have laid over the file, the last first. The tree is shared, and never changed.
    """

    file: str
    tree: Any
    places: Mapping[Loc, Place] = field(default_factory=dict)
    base: Path = field(default_factory=Path)
    findings: tuple[Finding, ...] = ()
    laid: tuple[Laid, ...] = ()

    def problem(self, finding: Finding) -> Problem:
        """The finding with its place; what is absent is placed where its nearest ancestor stands."""
        loc = self._as_in_tree(finding.loc)
        place = next((each.place for each in self.laid if loc[: len(each.loc)] == each.loc), None)
        while place is None and loc not in self.places and loc:
            loc = loc[:-1]
        place = place or self.places.get(loc)
        rest = (dotted(finding.loc), finding.found, finding.allowed, finding.suggestion)
        if place is None:
            return Problem(self.file, None, None, *rest)
        on_key = loc != () and (finding.on_key or len(loc) != len(finding.loc))
        line, column = (place.key_line, place.key_column) if on_key else (place.line, place.column)
        return Problem(place.label or self.file, line or None, column or None, *rest)

    def _as_in_tree(self, loc: Loc) -> Loc:
        """The place with list indices as numbers; an item of a list may be called by its name.

        Below a platform's name in a list of platforms, the place is the name's own.
        """
        found: Loc = ()
        for step in loc:
            node = _at(self.tree, found)
            if isinstance(node, list) and isinstance(step, str):
                if found == ("platforms",) and step in node:
                    return (*found, node.index(step))
                named = (index for index, item in enumerate(node) if _at(item, ("name",)) == step)
                step = int(step) if step.isdecimal() else next(named, step)
            found = (*found, step)
        return found

    def error(self, findings: Iterable[Finding]) -> ScenarioError:
        """All findings as one error, in the order of the file, those of command-line options last."""
        problems = [self.problem(finding) for finding in findings]
        problems.sort(key=lambda p: (p.line is None, p.line or 0, p.column or 0))
        return ScenarioError(problems)

    def with_value(self, path: str, value: Any, label: str, line: int = 0, column: int = 0) -> Document:
        """A document in which the dotted `path` holds `value`, attributed to `label` (a line of it if not 0).

        Paths reach into lists by index (from 0), create keys and replace whole subtrees; a list of platform names
        becomes a mapping where a path goes below one. Raises ScenarioError where the path runs through a single value.
        """
        try:
            tree, created = _put(self.tree, path, value)
        except Refused as refused:
            where = (label, line or None, column or None)
            raise ScenarioError(
                Problem(*where, dotted(f.loc), f.found, f.allowed, f.suggestion) for f in refused.findings
            ) from None
        laid = Laid(created, Place(line, column, line, column, label), _at(self.tree, created))
        return replace(self, tree=tree, laid=(laid, *self.laid))

    def with_file(self, path: str, document: Document) -> Document:
        """A document in which the dotted `path` holds the tree of another file, whose mistakes are placed there."""
        tree, loc = _put(self.tree, path, document.tree)
        places = {(*loc, *inner): place._replace(label=document.file) for inner, place in document.places.items()}
        findings = (*self.findings, *(finding.under(*loc) for finding in document.findings))
        laid = tuple(each for each in self.laid if each.loc != loc)
        return replace(self, tree=tree, places={**self.places, **places}, findings=findings, laid=laid)


def read_document(path: str | Path) -> Document:
    """Read and parse a YAML file. Raises ScenarioError if it cannot be read, decoded or parsed."""
    file = Path(path)
    try:
        text = _content(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _file_error(path, f"byte {error.start} that is not UTF-8", "a text file in UTF-8") from None
    except FileNotFoundError:
        raise _file_error(path, "no such file", "a scenario file in YAML") from None
    except IsADirectoryError:
        raise _file_error(path, "a folder", "a scenario file in YAML") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _file_error(path, f"a file that cannot be read ({reason})", "a readable file") from None
    return parse_text(text, str(path), file.parent)


def _content(file: Path) -> bytes:
    """The bytes of a regular file. Raises ScenarioError for what is none, or too long, and OSError."""
    state = file.stat()
    if kind := other_than_a_file(state.st_mode):
        raise _file_error(file, kind, "a scenario file in YAML")
    if state.st_size > _LARGEST:
        raise _file_error(file, f"a file of {state.st_size / 1e6:.1f} MB", f"at most {_LARGEST / 1e6:.0f} MB of YAML")
    return file.read_bytes()


def other_than_a_file(mode: int) -> str | None:
    """What stands in a file's place by its `st_mode`; None if it is a file. Reading a pipe may wait for ever."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    if stat.S_ISREG(mode):
        return None
    return next((name for kind, name in kinds if kind(mode)), "a device")


def parse_text(text: str, file: str, base: Path = Path()) -> Document:
    """Parse YAML 1.2 text whose top level is a mapping; mistakes of structure are left in its `findings`.

    Raises ScenarioError if it is not YAML, or another thing than a mapping.
    """
    document = _document(text, file, base)
    if not isinstance(document.tree, dict):
        found = "an empty file" if document.tree is None else show(document.tree)
        raise document.error([Finding((), found, "a mapping of keys to values")])
    return document


def parse_value(text: str, label: str) -> Any:
    """The value of a command-line option, read as YAML. Raises ScenarioError under `label`."""
    try:
        document = _document(text, label)
        if document.findings:
            raise document.error(document.findings)
        return document.tree
    except ScenarioError as error:
        raise ScenarioError(
            Problem(label, None, None, p.path, p.found, p.allowed, p.suggestion) for p in error.problems
        ) from None


def _file_error(path: str | Path, found: str, allowed: str) -> ScenarioError:
    return ScenarioError([Problem(str(path), None, None, "", found, allowed)])


def _document(text: str, file: str, base: Path = Path()) -> Document:
    tree, places, findings = parse(text, file)
    return Document(file, tree, places, base, tuple(findings))


def _at(tree: Any, loc: Loc) -> Any:
    """What is at a place of a tree; None where nothing is."""
    try:
        for step in loc:
            tree = tree[step]
    except (KeyError, IndexError, TypeError):
        return None
    return tree


def _put(tree: Any, path: str, value: Any) -> tuple[Any, Loc]:
    """A tree with `value` at `path`, and its topmost node that is new or replaced. Raises Refused.

    Only what lies on the path is copied; all else is shared with `tree`.
    """
    steps = path.split(".")
    if not all(steps):
        raise Refused([Finding((), repr(path), "a dotted path, such as services.shop.queue")])
    loc: Loc = ()
    created: Loc | None = None
    root = node = copy.copy(tree)
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        key = _step(node, loc, step)
        loc = (*loc, key)
        absent = key not in node if isinstance(node, dict) else key == len(node)
        if absent and not last:
            _refuse_misspelt(node, loc)
        if last or absent or node[key] is None:
            created = created or loc
            item = value if last else {}
            if absent and isinstance(node, list):
                node.append(item)
            else:
                node[key] = item
        elif loc == ("platforms",) and isinstance(node[key], list) and not steps[depth + 1].isdecimal():
            node[key] = {str(name): {} for name in node[key]}
        else:
            node[key] = copy.copy(node[key])
        node = node[key]
    assert created is not None
    return root, created


def _refuse_misspelt(node: Any, loc: Loc) -> None:
    """A path below a service that is not there, but whose name is close to one that is, is a misspelling."""
    near = nearest(loc[-1], node) if loc[:-1] == ("services",) else None
    if near is not None:
        raise Refused([Finding(loc, "an unknown service", f"one of {', '.join(node)}", near)])


def _step(node: Any, loc: Loc, step: str) -> str | int:
    """The key or index that `step` means in `node`."""
    if isinstance(node, dict):
        return step
    if isinstance(node, list):
        if step.isdecimal() and int(step) <= len(node):
            return int(step)
        allowed = f"an index of the list, 0 to {len(node)}" if node else "0, the list is empty"
        raise Refused([Finding((*loc, step), repr(step), allowed)])
    allowed = f"a path into a mapping or a list; set {dotted(loc)} as a whole"
    raise Refused([Finding((*loc, step), f"{dotted(loc)} = {show(node)}, a single value", allowed)])
