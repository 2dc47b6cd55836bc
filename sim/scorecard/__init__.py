"""The scorecard: scenarios whose answer is known, run, and what the simulator says beside what is known.

    cases/*.yaml -> specs (what a case is) -> loading -> building (its scenarios) -> running -> scoring -> study, page

A case is a few lines of YAML: docs/how-to/scorecard.md says how to add one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """`sim.scorecard` is this package once one of its files is imported; it is to be the function `scorecard` too."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        from sim.scorecard.asking import scorecard

        return scorecard(*given, **named)


sys.modules[__name__].__class__ = _Callable
