"""Who imports whom, read from the source.

Also imports inside functions, relative ones, those for type checkers only, and `import_module("sim…")`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sim"


def modules() -> dict[str, Path]:
    """Every module of the package: dotted name to file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    """`sim.model.host` is in `model`; `sim` and `sim.cli` are above the rooms."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """What `from … import` names, without its dots."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(module: str, path: Path, tree: ast.AST, known: Iterable[str] = MODULES) -> Iterator[tuple[str, int]]:
    """Every module that a module names in an import: dotted name and line.

    `from a import b` names `a.b` where that is a module (one of `known`, for those of the package), else `a`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, path, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in known else base), node.lineno
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(name, ast.Constant):
                text = str(name.value)
                yield (module.rsplit(".", text.count("."))[0] + text if text[:1] == "." else text), node.lineno


def graph() -> dict[str, set[str]]:
    """Module of `sim` -> modules of `sim` that it imports. A package that a name lies in does not count as imported."""
    return {
        module: {name for name, _ in imports(module, path, parse(path)) if name in MODULES}
        for module, path in MODULES.items()
    }


def circles(arrows: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Sets of modules that reach one another (Tarjan 1972: strongly connected components); none where all is well."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in arrows.get(module, ()):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            at = stack.index(module)
            circle, stack[at:] = set(stack[at:]), []
            if len(circle) > 1 or module in arrows.get(module, ()):
                found.append(circle)

    for module in arrows:
        if module not in number:
            visit(module)
    return found
