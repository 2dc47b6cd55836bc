"""How much a step moves over the disk or the network, and in how many operations or packets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from sim.scenario.requests import (
    ParallelStep,
    ReadsStep,
    ReadStep,
    ReceiveStep,
    SendStep,
    Step,
    WritesStep,
    WriteStep,
)

PACKET: Final = 1448.0
"""Bytes: an Ethernet frame of 1,500 less the headers of IP (20), TCP (20) and its time stamps (12)."""
OPERATION: Final = 128 * 1024.0
"""Bytes: read_ahead_kb of a Linux block device, the most that its readahead asks for."""
PAGE: Final = 4096.0
"""Bytes: a page of memory and of the page cache."""

LinkName = Literal["read", "write", "network"]


class Amount(NamedTuple):
    """`size` bytes over a link, in `units` operations of the disk or packets of the network."""

    link: LinkName
    size: float
    units: int


def amount(step: Step) -> Amount | None:
    """What a step moves; None of a step that moves nothing."""
    match step:
        case ReadStep(read=size):
            return Amount("read", size, math.ceil(size / OPERATION))
        case WriteStep(write=size):
            return Amount("write", size, math.ceil(size / OPERATION))
        case ReadsStep(reads=n):
            return Amount("read", n * PAGE, n)
        case WritesStep(writes=n):
            return Amount("write", n * PAGE, n)
        case SendStep(send=size) | ReceiveStep(receive=size):
            return Amount("network", size, math.ceil(size / PACKET))
    return None


def links_used(programs: Iterable[Sequence[Step]]) -> set[LinkName]:
    """The links that programs move any bytes over."""
    return {each.link for steps in programs for each in _moves(steps) if each.size > 0.0}


def bytes_moved(programs: Sequence[tuple[float, Sequence[Step]]], link: LinkName) -> float:
    """Bytes that a request of these (share, steps) moves over a link, in the mean over its kinds."""
    whole = sum(share for share, _ in programs)
    moved = sum(share * sum(each.size for each in _moves(steps) if each.link == link) for share, steps in programs)
    return moved / whole if whole else 0.0


def _moves(steps: Sequence[Step]) -> Iterator[Amount]:
    for step in steps:
        if isinstance(step, ParallelStep):
            for branch in step.parallel:
                yield from _moves(branch)
        elif (moves := amount(step)) is not None:
            yield moves
