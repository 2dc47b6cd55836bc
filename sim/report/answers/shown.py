"""How an answer shows itself in a notebook: its words, and its doubts before them."""

from __future__ import annotations

import html
from collections.abc import Iterable

from sim.terms.doubts import Doubt


class Shown:
    """An answer whose `repr` is its words; in a notebook its doubts stand before them."""

    def _repr_html_(self) -> str:
        """Doubts that are more than notes, then the words."""
        doubts: Iterable[Doubt] = getattr(self, "doubts", ())
        told = [each.line for each in doubts if each.severity != "note"]
        return f"<pre>{html.escape(chr(10).join([*told, repr(self)]))}</pre>"
