"""YAML 1.2 text as a plain tree, with the place of every key and value.

Well-formed text is read by libyaml (through PyYAML), some twelve times as fast as ruamel.yaml's Python parser; its
scalars are told apart by ruamel's rules of YAML 1.2 (`on` and `1:30` are text). Whatever libyaml refuses, or has
rules of its own for, is left to ruamel, which also words the mistakes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from sim.reading.errors import Finding, Loc, Problem, ScenarioError

_MAX_NODES = 200_000  # aliases can multiply a small file into a huge tree; a scenario has a few hundred nodes
_DEEPEST = 100
_LONGEST_SLOWLY = 500_000  # characters; ruamel.yaml reads some 100,000 a second
_LONGEST_NUMBER = 400  # no float has more digits that count, and Python refuses to print whole numbers of 4,300
_TAG: Final = "tag:yaml.org,2002:"
_STR: Final = f"{_TAG}str"


class Place(NamedTuple):
    """Where a value and its key stand (counted from 1), and in which file or option if not in the document's own."""

    line: int
    column: int
    key_line: int
    key_column: int
    label: str | None = None


class Parsed(NamedTuple):
    """A text's plain tree (dict, list, str, int, float, bool, None), its places, and its mistakes of structure."""

    tree: Any
    places: dict[Loc, Place]
    findings: list[Finding]


class _Node:
    """A node of YAML: what the builder reads of those of ruamel.yaml too."""

    __slots__ = ("id", "start_mark", "tag", "value")

    def __init__(self, kind: str, tag: str, value: Any, start_mark: Any) -> None:
        self.id, self.tag, self.value, self.start_mark = kind, tag, value, start_mark


Node: TypeAlias = Any  # a _Node, or one of ruamel.yaml's


class _Unusual(Exception):
    """Text that ruamel.yaml shall judge."""


def parse(text: str, file: str) -> Parsed:
    """Parse one YAML document. Raises ScenarioError, placed in `file`, if it is not valid YAML."""
    collecting = gc.isenabled()
    gc.disable()  # nothing of what is made here is garbage yet, and looking for some costs as much as parsing
    try:
        return _build(_composed(text))
    except _Unusual:
        return _parse_slowly(text, file)
    finally:
        if collecting:
            gc.enable()


def _composed(text: str) -> Node | None:
    """The root node by libyaml, None of an empty text. Raises _Unusual for what is not plainly good."""
    if "\t" in text or "\n..." in text or text.startswith("..."):
        raise _Unusual  # a tab may stand in fewer places for ruamel, and a document ends otherwise
    try:
        from yaml import YAMLError
        from yaml.cyaml import CParser
    except ImportError:  # PyYAML without its compiled part
        raise _Unusual from None
    try:
        return _Composer(CParser(text).get_event).document()
    except (YAMLError, UnicodeError) as error:
        raise _Unusual from error


class _Composer:
    """From events to nodes, of text without anchors and tags."""

    def __init__(self, next_event: Callable[[], Any]) -> None:
        from yaml import events

        self.next_event = next_event
        self.scalar, self.stream_end = events.ScalarEvent, events.StreamEndEvent
        self.mapping, self.mapping_end = events.MappingStartEvent, events.MappingEndEvent
        self.sequence_end = events.SequenceEndEvent
        self.resolvers = _resolvers()

    def document(self) -> _Node | None:
        self.next_event()  # the stream begins
        event = self.next_event()
        if type(event) is self.stream_end:
            return None
        if event.version is not None or event.tags:
            raise _Unusual  # a directive may change what the text means
        root = self.node(self.next_event(), 0)
        self.next_event()
        if type(self.next_event()) is not self.stream_end:
            raise _Unusual
        return root

    def node(self, event: Any, depth: int) -> _Node:
        kind = type(event)
        if event.anchor is not None or depth > _DEEPEST:  # of an alias too
            raise _Unusual
        if kind is self.scalar:
            if event.tag is not None or depth == 0:
                raise _Unusual
            return _Node("scalar", self.tag(event), event.value, event.start_mark)
        if event.tag is not None:
            raise _Unusual
        parts: list[Any] = []
        if kind is self.mapping:
            while type(key := self.next_event()) is not self.mapping_end:
                parts.append((self.node(key, depth + 1), self.node(self.next_event(), depth + 1)))
            return _Node("mapping", f"{_TAG}map", parts, event.start_mark)
        while type(item := self.next_event()) is not self.sequence_end:
            parts.append(self.node(item, depth + 1))
        return _Node("sequence", f"{_TAG}seq", parts, event.start_mark)

    def tag(self, event: Any) -> str:
        if event.implicit[0]:
            value = event.value
            for tag, pattern in self.resolvers.get(value[0] if value else "", ()):
                if pattern.match(value):
                    return tag
        return _STR


@cache
def _resolvers() -> dict[str, list[tuple[str, Any]]]:
    """What a plain scalar means in YAML 1.2, by its first character: tags with their patterns."""
    from ruamel.yaml.resolver import implicit_resolvers

    found: dict[str, list[tuple[str, Any]]] = {}
    for versions, tag, pattern, firsts in implicit_resolvers:
        if (1, 2) in versions:
            for first in firsts:
                found.setdefault(first, []).append((tag, pattern))
    return found


def _parse_slowly(text: str, file: str) -> Parsed:
    """The same by ruamel.yaml's pure parser; whatever it stumbles over is a mistake of the text."""
    if len(text) > _LONGEST_SLOWLY:
        found = f"{len(text):,} characters that are not plain YAML (anchors, tags, tabs or a syntax error)"
        raise ScenarioError([Problem(file, 1, 1, "", found, f"at most {_LONGEST_SLOWLY:,} characters of such")])
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return _build(YAML(typ="safe", pure=True).compose(text))
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
    except (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
        raise ScenarioError([Problem(file, 1, 1, "", "text that cannot be read as YAML", "valid YAML")]) from None


def _build(root: Node | None) -> Parsed:
    builder = _Builder()
    tree = None if root is None else builder.value(root, (), root)
    return Parsed(tree, builder.places, builder.findings)


class _Builder:
    """Turns composed YAML nodes into a plain tree with places, collecting structural mistakes."""

    def __init__(self) -> None:
        self.places: dict[Loc, Place] = {}
        self.findings: list[Finding] = []
        self.open: set[int] = set()
        self.count = 0
        self.full = False

    def value(self, node: Node, loc: Loc, key: Node) -> Any:
        start, name = node.start_mark, key.start_mark
        place = Place(start.line + 1, start.column + 1, name.line + 1, name.column + 1)
        self.places.setdefault(loc, place)  # what a mapping says itself comes before what it merges
        self.count += 1
        if id(node) in self.open:
            self.findings.append(Finding(loc, "an alias that repeats without end", "a tree of values"))
            return None
        if self.count > _MAX_NODES or len(self.open) > _DEEPEST:
            if not self.full:
                self.full = True
                what = f"more than {_MAX_NODES:,} values" if self.count > _MAX_NODES else "values nested too deeply"
                most = f"at most {_MAX_NODES:,} values, aliases written out, {_DEEPEST} levels deep"
                self.findings.append(Finding(loc, what, most))
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
        if node.tag == _STR:
            return node.value
        tag = str(node.tag).rsplit(":", 1)[-1]
        if tag in ("int", "float", "bool", "null"):
            try:
                return _constant(tag, node.value)
            except (ValueError, LookupError, ArithmeticError):  # `!!int x`, and `!!int` of nothing
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
                self.places[(*loc, name, "")] = _place_of(key)
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
        for key, item in (self.value(source, loc, source) or {}).items():
            tree.setdefault(key, item)


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


def _constant(tag: str, text: str) -> Any:
    """The value of a scalar that is not text. Raises ValueError."""
    if tag == "null":
        return None
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number of so many digits")
    if tag == "int" and text.isdecimal() and text.isascii():
        return int(text)
    from ruamel.yaml.nodes import ScalarNode

    return _ruamel().constructor.construct_object(ScalarNode(f"{_TAG}{tag}", text))


@cache
def _ruamel() -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True)
