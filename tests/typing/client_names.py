"""A name that is not there is refused, although names are imported on first use."""

from __future__ import annotations

import sim

print(sim.nothing)  # wrong
made: sim.Scenario = sim.Scenario.from_dict({"duration": "1min"}).with_({"host.cores": 8})
