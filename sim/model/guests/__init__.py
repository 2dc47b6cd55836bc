"""Guests: what they are, how they start, live and end, and how many of them a service has."""
