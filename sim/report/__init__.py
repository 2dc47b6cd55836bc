"""From a run's raw records to metrics, files, tables and plots.

    metrics <- folder <- answers <- text <- results, joined <- trace, figures <- page

The names below are for notebooks and are imported on first use; code names the module that it means.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers.comparison import Comparison as Comparison
    from .answers.comparison import compare as compare
    from .folder.writer import ResultsError as ResultsError
    from .results import Results as Results
    from .results import load_results as load_results
    from .text.terminal import render as render

_HOME = {
    "Comparison": "answers.comparison",
    "compare": "answers.comparison",
    "ResultsError": "folder.writer",
    "Results": "results",
    "load_results": "results",
    "render": "text.terminal",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'sim.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_HOME)
