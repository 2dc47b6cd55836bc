"""The oracle against cases worked out by hand, and against what must always hold.

Times in s, work in core-s. Most numbers are chosen so that results are exact in binary; all are compared to
1e-12.
"""

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .cases import Case, cases
from .oracle import Arrival, Guest, Outcome, Service, max_min_rates, simulate

INF, NAN = math.inf, math.nan
MOMENTS = ("opens", "closes", "dies", "boot_work", "boot_at")


def service(
    concurrency: int = 1,
    queue: int | None = None,
    backlog: int | None = None,
    timeout: float | None = None,
    routing: str = "round-robin",
    overhead: float = 1.0,
) -> Service:
    return Service(concurrency, queue, backlog, timeout, routing, overhead)


def guest(of: int = 0, weight: float = 1.0, cap: float = INF, **more: float | None) -> Guest:
    return Guest(of, weight, cap, **more)


def at(time: float, demand: float, to: int = 0, u1: float = 0.0, u2: float = 0.0) -> Arrival:
    return Arrival(time, to, demand, u1, u2)


def run(
    cores: float, services: list[Service], guests: list[Guest], arrivals: list[Arrival], end: float = 100.0
) -> list[Outcome]:
    return simulate(cores, services, guests, arrivals, end)[0]


def same(outcomes: list[Outcome], *rows: tuple[int, float, float, str]) -> None:
    assert [(o.guest, o.status) for o in outcomes] == [(row[0], row[3]) for row in rows]
    assert [o.start for o in outcomes] == pytest.approx([row[1] for row in rows], abs=1e-12, nan_ok=True)
    assert [o.finish for o in outcomes] == pytest.approx([row[2] for row in rows], abs=1e-12, nan_ok=True)


def chosen(services: list[Service], guests: list[Guest], arrivals: list[Arrival]) -> list[int]:
    return [o.guest for o in run(8, services, guests, arrivals)]


# --- sharing the CPU -----------------------------------------------------------------------------------


def test_weights_one_to_three():
    # one core: 1/4 and 3/4; the second is done after 4/3, the first has 2/3 left and the core to itself
    outcomes = run(1, [service(), service()], [guest(0, weight=1), guest(1, weight=3)], [at(1, 1), at(1, 1, to=1)])
    same(outcomes, (0, 1, 3, "completed"), (1, 1, 1 + 4 / 3, "completed"))


def test_a_cap_leaves_its_share_to_the_other():
    # one core: weights would give 1/4 and 3/4, the cap holds the second at 1/2, the first gets the other half
    outcomes = run(1, [service(), service()], [guest(0), guest(1, weight=3, cap=0.5)], [at(1, 1), at(1, 0.5, to=1)])
    same(outcomes, (0, 1, 2.5, "completed"), (1, 1, 2, "completed"))


def test_a_job_uses_at_most_one_core():
    for cap in (INF, 3):
        same(run(4, [service()], [guest(cap=cap)], [at(1, 2)]), (0, 1, 3, "completed"))


def test_demand_of_a_guest_grows_with_its_jobs():
    # 3 cores, equal weights: guest 0 with one job wants 1, guest 1 with three wants 3 and gets 2 (2/3 each)
    # at 2.5 its jobs are done; guest 0 has had its core all the time
    services, guests = [service(), service(concurrency=3)], [guest(0), guest(1)]
    outcomes = run(3, services, guests, [at(1, 2), *[at(1, 1, to=1)] * 3])
    same(outcomes, (0, 1, 3, "completed"), *[(1, 1, 2.5, "completed")] * 3)


def test_processor_sharing_inside_a_guest():
    # alone until 1.5; then half a core each until 2.5, when the first is done and the second has 0.5 left
    outcomes = run(4, [service(concurrency=2)], [guest(cap=1)], [at(1, 1), at(1.5, 1)])
    same(outcomes, (0, 1, 2.5, "completed"), (0, 1.5, 3, "completed"))


def test_overhead_multiplies_the_work():
    same(run(1, [service(overhead=1.25)], [guest()], [at(1, 1)]), (0, 1, 2.25, "completed"))


@given(
    st.floats(0.5, 8),
    st.lists(st.tuples(st.floats(0.05, 4), st.floats(0.05, 20)), min_size=1, max_size=8),
)
def test_water_level_against_bisection(cores: float, guests: list[tuple[float, float]]):
    demands, weights = [d for d, _ in guests], [w for _, w in guests]
    low, high = 0.0, max(d / w for d, w in guests)
    for _ in range(200):
        level = (low + high) / 2
        if math.fsum(min(d, level * w) for d, w in guests) < min(cores, math.fsum(demands)):
            low = level
        else:
            high = level
    expected = [min(d, high * w) for d, w in guests]
    assert max_min_rates(cores, demands, weights) == pytest.approx(expected, rel=1e-12)


# --- the line of a replica -----------------------------------------------------------------------------


def test_first_come_first_served():
    outcomes = run(1, [service()], [guest()], [at(1, 1), at(1.25, 2), at(1.5, 0.5)])
    same(outcomes, (0, 1, 2, "completed"), (0, 2, 4, "completed"), (0, 4, 4.5, "completed"))


def test_concurrency_two_serves_two_and_queues_the_third():
    # half each until 3, when the first two are done together
    outcomes = run(1, [service(concurrency=2)], [guest()], [at(1, 1), at(1, 1), at(1, 1)])
    same(outcomes, (0, 1, 3, "completed"), (0, 1, 3, "completed"), (0, 3, 4, "completed"))


def test_a_full_queue_rejects():
    outcomes = run(1, [service(queue=1)], [guest()], [at(1, 1), at(1.25, 1), at(1.5, 1), at(2.25, 1)])
    served = [(0, 1, 2, "completed"), (0, 2, 3, "completed"), (0, 3, 4, "completed")]
    same(outcomes, *served[:2], (-1, NAN, 1.5, "rejected"), served[2])


def test_no_queue_rejects_whatever_cannot_start():
    outcomes = run(1, [service(queue=0)], [guest()], [at(1, 1), at(1.5, 1)])
    same(outcomes, (0, 1, 2, "completed"), (-1, NAN, 1.5, "rejected"))


def test_a_full_line_is_not_tried_again_elsewhere():
    services, guests = [service(queue=0, routing="random")], [guest(), guest()]
    outcomes = run(2, services, guests, [at(1, 1, u1=0.6), at(1.5, 1, u1=0.6)])
    same(outcomes, (1, 1, 2, "completed"), (-1, NAN, 1.5, "rejected"))


def test_timeouts():
    # the 1st is served past its deadline 2.5; the 2nd has left (2.75) when its turn comes at 3; the 3rd is in
    # time; the 4th finds the 2nd still in line, which is full
    arrivals = [at(1, 2), at(1.25, 1), at(2, 0.25), at(2.875, 1)]
    outcomes = run(1, [service(timeout=1.5, queue=2)], [guest()], arrivals)
    late, left = (0, 1, 3, "timed-out"), (0, NAN, 2.75, "timed-out")
    same(outcomes, late, left, (0, 3, 3.25, "completed"), (-1, NAN, 2.875, "rejected"))


def test_finished_exactly_at_the_deadline_is_in_time_but_started_then_is_not():
    outcomes = run(1, [service(timeout=1)], [guest()], [at(1, 1), at(1, 1)])
    same(outcomes, (0, 1, 2, "completed"), (0, NAN, 2, "timed-out"))


def test_completion_comes_before_an_arrival_of_the_same_time():
    outcomes = run(1, [service(queue=0)], [guest()], [at(1, 1), at(2, 1)])
    same(outcomes, (0, 1, 2, "completed"), (0, 2, 3, "completed"))


# --- routing -------------------------------------------------------------------------------------------


def test_round_robin_counts_over_the_replicas_that_are_ready():
    # ready: 0 and 2 (1 is of another service) until 4.5, then also 3; request k goes to position k mod 3
    guests = [guest(), guest(1), guest(), guest(opens=4.5)]
    arrivals = [at(time, 0.125) for time in (1, 2, 3, 4, 5, 6)]
    assert chosen([service(), service()], guests, arrivals) == [0, 2, 0, 2, 2, 3]


def test_round_robin_counts_a_request_that_the_line_rejected():
    arrivals = [at(1, 10), at(2, 0.5), at(3, 1), at(4, 1)]  # the third meets guest 0 busy
    assert chosen([service(queue=0)], [guest(), guest()], arrivals) == [0, 1, -1, 1]


def test_random_takes_the_floor():
    arrivals = [at(1 + i, 0.125, u1=u) for i, u in enumerate((0.0, 0.33, 0.34, 0.66, 0.67, 0.999))]
    assert chosen([service(routing="random")], [guest()] * 3, arrivals) == [0, 0, 1, 1, 2, 2]


def test_least_outstanding_counts_waiting_too_and_ties_go_to_the_lowest():
    arrivals = [at(1 + i / 8, 10) for i in range(5)]
    assert chosen([service(routing="least-outstanding")], [guest()] * 2, arrivals) == [0, 1, 0, 1, 0]


def test_least_outstanding_counts_those_who_left():
    # guest 0 serves one until 6 with another in line that has left at 3; guest 1 serves one and has one in
    # line; the tie goes to 0, the next one to 1
    arrivals = [at(1, 5), at(1, 5), at(1, 1), at(1, 8), at(3.5, 1), at(3.75, 1)]
    kind = service(routing="least-outstanding", timeout=2)
    assert chosen([kind], [guest()] * 2, arrivals) == [0, 1, 0, 1, 0, 1]


def test_power_of_two():
    kind = service(routing="power-of-two")
    # n = 3: a = 0, b = floor(0.9 * 2) = 1, not below a: 2. Both idle: 0. Then the same pair: 2 has fewer
    pair = {"u1": 0.1, "u2": 0.9}
    assert chosen([kind], [guest()] * 3, [at(1, 9, **pair), at(2, 9, **pair), at(3, 9, **pair)]) == [0, 2, 0]
    # a = 2, b = floor(0.4 * 2) = 0, below a: 0. Guest 1 is never looked at; tie to the lower number
    pair = {"u1": 0.7, "u2": 0.4}
    assert chosen([kind], [guest()] * 3, [at(1, 9, **pair), at(2, 9, **pair), at(3, 9, **pair)]) == [0, 2, 0]
    # a = 1, b = floor(0.5 * 2) = 1, not below a: 2
    pair = {"u1": 0.4, "u2": 0.5}
    assert chosen([kind], [guest()] * 3, [at(1, 9, **pair), at(2, 9, **pair)]) == [1, 2]
    assert chosen([kind], [guest()], [at(1, 9, u1=0.9, u2=0.9)]) == [0]


def test_unknown_routing_is_an_error():
    with pytest.raises(ValueError, match="sticky"):
        run(1, [service(routing="sticky")], [guest()], [at(1, 1)])


# --- guests come and go --------------------------------------------------------------------------------


def test_backlog_waits_for_the_opening_in_order_and_is_bounded():
    arrivals = [at(1, 1), at(1.5, 1), at(1.75, 1), at(2.5, 1)]
    outcomes = run(1, [service(backlog=2)], [guest(opens=2)], arrivals)
    rejected = (-1, NAN, 1.75, "rejected")
    same(outcomes, (0, 2, 3, "completed"), (0, 3, 4, "completed"), rejected, (0, 4, 5, "completed"))


def test_backlog_meets_the_queue_bound_at_the_opening():
    # one into service, one into line, the third is past the line; the fourth had left at 2.875
    arrivals = [at(1.5, 1), at(1.625, 1), at(1.75, 1), at(1, 1)]
    outcomes = run(1, [service(queue=1, timeout=1.875)], [guest(opens=3)], arrivals)
    third, fourth = (-1, NAN, 3, "rejected"), (-1, NAN, 2.875, "timed-out")
    same(outcomes, (0, 3, 4, "timed-out"), (0, NAN, 3.5, "timed-out"), third, fourth)


def test_backlog_goes_to_the_guest_that_opened_first():
    # the next one opens later and gets none of them
    outcomes = run(2, [service()], [guest(opens=3), guest(opens=2)], [at(1, 1), at(1, 1)])
    same(outcomes, (1, 2, 3, "completed"), (1, 3, 4, "completed"))


def test_drained_guest_serves_what_it_holds_and_gets_no_more():
    # guest 0 has one in service and one in line at 2; later ones wait for guest 1
    guests, arrivals = [guest(closes=2), guest(opens=5)], [at(1, 2), at(1.5, 1), at(2.5, 1)]
    outcomes = run(2, [service()], guests, arrivals)
    same(outcomes, (0, 1, 3, "completed"), (0, 3, 4, "completed"), (1, 5, 6, "completed"))


def test_death_fails_what_the_guest_held_and_frees_its_share():
    # both guests at half a core from 1 to 2; then the other has 0.5 left and the core to itself
    services, guests = [service(), service()], [guest(0, dies=2), guest(1)]
    outcomes = run(1, services, guests, [at(1, 1), at(1.5, 1), at(1, 1, to=1), at(3, 1)])
    held = (0, 1, 2, "failed"), (0, NAN, 2, "failed")
    same(outcomes, *held, (1, 1, 2.5, "completed"), (-1, NAN, NAN, "in-flight"))


def test_draining_guest_can_still_die():
    same(run(1, [service()], [guest(closes=1.5, dies=2)], [at(1, 5)]), (0, 1, 2, "failed"))


def test_guest_that_is_closed_or_dead_before_it_is_ready_never_opens():
    for guests in (
        [guest(opens=2, closes=1)],
        [guest(opens=2, dies=1)],
        [guest(boot_at=2, boot_work=1, dies=1)],
    ):
        outcomes, boots = simulate(1, [service()], guests, [at(1.5, 1)], 100)
        same(outcomes, (-1, NAN, NAN, "in-flight"))
        assert math.isnan(boots[0])


def test_an_arrival_at_the_time_of_a_death_comes_first():
    same(run(1, [service()], [guest(dies=2)], [at(2, 1)]), (0, 2, 2, "failed"))


def test_boot_contends_with_requests_and_opens_the_guest():
    # the request is alone until 1.5 (0.5 left), then shares with the boot, done at 2; what waited for the new
    # guest starts and shares with the request (0.25 left) until 2.5
    guests = [guest(0), guest(1, boot_at=1.5, boot_work=0.25)]
    arrivals = [at(1, 1), at(1.75, 0.5, to=1)]
    outcomes, boots = simulate(1, [service(), service()], guests, arrivals, 100)
    same(outcomes, (0, 1, 2.5, "completed"), (1, 2, 2.75, "completed"))
    assert boots == pytest.approx([NAN, 2], nan_ok=True)


def test_boot_is_one_thread_with_the_cap_and_weight_of_its_guest():
    # 4 cores: one thread, 1 core; the second is capped at 0.5
    guests = [guest(boot_at=1, boot_work=2), guest(boot_at=1, boot_work=2, cap=0.5)]
    assert simulate(4, [service()], guests, [], 100)[1] == [3, 5]
    # one core, weights 1:3: the second boot is done at 1 + 4/3, the first then has the core
    guests = [guest(boot_at=1, boot_work=1), guest(boot_at=1, boot_work=1, weight=3)]
    assert simulate(1, [service()], guests, [], 100)[1] == pytest.approx([3, 1 + 4 / 3], abs=1e-12)


def test_death_during_the_boot_ends_it():
    guests = [guest(0), guest(1, boot_at=1, boot_work=3, dies=2)]
    outcomes, boots = simulate(1, [service(), service()], guests, [at(1, 1), at(1.5, 1, to=1)], 9)
    same(outcomes, (0, 1, 2.5, "completed"), (-1, NAN, NAN, "in-flight"))
    assert boots == pytest.approx([NAN, NAN], nan_ok=True)


def test_one_request_too_many_for_the_memory_kills_the_guest():
    services, guests = [service(concurrency=3)], [guest(max_in_service=2)]
    outcomes = run(4, services, guests, [at(1, 4), at(2, 4), at(3, 4), at(4, 1)])
    held = [(0, 1, 3, "failed"), (0, 2, 3, "failed"), (0, 3, 3, "failed")]
    same(outcomes, *held, (-1, NAN, NAN, "in-flight"))


def test_memory_enough_for_all_that_can_be_in_service_kills_nobody():
    outcomes = run(4, [service(concurrency=2)], [guest(max_in_service=2)], [at(1, 1), at(1, 1), at(1, 1)])
    assert [o.finish for o in outcomes] == [2, 2, 3]


def test_backlog_that_kills_the_guest_as_it_opens_leaves_the_rest_waiting():
    services, guests = [service(concurrency=3)], [guest(opens=2, max_in_service=1), guest(opens=5)]
    outcomes = run(4, services, guests, [at(1, 1), at(1, 1), at(1, 1)])
    same(outcomes, (0, 2, 2, "failed"), (0, 2, 2, "failed"), (1, 5, 6, "completed"))


def test_at_the_end_those_who_left_are_timed_out_and_the_others_in_flight():
    # deadlines 3, 3.5 and 5; the end is 4. The fifth would arrive after it
    arrivals = [at(1, 9), at(1.5, 1), at(3, 1), at(1.5, 1, to=1), at(4.5, 1)]
    outcomes = run(1, [service(timeout=2), service(timeout=2)], [guest()], arrivals, end=4)
    in_service, in_line = (0, 1, 3, "timed-out"), (0, NAN, 3.5, "timed-out")
    backlog, later = (-1, NAN, 3.5, "timed-out"), (-1, NAN, NAN, "not-arrived")
    same(outcomes, in_service, in_line, (0, NAN, NAN, "in-flight"), backlog, later)


# --- what must always hold -----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_outcome_is_consistent(case: Case):
    outcomes, boots = case.expected()
    for arrival, outcome in zip(case.arrivals, outcomes, strict=True):
        work = arrival.demand * case.services[arrival.service].overhead
        assert outcome.guest == -1 or case.guests[outcome.guest].service == arrival.service
        assert not outcome.start < arrival.time
        assert not outcome.finish < arrival.time
        assert not outcome.finish > case.end
        if outcome.status == "completed":
            assert outcome.finish - outcome.start >= work * (1 - 1e-12) - 1e-12 * case.end
    for guest, done in zip(case.guests, boots, strict=True):
        assert not done < guest.boot_at + (guest.boot_work or 0.0) / min(1.0, guest.cap) * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_service_starts_in_the_order_of_arrival_and_within_the_concurrency(case: Case):
    outcomes, _ = case.expected()
    for number, guest in enumerate(case.guests):
        starts = [o.start for o in outcomes if o.guest == number and not math.isnan(o.start)]
        assert starts == sorted(starts)
        if guest.max_in_service is not None or case.shape.timeouts:
            continue  # the request that kills is one more; one in service at the end may have a past finish
        changes = Counter[tuple[float, int]]()
        for o in outcomes:
            if o.guest == number and not math.isnan(o.start):
                changes[o.start, 1] += 1
                changes[INF if math.isnan(o.finish) else o.finish, 0] -= 1
        level = 0
        for moment in sorted(changes):
            level += changes[moment]
            assert level <= case.services[guest.service].concurrency


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_unit_of_time_and_of_weight_do_not_matter(case: Case):
    """Times and work doubled, weights quadrupled: exactly the same run, by powers of two."""

    def twice(value: float | None) -> float | None:
        return None if value is None else 2 * value

    services = [replace(s, timeout=twice(s.timeout)) for s in case.services]
    arrivals = [replace(a, time=2 * a.time, demand=2 * a.demand) for a in case.arrivals]
    guests = [replace(g, weight=4 * g.weight, **{k: twice(getattr(g, k)) for k in MOMENTS}) for g in case.guests]
    outcomes, boots = case.expected()
    doubled, boots_doubled = simulate(case.cores, services, guests, arrivals, 2 * case.end)
    same(doubled, *[(o.guest, 2 * o.start, 2 * o.finish, o.status) for o in outcomes])
    assert boots_doubled == pytest.approx([2 * b for b in boots], nan_ok=True, rel=0, abs=0)
