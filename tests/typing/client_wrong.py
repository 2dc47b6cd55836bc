"""What a type checker must refuse: each marked line, and no other."""

from __future__ import annotations

import sim

sim.load_scenario(1)  # wrong
sim.run("burst.yaml", replications="5")  # wrong
print(sim.run("burst.yaml").nothing)  # wrong
print(sim.density("burst.yaml")[0].nothing)  # wrong
sim.crossover("burst.yaml")  # wrong
sim.run("burst.yaml").table() + 1  # wrong
sim.run("burst.yaml").table() + "1"
sim.Scenario.from_dict("burst.yaml")  # wrong
print(sim.run("burst.yaml").why().plot().nothing)  # wrong
