"""Whole random hosts: what must hold, holds (`random_hosts.py` has the generator, and the nightly form)."""

from __future__ import annotations

import os
from collections import Counter

import pytest
import random_hosts
from random_hosts import Broken, host, shrunk

HOSTS = 10 if os.environ.get("NUMBA_DISABLE_JIT") else 100


@pytest.mark.slow
def test_what_must_hold_holds_for_random_hosts_that_meet_all_that_may_happen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(HOSTS):
        try:
            seen += random_hosts.check(host(seed))
        except Exception as error:
            raise AssertionError(f"host {seed}: python tests/model/random_hosts.py --hosts 1 --seed {seed}") from error
    if HOSTS == 100:
        wanted = ("oom-kill", "move", "resized", "refused", "app-crash", "requests", "guests", "swapped")
        assert [each for each in wanted if not seen[each]] == []


def test_a_host_that_breaks_is_told_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(tree: dict[str, object]) -> bool:
        services = tree["services"]
        assert isinstance(services, dict)
        return "s0" in services and "traffic" in services["s0"]

    tree = next(host(seed) for seed in range(100) if len(host(seed)["services"]) > 2 and host(seed).get("faults"))
    small = shrunk(tree, same)
    assert list(small["services"]) == ["s0"]
    assert list(small["services"]["s0"]) == ["traffic"]
    assert not small.get("faults")
    with pytest.raises(Broken, match="lost"):
        random_hosts.held(False, "lost")
