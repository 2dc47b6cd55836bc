"""A YAML file as a plain tree that remembers where every key and value stands, and overrides laid over it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sim.reading.errors import Finding, Loc, Problem, Refused, ScenarioError, dotted, nearest, show

if TYPE_CHECKING:
    from ruamel.yaml import YAML

Node: TypeAlias = Any  # ruamel.yaml's nodes carry `id`, `tag` and `value` that its type hints leave out

__all__ = ["Document", "Place", "apply_overrides", "parse_text", "parse_value", "read_document"]

_MAX_NODES = 200_000  # aliases can multiply a small file into a huge tree; a scenario has a few hundred nodes


class Place(NamedTuple):
    """Where a value and its key stand (counted from 1), or the option that brought the value."""

    line: int
    column: int
    key_line: int
    key_column: int
    label: str | None = None


@dataclass
class Document:
    """A parsed file: its plain `tree` (dict, list, str, int, float, bool, None) and the place of every node."""

    file: str
    tree: Any
    places: dict[Loc, Place] = field(default_factory=dict)
    base: Path = field(default_factory=Path)  # folder to which paths in the file are relative
    findings: list[Finding] = field(default_factory=list)  # mistakes of structure, such as a repeated key

    def problem(self, finding: Finding) -> Problem:
        """The finding with its place; what is absent is placed where its nearest ancestor stands."""
        loc = self._as_listed(finding.loc)
        while loc and loc not in self.places:
            loc = loc[:-1]
        place = self.places.get(loc, Place(1, 1, 1, 1))
        on_key = loc != () and (finding.on_key or len(loc) != len(finding.loc))
        line, column = (place.key_line, place.key_column) if on_key else (place.line, place.column)
        rest = (dotted(finding.loc), finding.found, finding.allowed, finding.suggestion)
        if place.label is not None:
            return Problem(place.label, line or None, column or None, *rest)
        return Problem(self.file, line, column, *rest)

    def _as_listed(self, loc: Loc) -> Loc:
        """A place below a platform's name, where the platforms are a list: that of the name in it."""
        listed = self.tree.get("platforms") if isinstance(self.tree, dict) else None
        if loc[:1] == ("platforms",) and isinstance(listed, list) and len(loc) > 1 and loc[1] in listed:
            return ("platforms", listed.index(loc[1]))
        return loc

    def error(self, findings: list[Finding]) -> ScenarioError:
        """All findings as one error, in the order of the file, those of command-line options last."""
        problems = [self.problem(finding) for finding in findings]
        problems.sort(key=lambda p: (p.line is None, p.line or 0, p.column or 0))
        return ScenarioError(problems)

    def with_value(self, path: str, value: Any, label: str, line: int = 0, column: int = 0) -> Document:
        """A copy in which the dotted `path` holds `value`, attributed to `label` (a line of it if not 0).

        Raises ScenarioError where the path runs through a single value.
        """
        tree = copy.deepcopy(self.tree)
        try:
            created = _put(tree, path, copy.deepcopy(value))
        except Refused as refused:
            where = (label, line or None, column or None)
            raise ScenarioError(
                Problem(*where, dotted(f.loc), f.found, f.allowed, f.suggestion) for f in refused.findings
            ) from None
        kept = {loc: place for loc, place in self.places.items() if loc[: len(created)] != created}
        here = Place(line, column, line, column, label)
        kept[created] = here
        kept.update((loc, here) for loc in _locs(_at(tree, created), created))
        return Document(self.file, tree, kept, self.base, self.findings)


def apply_overrides(tree: Any, overrides: Mapping[str, Any]) -> Any:
    """A copy of a raw tree in which each dotted path holds its value.

    Paths reach into lists by index (from 0), create keys and replace whole subtrees. A list of platform names
    becomes a mapping where a path goes below one. Raises Refused where a path runs through a single value.
    """
    changed = copy.deepcopy(tree)
    for path, value in overrides.items():
        _put(changed, path, copy.deepcopy(value))
    return changed


def read_document(path: str | Path) -> Document:
    """Read and parse a YAML file. Raises ScenarioError if it cannot be read, decoded or parsed."""
    file = Path(path)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _file_error(path, f"byte {error.start} that is not UTF-8", "a text file in UTF-8") from None
    except FileNotFoundError:
        raise _file_error(path, "no such file", "a scenario file in YAML") from None
    except IsADirectoryError:
        raise _file_error(path, "a folder", "a scenario file in YAML") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _file_error(path, f"a file that cannot be read ({reason})", "a readable file") from None
    document = parse_text(text, str(path))
    document.base = file.parent
    return document


def parse_text(text: str, file: str) -> Document:
    """Parse YAML 1.2 text whose top level is a mapping; mistakes of structure are left in its `findings`.

    Raises ScenarioError if it is not YAML, or another thing than a mapping.
    """
    document = _parse(text, file)
    if not isinstance(document.tree, dict):
        found = "an empty file" if document.tree is None else show(document.tree)
        raise document.error([Finding((), found, "a mapping of keys to values")])
    return document


def parse_value(text: str, label: str) -> Any:
    """The value of a command-line option, read as YAML. Raises ScenarioError under `label`."""
    try:
        document = _parse(text, label)
        if document.findings:
            raise document.error(document.findings)
        return document.tree
    except ScenarioError as error:
        raise ScenarioError(
            Problem(label, None, None, p.path, p.found, p.allowed, p.suggestion) for p in error.problems
        ) from None


def _file_error(path: str | Path, found: str, allowed: str) -> ScenarioError:
    return ScenarioError([Problem(str(path), None, None, "", found, allowed)])


def _parse(text: str, file: str) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)  # the pure parser is YAML 1.2: `on` and `1:30` are text
    try:
        node = yaml.compose(text)
        builder = _Builder(yaml, Document(file, None))
        return builder.build(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = " ".join(str(error.problem or error.context or "a syntax error").split())
        raise ScenarioError([Problem(file, line, column, "", f"a syntax error: {reason}", "valid YAML")]) from None
    except YAMLError as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ScenarioError([Problem(file, line, 1, "", f"a syntax error: {reason}", "valid YAML")]) from None
    except RecursionError:
        raise ScenarioError([Problem(file, 1, 1, "", "values nested too deeply", "valid YAML")]) from None


class _Builder:
    """Turns composed YAML nodes into a plain tree with places, collecting structural mistakes."""

    def __init__(self, yaml: YAML, document: Document) -> None:
        self.constructor = yaml.constructor
        self.document = document
        self.findings = document.findings
        self.open: set[int] = set()
        self.count = 0

    def build(self, root: Node | None) -> Document:
        if root is not None:
            self.document.tree = self.value(root, (), root)
        return self.document

    def value(self, node: Node, loc: Loc, key: Node) -> Any:
        start, name = node.start_mark, key.start_mark
        place = Place(start.line + 1, start.column + 1, name.line + 1, name.column + 1)
        self.document.places[loc] = place
        self.count += 1
        if id(node) in self.open or self.count > _MAX_NODES:
            self.findings.append(Finding(loc, "an alias that repeats without end", "a tree of values"))
            return None
        self.open.add(id(node))
        try:
            return self.content(node, loc)
        finally:
            self.open.discard(id(node))

    def content(self, node: Node, loc: Loc) -> Any:
        if node.id == "mapping":
            return self.mapping(node, loc)
        if node.id == "sequence":
            return [self.value(item, (*loc, index), item) for index, item in enumerate(node.value)]
        return self.scalar(node, loc)

    def scalar(self, node: Node, loc: Loc) -> Any:
        tag = str(node.tag).rsplit(":", 1)[-1]
        if tag in ("int", "float", "bool", "null"):
            try:
                return self.constructor.construct_object(node)
            except ValueError:
                return node.value
        if tag not in ("str", "timestamp", "value", "merge"):
            self.findings.append(Finding(loc, f"the tag {node.tag}", "plain values without tags"))
        return node.value

    def mapping(self, node: Node, loc: Loc) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        first_line: dict[str, int] = {}
        merged: list[Node] = []
        for key, item in node.value:
            if str(key.tag).endswith(":merge"):
                merged += item.value if item.id == "sequence" else [item]
                continue
            name = _key_text(key)
            line = key.start_mark.line + 1
            if name is None:
                self.findings.append(Finding(loc, f"a key on line {line} that is not a name", "a name as the key"))
            elif name in first_line:
                # Put under its own place, a step below, so that the first one keeps its own.
                self.document.places[(*loc, name, "")] = _place_of(key)
                found = f"the key {name!r} a second time (first on line {first_line[name]})"
                self.findings.append(Finding((*loc, name, ""), found, "each key once"))
            else:
                first_line[name] = line
                tree[name] = self.value(item, (*loc, name), key)
        for source in merged:
            self.merge(source, tree, loc)
        return tree

    def merge(self, source: Node, tree: dict[str, Any], loc: Loc) -> None:
        """Add the keys of a YAML merge (`<<: *base`) that the mapping does not have itself."""
        if source.id != "mapping":
            self.findings.append(Finding(loc, "a merge (<<) of what is not a mapping", "a mapping to merge"))
            return
        kept = {where: place for where, place in self.document.places.items() if where[: len(loc)] == loc}
        for key, item in self.value(source, loc, source).items():
            tree.setdefault(key, item)
        self.document.places.update(kept)  # what the mapping says itself keeps its own place


def _key_text(key: Node) -> str | None:
    """A key as text; a list of names (`[host.cores, host.memory]: …`) as `host.cores, host.memory`."""
    if key.id == "scalar":
        return str(key.value)
    if key.id == "sequence" and key.value and all(item.id == "scalar" for item in key.value):
        return ", ".join(str(item.value) for item in key.value)
    return None


def _place_of(node: Node) -> Place:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    return Place(line, column, line, column)


def _locs(tree: Any, loc: Loc) -> Iterator[Loc]:
    children: Any = ()
    if isinstance(tree, Mapping):
        children = tree.items()
    elif isinstance(tree, list):
        children = enumerate(tree)
    for key, item in children:
        yield (*loc, key)
        yield from _locs(item, (*loc, key))


def _at(tree: Any, loc: Loc) -> Any:
    for step in loc:
        tree = tree[step]
    return tree


def _put(tree: Any, path: str, value: Any) -> Loc:
    """Set `path` in place; the topmost node that is new or replaced. Raises Refused."""
    steps = path.split(".")
    if not all(steps):
        raise Refused([Finding((), repr(path), "a dotted path, such as services.shop.queue")])
    loc: Loc = ()
    created: Loc | None = None
    node = tree
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
        node = node[key]
    assert created is not None
    return created


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
