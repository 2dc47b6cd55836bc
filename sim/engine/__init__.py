"""The two-plane clock: SimPy for control, a compiled kernel for the requests."""
