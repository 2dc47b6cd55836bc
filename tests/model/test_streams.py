"""Random streams are named, independent, and the same everywhere."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from sim.model.chance.streams import generator, seed_sequence


def test_equal_names_give_equal_draws_and_any_difference_other_draws():
    first = generator(7, 0, "arrivals/shop/0").random(64)
    assert np.array_equal(first, generator(7, 0, "arrivals/shop/0").random(64))
    others = [
        (8, 0, "arrivals/shop/0"),
        (7, 1, "arrivals/shop/0"),
        (7, 0, "arrivals/shop/1"),
        (7, 0, "demand/shop"),
    ]
    for a, b in combinations([(7, 0, "arrivals/shop/0"), *others], 2):
        assert not np.any(generator(*a).random(64) == generator(*b).random(64)), (a, b)


def test_a_stream_is_the_same_in_another_process():
    # hash() of a text differs from process to process; the seed of a stream must not
    code = "from sim.model.chance.streams import seed_sequence as s; print(*s(7, 3, 'demand/shop').generate_state(4))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [int(word) for word in found.split()] == seed_sequence(7, 3, "demand/shop").generate_state(4).tolist()


def test_streams_of_one_seed_are_not_correlated():
    n, streams = 4096, 40
    draws = np.array([generator(1, 0, f"arrivals/shop-{i:02d}/0").random(n) for i in range(streams)])
    correlations = np.corrcoef(draws)[np.triu_indices(streams, 1)] * np.sqrt(n)  # standard normal if independent
    assert np.abs(correlations).max() < 4.7  # 780 pairs: P(beyond) < 0.2 %
    assert 0.85 < correlations.std() < 1.15


@pytest.mark.parametrize(("seed", "replication", "name"), [(-1, 0, "a"), (0, -1, "a"), (0, 0, "")])
def test_what_cannot_be_a_seed_is_refused(seed, replication, name):
    with pytest.raises(ValueError, match=r"negative|name"):
        generator(seed, replication, name)
