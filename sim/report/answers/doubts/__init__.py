"""What a run shows against its own numbers: each doubt of `sim.terms.doubts` that needs a run."""
