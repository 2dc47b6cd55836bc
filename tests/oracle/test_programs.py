"""The oracle of programs against timelines worked out by hand, and what its random cases reach."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from .oracle import Arrival, Guest, Outcome, Service
from .program_cases import FEATURES, Shape, grid_stack, random_stack
from .program_limits import LimitedStack
from .program_steps import Call, Cpu, Fall, Law, Move, Numbers, Parallel, Program, Step, Wait, mix
from .programs import Stack
from .quotas import Change, Limit
from .storeys import Pool, Resize

FREE = Service(8, None, None, None, "round-robin")


def cpu(work: float) -> Cpu:
    return Cpu(Law("constant", work))


def wait(time: float) -> Wait:
    return Wait(Law("constant", time))


def stack(programs: list[list[Step]], *times: float, services: list[Service] | None = None, **more: object) -> Stack:
    """One guest a service, on many cores; requests come to the first service."""
    own = services or [FREE] * len(programs)
    guests = more.pop("guests", [Guest(number, 1.0, math.inf) for number in range(len(own))])
    arrivals = [Arrival(time, 0, 0.0, 0.0, 0.0) for time in times or (0.0,)]
    kinds = [Program([(1.0, steps)], number) for number, steps in enumerate(programs)]
    return Stack(64.0, own, kinds, guests, more.pop("links", []), arrivals, more.pop("falls", []), 100.0)


def ends(case: Stack, service: int = 0) -> list[tuple[str, float]]:
    return [(outcome.status, outcome.finish) for outcome in case.expected().outcomes[service]]


def test_steps_come_one_after_the_other_and_the_time_is_told_apart():
    case = stack(
        [[cpu(1.0), wait(2.0), Move(0, 4.0), Call(1), cpu(0.0), wait(0.0)], [cpu(0.5), wait(0.25)]], links=[8.0]
    )
    result = case.expected()
    assert ends(case) == [("completed", 4.25)]
    assert result.outcomes[1] == [Outcome(1, 3.5, 4.25, "completed")]
    spent = {part: time for part, time in result.parts[0].items() if time}
    assert spent == {"cpu": 1.0, "wait": 2.0, "disk": 0.5, "calls": 0.75}
    assert (result.calls, result.completed) == ([0, 1], [1, 1])


def test_links_and_caps_are_shared():
    assert ends(stack([[Move(0, 4.0)]], 0.0, 1.0, links=[2.0])) == [("completed", 3.0), ("completed", 4.0)]
    case = stack([[cpu(1.0)]], 0.0, 0.0, guests=[Guest(0, 1.0, 1.0)])
    assert ends(case) == [("completed", 2.0)] * 2
    assert case.expected().parts[0]["contention"] == 2.0


def test_a_place_is_held_while_a_request_waits():
    one = replace(FREE, concurrency=1)
    assert ends(stack([[wait(2.0)]], 0.0, 0.5, services=[one])) == [("completed", 2.0), ("completed", 4.0)]


def test_branches_are_joined_and_the_last_one_counts():
    case = stack([[Parallel([[wait(1.0)], [cpu(3.0)], []]), wait(1.0)]])
    assert ends(case) == [("completed", 4.0)]
    assert case.expected().parts[0] == {**dict.fromkeys(case.expected().parts[0], 0.0), "cpu": 3.0, "wait": 1.0}


def test_a_branch_that_fails_fails_the_request_when_all_have_ended():
    no = replace(FREE, concurrency=1, queue=0)
    busy = [Parallel([[Call(1), cpu(9.0)], [Call(1), wait(1.0)], [wait(3.0)]])]
    case = stack([busy, [wait(0.5)]], services=[FREE, no])
    assert ends(case, 1) == [("completed", 0.5), ("rejected", 0.0)]
    assert ends(case) == [("failed", 9.5)]


def test_retries_are_made_at_once_and_then_the_caller_fails():
    slow = replace(FREE, timeout=1.0)
    case = stack([[Call(1, retries=2)], [wait(1.5)]], services=[FREE, slow])
    assert ends(case) == [("failed", 3.0)]
    assert ends(case, 1) == [("timed-out", time) for time in (1.5, 2.5, 3.5)]


def test_deadlines_pass_down_and_nobody_calls_after_his_own():
    mine = replace(FREE, timeout=1.0)
    case = stack([[Call(1, retries=5)], [wait(0.5), Call(2), wait(9.0)], [wait(3.0)]], services=[mine, FREE, FREE])
    assert ends(case) == ends(case, 1) == [("timed-out", 1.0)]
    assert ends(case, 2) == [("timed-out", 3.5)]  # it goes on for nobody
    late = stack([[wait(2.0), Call(1)], [cpu(1.0)]], services=[mine, FREE])
    assert (ends(late), ends(late, 1)) == ([("timed-out", 1.0)], [])


def test_a_call_that_ends_at_its_deadline_has_not_failed():
    assert ends(stack([[Call(1)], [wait(1.0)]], services=[FREE, replace(FREE, timeout=1.0)])) == [("failed", 1.0)]
    assert ends(stack([[Call(1)], [cpu(1.0)]], services=[FREE, replace(FREE, timeout=1.0)])) == [("completed", 1.0)]


def test_the_death_of_a_guest_is_told_and_its_calls_go_on_for_nobody():
    guests = [Guest(0, 1.0, math.inf), Guest(1, 1.0, math.inf, dies=1.0), Guest(2, 1.0, math.inf)]
    case = stack([[Call(1)], [Call(2)], [wait(3.0)]], guests=guests)
    assert ends(case) == ends(case, 1) == [("failed", 1.0)]
    assert ends(case, 2) == [("timed-out", 3.0)]
    again = stack([[Call(1, retries=1)], [wait(3.0)]], falls=[Fall(1, 1.0, 2.0)])
    assert (ends(again), ends(again, 1)) == ([("completed", 5.0)], [("failed", 1.0), ("completed", 5.0)])


def test_numbers_are_counted_in_the_order_of_the_page():
    law = Law("exponential", 1.0)
    mixed = Program([(1.0, [wait(0.0)]), (1.0, [Parallel([[Wait(law)], [Wait(law)]])])], 7)
    base = next(base for base in range(99) if Numbers(mix(base, 0)).u() >= 0.5)
    case = replace(stack([[]]), programs=[replace(mixed, base=base)])
    key = mix(base, 0)
    times = [-math.log(1 - Numbers(mix(key, i)).u()) for i in (2, 3)]  # the kind took the first number
    assert ends(case) == [("completed", pytest.approx(max(times)))]


def test_random_cases_reach_every_end_and_few_depend_on_an_order_that_is_not_laid_down():
    seen, undecided = Counter[str](), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        features = frozenset(name for name in FEATURES if rng.random() < 0.5)
        services = int(rng.integers(1, 5))
        shape = Shape(services, services + 2, int(rng.integers(1, 30)), 3, 0.7, int(rng.integers(1, 4)), features)
        for make in (random_stack, grid_stack):
            case = make(shape, seed)
            seen.update(outcome.status for own in case.expected().outcomes for outcome in own)
            undecided += make is grid_stack and repr(case.expected().outcomes) != repr(case.expected(1).outcomes)
    assert undecided <= 6
    assert all(seen[status] > 20 for status in ("completed", "rejected", "timed-out", "failed", "in-flight"))


def limited(case: Stack, *limits: Limit | None, threads: int | None = None, **more: object) -> LimitedStack:
    return LimitedStack(case, list(limits), [threads] * len(case.services), **more)


def finishes(case: LimitedStack) -> list[float]:
    return [outcome.finish for outcome in case.expected().outcomes[0]]


def test_a_budget_is_used_by_jobs_and_not_by_waiting():
    half = Limit(0.5, 1.0, 0.0)  # 0.5 core-s a second, from 0, 1, 2 … on
    many = stack([[Parallel([[cpu(0.2)], [cpu(0.2)]]), wait(0.25), cpu(0.4)]])
    # both branches until 0.2 (0.4 core-s), wait until 0.45, 0.1 until 0.55, still until 1, 0.3 more
    assert finishes(limited(many, half)) == [pytest.approx(1.3)]
    assert finishes(limited(many, replace(half, burst=0.4))) == [pytest.approx(1.3)]  # the first budget is no larger
    later = stack([[wait(2.0), cpu(0.9)]])
    assert finishes(limited(later, half)) == [pytest.approx(3.4)]
    assert finishes(limited(later, replace(half, burst=0.4))) == [pytest.approx(2.9)]  # what two periods left


def test_other_sizes_pools_and_threads():
    case = stack([[cpu(1.0)]], 0.0, 0.0)
    assert finishes(limited(case, None, threads=1)) == [2.0, 2.0]
    grown = Change(0.5, 0, "resize", 1.0, 2.0, Limit(2.0, 1.0, 0.0))
    # half a core-s by 0.25, still until it is given two cores at 0.5: 1.5 core-s more in two threads
    assert finishes(limited(case, Limit(0.5, 1.0, 0.0), changes=[grown])) == [1.25, 1.25]
    pool, more = Pool(0.5, 1.0), Resize(1.0, 0, 1.5)
    assert finishes(limited(case, None, pools=[pool], pool_of=[0], resizes=[more])) == [2.0, 2.0]
    surplus = Limit(1.0, 10.0, 0.0, oversubscription=0.25)  # 0.25 x (3 - 1) / 1 on top of each job
    assert finishes(limited(stack([[cpu(1.0), cpu(0.0)]]), surplus, threads=3)) == [1.5]
