"""One run, and the replications of one scenario."""
