"""The comparison as text."""
