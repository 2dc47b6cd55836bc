"""How often and how sure: replications, precision, comparison over seeds, density search, sweeps.

`replications` makes one run and one scenario, `sweep` many points, `density` and `crossover` search, `sensitivity`
weighs assumptions; `workers` says where runs are made. `checks` loads a file and tells everything that is wrong with
it. Modules are imported where they are used: some load pandas or Dask.
"""
