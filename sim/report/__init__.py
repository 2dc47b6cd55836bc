"""From a run's raw records to metrics, files, tables and plots.

Names are imported on first use, so that `import sim.report` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "records": ("RunRecords", "RequestTally", "Sample", "ScenarioView", "STATUSES"),
    "measures": ("Row", "metrics"),
    "samples": ("response_curve", "quantiles"),
    "tables": ("RunTables", "run_tables"),
    "requests": ("RequestPartWriter", "merge_parts"),
    "store": ("Results", "ResultsError", "RunWriter", "load_results"),
    "statistics": ("Interval", "mean_interval", "paired_difference", "unpaired_difference"),
    "comparison": ("Comparison", "compare", "comparison_dict"),
    "table": ("comparison_table", "make_console", "render"),
    "verdict": ("conclude",),
    "when_to_use": ("Answer", "answers"),
    "figures": ("prepare", "save_plots"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from .comparison import Comparison as Comparison
    from .comparison import compare as compare
    from .comparison import comparison_dict as comparison_dict
    from .figures import prepare as prepare
    from .figures import save_plots as save_plots
    from .measures import Row as Row
    from .measures import metrics as metrics
    from .records import STATUSES as STATUSES
    from .records import RequestTally as RequestTally
    from .records import RunRecords as RunRecords
    from .records import Sample as Sample
    from .records import ScenarioView as ScenarioView
    from .requests import RequestPartWriter as RequestPartWriter
    from .requests import merge_parts as merge_parts
    from .samples import quantiles as quantiles
    from .samples import response_curve as response_curve
    from .statistics import Interval as Interval
    from .statistics import mean_interval as mean_interval
    from .statistics import paired_difference as paired_difference
    from .statistics import unpaired_difference as unpaired_difference
    from .store import Results as Results
    from .store import ResultsError as ResultsError
    from .store import RunWriter as RunWriter
    from .store import load_results as load_results
    from .table import comparison_table as comparison_table
    from .table import make_console as make_console
    from .table import render as render
    from .tables import RunTables as RunTables
    from .tables import run_tables as run_tables
    from .verdict import conclude as conclude
    from .when_to_use import Answer as Answer
    from .when_to_use import answers as answers


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'sim.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_HOME)
