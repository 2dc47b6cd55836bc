"""Named random streams: one independent generator for every (seed, replication, stream name).

A stream's name says what is drawn from it (``arrivals/shop/0``, ``demand/shop``, ``routing/shop``, …) and
never which platform meets it: every platform of a scenario sees the same draws (common random numbers, Law,
Simulation Modeling and Analysis, 5th ed., section 11.2), and a service that is added or removed changes no
other service's.

The bit generator is SFC64: the fastest of NumPy's
(https://numpy.org/doc/stable/reference/random/performance.html), statistically sound, and its 256-bit state
holds a 64-bit counter, so no stream is shorter than 2**64 draws. It cannot jump ahead, which nothing here
needs, because streams are told apart by their seed alone.
"""

from __future__ import annotations

import hashlib

import numpy as np

#: 32-bit words of a name's SHA-256 that enter the seed: at 128 bits two names of one scenario never meet.
_NAME_WORDS = 4


def seed_sequence(seed: int, replication: int, name: str) -> np.random.SeedSequence:
    """Return the seed sequence of one stream.

    The name enters through its SHA-256, not through ``hash()``, which differs from process to process.

    Raises ``ValueError`` if ``seed`` or ``replication`` is negative or ``name`` is empty.
    """
    if seed < 0 or replication < 0:
        raise ValueError(f"seed and replication must not be negative, found {seed} and {replication}")
    if not name:
        raise ValueError("a random stream needs a name")
    digest = hashlib.sha256(name.encode("utf-8")).digest()
    words = (int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(_NAME_WORDS))
    return np.random.SeedSequence(seed, spawn_key=(replication, *words))


def generator(seed: int, replication: int, name: str) -> np.random.Generator:
    """Return the generator of the stream ``name`` in a replication, at its beginning.

    Equal arguments give equal draws, on any machine and in any process; different arguments give independent
    ones. Raises ``ValueError`` as :func:`seed_sequence`.
    """
    return np.random.Generator(np.random.SFC64(seed_sequence(seed, replication, name)))
