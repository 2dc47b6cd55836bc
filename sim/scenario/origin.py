"""A changed copy of a scenario: made from what it was read from, so that it is checked as a file is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sim.reading.document import Document
from sim.reading.errors import Problem, ScenarioError
from sim.scenario.schema import Scenario

_WORDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "platforms": dict, "replications": lambda value: value, "seed": lambda value: value,
    "warmup": lambda value: value if isinstance(value, str) else f"{value!r}s",
}  # fmt: skip
"""Keys that may differ from what was read (options replace them), and how a file says them."""


class ReadFrom:
    """The document that a scenario was read from, its fields by then, and how a document is read."""

    def __init__(
        self, document: Document, made: Scenario, read: Callable[[Document, Mapping[str, Any]], Scenario]
    ) -> None:
        self.document, self._fields, self._read = document, dict(made), read

    def changed(self, scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
        """The scenario with raw values by dotted path laid over it. Raises ScenarioError."""
        return self._read(self.now(scenario), changes)

    def now(self, scenario: Scenario) -> Document:
        """The document of the scenario as it is now, options laid over it. Raises ScenarioError for other changes."""
        document = self.document
        for key, value in dict(scenario).items():
            if value == self._fields[key]:
                continue
            if key not in _WORDS or hasattr(value, "metric"):
                raise ScenarioError([Problem("with_", None, None, key, "a value that was changed in SI",
                                             "changes by with_, or in the file")])  # fmt: skip
            document = document.with_value(key, _WORDS[key](value), f"{key}={value}")
        return document
