"""From what a Prometheus has recorded to a scenario that replays it: rates, demands, laws, sizes, what was observed."""
