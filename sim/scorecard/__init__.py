"""The scorecard: scenarios whose answer is known, run, and what the simulator says beside what is known.

    cases/*.yaml -> specs (what a case is) -> loading -> building (its scenarios) -> running -> scoring -> study, page

A case is a few lines of YAML: docs/how-to/scorecard.md says how to add one.
"""
