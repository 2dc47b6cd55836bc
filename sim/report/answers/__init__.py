"""Platforms side by side, who did better, and when to use which."""
