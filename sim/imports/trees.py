"""Reading trees of others' files, whose nodes may be anything: a mapping, a list of mappings, or nothing of it."""

from __future__ import annotations

from typing import Any


def below(tree: Any, *keys: str) -> dict[str, Any]:
    """The mapping at the keys; an empty one where there is none."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def mappings(tree: Any, *keys: str) -> list[dict[str, Any]]:
    """The mappings of the list at the keys."""
    *above, last = keys
    found = below(tree, *above).get(last)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def texts(tree: Any, *keys: str) -> list[str]:
    """The single values of the list at the keys, as text."""
    *above, last = keys
    found = below(tree, *above).get(last)
    return [str(each) for each in found if not isinstance(each, dict | list)] if isinstance(found, list) else []
