"""Guests that have moved to another host: what they use there is none of this host's. Times in s, work in core-s."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import layout
from sim.engine.plane import DataPlane

EXAMPLES = 15 if os.environ.get("NUMBA_DISABLE_JIT") else 60


def plane_of(cores: float, arrivals: list[tuple[float, int, float]], **more) -> tuple[DataPlane, dict]:
    """A plane with arrivals (time, service, demand), and finishing times by (service, number) as they come."""
    ended: dict[tuple[int, int], float] = {}
    columns = list(zip(*sorted(arrivals), strict=True))
    chunk = SimpleNamespace(
        time=np.array(columns[0], float), service=np.array(columns[1], np.int32), demand=np.array(columns[2], float),
        u1=np.zeros(len(arrivals)), u2=np.zeros(len(arrivals)),
    )  # fmt: skip
    chunks = iter([chunk])

    def sink(rows) -> None:
        for row in rows[rows["status"] == layout.COMPLETED]:
            ended[int(row["service"]), int(row["number"])] = float(row["finish"])

    return DataPlane(cores, source=lambda: next(chunks, None), sink=sink, **more), ended


def finish(plane: DataPlane) -> None:
    assert plane.advance(1000.0) is None
    plane.end()


def test_it_takes_its_cpu_with_it() -> None:
    # one core, two guests of cap 1, a job each at 1 (1 and 2 of work): half a core each until the first leaves at 1.5.
    # It has 0.75 left and a core of its own there: 2.25. The other has 1.75 left and the host's core: 3.25
    plane, ended = plane_of(1.0, [(1.0, 0, 1.0), (1.0, 1, 2.0)])
    first, second = (plane.add_guest(plane.add_service(), 1.0, 1.0) for _ in range(2))
    plane.open(first)
    plane.open(second)
    plane.advance(1.5)
    plane.send_away(first)
    finish(plane)
    assert ended == {(0, 0): 2.25, (1, 0): 3.25}
    assert (plane.work(0)[0], plane.work_away(0)) == pytest.approx((0.25, 0.75), rel=1e-12)
    assert (plane.work(1)[0], plane.work_away(1)) == pytest.approx((2.0, 0.0), rel=1e-12)


def test_its_cap_goes_with_it_and_neighbours_there_do_not_bound_it() -> None:
    # two guests of cap 2 with three jobs of 1 each, both on the other host from the start of a host of half a core:
    # each has its 2 cores there, 2/3 a job, so all end after 1.5
    arrivals = [(1.0, service, 1.0) for service in (0, 1) for _ in range(3)]
    plane, ended = plane_of(0.5, arrivals)
    for _ in range(2):
        guest = plane.add_guest(plane.add_service(concurrency=3), 2.0, 2.0)
        plane.send_away(guest)
        plane.open(guest)
    finish(plane)
    assert list(ended.values()) == pytest.approx([2.5] * 6, rel=1e-12)
    assert plane.work_by_service().tolist() == [0.0, 0.0]
    assert plane.work_away(0) == pytest.approx(3.0, rel=1e-12)


def test_it_leaves_its_pool_and_the_pool_has_more_for_the_others() -> None:
    # 2 cores; VM 1 of 2 vCPUs with A and B, VM 2 of 2 vCPUs with C and D, 2 of work each at 1: half a core each.
    # At 2 A leaves: 1.5 left, alone there: 3.5. Then VM 1 wants 1, VM 2 wants 2: one core each. B: 3.5.
    # C and D have 1.5 left at 2, half a core each until 3.5 (0.75 left), then VM 2 has both cores: 4.25
    plane, ended = plane_of(2.0, [(1.0, service, 2.0) for service in range(4)])
    pools = [plane.add_pool(2.0, 2.0) for _ in range(2)]
    slots = [plane.add_guest(plane.add_service(), 1.0, 1.0, pools[i // 2]) for i in range(4)]
    for slot in slots:
        plane.open(slot)
    plane.advance(2.0)
    plane.send_away(slots[0])
    finish(plane)
    assert [ended[service, 0] for service in range(4)] == pytest.approx([3.5, 3.5, 4.25, 4.25], rel=1e-12)
    assert plane.work_by_service() == pytest.approx([0.5, 2.0, 2.0, 2.0], rel=1e-12)


def test_a_resize_there_holds_there() -> None:
    # cap 1 with two jobs of 1 from 1 on: half each; at 2 (half done each) the cap is 2: a core each, so 2.5
    plane, ended = plane_of(0.1, [(1.0, 0, 1.0), (1.0, 0, 1.0)])
    guest = plane.add_guest(plane.add_service(concurrency=2), 1.0, 1.0)
    plane.send_away(guest)
    plane.open(guest)
    plane.advance(2.0)
    plane.resize(guest, 2.0, 2.0)
    finish(plane)
    assert list(ended.values()) == pytest.approx([2.5, 2.5], rel=1e-12)
    assert plane.work(0)[0] == 0.0


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), storeys=st.booleans())
def test_to_those_left_behind_it_is_as_if_it_had_died(seed: int, storeys: bool) -> None:
    """Who moves and who dies free the same cores; and the work done here and there adds up to what was asked."""
    rng = np.random.default_rng(seed)
    n, at, cores = 4, float(rng.uniform(1.0, 8.0)), float(rng.uniform(0.5, 3.0))
    arrivals = [(float(rng.uniform(0, 10)), int(rng.integers(n)), float(rng.exponential(0.4))) for _ in range(60)]
    shares = [(float(rng.uniform(0.1, 4)), float(rng.choice([math.inf, rng.uniform(0.2, 3)]))) for _ in range(n)]
    runs = []
    for leaves in (DataPlane.send_away, DataPlane.remove):
        plane, ended = plane_of(cores, arrivals)
        pools = [plane.add_pool(2.0, weight) for weight in (1.0, 3.0)] if storeys else [0, 0]
        slots = [
            plane.add_guest(plane.add_service(concurrency=3), *share, pools[i % 2]) for i, share in enumerate(shares)
        ]
        for slot in slots:
            plane.open(slot)
        plane.advance(at)
        leaves(plane, slots[0])
        finish(plane)
        runs.append((plane, {key: value for key, value in ended.items() if key[0] > 0 or value <= at}))
    (moved, with_move), (dead, with_death) = runs
    assert {key: value for key, value in with_move.items() if key[0] > 0 or value <= at} == pytest.approx(with_death)
    assert moved.work_by_service() == pytest.approx(dead.work_by_service())
    asked = sum(demand for _, service, demand in arrivals if service == 0)
    assert moved.work(0)[0] + moved.work_away(0) == pytest.approx(asked)
