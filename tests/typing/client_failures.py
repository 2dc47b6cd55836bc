"""As client.py: failed runs, a sweep, the version."""

# mypy: disallow-any-expr, disallow-any-unimported

from __future__ import annotations

from typing import assert_type

import pandas as pd

import sim

swept = sim.sweep("overcommit.yaml", out="results/z", workers=1)
assert_type(swept.table, pd.DataFrame)
assert_type(swept.failed, int)
for assumption in sim.sensitivity("assumptions.yaml", "morris", workers=1).effects["vm"].effects:
    assert_type(assumption.parameter, str)
assert_type(sim.__version__, str)

try:
    sim.run("burst.yaml")
except sim.RunFailed as failed:
    for failure in failed.failures:
        assert_type(failure.error, str)
