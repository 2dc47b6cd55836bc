"""What a user's script sees of `import sim`, under `mypy --strict` and without Any. Checked, never run."""

# mypy: disallow-any-expr, disallow-any-unimported

from __future__ import annotations

from pathlib import Path
from typing import Literal, assert_type

import pandas as pd
from matplotlib.figure import Figure

import sim

scenario = sim.load_scenario("burst.yaml", overrides=["host.cores=4"], platforms=["vm"], replications=3, seed=1)
assert_type(scenario.duration, float)
assert_type(scenario.name, str)

result = sim.run(scenario, replications=5, workers=2, out="results/x", progress=lambda done, total: print(done, total))
assert_type(result.summary, pd.DataFrame)
assert_type(result.guests, pd.DataFrame)
assert_type(result.timeline, pd.DataFrame)
assert_type(result.events, pd.DataFrame)
assert_type(result.response, pd.DataFrame)
assert_type(result.table(), str)

again = sim.load_results("results/x")
assert_type(again.summary, pd.DataFrame)
assert_type(sim.compare([result, again, "results/y"]).paired, bool)

for answer in sim.density("steady.yaml", "services.api.replicas", stop=10, platforms=["vm"]):
    assert_type(answer.platform, str)
    assert_type(answer.most, float | None)

crossing = sim.crossover("burst.yaml", "host.cores", 2, 16, whole=True)
for each in crossing.crossings:
    assert_type(each.at, float)

wider = scenario.with_({"host.cores": 8, "traffic": 1.3})
assert_type(wider.host.cores, float)
for doubt in [*result.doubts, *sim.validate(wider), *crossing.doubts]:
    assert_type(doubt.severity, Literal["wrong", "weak", "note"])
assert_type(sim.density(wider).plot(), Figure)
assert_type(crossing.plot(), Figure)
assert_type(result.why().plot(), Figure)
assert_type(sim.page(result), Path)
assert_type(sim.reproduce(result).same, bool)
assert_type(sim.scorecard(only="M/M/1").median_error, float | None)
assert_type(sim.catalogue(), list[str])
assert_type(sim.explain("survivors"), str)
assert_type(sim.init("prometheus", ["cpu.json"]), str)
if (observed := result.observed) is not None:
    assert_type(observed.lines[0].error("container"), float | None)
