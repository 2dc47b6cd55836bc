"""One question a figure; each is drawn from tables and saved as PNG."""
