"""Variables in a compose file: $VAR, ${VAR}, ${VAR:-default}, ${VAR:?error}, ${VAR:+other}, and $$ for a dollar.

The rules are those of https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sim.reading.errors import Finding, Loc

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Wrong(ValueError):
    pass


class Interpolation:
    """Puts `values` in; what was `unset` and what is wrong (`findings`) is gathered."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.unset: list[str] = []
        self.findings: list[Finding] = []

    def tree(self, node: Any, loc: Loc = ()) -> Any:
        """The tree with the variables in its texts replaced; keys are left as they are."""
        if isinstance(node, dict):
            return {key: self.tree(each, (*loc, key)) for key, each in node.items()}
        if isinstance(node, list):
            return [self.tree(each, (*loc, index)) for index, each in enumerate(node)]
        if not isinstance(node, str) or "$" not in node:
            return node
        try:
            return self.text(node)
        except _Wrong as wrong:
            allowed = "$VAR, ${VAR}, ${VAR:-default}, ${VAR:?why}, ${VAR:+other}, or $$ for a dollar"
            self.findings.append(Finding(loc, str(wrong), allowed))
            return node

    def text(self, text: str) -> str:
        """A text with its variables replaced."""
        done, at = "", 0
        while (dollar := text.find("$", at)) >= 0:
            done += text[at:dollar]
            after = text[dollar + 1 : dollar + 2]
            if after == "$":
                done, at = f"{done}$", dollar + 2
            elif after == "{":
                end = _closing(text, dollar + 2)
                done, at = done + self.braced(text[dollar + 2 : end]), end + 1
            elif name := _NAME.match(text, dollar + 1):
                done, at = done + self.value(name[0]), name.end()
            else:
                raise _Wrong(f"a lone $ in {text!r}")
        return done + text[at:]

    def braced(self, inner: str) -> str:
        """What is between the braces."""
        name = _NAME.match(inner)
        if name is None:
            raise _Wrong(f"${{{inner}}}, which names no variable")
        rest = inner[name.end() :]
        found = self.values.get(name[0])
        if not rest:
            return self.value(name[0])
        if rest.startswith(":"):
            found, rest = found or None, rest[1:]
        mark, other = rest[:1], rest[1:]
        if mark == "-":
            return self.text(other) if found is None else found
        if mark == "+":
            return "" if found is None else self.text(other)
        if mark != "?":
            raise _Wrong(f"${{{inner}}}")
        if found is None:
            raise _Wrong(f"{name[0]}, which is not set and required{f': {other}' if other else ''}")
        return found

    def value(self, name: str) -> str:
        """The value of a variable; nothing, as Compose has it, if it is not set."""
        if name not in self.values and name not in self.unset:
            self.unset.append(name)
        return self.values.get(name, "")


def _closing(text: str, at: int) -> int:
    depth = 1
    for index in range(at, len(text)):
        if text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
        elif text.startswith("${", index):
            depth += 1
    raise _Wrong(f"a brace that is not closed in {text!r}")


def env_file(text: str) -> dict[str, str]:
    """`NAME=value` a line, as a .env file has it."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and _NAME.fullmatch(name.strip()):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else re.split(r"\s#", value)[0].strip()
    return found
