"""How often and how sure: replications, precision, comparison over seeds, density search, sweeps.

`runner` makes one run, `run` one scenario, `sweep` many; `pool` and `executor` say where. `checks` loads a file and
tells everything that is wrong with it. Modules are imported where they are used: some load pandas or Dask.
"""
