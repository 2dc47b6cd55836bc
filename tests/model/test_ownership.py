"""Who may change what: in the model, an object's state is changed by its own methods only."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imports import PACKAGE, parse

MODEL = PACKAGE / "model"
# every write of another object's attribute, and why it stays
ALLOWED = {
    ("host/together.py", "both.defused"): "SimPy's own way to say that nobody waits for an event that will fail",
    ("host/together.py", "step.defused"): "the same, of the processes that are interrupted there",
}
MOST = 5
NESTED = {"NestedHost", "Vm"}


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """What an assignment writes to, one by one."""
    if isinstance(node, ast.Assign):
        given = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        given = [node.target]
    else:
        given = list(node.targets) if isinstance(node, ast.Delete) else []
    while given:
        target = given.pop()
        if isinstance(target, (ast.Tuple, ast.List)):
            given += target.elts
        elif isinstance(target, ast.Starred):
            given.append(target.value)
        else:
            yield target


def foreign(tree: ast.AST) -> Iterator[str]:
    """Writes to an attribute (or to an item of one) whose base is not `self`, as in "guest.state"."""
    for node in ast.walk(tree):
        for target in targets(node):
            while isinstance(target, ast.Subscript):
                target = target.value
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) != "self":
                yield ast.unparse(target)


def test_the_count_sees_every_kind_of_write() -> None:
    text = """
self.own = 1
self.own[0] = 2
self.own, local = 1, 2
local[0] = 1
guest.state = 1
guest.count += 1
guest.name: str = ""
guest.parts[0]["x"] = 1
a, (guest.left, *guest.rest) = x
self.guest.state = 1
del guest.phases["app"]
"""
    names = ("state", "count", "name", "parts", "left", "rest", "phases")
    assert sorted(foreign(ast.parse(text))) == sorted([*(f"guest.{name}" for name in names), "self.guest.state"])


def test_nobody_writes_anothers_state() -> None:
    """73 before the model was put into rooms."""
    files = {path.relative_to(MODEL).as_posix(): parse(path) for path in sorted(MODEL.rglob("*.py"))}
    found = Counter((name, write) for name, tree in files.items() for write in foreign(tree))
    assert found == Counter(dict.fromkeys(ALLOWED, 1)), "a new write needs its reason in ALLOWED, an old one must go"
    assert len(ALLOWED) <= MOST


def asks(tree: ast.AST) -> Iterator[int]:
    """Lines that ask whether something is a nested host or one of its VMs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass", "type"):
            names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            if names & NESTED:
                yield node.lineno
        elif isinstance(node, ast.MatchClass) and ast.unparse(node.cls).split(".")[-1] in NESTED:
            yield node.cls.lineno


def test_nobody_asks_whether_a_machine_is_a_vm() -> None:
    text = "isinstance(host, vm_pool.NestedHost)\nisinstance(m, (Host, Vm))\nisinstance(guest, VmProcess)\n"
    assert list(asks(ast.parse(text))) == [1, 2]
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != Path(MODEL, "guests", "vm_pool.py")
        for line in asks(parse(path))
    ]
    assert not found, "what differs is a method of Machine or Host"
