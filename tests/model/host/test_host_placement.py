"""What a size is promised and what bounds it, by the two policies of allocation: arithmetic alone."""

from __future__ import annotations

from math import inf

import pytest

from model.small_world import GIB, HOST, platform, service, small_world
from sim.engine import layout
from sim.model.host.placement import PeriodLimit, admission_limits, oom_score_adj, share_of, vm_share
from sim.model.run import world_of
from sim.scenario import Size, scenario_from_text

COSTS = {"cpu": {"request_per_guest": 0.25}, "memory": {"per_guest": "1GiB", "guest_os": "2GiB"}}


def size(cpu: float, limit: float | None, memory: float, most: float | None) -> Size:
    return Size(cpu_request=cpu, cpu_limit=limit, memory_request=memory * GIB, memory_limit=most and most * GIB)


def test_a_vm_holds_whole_vcpus_and_all_its_ram() -> None:
    share = share_of(platform("vm", changes=COSTS), size(0.5, 1.5, 4, 8), 64 * GIB)
    assert (share.weight, share.cap, share.cpu) == (2.0, 2.0, 2.25)  # rounded up; what admission adds is only promised
    assert (share.ram, share.memory) == (8 * GIB, 9 * GIB)
    assert (share.application, share.resident) == (6 * GIB, 3 * GIB)
    assert share.score == 0


def test_a_vm_without_limits_has_its_requests() -> None:
    share = share_of(platform("vm"), size(0.0, None, 4, None), 64 * GIB)
    assert (share.cap, share.ram) == (1.0, 4 * GIB)
    assert vm_share(platform("vm"), 3.0, 4 * GIB).cap == 3.0


def test_a_container_holds_its_requests_and_is_bounded_by_its_limits() -> None:
    share = share_of(platform(changes=COSTS), size(0.5, 1.5, 4, 8), 64 * GIB)
    assert (share.weight, share.cap, share.cpu) == (0.5, 1.5, 0.75)
    assert (share.memory, share.application, share.ram) == (4 * GIB, 8 * GIB, 0.0)  # the shim is the host's loss
    assert share.resident == 3 * GIB
    free = share_of(platform(), size(0.0, None, 0, None), 64 * GIB)
    assert (free.weight, free.cap, free.application) == (0.002, inf, inf)


def test_a_sandbox_with_a_kernel_of_its_own_adds_it_to_what_is_promised() -> None:
    own = platform(changes={**COSTS, "kernel": "own"})
    assert share_of(own, size(1, 1, 4, 4), 64 * GIB).memory == 7 * GIB


@pytest.mark.parametrize(
    ("given", "score"),
    [
        (size(1, 1, 1, 1), -997),
        (size(0, None, 0, None), 1000),
        (size(1, 2, 16, 32), 750),
        (size(1, None, 64, None), 2),
        (size(1, None, 0, None), 999),
    ],
)
def test_the_score_is_that_of_kubernetes_classes(given: Size, score: int) -> None:
    assert oom_score_adj(given, 64 * GIB) == score


def test_only_what_is_reserved_may_be_promised_twice() -> None:
    extra = "cpu_overcommit: 2\nmemory_overcommit: 1.5"
    host = {"memory": {"host": "2GiB"}}
    for name, limits in (("vm", (8.0, 9 * GIB)), ("container", (4.0, 6 * GIB))):
        own = platform(name, changes=host)
        assert admission_limits(small_world(extra=extra, on=own).scenario, own) == limits


@pytest.mark.parametrize(
    ("wants", "fluid", "limit", "by_period"),
    [
        (2.0, False, 1.5, True),
        (1.5, False, 1.5, False),  # it cannot want more
        (2.0, True, 1.5, False),  # the scenario wants caps on the rate
        (2.0, False, None, False),
    ],
)
def test_a_limit_that_can_be_reached_is_by_period_where_the_platform_has_such(
    wants: float, fluid: bool, limit: float | None, by_period: bool
) -> None:
    given = Size(cpu_request=0.5, cpu_limit=limit, memory_request=GIB, memory_limit=None, cpu_burst=0.05)
    share = share_of(platform(), given, 64 * GIB, wants, fluid)
    assert share.quota == (PeriodLimit(1.5, 0.1, 0.05) if by_period else None)
    assert share.cap == (inf if by_period or limit is None else limit)
    assert (share.weight, share.cpu) == (0.5, 0.5)  # weight and promise know no quota
    for other in (platform(changes={"cpu": {"quota": "fluid"}}), platform("vm")):
        assert share_of(other, given, 64 * GIB, wants, fluid).quota is None
    assert share_of(platform("vm"), given, 64 * GIB, wants, fluid).cap == (2.0 if limit else 1.0)


def test_the_period_is_the_platforms() -> None:
    given = Size(cpu_request=1, cpu_limit=1, memory_request=GIB, memory_limit=GIB)
    share = share_of(platform(changes={"cpu": {"period": "20ms"}}), given, 64 * GIB, 2.0, False)
    assert share.quota == PeriodLimit(1.0, 0.02, 0.0)


def test_threads_of_a_core_are_promised_and_their_gain_is_what_there_is_to_share() -> None:
    """Two threads of each of four cores: 8 are promised (16 at an overcommit of 2), and 4 x 1.25 = 5 are shared."""
    host = f"{HOST}, threads_per_core: 2, smt_gain: 1.25"
    for name, promised in (("vm", 16.0), ("container", 8.0)):
        world = small_world(extra="cpu_overcommit: 2", on=platform(name), host=host)
        assert admission_limits(world.scenario, world.platform)[0] == promised
    plain = small_world(on=platform())
    assert world.scenario.host.effective_cores == 5.0
    assert plain.scenario.host.effective_cores == plain.scenario.host.hardware_threads == 4.0


@pytest.mark.parametrize(("more", "seconds"), [("", 1.6), (", threads_per_core: 2, smt_gain: 1.25", 1.28)])
def test_a_host_with_threads_is_as_fast_as_their_gain(more: str, seconds: float) -> None:
    """Eight guests with 0.8 core-s each: 6.4 core-s on 4 cores, and on 4 x 1.25."""
    text = f"name: smt\nduration: 10s\nhost: {{{HOST}{more}}}\nplatforms: [container]\nservices:\n"
    text += service(size="{cpu: {request: 1}, memory: {request: 1GiB}}", concurrency=8, start_cpu="0s", replicas=1)
    scenario = scenario_from_text(text)
    world = world_of(scenario, platform(), 0)
    number = world.plane.add_service(concurrency=8)
    done: list[float] = []
    for guest in [world.plane.add_guest(number, 1.0, inf) for _ in range(8)]:
        event = world.env.compute(guest, 0.8, layout.WORK_BOOT)
        event.callbacks.append(lambda _: done.append(world.env.now))
    world.env.run(until=9.0)
    assert done == [pytest.approx(seconds)] * 8
