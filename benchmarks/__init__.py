"""Side-by-side benchmarks of the simulator and of its peers: one command, `python -m benchmarks`."""
