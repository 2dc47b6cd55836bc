"""Many scenario points, in parallel, resumable."""
