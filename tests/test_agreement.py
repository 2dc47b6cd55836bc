"""The compiled kernel against the independent oracle: every request of random small cases, to 1e-9 s."""

from __future__ import annotations

import math
import os

import pytest
from hypothesis import HealthCheck, given, settings

from adapter import KernelRun
from oracle.cases import Case, cases

TOLERANCE = 1e-9  # seconds, absolute: the cases last some tens of seconds
EXAMPLES = 60 if os.environ.get("NUMBA_DISABLE_JIT") else 400


def assert_same_time(ours: float, theirs: float, what: str) -> None:
    if math.isnan(theirs):
        assert math.isnan(ours), what
    else:
        assert ours == pytest.approx(theirs, abs=TOLERANCE, rel=0), what


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_kernel_agrees_with_the_oracle(case: Case) -> None:
    expected, boots = case.expected()
    outcomes, our_boots = KernelRun(case).run()
    for i, (ours, theirs) in enumerate(zip(outcomes, expected, strict=True)):
        assert (ours.status, ours.guest) == (theirs.status, theirs.guest), f"request {i}"
        assert_same_time(ours.start, theirs.start, f"start of request {i}")
        assert_same_time(ours.finish, theirs.finish, f"finish of request {i}")
    for i, (ours, theirs) in enumerate(zip(our_boots, boots, strict=True)):
        assert_same_time(ours, theirs, f"boot of guest {i}")
