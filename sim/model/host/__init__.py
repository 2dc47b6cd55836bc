"""The host and the machines on it: what they have, and what of it is promised."""
