"""Chance: named random streams, and samplers of the scenario's distributions."""
