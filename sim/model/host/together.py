"""Several stories at once, which end together and are broken off together."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import simpy
from simpy.events import Event


def together(env: simpy.Environment, stories: Iterable[Generator[Event, Any, None]]) -> Generator[Event, Any, None]:
    """Process step: go through all of them at once; whoever breaks this off breaks off all."""
    steps = [env.process(story) for story in stories]
    both = env.all_of(steps)
    try:
        yield both
    finally:
        both.defused = True  # it fails with the steps that are interrupted here, and nobody waits for it then
        for step in steps:
            if step.is_alive:
                step.defused = True
                step.interrupt()
