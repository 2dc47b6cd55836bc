"""Containers inside VMs in the kernel: two storeys of sharing, against brute force and by hand. Times in s."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapter import KernelRun, assert_agreement
from oracle.storeys import Pool, Storeys, storeys, two_level_rates
from sim.engine import layout
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane

EXAMPLES = 40 if os.environ.get("NUMBA_DISABLE_JIT") else 300


class StoreyRun(KernelRun):
    """A case on the kernel, its guests in pools 1, 2, …; pool 0, the host, has none of its own."""

    def __init__(self, storeys: Storeys) -> None:
        super().__init__(storeys.case)
        self.storeys = storeys
        self.pools = [self.plane.add_pool(pool.cores, pool.weight) for pool in storeys.pools]
        for each in storeys.resizes:
            self.env.process(self._resize(each))

    def _guest(self, number: int) -> int:
        g = self.case.guests[number]
        return self.plane.add_guest(g.service, g.weight, g.cap, self.pools[self.storeys.pool_of[number]])

    def _resize(self, each):
        yield self.env.timeout(each.time)
        self.plane.set_capacity(each.cores, 0 if each.pool < 0 else self.pools[each.pool])


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(storeys=storeys())
def test_two_storeys_agree_with_brute_force(storeys: Storeys) -> None:
    assert_agreement(StoreyRun(storeys), storeys.expected())


# the brute force itself, by hand and by what must hold


def test_rates_by_hand() -> None:
    # 4 cores, two VMs of 3 vCPUs (overcommit 1.5): the first wants 3 of its 4, the second 1.5
    # equal weights: the second has its 1.5 (less than half), the first the other 2.5
    # in the first, weights 1 and 4 and wants of 2 each: level 2.5/5, so 0.5 and 2
    pools = [Pool(3, 3), Pool(3, 3)]
    assert two_level_rates(4, pools, [0, 0, 1], [2, 2, 1.5], [1, 4, 1]) == pytest.approx([0.5, 2, 1.5])
    # flat, the same three guests would share otherwise: what a VM is given stays in it
    assert two_level_rates(4, [Pool(9, 1)], [0, 0, 0], [2, 2, 1.5], [1, 4, 1]) == pytest.approx([1, 2, 1])


@given(
    cores=st.floats(0.5, 16),
    pools=st.lists(st.tuples(st.floats(0.5, 8), st.floats(0.1, 8)), min_size=1, max_size=5),
    guests=st.lists(st.tuples(st.integers(0, 4), st.floats(0.1, 4), st.floats(0.1, 8)), min_size=1, max_size=12),
)
def test_brute_force_is_max_min(cores, pools, guests) -> None:
    """Nothing is left over that somebody wants, no bound is passed, and only the richer has to give."""
    made = [Pool(*pool) for pool in pools]
    pool_of = [pool % len(made) for pool, _, _ in guests]
    demands, weights = [d for _, d, _ in guests], [w for _, _, w in guests]
    rates = two_level_rates(cores, made, pool_of, demands, weights)
    given_to = [math.fsum(r for r, own in zip(rates, pool_of, strict=True) if own == p) for p in range(len(made))]
    wanted = [
        min(pool.cores, math.fsum(d for d, own in zip(demands, pool_of, strict=True) if own == p))
        for p, pool in enumerate(made)
    ]
    assert math.fsum(given_to) == pytest.approx(min(cores, math.fsum(wanted)))
    assert all(got <= want * (1 + 1e-9) for got, want in zip(given_to, wanted, strict=True))
    assert all(rate <= demand * (1 + 1e-9) for rate, demand in zip(rates, demands, strict=True))
    short = [got / pool.weight for got, want, pool in zip(given_to, wanted, made, strict=True) if got < want - 1e-9]
    if short:  # the short ones have one level, and nobody a higher one
        assert max(short) == pytest.approx(min(short))
        assert all(got / pool.weight <= max(short) * (1 + 1e-9) for got, pool in zip(given_to, made, strict=True))


# the kernel by hand


def plane_of(cores: float, arrivals: list[tuple[float, int, float]], **more) -> tuple[DataPlane, list]:
    """A plane with arrivals (time, service, demand), and the list that ended requests go to."""
    ended: list[tuple[int, float]] = []
    columns = list(zip(*arrivals, strict=True)) if arrivals else [(), (), ()]
    chunk = SimpleNamespace(
        time=np.array(columns[0], float), service=np.array(columns[1], np.int32), demand=np.array(columns[2], float),
        u1=np.zeros(len(arrivals)), u2=np.zeros(len(arrivals)),
    )  # fmt: skip
    chunks = iter([chunk])

    def sink(rows) -> None:
        ended.extend((int(row["service"]), float(row["finish"])) for row in rows)

    return DataPlane(cores, source=lambda: next(chunks, None), sink=sink, **more), ended


def test_a_vm_gives_to_its_containers_what_the_host_gives_to_it() -> None:
    # 2 cores; VM 1 of 2 vCPUs with containers A (weight 1) and B (weight 3), VM 2 of 2 vCPUs with C; a job each at 1
    # VM 1 wants 2, VM 2 wants 1, equal weights: one core each. A 1/4, B 3/4, C 1.
    # C (0.5 of work) ends at 1.5: VM 1 has 2 cores, A and B one each.
    # Until then A did 1/8, B 3/8; A (1 of work) ends at 1.5 + 7/8 = 2.375, B (1 of work) at 1.5 + 5/8 = 2.125
    plane, ended = plane_of(2.0, [(1.0, 0, 1.0), (1.0, 1, 1.0), (1.0, 2, 0.5)])
    for _ in range(3):
        plane.add_service()
    one, two = plane.add_pool(2.0, 2.0), plane.add_pool(2.0, 2.0)
    for service, (weight, pool) in enumerate([(1.0, one), (3.0, one), (1.0, two)]):
        plane.open(plane.add_guest(service, weight, math.inf, pool))
    assert plane.advance(10.0) is None
    plane.end()
    assert ended == [(2, 1.5), (1, 2.125), (0, 2.375)]
    assert [plane.work(service)[0] for service in range(3)] == pytest.approx([1.0, 1.0, 0.5], rel=1e-12)


def test_a_vm_is_bounded_by_its_vcpus_on_an_idle_host() -> None:
    # 8 cores, a VM of 1 vCPU, two containers of equal weight: half a core each, so 1 of work takes 2 s
    plane, ended = plane_of(8.0, [(1.0, 0, 1.0), (1.0, 1, 1.0)])
    pool = plane.add_pool(1.0, 1.0)
    for _ in range(2):
        plane.open(plane.add_guest(plane.add_service(), 1.0, math.inf, pool))
    plane.advance(10.0)
    plane.end()
    assert ended == [(0, 3.0), (1, 3.0)]


def test_host_and_pools_do_not_mix() -> None:
    plane, _ = plane_of(4.0, [])
    service = plane.add_service()
    plane.add_pool(2.0)
    with pytest.raises(ValueError, match="in one of them"):
        plane.add_guest(service, 1.0, 1.0)
    flat, _ = plane_of(4.0, [])
    flat.add_guest(flat.add_service(), 1.0, 1.0)
    with pytest.raises(ValueError, match="no guests of its own"):
        flat.add_pool(2.0)


@example(seed=0)
@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_work_is_conserved_through_churn_pauses_and_resizes(seed: int) -> None:
    """Guests come, go, pause and are resized in pools that overcommit the host: the cores are never exceeded, and
    what the pools' memory holds is what their guests were charged."""
    rng = np.random.default_rng(seed)
    plane, _ = plane_of(4.0, [])
    env = HybridEnvironment(plane)
    service = plane.add_service(concurrency=2)
    pools = [plane.add_pool(float(rng.integers(1, 4))) for _ in range(3)]
    alive: dict[int, tuple[int, float]] = {}
    for _ in range(60):
        act = rng.integers(0, 5)
        if act == 0 or not alive:
            pool = int(rng.choice(pools))
            slot = plane.add_guest(service, float(rng.uniform(0.1, 4)), float(rng.uniform(0.2, 3)), pool)
            alive[slot] = (pool, float(rng.integers(1, 9)))
            plane.set_memory(slot, alive[slot][1])
            env.compute(slot, float(rng.uniform(0.5, 5)), layout.WORK_BOOT)
        else:
            slot = int(rng.choice(list(alive)))
            if act == 1:
                env.forget(slot)
                plane.remove(slot)
                del alive[slot]
            elif act == 2:
                plane.pause(slot, bool(rng.integers(0, 2)))
            elif act == 3:
                plane.resize(slot, float(rng.uniform(0.1, 4)), float(rng.uniform(0.2, 3)))
            else:
                plane.set_capacity(float(rng.uniform(0.5, 4)), int(rng.choice(pools)))
        plane.book()
        before, began = plane.work(service)[1], env.now
        env.run(until=began + float(rng.uniform(0.01, 0.5)))
        plane.book()
        assert plane.work(service)[1] - before <= 4.0 * (env.now - began) * (1 + 1e-9)
        for pool in pools:
            assert plane.pool_memory(pool) == sum(size for own, size in alive.values() if own == pool)


def test_a_pool_out_of_memory_is_told_apart_from_the_host() -> None:
    # two VMs of 100 bytes each, 10 a request in service; the third request in the second passes 100
    plane, _ = plane_of(8.0, [(1.0, 0, 9.0), (1.5, 1, 9.0), (2.0, 1, 9.0), (2.5, 1, 9.0)], memory_limit=1000.0)
    first, second = (plane.add_pool(4.0, 4.0, 100.0) for _ in range(2))
    slots = []
    for pool in (first, second):
        slots.append(plane.add_guest(plane.add_service(concurrency=4, per_request=10.0), 1.0, math.inf, pool))
        plane.set_memory(slots[-1], 75.0)
        plane.open(slots[-1])
    stop = plane.advance(10.0)
    assert stop == (layout.POOL_OOM, 2.5, second)
    assert (plane.pool_memory(first), plane.pool_memory(second), plane.memory_used) == (85.0, 105.0, 190.0)
    plane.kill(slots[1])
    assert (plane.pool_memory(second), plane.memory_used) == (75.0, 160.0)
    assert plane.advance(3.0) is None
