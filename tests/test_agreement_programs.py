"""Requests that are programs: the kernel against the oracle, every request of every service, and where time went."""

from __future__ import annotations

import math
import os

import pytest
from hypothesis import HealthCheck, given, reject, settings

from adapter import TOLERANCE, assert_same_time
from oracle.program_cases import grids, stacks
from oracle.program_limit_cases import limited_stacks
from oracle.program_limits import LimitedStack
from oracle.program_steps import Result
from oracle.programs import Stack
from program_adapter import LimitedStackKernelRun, StackKernelRun

INTERPRETED = bool(os.environ.get("NUMBA_DISABLE_JIT"))
EXAMPLES = 60 if INTERPRETED else 1500
every_case = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def assert_agrees(ours: Result, theirs: Result) -> None:
    """Requests, boots and calls, one by one."""
    for service, (mine, wanted) in enumerate(zip(ours.outcomes, theirs.outcomes, strict=True)):
        for number, (our, their) in enumerate(zip(mine, wanted, strict=False)):
            what = f"request {number} of service {service}"
            assert (our.status, our.guest) == (their.status, their.guest), what
            assert_same_time(our.start, their.start, f"start of {what}")
            assert_same_time(our.finish, their.finish, f"finish of {what}")
        assert len(mine) == len(wanted), f"requests of service {service}"
    for number, (our_end, their_end) in enumerate(zip(ours.boots, theirs.boots, strict=True)):
        assert_same_time(our_end, their_end, f"boot of guest {number}")
    for number, (our_end, their_end) in enumerate(zip(ours.transfers, theirs.transfers, strict=True)):
        assert_same_time(our_end, their_end, f"transfer {number}")
    assert ours.calls == theirs.calls
    assert ours.completed == theirs.completed


def assert_same_parts(ours: Result, theirs: Result) -> None:
    for mine, wanted in zip(ours.parts, theirs.parts, strict=True):
        if mine:
            assert mine == pytest.approx(wanted, abs=1e3 * TOLERANCE, rel=TOLERANCE)


def assert_conserved(case: Stack, run: StackKernelRun, ours: Result) -> None:
    """No request is lost (`result` looks), none counted twice, none served before its guest was ready."""
    for service, outcomes in enumerate(ours.outcomes):
        outside = sum(row.service == service and row.time <= case.end for row in case.arrivals)
        assert len(outcomes) == outside + ours.calls[service]
        assert run.plane.in_flight(service) == 0  # all have been written down
        completed = sum(outcome.status == "completed" for outcome in outcomes)
        if case.programs[service] is not None:
            assert ours.completed[service] == completed
            total = math.fsum(o.finish - o.start for o in outcomes if o.status == "completed")
            spent = math.fsum(time for part, time in ours.parts[service].items() if part != "waiting")
            assert spent == pytest.approx(total, abs=1e3 * TOLERANCE, rel=TOLERANCE)
        for outcome in outcomes:
            if not math.isnan(outcome.start):
                spans = run.ready[outcome.guest]
                assert any(since <= outcome.start <= until for since, until in spans), "served by no ready guest"


def agree(case: Stack | LimitedStack, *, parts: bool) -> None:
    """Whether they do; not where the outcome depends on an order that the model does not lay down."""
    limited = isinstance(case, LimitedStack)
    run = LimitedStackKernelRun(case) if limited else StackKernelRun(case)
    theirs, ours = case.expected(), run.result()
    assert_conserved(case.stack if limited else case, run, ours)
    try:
        assert_agrees(ours, theirs)
        if parts:
            assert_same_parts(ours, theirs)
    except AssertionError:
        if depends_on_order(case, theirs):
            reject()
        raise


def depends_on_order(case: Stack | LimitedStack, theirs: Result) -> bool:
    """Whether it matters which of the steps that end at one instant goes on first."""
    try:
        for order in range(1, 9):
            assert_agrees(case.expected(order), theirs)
    except AssertionError:
        return True
    return False


@every_case
@given(case=stacks())
def test_kernel_agrees_with_the_oracle_on_programs(case: Stack) -> None:
    agree(case, parts=True)


@every_case
@given(case=grids())
def test_what_meets_at_one_instant_goes_on_in_the_order_of_the_model(case: Stack) -> None:
    agree(case, parts=False)  # of branches that end at one instant, either may be the last


@settings(max_examples=30 if INTERPRETED else 300, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=limited_stacks())
def test_kernel_agrees_with_the_oracle_on_programs_under_limits_and_in_pools(case: LimitedStack) -> None:
    agree(case, parts=True)
