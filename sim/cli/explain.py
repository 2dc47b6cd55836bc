"""`explain`: what a metric or a doubt is, how it is found, and what to do."""

from __future__ import annotations

from argparse import Namespace

from . import DONE


def command(options: Namespace) -> int:
    """Print what a metric or a doubt means."""
    from sim.experiment.explaining import words

    print("\n".join(words(options.name)))
    return DONE
