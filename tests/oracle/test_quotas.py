"""The oracle of limits by period against timelines worked out by hand, and what its random cases reach.

Periods of a second that end on the second, unless said otherwise; a limit of half a core, so a budget of 0.5 core-s.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from .cases import Case, Shape
from .oracle import Arrival, Guest, Service
from .quota_cases import FEATURES, Features, limited_case, limited_grid
from .quotas import INSTANT, Change, Limit, Limited, LimitedRun, Still, total

HALF = Limit(0.5, 1.0, 0.0)
SHAPE = Shape(1, 1, 1, 1.0, 8.0, "random", 4)


def limited(demands: list[float], limit: Limit = HALF, **more: object) -> Limited:
    """One guest on eight cores, and requests that arrive at 1."""
    guest = more.pop("guest", Guest(0, 1.0, math.inf))
    threads, starts = more.pop("threads", None), more.pop("starts", 1)
    arrivals = [Arrival(1.0, 0, demand, 0.0, 0.0) for demand in demands]
    case = Case(SHAPE, 0, 8.0, [Service(4, None, None, None, "random")], [guest], arrivals, 9.5)
    return Limited(case, [limit], [threads], [starts], [starts], more.pop("changes", []), [], [-1], [])


def finishes(case: Limited) -> list[float]:
    return [outcome.finish for outcome in case.expected()[0]]


def test_it_runs_stands_still_and_goes_on():
    case = limited([1.0])  # 0.5 from 1 to 1.5, still until 2, the rest
    assert finishes(case) == [2.5]
    assert case.expected()[2] == [Still(3, 1, 0.5)]  # ends at 2 (still), 3 (it was used) and 4 (idle: no more)


@pytest.mark.parametrize(("threads", "finish"), [(None, 2.25), (4, 2.25), (2, 2.5), (1, 2.0 + 1.0)])
def test_more_threads_use_the_budget_up_sooner(threads: int | None, finish: float):
    # four requests of half a core-s, one core-s a period: the budget lasts for 1 / threads
    case = limited([0.5] * 4, Limit(1.0, 1.0, 0.0), threads=threads)
    assert finishes(case) == [finish] * 4
    still = 0.0 if threads == 1 else 1.0 - 1.0 / (threads or 4)
    assert case.expected()[2][0].time == still


def test_a_burst_is_what_was_not_used():
    assert finishes(limited([1.0], replace(HALF, burst=0.25))) == [2.25]
    assert finishes(limited([1.0], replace(HALF, burst=0.5))) == [2.0]
    # five budgets of 0.125 by then, and four more while it runs to 2; then an eighth in each quarter of a second
    assert finishes(limited([2.0], replace(HALF, burst=9.0, period=0.25))) == [2.0 + 7 * 0.25 + 0.125]


def test_the_phase_decides_when_it_goes_on():
    assert finishes(limited([1.0], replace(HALF, phase=0.25))) == [2.5]  # 0.25 and 0.5 until 1.75, the rest from 2.25
    assert finishes(limited([1.0], replace(HALF, phase=0.75))) == [2.25]


def test_a_resize_fills_the_budget_and_a_fall_makes_a_new_one():
    grown = Change(1.75, 0, "resize", limit=replace(HALF, cores=1.0))
    assert finishes(limited([1.0], changes=[grown])) == [2.25]
    free = Change(1.75, 0, "resize", cap=math.inf)
    assert finishes(limited([1.0], changes=[free])) == [2.25]
    fall, again = Change(1.75, 0, "fall"), Change(1.8, 0, "start_again", work=0.5)
    _, boots, stills = limited([1.0], changes=[fall, again]).expected()
    assert boots == pytest.approx([2.3])  # 0.2 of a whole budget, then 0.3 of the next
    assert stills[0].time == pytest.approx(0.25)


def test_a_start_in_threads_ends_with_all_of_them():
    guest = Guest(0, 1.0, math.inf, boot_work=2.0, boot_at=1.0)
    assert limited([], Limit(2.0, 1.0, 0.0), guest=guest, starts=4).expected()[1] == [1.5]  # just the budget
    assert limited([], Limit(1.0, 1.0, 0.0), guest=guest, starts=4).expected()[1] == [2.25]
    assert limited([], Limit(4.0, 1.0, 0.0), guest=guest, starts=4, threads=1).expected()[1] == [1.5]


def test_a_limit_that_cannot_be_reached_is_a_cap_without_periods():
    case = limited([2.0, 2.0], Limit(2.0, 1.0, 0.0), threads=2)
    assert finishes(case) == [3.0, 3.0]
    assert case.expected()[2] == [Still(0, 0, 0.0)]


def test_a_nanosecond_decides_nothing_and_two_do():
    assert finishes(limited([0.5 + 0.5e-9]))[0] == pytest.approx(1.5, abs=1e-8)
    assert finishes(limited([0.5 + 2e-9]))[0] == pytest.approx(2.0, abs=1e-8)


def test_no_guest_is_given_more_in_a_period_than_its_budget_and_burst():
    """Nor more than its limit in the long run; and some are given all of it, so that the bound means something."""
    most = 0.0
    for seed in range(40):
        run = LimitedRun(limited_case(Shape(2, 4, 60, 2.0, 4.0, "random", 4), Features(burst=seed % 2 > 0), seed))
        run.run()
        for number, limit in enumerate(run.limited.limits):
            bucket, given = run.buckets[number], [work for _, work in run.given[number]]
            if limit is None or bucket is None or not given:
                continue
            quota = limit.cores * limit.period
            assert max(given) <= quota + limit.burst + INSTANT
            assert sum(given) <= quota * len(given) + limit.burst + quota + INSTANT * len(given)
            most = max(most, max(given) / (quota + limit.burst))
    assert most == pytest.approx(1.0, abs=1e-9)


def test_random_cases_reach_what_they_are_there_to_compare():
    everything, seen = Features(**dict.fromkeys(FEATURES, True)), Still(0, 0, 0.0)
    for seed in range(30):
        case = limited_case(Shape(2, 5, 60, 1.2, 4.0, "random", 4, boots=True), everything, seed)
        seen = total([seen, *case.expected()[2]])
    assert seen.still > 200
    assert seen.periods > 1.5 * seen.still
    assert seen.lacked > 0.1 * seen.time  # many are slowed down by others, too


def test_on_the_grid_everything_is_exact_and_budgets_end_with_jobs():
    """Ends of budgets, of jobs and of periods are multiples of 1/8 s, and many a job ends with a period."""
    with_a_period = 0
    for seed in range(60):
        case = limited_grid(seed)
        ends = [outcome.finish for outcome in case.expected()[0] if outcome.status == "completed"]
        assert all(end * 8 == math.floor(end * 8) for end in ends)
        with_a_period += sum(float(end) == np.floor(end) for end in ends)
    assert with_a_period > 100
