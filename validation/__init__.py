"""The simulator beside a real kernel: real processes in real control groups, with the arrivals of a hostsim scenario.

`python -m validation measure` measures, `python -m validation report` puts what was measured beside what `sim.run`
says. What was measured before is kept under `validation/data/`, so that the comparison can be made everywhere.
"""
