"""The compiled kernel against the independent oracle: every request of random small cases, to 1e-9 s."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

from adapter import KernelRun, assert_agreement
from oracle.cases import Case, cases

EXAMPLES = 60 if os.environ.get("NUMBA_DISABLE_JIT") else 400


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_kernel_agrees_with_the_oracle(case: Case) -> None:
    assert_agreement(KernelRun(case), case.expected())
