"""An answer of a study that can be drawn: its figure in a notebook is the one in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sim.report.answers.shown import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawn(Shown):
    """An answer that has a figure, too."""

    def draw(self, path: Path) -> None:
        """Save the figure, where there is something to draw."""
        raise NotImplementedError

    def plot(self) -> Figure:
        """The figure, not saved. Raises ValueError where there is nothing to draw."""
        from sim.report.figures.style import unsaved

        with unsaved() as figures:
            self.draw(Path("figure.png"))
        if not figures:
            raise ValueError("there is nothing to draw")
        return figures[0]
