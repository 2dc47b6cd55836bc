"""Shapley's shares: what each player of a game adds, on the mean over all orders in which they can come.

Source: Shapley, "A value for n-person games", 1953; in sensitivity analysis Owen, SIAM/ASA JUQ 2 (2014). The shares of
all players add up to worth(all) − worth(none).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from sim.terms.records import Array


def shapley(players: int, worth: Mapping[int, Array]) -> Array:
    """Shares (players, n) from the worth (n,) of every coalition, which is a number with one bit a player.

    >>> worth = {0: np.array([0.0]), 1: np.array([1.0]), 2: np.array([2.0]), 3: np.array([5.0])}
    >>> shapley(2, worth)[:, 0]
    array([2., 3.])
    """
    shares = np.zeros((players, *np.shape(worth[0])))
    for player in range(players):
        for coalition in range(1 << players):
            if coalition >> player & 1:
                continue
            size = coalition.bit_count()
            weight = 1.0 / (players * math.comb(players - 1, size))
            shares[player] += weight * (worth[coalition | 1 << player] - worth[coalition])
    return shares


def orders(players: int) -> list[list[int]]:
    """The coalitions on the way in one order of the players, and in its reverse."""
    ways = (range(players), range(players - 1, -1, -1))
    found: list[list[int]] = []
    for way in ways:
        steps = [0]
        for player in way:
            steps.append(steps[-1] | 1 << player)
        found.append(steps)
    return found


def both_ways(players: int, worth: Mapping[int, Array]) -> Array:
    """Shares (players, n) from one order and its reverse (`orders`): 2 (players - 1) worths, and the ends.

    They add up as Shapley's do, and are his where players act together in pairs only: each of a pair comes
    before the other in one of the two orders.
    """
    shares = np.zeros((players, *np.shape(worth[0])))
    for steps in orders(players):
        for before, after in itertools.pairwise(steps):
            player = (after ^ before).bit_length() - 1
            shares[player] += 0.5 * (worth[after] - worth[before])
    return shares


def alone(players: int, worth: Mapping[int, Array]) -> Array:
    """What each player adds when it comes first, shape (players, n)."""
    return np.array([worth[1 << player] - worth[0] for player in range(players)])


def last(players: int, worth: Mapping[int, Array]) -> Array:
    """What each player adds when it comes last, shape (players, n)."""
    full = (1 << players) - 1
    return np.array([worth[full] - worth[full ^ 1 << player] for player in range(players)])


def needed(players: int) -> Sequence[int]:
    """The coalitions between none and all that `both_ways` needs, each once."""
    full = (1 << players) - 1
    return sorted({each for steps in orders(players) for each in steps if each not in (0, full)})
