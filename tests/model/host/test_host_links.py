"""Links of the data plane against those worked out in control, and the bytes of requests and of starts on one link."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
import simpy

from sim.engine import steps
from sim.engine.environment import HybridEnvironment
from sim.engine.plane import DataPlane
from sim.model.host.bandwidth import Link, PlaneLink, SharedBandwidth

GROUPS = {"registry": 3.0}


def ends(seed: int, in_plane: bool) -> list[float]:
    """When each of some random transfers ends (NaN: broken off), with rates, a group's bound and another load."""
    rng = np.random.default_rng(seed)
    plane = DataPlane(1.0)
    env = HybridEnvironment(plane)
    capacity = float(rng.choice([2.0, 5.0, 20.0]))
    link: Link = SharedBandwidth(env, capacity, GROUPS)
    if in_plane:
        link = PlaneLink(env, plane.add_link(capacity), capacity, GROUPS)
    found = [nan] * 30

    def move(number: int, begin: float, size: float, rate: float, group: str):
        try:
            yield env.timeout(begin)
            yield from link.transfer(size, rate, group)
        except simpy.Interrupt:
            return
        found[number] = env.now

    def interrupt(story, after: float):
        yield env.timeout(after)
        if story.is_alive:
            story.interrupt()

    def load():
        for _ in range(4):
            yield env.timeout(float(rng.uniform(0, 8)))
            link.load(float(rng.uniform(0, 1.2)) * capacity)

    for number in range(len(found)):
        rate = float(rng.choice([inf, 0.5, 1.0, rng.uniform(0.1, 8.0)]))
        begin, size = float(rng.uniform(0, 20)), float(rng.uniform(0, 6))
        story = env.process(move(number, begin, size, rate, "registry" if rng.random() < 0.5 else ""))
        if rng.random() < 0.2:
            env.process(interrupt(story, float(rng.uniform(0, 30))))
    env.process(load())
    env.run(until=500.0)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_link_of_the_data_plane_is_the_link_of_control(seed: int) -> None:
    mine, wanted = ends(seed, True), ends(seed, False)
    assert mine == pytest.approx(wanted, rel=1e-7, nan_ok=True)  # that one rounds its alarms up to a microbyte
    assert np.isfinite(wanted).sum() > 20


def world(*kinds: list[steps.Step], times: list[float], link: float) -> tuple[DataPlane, HybridEnvironment, int, dict]:
    """One service on one guest, its only kind of request `kinds[0]` with links numbered from the plane's first."""
    from types import SimpleNamespace

    rows = [np.array(times), np.zeros(len(times), np.int32), *np.zeros((3, len(times)))]
    chunks = iter([SimpleNamespace(**dict(zip(("time", "service", "demand", "u1", "u2"), rows, strict=True)))])
    ended: dict[int, float] = {}
    plane = DataPlane(
        4.0,
        source=lambda: next(chunks, None),
        sink=lambda rows: ended.update((int(row["number"]), float(row["finish"])) for row in rows),
    )
    number = plane.add_link(link)
    service = plane.add_service(concurrency=8)
    plane.set_programs(service, [(1.0, kinds[0])], 1)
    plane.open(plane.add_guest(service, 1.0, 4.0))
    return plane, HybridEnvironment(plane), number, ended


def test_a_pull_and_a_request_share_one_link_exactly() -> None:
    """10 bytes/s. A pull of 100 at most at 4 from 0; requests of 30 at 1 and 2: 6 left for one, then 3.33 each."""
    plane, env, number, ended = world([steps.Move(1, 30.0)], times=[1.0, 2.0], link=10.0)
    link, done = PlaneLink(env, number, 10.0), []

    def pull():
        yield from link.transfer(100.0, 4.0)
        done.append(env.now)

    env.process(pull())
    env.run(until=100.0)
    plane.end()
    # from 2 on a third each, 10/3; the first has 24 to go: until 9.2; the second has 6 left then, the pull may have 4
    first = 2.0 + 24.0 / (10 / 3)
    second = first + 6.0 / 6.0
    pulled = 4.0 * 2.0 + (first - 2.0) * 10 / 3 + 4.0 * (second - first)
    assert ended == pytest.approx({0: first, 1: second})
    assert done == pytest.approx([second + (100.0 - pulled) / 4.0])


def test_a_guest_that_has_moved_uses_the_other_sites_link() -> None:
    """40 bytes at 10 bytes/s here; after 1 s it goes on where there are 5 bytes/s: 30 left take 6 s."""
    plane, env, number, ended = world([steps.Move(1, 40.0)], times=[0.0, 8.0], link=10.0)
    site, twins = plane.add_site({number: 5.0})
    assert twins != {number: number}
    done = []

    def go():
        yield env.timeout(1.0)
        plane.send_away(0, site)
        yield from PlaneLink(env, number, 10.0).transfer(20.0)
        done.append(env.now)  # it has the whole link of this host

    env.process(go())
    env.run(until=100.0)
    plane.end()
    assert ended == pytest.approx({0: 7.0, 1: 16.0})
    assert done == pytest.approx([3.0])
