"""Limits by period and threads: the kernel against the oracle, every request, every start and every count."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from adapter import TOLERANCE, assert_agreement
from oracle.quota_cases import limited_cases, limited_grids
from oracle.quotas import Limited
from quota_adapter import LimitedKernelRun

EXAMPLES = 40 if os.environ.get("NUMBA_DISABLE_JIT") else 200


def assert_all_agrees(case: Limited) -> None:
    run, (outcomes, boots, stills) = LimitedKernelRun(case), case.expected()
    assert_agreement(run, (outcomes, boots))
    for ours, theirs in zip(run.stillness(), stills, strict=True):
        assert (ours.periods, ours.still) == (theirs.periods, theirs.still)
        assert ours.time == pytest.approx(theirs.time, abs=TOLERANCE, rel=0)
        assert ours.lacked == pytest.approx(theirs.lacked, abs=1e-8, rel=1e-8)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=limited_cases())
def test_kernel_agrees_with_the_oracle_on_limits_by_period(case: Limited) -> None:
    assert_all_agrees(case)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=limited_grids())
def test_ends_of_budgets_meet_ends_of_jobs_and_of_periods(case: Limited) -> None:
    assert_all_agrees(case)
